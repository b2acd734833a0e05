package desk

import (
	"strings"
	"time"
)

// Company is an organisation whose people write to us.
type Company struct {
	ID        ID
	Name      string
	Domains   []string // as NormalizeDomain gives them; a domain belongs to one company
	Verified  []string // those of Domains that an operator knows to be the company's: who has an address there may see its tickets
	CreatedAt time.Time
}

// Contact is a person who writes to us. A contact may have no address (a chat visitor).
type Contact struct {
	ID        ID
	Name      string
	Addresses []string // normalised; the first one is the login address
	Companies []ID     // the first one is the primary company
	MainOf    []ID     // those of Companies whose main contact this is
	Language  string   // BCP 47; empty: the portal's default
	TimeZone  string   // an IANA name such as Europe/Oslo; empty: the portal's
	Username  string   // what the contact may sign in with beside the address; empty: none
	Disabled  bool
	CreatedAt time.Time
	// Suppressed tells which of the addresses get no automatic mail, and why. It is not stored with the contact.
	Suppressed []Suppression
}

// Suppression says why no automatic mail goes to an address (REQUIREMENTS L4). What people write goes there all the same.
type Suppression struct {
	Address string            `json:"address"`
	Reason  SuppressionReason `json:"reason"`
	Status  string            `json:"status"` // of the bounce (RFC 3463); empty if it tells none
	At      time.Time         `json:"at"`
}

// SuppressionReason is why an address is suppressed. It is an open set.
type SuppressionReason string

// Bounced holds until mail comes from the address or an operator edits the contact; Complained (RFC 5965) and Unsubscribed (RFC 8058)
// until an operator lifts them.
const (
	Bounced      SuppressionReason = "bounced"
	Complained   SuppressionReason = "complained"
	Unsubscribed SuppressionReason = "unsubscribed"
)

// PrimaryCompany is the company the contact's tickets are put with, or "".
func (c Contact) PrimaryCompany() ID {
	if len(c.Companies) == 0 {
		return ""
	}
	return c.Companies[0]
}

// LoginAddress is where registration and sign-in mail goes, or "".
func (c Contact) LoginAddress() string {
	if len(c.Addresses) == 0 {
		return ""
	}
	return c.Addresses[0]
}

// CompanyDomains lists the domains whose owner would own email, longest first: its own domain and every parent of
// at least two labels. It is empty for public mail domains, whose users have nothing in common (REQUIREMENTS T1).
func CompanyDomains(email string) []string {
	domain := DomainOf(email)
	if domain == "" || PublicMailDomain(domain) {
		return nil
	}
	var out []string
	for strings.Contains(domain, ".") {
		out = append(out, domain)
		_, domain, _ = strings.Cut(domain, ".")
	}
	return out
}

// PublicMailDomain tells whether domain, or a parent of it, is one where anybody can get an address.
func PublicMailDomain(domain string) bool {
	domain = strings.ToLower(domain)
	for {
		if publicMailDomains[domain] {
			return true
		}
		label, rest, ok := strings.Cut(domain, ".")
		if !ok || !strings.Contains(rest, ".") {
			// "yahoo.co.uk" and "hotmail.fr": the provider's name under any country
			return publicMailNames[label]
		}
		if second, country, _ := strings.Cut(rest, "."); publicMailNames[label] && len(country) == 2 && (second == "co" || second == "com") {
			return true
		}
		domain = rest
	}
}

// publicMailNames are providers that own their name under many country codes.
var publicMailNames = set("gmail", "googlemail", "outlook", "hotmail", "live", "msn", "yahoo", "ymail", "rocketmail", "gmx", "aol",
	"yandex", "icloud", "protonmail", "zoho", "mail2world", "tutanota")

// publicMailDomains are providers known by the whole domain: free mail, internet access, throw-away addresses.
var publicMailDomains = set(
	"me.com", "mac.com", "proton.me", "pm.me", "web.de", "freenet.de", "t-online.de", "arcor.de", "1und1.de", "mail.de", "posteo.de", "posteo.net", "mailbox.org",
	"mail.com", "email.com", "usa.com", "inbox.com", "fastmail.com", "fastmail.fm", "hey.com", "tuta.io", "tuta.com", "tutamail.com", "hushmail.com", "lavabit.com",
	"mail.ru", "bk.ru", "inbox.ru", "list.ru", "internet.ru", "rambler.ru", "ya.ru", "ukr.net", "i.ua", "meta.ua",
	"qq.com", "foxmail.com", "163.com", "126.com", "yeah.net", "sina.com", "sina.cn", "sohu.com", "aliyun.com", "139.com", "189.cn", "21cn.com",
	"naver.com", "hanmail.net", "daum.net", "nate.com", "docomo.ne.jp", "ezweb.ne.jp", "softbank.ne.jp", "nifty.com", "biglobe.ne.jp", "excite.co.jp",
	"orange.fr", "wanadoo.fr", "free.fr", "laposte.net", "sfr.fr", "neuf.fr", "bbox.fr", "libero.it", "virgilio.it", "tiscali.it", "alice.it", "tin.it", "tim.it", "fastwebnet.it",
	"terra.com.br", "uol.com.br", "bol.com.br", "ig.com.br", "globo.com", "sapo.pt", "telefonica.net", "ono.com",
	"seznam.cz", "email.cz", "centrum.cz", "volny.cz", "wp.pl", "onet.pl", "o2.pl", "interia.pl", "op.pl", "azet.sk", "zoznam.sk", "abv.bg", "freemail.hu", "citromail.hu",
	"bluewin.ch", "sunrise.ch", "hispeed.ch", "a1.net", "aon.at", "chello.at", "chello.nl", "ziggo.nl", "kpnmail.nl", "planet.nl", "home.nl", "xs4all.nl", "telenet.be", "skynet.be", "proximus.be",
	"online.no", "telia.com", "spray.se", "comhem.se", "bredband.net", "mail.dk", "jubii.dk", "stofanet.dk", "tdcadsl.dk", "luukku.com", "kolumbus.fi", "pp.inet.fi",
	"btinternet.com", "btopenworld.com", "ntlworld.com", "virginmedia.com", "sky.com", "talktalk.net", "blueyonder.co.uk", "eircom.net",
	"comcast.net", "verizon.net", "att.net", "sbcglobal.net", "bellsouth.net", "charter.net", "cox.net", "earthlink.net", "optonline.net", "juno.com", "netzero.net", "frontier.com", "centurylink.net", "windstream.net",
	"rogers.com", "shaw.ca", "sympatico.ca", "telus.net", "bell.net", "videotron.ca", "bigpond.com", "bigpond.net.au", "optusnet.com.au", "xtra.co.nz",
	"rediffmail.com", "sify.com", "walla.co.il", "walla.com", "012.net.il", "netvision.net.il", "bezeqint.net", "zahav.net.il", "mweb.co.za", "telkomsa.net",
	"mailinator.com", "guerrillamail.com", "10minutemail.com", "temp-mail.org", "tempmail.com", "trashmail.com", "yopmail.com", "sharklasers.com", "getnada.com", "dispostable.com", "maildrop.cc", "throwawaymail.com",
)

func set(names ...string) map[string]bool {
	m := make(map[string]bool, len(names))
	for _, n := range names {
		m[n] = true
	}
	return m
}
