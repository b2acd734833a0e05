package oauth

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/desk"
	"postern/internal/mailtest"
)

// browse opens a URL as a browser does, and gives the page that it ends at.
func browse(t *testing.T, at string) (status int, text string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, at, nil)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	return resp.StatusCode, string(b)
}

// TestI11_ConsentWithABrowser: with PKCE, which the server checks, and an answer that only ours can be.
func TestI11_ConsentWithABrowser(t *testing.T) {
	both(t, func(t *testing.T, r *rig) {
		pages := make(chan string, 1)
		err := r.tokens[0].Authorise(t.Context(), r.mb, 0, func(at string) {
			go func() {
				u, err := url.Parse(at)
				if err != nil {
					t.Error(err)
				}
				back, err := url.Parse(u.Query().Get("redirect_uri"))
				if err != nil || back.Hostname() != "127.0.0.1" {
					t.Errorf("%q, %v", back, err)
				}
				for _, q := range []string{"", "?code=x", "?code=x&state=" + strings.Repeat("x", 26), "?state=" + u.Query().Get("state")} {
					if status, _ := browse(t, back.String()+q); status != http.StatusBadRequest {
						t.Errorf("%q: status %d", q, status)
					}
				}
				_, page := browse(t, at)
				pages <- page
			}()
		})
		r.ok(err)
		if page := <-pages; !strings.Contains(page, "can be closed") || strings.Contains(page, "hunter2") {
			t.Errorf("page: %s", page)
		}
		asked := r.server.Authorizations()[0]
		if asked.Get("scope") != "mail offline_access" || asked.Get("login_hint") != user {
			t.Errorf("%v", asked)
		}
		r.token("")
		org, err := r.dbs[0].FreshOrganisation(t.Context())
		r.ok(err)
		if !org.Mailboxes[0].TriedAt.Equal(r.clock.now()) {
			t.Error("the mailbox is not tried at once")
		}
		r.hidden("")
	})
}

func TestI11_ConsentThatIsNotGiven(t *testing.T) {
	t.Parallel()
	r := newRig(t, engines(t)["sqlite"], 1, mailtest.OAuthOptions{})
	var browser sync.WaitGroup
	defer browser.Wait()
	err := r.tokens[0].Authorise(t.Context(), r.mb, 0, func(at string) {
		browser.Go(func() {
			u, _ := url.Parse(at)
			browse(t, u.Query().Get("redirect_uri")+"?"+url.Values{"error": {"access_denied"}, "state": {u.Query().Get("state")}}.Encode())
		})
	})
	if err == nil || !strings.Contains(err.Error(), "access_denied") {
		t.Errorf("denied: %v", err)
	}
	ctx, stop := context.WithCancel(t.Context())
	if err := r.tokens[0].Authorise(ctx, r.mb, 0, func(string) { stop() }); !errors.Is(err, context.Canceled) {
		t.Errorf("Ctrl-C: %v", err)
	}
	late, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := r.tokens[0].Authorise(late, r.mb, 0, func(string) {}); err == nil || !strings.Contains(err.Error(), "in time") {
		t.Errorf("nobody came: %v", err)
	}
	if _, err := r.dbs[0].Grant(t.Context(), r.mb.ID); desk.KindOf(err) != desk.NotFound {
		t.Errorf("something was stored: %v", err)
	}
}

