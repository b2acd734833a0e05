package outbound_test

import (
	"strings"
	"testing"

	"postern/desk"
	"postern/store"
	"postern/tickets"
)

// TestB1_MailsLookAsThePortalDoes: its logo from where the portal is, and its colour behind the words of the button, where they can be read.
func TestB1_MailsLookAsThePortalDoes(t *testing.T) {
	both(t, func(r *rig) {
		send := func() string {
			r.t.Helper()
			r.server.sent = map[string][]string{}
			if err := r.db.Update(r.t.Context(), func(tx *store.Tx) error {
				return r.desk.SendLink(r.t.Context(), tx, r.mb, r.ann, desk.SignInMail, desk.LinkSignIn)
			}); err != nil {
				r.t.Fatal(err)
			}
			r.drain(desk.QueueMail)
			return strings.ReplaceAll(strings.ReplaceAll(r.sent()[0], "=\r\n", ""), "=3D", "=")
		}
		if html := send(); !strings.Contains(html, "background:#0b6a5d") || strings.Contains(html, "<img") {
			r.t.Errorf("as Postern comes:\n%s", html)
		}
		logo, err := tickets.KeepBrandImage(r.t.Context(), r.w.Blobs, strings.NewReader("GIF89a\x01\x00\x01\x00\x00\x00\x00"))
		if err != nil {
			r.t.Fatal(err)
		}
		if _, err := r.desk.SetBrandImage(r.t.Context(), "logo", logo); err != nil {
			r.t.Fatal(err)
		}
		if _, err := r.desk.ChangeSettings(r.t.Context(), map[string]any{"branding": map[string]any{"color": "#ffe000"}}); err != nil {
			r.t.Fatal(err)
		}
		html := send()
		if !strings.Contains(html, `src="https://help.acme.example`+logo.Path()+`"`) || !strings.Contains(html, `alt="Support"`) || strings.Contains(html, "#ffe000") || strings.Contains(html, "#0b6a5d") {
			r.t.Errorf("branded:\n%s", html)
		}
		r.w.BaseURL = "http://127.0.0.1:8080"
		if html := send(); strings.Contains(html, "<img") {
			r.t.Errorf("a logo that nobody can reach:\n%s", html)
		}
	})
}
