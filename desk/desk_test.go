package desk_test

import (
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"postern/desk"
)

func TestNormalizeEmail(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		" Ann@Example.COM ": "ann@example.com", "a.b+c@x.example": "a.b+c@x.example", "jörg@müller.example": "jörg@xn--mller-kva.example", "ann@xn--bcher-kva.example": "ann@xn--bcher-kva.example", "Ann@Bücher.Example": "ann@xn--bcher-kva.example", "ann@BÜCHER.example": "ann@xn--bcher-kva.example", "a@例え.テスト": "a@xn--r8jz45g.xn--zckzah", "o'brien@x.example": "o'brien@x.example", "a@localhost": "a@localhost",
		"": "", "ann": "", "@x.example": "", "ann@": "", "a@b@c.example": "", "a b@x.example": "", "a\x00b@x.example": "", "a\r\nBcc: x@y": "", "a\u200bb@x.example": "", "a\u202eb@x.example": "",
		".a@x.example": "", "a.@x.example": "", "a..b@x.example": "", `"a b"@x.example`: "", "<a@x.example>": "", "a@x..example": "", "a@-x.example": "", "a@x-.example": "", "a@x_y.example": "", "ann@bu\u0308cher.example": "", "a@xn--ü.example": "", "a@" + strings.Repeat("ü", 31) + "例" + ".example": "",
		"a@[127.0.0.1]": "", "a(c)@x.example": "", "a,b@x.example": "", "a@x.example, b@x.example": "", strings.Repeat("a", 65) + "@x.example": "",
		"a@" + strings.Repeat("a", 64) + ".example": "", strings.Repeat("a", 64) + "@" + strings.Repeat(strings.Repeat("b", 60)+".", 4) + "example": "",
	} {
		got, ok := desk.NormalizeEmail(in)
		if got != want || ok != (want != "") {
			t.Errorf("%q: %q, %t, want %q", in, got, ok, want)
		}
	}
}

func FuzzNormalizeEmail(f *testing.F) {
	for _, s := range []string{"Ann@Example.com", " a@b ", "a\xff@b", "İ@x", "a@ǅ.example", "a@bücher.example", "a@xn--bcher-kva.example", "0@0ՠ.0.092ś", "a@" + strings.Repeat("aą", 20) + ".example"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		once, ok := desk.NormalizeEmail(in)
		if !ok {
			return
		}
		if twice, ok := desk.NormalizeEmail(once); !ok || twice != once {
			t.Errorf("%q becomes %q and then %q", in, once, twice)
		}
		shown := desk.Address{Email: once}.String()
		if back, ok := desk.NormalizeEmail(shown); !ok || back != once {
			t.Errorf("%q is shown as %q, which is %q", once, shown, back)
		}
		if strings.ContainsAny(once, " \r\n\x00<>,;\"") || strings.Count(once, "@") != 1 {
			t.Errorf("%q becomes %q", in, once)
		}
	})
}

func TestAddressIsShownWithLatinLettersOnly(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"ann@bücher.example": "ann@bücher.example", "ann@xn--bcher-kva.example": "ann@bücher.example", "ann@łódź.example": "ann@łódź.example",
		"ann@аcme.example": "ann@xn--cme-5cd.example", "ann@example.xn--p1ai": "ann@example.xn--p1ai", "ann@xn--.example": "ann@xn--.example", "ann@xn--acme-.example": "ann@xn--acme-.example", "ann@xn--99999999999.example": "ann@xn--99999999999.example",
		"ann@acme.example": "ann@acme.example",
	} {
		email, ok := desk.NormalizeEmail(in)
		if strings.HasPrefix(in, "ann@xn--") && !ok {
			email = in
		}
		if got := (desk.Address{Email: email}).String(); got != want {
			t.Errorf("%q (%q): %q, want %q", in, email, got, want)
		}
	}
}

func TestNormalizeDomain(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"Acme.Example": "acme.example", "@acme.example": "acme.example", "acme.example.": "acme.example", "münchen.example": "xn--mnchen-3ya.example", "xn--mnchen-3ya.example": "xn--mnchen-3ya.example",
		"": "", "com": "", "acme..example": "", "-a.example": "", "https://acme.example": "", "a@b.example": "", "acme.example/x": "", "*.acme.example": "",
	} {
		got, ok := desk.NormalizeDomain(in)
		if got != want || ok != (want != "") {
			t.Errorf("%q: %q, %t", in, got, ok)
		}
	}
}

