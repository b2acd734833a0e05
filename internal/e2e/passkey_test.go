package e2e

import (
	"context"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
)

// TestP9_Passkeys: a customer makes a passkey in the account, signs in with it, and can no longer once it is removed. The authenticator is the browser's
// own virtual one (WebDriver, W3C Web Authentication Level 3, section 12).
func TestP9_Passkeys(t *testing.T) {
	t.Parallel()
	in := install(t, mode{})
	local := strings.Replace(in.url, "127.0.0.1", "localhost", 1) // a passkey is for a name
	in.env = append(in.env, "POSTERN_BASE_URL="+local)
	in.start()
	prepare(in)
	p := openTab(t, local)
	p.do("have an authenticator", call(webauthn.Enable, webauthn.EnableParams{}), chromedp.Func(func(ctx context.Context, tg *chromedp.Target) error {
		_, err := cdp.Call(ctx, tg, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
			Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal, HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
		}})
		return err
	}))

	p.arrives(in, "ingrid@halvorsen.example")
	p.open("/account")
	p.fill("#key-name", "Work laptop")
	p.leads("add a passkey", click("form[data-make] .btn"))
	if got := p.text("main"); !strings.Contains(got, "Your passkey is there") || !strings.Contains(got, "Work laptop") {
		t.Fatalf("the account says %s", got)
	}
	p.stop("account-passkey")
	p.signsOut()
	p.stop("sign-in-passkey")
	p.leads("sign in", click("form[data-passkey] .btn"))
	if p.path() != "/tickets" || !strings.Contains(p.text(".tbl"), "Label printer") {
		t.Fatalf("signed in, the tab is at %s", p.path())
	}
	p.open("/account")
	if got := p.text("main"); !strings.Contains(got, "by passkey") || !strings.Contains(got, "last used") {
		t.Errorf("the account says %s", got)
	}
	p.leads("remove it", click(`form[action="/account/passkeys/remove"] .btn`))
	if got := p.text("main"); !strings.Contains(got, "removed here") || strings.Contains(got, "Work laptop") {
		t.Errorf("removed, the account says %s", got)
	}
	p.signsOut()
	p.leads("sign in with what is gone", click("form[data-passkey] .btn"))
	if got := p.text("#errs"); !strings.Contains(got, "not known here") {
		t.Errorf("what is gone: %s", got)
	}
	p.open("/tickets")
	if !strings.HasPrefix(p.path(), "/sign-in") {
		t.Errorf("what is gone leads to %s", p.path())
	}
}

func (p *tab) signsOut() {
	p.t.Helper()
	p.do("open the menu", click(".menu:last-child summary"))
	p.leads("sign out", click(`.menu [action$="/sign-out"] button`))
}
