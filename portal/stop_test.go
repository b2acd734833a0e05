package portal

import (
	"net/http"
	"strings"
	"testing"

	"postern/desk"
	"postern/internal/desktest"
	"postern/store"
	"postern/tickets"
)

// TestO7_OneClickEndsAutomaticMail: for that address alone, as often as it is pressed, and only by the link that was mailed there.
func TestO7_OneClickEndsAutomaticMail(t *testing.T) {
	desktest.Both(t, func(t *testing.T, o store.Options) {
		r := newRigOn(t, o, nil)
		ann, bob := r.contact("Ann", "ann@acme.example"), r.contact("Bob", "bob@acme.example")
		suppressed := func(email string) bool {
			found, err := r.db.Suppressed(t.Context(), email)
			ok(t, err)
			return found
		}
		path := tickets.StopPath(r.keys, ann.ID, "ann@acme.example")
		if strings.Contains(path, "acme") {
			t.Errorf("the link names the address: %s", path)
		}
		v := &browser{r: r}
		for range 2 {
			v.want("programs that open links", v.get(path), http.StatusOK)
			v.want("programs that look at them", v.head(path), http.StatusOK)
		}
		if suppressed("ann@acme.example") {
			t.Error("opening the link has pressed the button")
		}
		token := path[strings.LastIndexByte(path, '/'):]
		for what, wrong := range map[string]string{
			"another's": "/stop/" + string(bob.ID) + token, "a guess": "/stop/" + string(ann.ID) + "/" + strings.Repeat("a", len(token)-1), "nobody's": "/stop/x" + token,
			"one for an address that is not theirs": tickets.StopPath(r.keys, ann.ID, "bob@acme.example"), "no text": "/stop/%00%ff" + token,
		} {
			v.want(what, v.get(wrong), http.StatusNotFound)
			v.want(what, v.post(wrong), http.StatusNotFound)
		}
		mailProgram := &browser{r: r}
		for range 2 {
			mailProgram.want("one click", mailProgram.post(path, "List-Unsubscribe", "One-Click"), http.StatusOK)
		}
		if !suppressed("ann@acme.example") || suppressed("bob@acme.example") {
			t.Error("automatic mail is to end for Ann, and for nobody else")
		}
		c, err := r.db.Contact(t.Context(), ann.ID)
		ok(t, err)
		if len(c.Suppressed) != 1 || c.Suppressed[0].Reason != desk.Unsubscribed {
			t.Errorf("the operator sees %+v", c.Suppressed)
		}
	})
}

// TestO7_AWebmailMayPressTheButton: its page has the reader's browser post there.
func TestO7_AWebmailMayPressTheButton(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	ann := r.contact("Ann", "ann@acme.example")
	for _, path := range []string{tickets.StopPath(r.keys, ann.ID, "ann@acme.example"), "/sign-in/link"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url+path, strings.NewReader("List-Unsubscribe=One-Click"))
		ok(t, err)
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Origin", "https://webmail.example")
		req.Header.Set("Sec-Fetch-Site", "cross-site")
		res, err := http.DefaultClient.Do(req)
		ok(t, err)
		ok(t, res.Body.Close())
		if want := map[bool]int{true: http.StatusOK, false: http.StatusForbidden}[strings.HasPrefix(path, "/stop/")]; res.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, res.StatusCode, want)
		}
	}
}
