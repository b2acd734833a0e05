package mailconn

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"postern/desk"
)

// Preset is what is known of a mail provider. Its facts are claims: what matters is tried before it is relied on.
type Preset struct {
	Name string
	// IMAP and SMTP are URLs without a user: that is the whole address.
	IMAP, SMTP string
	// OAuth is whose tokens sign in; empty: a password does.
	OAuth desk.OAuthProvider
	// First is what has to be done there before anybody can sign in, a sentence without its full stop; empty: nothing.
	First  string
	Quirks Quirks

	domains []string // of addresses
	mx      []string // ends of the names of servers that take mail for own domains
}

// Quirks are what a provider does in its own way.
type Quirks struct {
	SavesSent       bool // what is sent by SMTP lies in Sent by itself
	RewritesIDs     bool // what is sent may get another Message-ID
	NoAuthServID    bool // its Authentication-Results do not name who writes them
	HidesAppended   bool // appended mail does not show in INBOX as mail that came does
	ForbidsAppended bool
}

// PutBy tells how mail is best put into the inbox there.
func (q Quirks) PutBy() desk.PutBy {
	if q.HidesAppended || q.ForbidsAppended {
		return desk.PutBySMTP
	}
	return desk.PutByAppend
}

// Say gives the quirks in words, as sentences without their full stop.
func (q Quirks) Say() (out []string) {
	for _, s := range []struct {
		is   bool
		text string
	}{
		{q.SavesSent, "it saves what is sent in Sent by itself"},
		{q.RewritesIDs, "it may give what is sent another Message-ID; answers are known by both"},
		{q.NoAuthServID, "its results on DMARC do not name who writes them; gateway mailbox calibrate finds out whether they can be believed"},
		{q.HidesAppended, "it does not show appended mail as mail that came, so what comes from the portal is put into the inbox by SMTP (--put-by)"},
		{q.ForbidsAppended, "it takes no appended mail, so what comes from the portal is put into the inbox by SMTP (--put-by)"},
	} {
		if s.is {
			out = append(out, s.text)
		}
	}
	return out
}

const appPassword = "Make a password for one app in the account's security settings; the usual one is not taken"

