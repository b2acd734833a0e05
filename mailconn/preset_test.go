package mailconn

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"

	"postern/desk"
)

// zone is DNS as a test has it.
type zone struct {
	mx  map[string]string // domain: host
	srv map[string]string // service.domain: host:port
	err error
}

func (z zone) LookupMX(_ context.Context, name string) ([]*net.MX, error) {
	if z.err != nil {
		return nil, z.err
	}
	if host := z.mx[name]; host != "" {
		return []*net.MX{{Host: "backup.example.", Pref: 20}, {Host: host + ".", Pref: 10}}, nil
	}
	return nil, &net.DNSError{Name: name, IsNotFound: true}
}

func (z zone) LookupSRV(_ context.Context, service, proto, name string) (string, []*net.SRV, error) {
	at := z.srv[service+"."+name]
	if at == "" || proto != "tcp" {
		return "", nil, &net.DNSError{Name: name, IsNotFound: true}
	}
	host, _, _ := strings.Cut(at, ":")
	return "", []*net.SRV{{Target: strings.TrimSuffix(host, ".") + ".", Port: 1143}}, nil
}

func TestI11_ServersAreFoundByTheAddress(t *testing.T) {
	t.Parallel()
	z := zone{
		mx: map[string]string{"shop.example": "ASPMX.L.GOOGLE.COM", "firm.example": "firm-example.mail.protection.outlook.com", "club.example": "mx00.kundenserver.de", "own.example": "mx.own.example", "evil.example": "notgoogle.com"},
		srv: map[string]string{
			"imaps.own.example": "mail.own.example:1143", "submission.own.example": "mail.own.example:1143", "imap.tls.example": "imap.tls.example:1143", "imaps.tls.example": ".", "submissions.tls.example": "smtp.tls.example:1143",
			"imaps.away.example": "mail.hoster.example:1143",
		},
	}
	for address, want := range map[string][3]string{
		"a@gmail.com":     {"Google", string(ByDomain), "imaps://a%40gmail.com@imap.gmail.com smtps://a%40gmail.com@smtp.gmail.com"},
		"a@outlook.de":    {"Outlook.com", string(ByDomain), "imaps://a%40outlook.de@outlook.office365.com smtp://a%40outlook.de@smtp-mail.outlook.com"},
		"a@posteo.net":    {"Posteo", string(ByDomain), "imaps://a%40posteo.net@posteo.de smtps://a%40posteo.net@posteo.de"},
		"a@shop.example":  {"Google", string(ByMX), "imaps://a%40shop.example@imap.gmail.com smtps://a%40shop.example@smtp.gmail.com"},
		"a@firm.example":  {"Microsoft 365", string(ByMX), "imaps://a%40firm.example@outlook.office365.com smtp://a%40firm.example@smtp.office365.com"},
		"a@club.example":  {"IONOS", string(ByMX), "imaps://a%40club.example@imap.ionos.de smtps://a%40club.example@smtp.ionos.de"},
		"a@own.example":   {"own.example", string(BySRV), "imaps://a%40own.example@mail.own.example:1143 smtp://a%40own.example@mail.own.example:1143?starttls=require"},
		"a@tls.example":   {"tls.example", string(BySRV), "imap://a%40tls.example@imap.tls.example:1143?starttls=require smtps://a%40tls.example@smtp.tls.example:1143"},
		"a@away.example":  {"away.example", string(BySRV), "imaps://a%40away.example@mail.hoster.example:1143 "},
		"a@evil.example":  {},
		"a@other.example": {},
	} {
		p, by, foreign, err := FindPreset(t.Context(), z, address)
		if want[0] == "" {
			if !errors.Is(err, ErrUnknownProvider) {
				t.Errorf("%s: %+v, %v", address, p, err)
			}
			continue
		}
		imap, smtp := p.For(address)
		if err != nil || p.Name != want[0] || string(by) != want[1] || imap+" "+smtp != want[2] || foreign != (address == "a@away.example") {
			t.Errorf("%s: %s by %s, %s %s, foreign %v, %v", address, p.Name, by, imap, smtp, foreign, err)
		}
	}
	broken := zone{err: &net.DNSError{Err: "server misbehaving", IsTemporary: true}}
	if _, _, _, err := FindPreset(t.Context(), broken, "a@own.example"); err == nil || errors.Is(err, ErrUnknownProvider) {
		t.Errorf("DNS that does not answer: %v", err)
	}
	if _, _, _, err := FindPreset(t.Context(), broken, "a@gmail.com"); err != nil {
		t.Errorf("what is known needs no DNS: %v", err)
	}
}

// TestI11_PresetsEncrypt, can be read, and each domain is one provider's.
func TestI11_PresetsEncrypt(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, p := range presets() {
		at, out := p.For("a@desk.example")
		imap, err := ParseIMAP(at)
		if err != nil || imap.Security != TLS || imap.User != "a@desk.example" {
			t.Errorf("%s: %v, %v", p.Name, imap, err)
		}
		smtp, err := ParseSMTP(out)
		if err != nil || smtp.Security != TLS && smtp.Security != StartTLS {
			t.Errorf("%s: %v, %v", p.Name, smtp, err)
		}
		if known, ok := PresetOf(imap.Host); !ok || known.IMAP != p.IMAP {
			t.Errorf("%s is not known by its host", p.Name)
		}
		if len(p.domains)+len(p.mx) == 0 {
			t.Errorf("%s is never found", p.Name)
		}
		for _, d := range append(p.domains, p.mx...) {
			if other := seen[d]; other != "" && other != p.Name {
				t.Errorf("%s is both %s's and %s's", d, other, p.Name)
			}
			seen[d] = p.Name
		}
	}
}

// TestPutByFollowsTheQuirks: what a provider does not show as mail that came, or forbids, comes by SMTP.
func TestPutByFollowsTheQuirks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		quirks Quirks
		want   desk.PutBy
	}{{Quirks{SavesSent: true}, desk.PutByAppend}, {Quirks{HidesAppended: true}, desk.PutBySMTP}, {Quirks{ForbidsAppended: true}, desk.PutBySMTP}} {
		said := strings.Contains(strings.Join(c.quirks.Say(), "\n"), "--put-by")
		if got := c.quirks.PutBy(); got != c.want || said != (c.want == desk.PutBySMTP) {
			t.Errorf("%+v: %s, said: %t", c.quirks, got, said)
		}
	}
}