// TestI11_ConsentWithoutABrowser polls as the server says, until somebody has typed the code.
func TestI11_ConsentWithoutABrowser(t *testing.T) {
	t.Parallel()
	r := newRig(t, engines(t)["sqlite"], 1, mailtest.OAuthOptions{DevicePolls: 1})
	shown := ""
	r.ok(r.tokens[0].AuthoriseDevice(t.Context(), r.mb, func(code, at string, _ time.Time) { shown = code + " " + at }))
	if shown != "WDJB-MJHT "+r.server.URL()+"/activate" {
		t.Errorf("shown: %q", shown)
	}
	r.token("")
	for code, want := range map[string]string{"access_denied": "access_denied", "expired_token": "in time"} {
		r.server.Script(func(string) (int, string) { return 400, `{"error":"` + code + `"}` })
		if err := r.tokens[0].AuthoriseDevice(t.Context(), r.mb, func(string, string, time.Time) {}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", code, err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	if err := r.tokens[0].AuthoriseDevice(ctx, r.mb, func(string, string, time.Time) { stop() }); !errors.Is(err, context.Canceled) {
		t.Errorf("Ctrl-C: %v", err)
	}
	google := r.mb
	google.OAuth = desk.OAuth{Provider: desk.OAuthGoogle, ClientID: "postern"}
	if err := r.tokens[0].AuthoriseDevice(t.Context(), google, nil); err == nil || !strings.Contains(err.Error(), "ssh -L") {
		t.Errorf("Google: %v", err)
	}
}

func TestI11_ConsentForWhatWasChangedMeanwhileIsNotStored(t *testing.T) {
	t.Parallel()
	r := newRig(t, engines(t)["sqlite"], 1, mailtest.OAuthOptions{})
	asked := r.mb
	asked.OAuth.Scope = "other"
	var browser sync.WaitGroup
	defer browser.Wait()
	err := r.tokens[0].Authorise(t.Context(), asked, 0, func(at string) { browser.Go(func() { browse(t, at) }) })
	if desk.KindOf(err) != desk.Conflict {
		t.Errorf("got %v", err)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	const on = "https://id.example/"
	for field, o := range map[string]desk.OAuth{
		"oauth":            {Provider: "yahoo", ClientID: "x"},
		"oauth-client-id":  {Provider: desk.OAuthGoogle},
		"oauth-tenant":     {Provider: desk.OAuthMicrosoft, ClientID: "x", Tenant: "a/b"},
		"oauth-auth-url":   {Provider: desk.OAuthCustom, ClientID: "x", TokenURL: on},
		"oauth-token-url":  {Provider: desk.OAuthCustom, ClientID: "x", AuthURL: on, TokenURL: "http://id.example/"},
		"oauth-device-url": {Provider: desk.OAuthCustom, ClientID: "x", TokenURL: on, DeviceURL: "https://id.example/#part"},
	} {
		if e, ok := errors.AsType[*desk.Error](Check(o)); !ok || e.Field != field {
			t.Errorf("%s: %v", field, Check(o))
		}
	}
	for _, o := range []desk.OAuth{
		{Provider: desk.OAuthGoogle, ClientID: "x"}, {Provider: desk.OAuthMicrosoft, ClientID: "x", Tenant: "desk.example"},
		{Provider: desk.OAuthCustom, ClientID: "x", TokenURL: on, DeviceURL: on}, {Provider: desk.OAuthCustom, ClientID: "x", TokenURL: "http://127.0.0.1:1/", AuthURL: "http://localhost/"},
	} {
		if err := Check(o); err != nil {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

// TestProvidersAreKnown by where people are sent, and that the redirect is one that they take.
func TestProvidersAreKnown(t *testing.T) {
	t.Parallel()
	r := newRig(t, engines(t)["sqlite"], 1, mailtest.OAuthOptions{})
	for provider, want := range map[desk.OAuthProvider][]string{
		desk.OAuthGoogle:    {"https://accounts.google.com/", "http://127.0.0.1:", "access_type=offline", "prompt=consent", "mail.google.com"},
		desk.OAuthMicrosoft: {"https://login.microsoftonline.com/desk.example/", "http://localhost:", "IMAP.AccessAsUser.All", "SMTP.Send", "offline_access"},
	} {
		mb := r.mb
		mb.OAuth = desk.OAuth{Provider: provider, ClientID: "x", Tenant: "desk.example"}
		ctx, stop := context.WithCancel(t.Context())
		shown := ""
		_ = r.tokens[0].Authorise(ctx, mb, 0, func(at string) { shown, _ = url.QueryUnescape(at); stop() })
		for _, w := range append(want, "code_challenge_method=S256") {
			if !strings.Contains(shown, w) {
				t.Errorf("%s: %q lacks %q", provider, shown, w)
			}
		}
	}
}