// presets lists them, the likeliest first.
func presets() []Preset {
	return []Preset{
		{
			Name: "Google", IMAP: "imaps://imap.gmail.com", SMTP: "smtps://smtp.gmail.com", OAuth: desk.OAuthGoogle, Quirks: Quirks{SavesSent: true},
			domains: []string{"gmail.com", "googlemail.com"}, mx: []string{"google.com", "googlemail.com"},
		},
		{
			Name: "Outlook.com", IMAP: "imaps://outlook.office365.com", SMTP: "smtp://smtp-mail.outlook.com", OAuth: desk.OAuthMicrosoft,
			First: "Allow devices and apps to use IMAP in the settings of Outlook.com, under Forwarding and IMAP", Quirks: Quirks{SavesSent: true, RewritesIDs: true, NoAuthServID: true},
			domains: []string{"outlook.com", "hotmail.com", "live.com", "msn.com", "outlook.de", "hotmail.de", "live.de", "outlook.fr", "hotmail.fr", "live.fr", "outlook.es", "hotmail.es", "outlook.it", "hotmail.it", "hotmail.co.uk", "live.co.uk"},
		},
		{
			Name: "Microsoft 365", IMAP: "imaps://outlook.office365.com", SMTP: "smtp://smtp.office365.com", OAuth: desk.OAuthMicrosoft,
			First: "Switch on authenticated SMTP for the mailbox in the Microsoft 365 admin center", Quirks: Quirks{SavesSent: true, RewritesIDs: true, NoAuthServID: true},
			mx: []string{"mail.protection.outlook.com", "mx.microsoft"},
		},
		{Name: "Fastmail", IMAP: "imaps://imap.fastmail.com", SMTP: "smtps://smtp.fastmail.com", First: appPassword, domains: []string{"fastmail.com", "fastmail.fm"}, mx: []string{"messagingengine.com"}},
		{
			Name: "Yahoo", IMAP: "imaps://imap.mail.yahoo.com", SMTP: "smtps://smtp.mail.yahoo.com", First: appPassword,
			domains: []string{"yahoo.com", "ymail.com", "rocketmail.com", "yahoo.de", "yahoo.co.uk", "yahoo.fr", "yahoo.es", "yahoo.it", "yahoo.ca"}, mx: []string{"yahoodns.net"},
		},
		{Name: "iCloud", IMAP: "imaps://imap.mail.me.com", SMTP: "smtp://smtp.mail.me.com", First: appPassword, domains: []string{"icloud.com", "me.com", "mac.com"}, mx: []string{"mail.icloud.com"}},
		{Name: "GMX", IMAP: "imaps://imap.gmx.net", SMTP: "smtps://mail.gmx.net", First: "Allow IMAP in the mailbox's settings (POP3/IMAP)", domains: []string{"gmx.de", "gmx.net", "gmx.at", "gmx.ch"}},
		{Name: "GMX", IMAP: "imaps://imap.gmx.com", SMTP: "smtps://mail.gmx.com", First: "Allow IMAP in the mailbox's settings (POP3/IMAP)", domains: []string{"gmx.com"}},
		{Name: "WEB.DE", IMAP: "imaps://imap.web.de", SMTP: "smtp://smtp.web.de", First: "Allow IMAP in the mailbox's settings (POP3/IMAP)", domains: []string{"web.de"}},
		{Name: "Zoho", IMAP: "imaps://imap.zoho.com", SMTP: "smtps://smtp.zoho.com", First: "Switch IMAP access on in the mailbox's settings", domains: []string{"zoho.com", "zohomail.com"}},
		{Name: "Zoho", IMAP: "imaps://imap.zoho.eu", SMTP: "smtps://smtp.zoho.eu", First: "Switch IMAP access on in the mailbox's settings", domains: []string{"zoho.eu", "zohomail.eu"}},
		{Name: "Zoho", IMAP: "imaps://imappro.zoho.com", SMTP: "smtps://smtppro.zoho.com", First: "Switch IMAP access on in the mailbox's settings", mx: []string{"zoho.com"}},
		{Name: "Zoho", IMAP: "imaps://imappro.zoho.eu", SMTP: "smtps://smtppro.zoho.eu", First: "Switch IMAP access on in the mailbox's settings", mx: []string{"zoho.eu"}},
		{Name: "IONOS", IMAP: "imaps://imap.ionos.de", SMTP: "smtps://smtp.ionos.de", mx: []string{"kundenserver.de", "ionos.de"}},
		{Name: "IONOS", IMAP: "imaps://imap.ionos.com", SMTP: "smtps://smtp.ionos.com", mx: []string{"ionos.com", "1and1.com"}},
		{Name: "mailbox.org", IMAP: "imaps://imap.mailbox.org", SMTP: "smtps://smtp.mailbox.org", domains: []string{"mailbox.org"}, mx: []string{"mailbox.org"}},
		{Name: "Posteo", IMAP: "imaps://posteo.de", SMTP: "smtps://posteo.de", domains: []string{"posteo.de", "posteo.net", "posteo.org", "posteo.eu", "posteo.at", "posteo.ch"}},
	}
}

// PresetOf gives what is known of whoever runs a host that mail is read from.
func PresetOf(host string) (Preset, bool) {
	all := presets()
	i := slices.IndexFunc(all, func(p Preset) bool { return strings.TrimPrefix(p.IMAP, "imaps://") == strings.ToLower(host) })
	if i < 0 {
		return Preset{}, false
	}
	return all[i], true
}

// PresetOfBoth gives what is known of whoever runs both the host that mail is read from and the one that sends it.
func PresetOfBoth(imapHost, smtpHost string) (Preset, bool) {
	all := presets()
	i := slices.IndexFunc(all, func(p Preset) bool {
		_, sends, _ := strings.Cut(p.SMTP, "://")
		return strings.TrimPrefix(p.IMAP, "imaps://") == strings.ToLower(imapHost) && sends == strings.ToLower(smtpHost)
	})
	if i < 0 {
		return Preset{}, false
	}
	return all[i], true
}

