package portal

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"postern/desk"
	"postern/internal/desktest"
	"postern/mailmsg"
	"postern/store"
	"postern/web"
)

// originals gives mails by their ledger row.
type originals map[desk.ID]string

func (o originals) Original(_ context.Context, item desk.ID) (string, error) { return o[item], nil }

// TestP13_TheOriginalOfAMail: laid out as it came in a frame that can do nothing, for who may see the message; pictures from elsewhere only when
// asked for, through us, and no others than the mail names.
func TestP13_TheOriginalOfAMail(t *testing.T) {
	desktest.Both(t, func(t *testing.T, on store.Options) {
		png, err := base64.StdEncoding.DecodeString("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII=")
		ok(t, err)
		var asked []string
		elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			asked = append(asked, req.URL.Path)
			if req.URL.Path == "/p.png" {
				_, _ = w.Write(png)
				return
			}
			_, _ = w.Write([]byte("<script>alert(1)</script>"))
		}))
		defer elsewhere.Close()
		here := netip.MustParseAddrPort(elsewhere.Listener.Addr().String())
		mails := originals{}
		r := newRigOn(t, on, func(o *Options) {
			o.Originals, o.Fetch = mails, web.NewFetcher(func(to netip.AddrPort) bool { return to == here })
		})
		ann, eve := r.contact("Ann", "ann@acme.example"), r.contact("Eve", "eve@other.example")
		mine := r.open(ann, "Hello", "Hi.")
		add := func(kind desk.AuthorKind, html string) desk.Message {
			m := r.messages(mine.ID)[0]
			m.ID, m.LedgerID, m.Source, m.Author.Kind, m.MessageID, m.Nonce, m.HTML = store.NewID(), store.NewID(), desk.FromMail, kind, "", "", "<p><b>Hi.</b></p>"
			mails[m.LedgerID] = html
			ok(t, r.db.Update(t.Context(), func(tx *store.Tx) error { _, err := tx.AddMessage(t.Context(), m); return err }))
			return m
		}
		mail := add(desk.Customer, `<p style="color:red">Hi</p><img src="`+elsewhere.URL+`/p.png"><img src="`+elsewhere.URL+`/script"><script>alert(1)</script>`)
		agents := add(desk.Agent, `<p>private</p>`)
		// What she quotes of our mail to her is for her alone; others read the ticket too.
		token, secret := r.keys.Token(mailmsg.ForReply, "x"), mailmsg.OneTimeSecret(r.keys, "x")
		quoting := add(desk.Customer, `<blockquote>From: <a href="mailto:support&#43;`+token+`@acme.example">support+`+token+`@acme.example</a> <a href="https://help.acme.example/password/`+secret+`">Choose a password</a></blockquote>`)
		in, stranger := r.signIn(ann), r.signIn(eve)
		path := ticketPath(mine.Number) + "/messages/" + string(mail.ID)
		thread := in.get(ticketPath(mine.Number))
		if !strings.Contains(thread.body, `src="`+path+`/original"`) || !strings.Contains(thread.body, `sandbox="allow-same-origin allow-popups allow-popups-to-escape-sandbox"`) || strings.Contains(thread.body, string(agents.ID)+"/original") {
			t.Errorf("the thread: %s", thread.body)
		}
		opened := in.get(ticketPath(mine.Number) + "?pictures=" + string(mail.ID))
		if !strings.Contains(opened.body, `<details class="orig" open>`) || !strings.Contains(opened.body, `src="`+path+`/original?pictures=1"`) {
			t.Errorf("asked for with pictures: %s", textOf(opened.body))
		}
		frame := in.get(path + "/original")
		in.want("the frame", frame, http.StatusOK)
		if csp := frame.header.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "sandbox allow-same-origin allow-popups") || strings.Contains(csp, "allow-scripts") || !strings.Contains(csp, "default-src 'none'") {
			t.Errorf("its policy is %q", csp)
		}
		if strings.Contains(frame.body, "<script") || strings.Contains(frame.body, elsewhere.URL) || !strings.Contains(frame.body, `style="color: red"`) || len(asked) != 0 {
			t.Errorf("the frame: %s, asked elsewhere %v", frame.body, asked)
		}
		if with := in.get(path + "/original?pictures=1"); !strings.Contains(with.body, path+"/pictures/0") || strings.Contains(with.body, elsewhere.URL) {
			t.Errorf("with pictures: %s", with.body)
		}
		quoted := in.get(ticketPath(mine.Number) + "/messages/" + string(quoting.ID) + "/original")
		if in.want("M2: what is for her alone", quoted, http.StatusOK); strings.Contains(quoted.body, token) || strings.Contains(quoted.body, secret) || !strings.Contains(quoted.body, ">support@acme.example<") {
			t.Errorf("it shows %s", quoted.body)
		}
		got := in.get(path + "/pictures/0")
		if in.want("a picture", got, http.StatusOK); got.header.Get("Content-Type") != "image/png" || got.body != string(png) {
			t.Errorf("the picture: %v", got.header)
		}
		in.want("what is no picture", in.get(path+"/pictures/1"), http.StatusNotFound)
		in.want("one that the mail has not", in.get(path+"/pictures/2"), http.StatusNotFound)
		in.want("no number", in.get(path+"/pictures/-1"), http.StatusNotFound)
		in.want("what an agent sent us", in.get(ticketPath(mine.Number)+"/messages/"+string(agents.ID)+"/original"), http.StatusNotFound)
		for _, part := range []string{"/original", "/pictures/0"} {
			stranger.want("T4: a stranger"+part, stranger.get(path+part), http.StatusNotFound)
			(&browser{r: r}).want("T4: nobody"+part, (&browser{r: r}).get(path+part), http.StatusSeeOther)
		}
	})
}