func TestG6_LogsShowNoWholeAddress(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	slog.New(slog.NewTextHandler(&b, nil)).Info("x", slog.Any("to", desk.Address{Name: "Ann Lee", Email: "ann.lee@example.com"}))
	if s := b.String(); strings.Contains(s, "nn.lee") || strings.Contains(s, "Ann") || !strings.Contains(s, "a…@example.com") {
		t.Errorf("log line: %s", s)
	}
	for in, want := range map[string]string{"öan@x.example": "ö…@x.example", "": "…", "x": "…", "@x": "…"} {
		if got := desk.MaskEmail(in); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}

func TestT1_PublicMailDomainsBelongToNoCompany(t *testing.T) {
	t.Parallel()
	for _, d := range []string{
		"gmail.com", "googlemail.com", "outlook.com", "outlook.de", "hotmail.co.uk", "hotmail.fr", "live.com", "live.nl", "yahoo.com", "yahoo.co.jp", "yahoo.com.br", "icloud.com", "me.com",
		"proton.me", "protonmail.com", "protonmail.ch", "gmx.de", "gmx.net", "web.de", "aol.com", "mail.ru", "qq.com", "163.com", "t-online.de", "orange.fr", "mailinator.com", "GMAIL.com",
	} {
		for _, email := range []string{"a@" + d, "a@mail." + d, "a@x.y." + d} {
			if got := desk.CompanyDomains(email); got != nil {
				t.Errorf("%s could belong to the company of %v", email, got)
			}
		}
		if !desk.PublicMailDomain(d) {
			t.Errorf("%s is open to everybody", d)
		}
	}
	for _, d := range []string{"acme.example", "notgmail.com", "gmail.acme.example", "mygmx.de", "yahoo-partner.com", "outlook.acme.co.uk"} {
		if desk.PublicMailDomain(d) {
			t.Errorf("%s is a company's", d)
		}
	}
	if got := desk.CompanyDomains("a@x.berlin.acme.example"); !slices.Equal(got, []string{"x.berlin.acme.example", "berlin.acme.example", "acme.example"}) {
		t.Errorf("domains %v", got)
	}
}

func TestStatusAfter(t *testing.T) {
	t.Parallel()
	ps := append(desk.BuiltInPipelines(), desk.Pipeline{Key: "own", Statuses: []desk.Status{{Key: "new"}, {Key: "working"}, {Key: "done", Closed: true}}})
	customer, agent, note := desk.Message{Author: desk.Author{Kind: desk.Customer}, Class: desk.Human}, desk.Message{Author: desk.Author{Kind: desk.Agent}}, desk.Message{Author: desk.Author{Kind: desk.Agent}, Internal: true}
	auto, system := customer, desk.Message{Author: desk.Author{Kind: desk.System}}
	auto.Class = desk.Automatic
	for _, c := range []struct {
		pipeline, before string
		m                desk.Message
		want             string
	}{
		{desk.DefaultPipeline, desk.Open, customer, desk.Open},
		{desk.DefaultPipeline, desk.Open, agent, desk.Waiting},
		{desk.DefaultPipeline, desk.Waiting, customer, desk.Open},
		{desk.DefaultPipeline, desk.Waiting, agent, desk.Waiting},
		{desk.DefaultPipeline, desk.Closed, customer, desk.Open},
		{desk.DefaultPipeline, desk.Closed, agent, desk.Closed},
		{desk.DefaultPipeline, desk.Closed, auto, desk.Closed},
		{desk.DefaultPipeline, desk.Closed, note, desk.Closed},
		{desk.DefaultPipeline, desk.Open, note, desk.Open},
		{desk.DefaultPipeline, desk.Closed, system, desk.Closed},
		{"own", "working", customer, "working"},
		{"own", "working", agent, "working"},
		{"own", "done", customer, "new"},
		{"gone", "whatever", customer, "whatever"},
	} {
		if got := desk.StatusAfter(ps, desk.Ticket{Pipeline: c.pipeline, Status: c.before}, c.m); got != c.want {
			t.Errorf("%s/%s after %s (internal %t): %s, want %s", c.pipeline, c.before, c.m.Author.Kind, c.m.Internal, got, c.want)
		}
	}
	for status, want := range map[string]bool{desk.Open: true, desk.Closed: true, "working": false, "": false} {
		if err := desk.CheckStatus(ps, desk.DefaultPipeline, status); (err == nil) != want {
			t.Errorf("%q: %v", status, err)
		}
	}
	if err := desk.CheckStatus(ps, "gone", desk.Open); desk.KindOf(err) != desk.Invalid {
		t.Errorf("a pipeline that is gone: %v", err)
	}
}

func TestScopes(t *testing.T) {
	t.Parallel()
	if s := desk.ScopeOfContact(desk.Contact{ID: "a", Disabled: true}); s.Everything() || s.Contact() != "" {
		t.Errorf("a disabled contact sees %+v", s)
	}
	if s := desk.ScopeOfContact(desk.Contact{ID: "a"}); s.Everything() || s.Contact() != "a" {
		t.Errorf("%+v", s)
	}
	if s := desk.ScopeOfProgram(); !s.Everything() {
		t.Errorf("%+v", s)
	}
	if (desk.Token{Scopes: []string{desk.ScopeRead}}).Allows(desk.ScopeWrite) || !(desk.Token{Scopes: []string{desk.ScopeWrite}}).Allows(desk.ScopeRead) || (desk.Token{Scopes: []string{desk.ScopeWrite}}).Allows(desk.ScopeSettings) {
		t.Error("a token allows something else than it says")
	}
}

func TestMailboxOwnsItsAddressesAndTheirSubAddresses(t *testing.T) {
	t.Parallel()
	m := desk.Mailbox{Address: "support@example.com", Aliases: []string{"help@example.com"}}
	for email, want := range map[string]bool{
		"support@example.com": true, "help@example.com": true, "support+abc@example.com": true, "help+x@example.com": true,
		"support@example.org": false, "ann@example.com": false, "": false, "supporter@example.com": false,
	} {
		if got := m.Owns(email); got != want {
			t.Errorf("%q: %t", email, got)
		}
	}
}

func TestWelcomeTemplatesMustLeadIn(t *testing.T) {
	t.Parallel()
	if err := desk.CheckSettings(desk.DefaultSettings()); err != nil {
		t.Errorf("the defaults: %v", err)
	}
	for name, change := range map[string]func(s *desk.Settings){
		"no title":                         func(s *desk.Settings) { s.PortalTitle = " " },
		"O9 a title of two lines":          func(s *desk.Settings) { s.PortalTitle = "Acme\r\nBcc: eve@evil.example" },
		"O9 a title that turns its reader": func(s *desk.Settings) { s.PortalTitle = "Acme \u202e" },
		"O9 a subject of two lines":        func(s *desk.Settings) { s.Welcome.Subject += "\nBcc: eve@evil.example" },
		"O9 a neutral subject with a NUL":  func(s *desk.Settings) { s.Welcome.NeutralSubject += "\x00" },
		"no pipeline":                      func(s *desk.Settings) { s.Pipelines = nil },
		"closed first": func(s *desk.Settings) {
			s.Pipelines = []desk.Pipeline{{Key: "x", Statuses: []desk.Status{{Key: "c", Closed: true}, {Key: "o"}}}}
		},
		"nothing closed":               func(s *desk.Settings) { s.Pipelines = []desk.Pipeline{{Key: "x", Statuses: []desk.Status{{Key: "o"}}}} },
		"no status at all":             func(s *desk.Settings) { s.Pipelines = []desk.Pipeline{{Key: "x"}} },
		"one key twice":                func(s *desk.Settings) { s.Pipelines = append(s.Pipelines, s.Pipelines[0]) },
		"no link":                      func(s *desk.Settings) { s.Welcome.Body = "Hello" },
		"P5 a password":                func(s *desk.Settings) { s.Welcome.Body += "{{ portal.password }}" },
		"L9 the sender's name, to V0":  func(s *desk.Settings) { s.Welcome.NeutralBody += "{{contact.name}}" },
		"L9 the sender's words, to V0": func(s *desk.Settings) { s.Welcome.NeutralSubject += "{{ticket.subject}}" },
		"L9 the user name, to V0":      func(s *desk.Settings) { s.Welcome.NeutralBody += "{{portal.username}}" },
	} {
		s := desk.DefaultSettings()
		change(&s)
		if err := desk.CheckSettings(s); desk.KindOf(err) != desk.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	values := map[string]string{"a": "1", "b": "{{a}}"}
	for in, want := range map[string]string{"{{a}} {{ b }} {{c}}": "1 {{a}} ", "{{a": "{{a", "}}{{a}}": "}}1", "": "", "{{}}x": "x"} {
		if got := desk.Expand(in, values); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestBackoffGrowsAndEnds(t *testing.T) {
	t.Parallel()
	var total, before time.Duration
	n := 0
	for ; total < desk.GiveUpAfter; n++ {
		d := desk.Backoff(n)
		if d < before || d > 4*time.Hour {
			t.Errorf("pause %d is %s after %s", n, d, before)
		}
		total, before = total+d, d
	}
	if n < 20 || n > 60 {
		t.Errorf("%d attempts in five days", n)
	}
}

func TestErrorsKeepTheirKind(t *testing.T) {
	t.Parallel()
	cause := errors.New("cause")
	err := error(&desk.Error{Kind: desk.Conflict, Field: "address", Text: "taken", Err: cause})
	for _, e := range []error{err, errors.Join(errors.New("x"), err)} {
		if desk.KindOf(e) != desk.Conflict || !errors.Is(e, cause) {
			t.Errorf("%v is %s", e, desk.KindOf(e))
		}
	}
	if err.Error() != "address: taken: cause" || desk.KindOf(cause) != desk.Internal || desk.KindOf(nil) != desk.Internal {
		t.Errorf("%v", err)
	}
	for k := desk.Internal; k <= desk.Unavailable; k++ {
		if s := k.String(); s == "" || k != desk.Internal && s == "internal" {
			t.Errorf("kind %d is called %q", k, s)
		}
	}
}