// Resolver looks names up. A *net.Resolver is one.
type Resolver interface {
	LookupMX(ctx context.Context, name string) ([]*net.MX, error)
	LookupSRV(ctx context.Context, service, proto, name string) (cname string, records []*net.SRV, err error)
}

// FoundBy says how a preset was found.
type FoundBy string

// The ways.
const (
	ByDomain FoundBy = "the address's domain"
	ByMX     FoundBy = "the MX records of the address's domain"
	BySRV    FoundBy = "the SRV records of the address's domain"
)

// ErrUnknownProvider says that nobody tells where an address's mail can be read.
var ErrUnknownProvider = errors.New("neither a provider is known for the domain, nor do its MX or SRV records tell one")

// FindPreset finds out where an address's mail is read and sent: from the domain, from who takes mail for it, or from what it says itself
// (RFC 6186). Foreign tells that it is the latter, and that it names a host outside of the domain: DNS can be forged, so somebody has to
// look at that first (RFC 6186 section 6).
func FindPreset(ctx context.Context, r Resolver, address string) (p Preset, by FoundBy, foreign bool, err error) {
	domain := desk.DomainOf(address)
	all := presets()
	if i := slices.IndexFunc(all, func(p Preset) bool { return slices.Contains(p.domains, domain) }); i >= 0 {
		return all[i], ByDomain, false, nil
	}
	records, err := r.LookupMX(ctx, domain)
	if err = unlessMissing(err); err != nil {
		return Preset{}, "", false, fmt.Errorf("look up who takes mail for %s: %w", domain, err)
	}
	slices.SortStableFunc(records, func(a, b *net.MX) int { return cmp.Compare(a.Pref, b.Pref) })
	for _, mx := range records {
		host := strings.ToLower(strings.TrimSuffix(mx.Host, "."))
		for _, p := range all {
			if slices.ContainsFunc(p.mx, func(end string) bool { return below(host, end) }) {
				return p, ByMX, false, nil
			}
		}
	}
	if p, err = fromSRV(ctx, r, domain); err != nil {
		return Preset{}, "", false, err
	}
	for _, u := range []string{p.IMAP, p.SMTP} {
		if parsed, err := url.Parse(u); err == nil && u != "" && !below(parsed.Hostname(), domain) {
			foreign = true
		}
	}
	return p, BySRV, foreign, nil
}

func below(host, domain string) bool { return host == domain || strings.HasSuffix(host, "."+domain) }

func fromSRV(ctx context.Context, r Resolver, domain string) (Preset, error) {
	p := Preset{Name: domain}
	for _, s := range []struct {
		service, scheme string
		into            *string
	}{{"imaps", "imaps", &p.IMAP}, {"imap", "imap", &p.IMAP}, {"submissions", "smtps", &p.SMTP}, {"submission", "smtp", &p.SMTP}} {
		if *s.into != "" {
			continue
		}
		_, records, err := r.LookupSRV(ctx, s.service, "tcp", domain)
		if err = unlessMissing(err); err != nil {
			return p, fmt.Errorf("look up where mail of %s is read: %w", domain, err)
		}
		if len(records) == 0 { // sorted already
			continue
		}
		host := strings.ToLower(strings.TrimSuffix(records[0].Target, "."))
		if host == "" { // the service is not there, RFC 6186 section 3.4
			continue
		}
		query := ""
		if s.scheme == "imap" || s.scheme == "smtp" {
			query = "?starttls=require"
		}
		*s.into = fmt.Sprintf("%s://%s%s", s.scheme, net.JoinHostPort(host, fmt.Sprint(records[0].Port)), query)
	}
	if p.IMAP == "" {
		return p, ErrUnknownProvider
	}
	return p, nil
}

// unlessMissing forgets that a name has no such records.
func unlessMissing(err error) error {
	if dns, ok := errors.AsType[*net.DNSError](err); ok && dns.IsNotFound {
		return nil
	}
	return err
}

// For gives the URLs with the address as the user.
func (p Preset) For(address string) (imap, smtp string) {
	with := func(raw string) string {
		u, err := url.Parse(raw)
		if err != nil || raw == "" {
			return ""
		}
		u.User = url.User(address)
		return u.String()
	}
	return with(p.IMAP), with(p.SMTP)
}
