package portal

import (
	"bytes"
	"crypto/sha256"
	"io"
	"log/slog"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"postern/accounts"
	"postern/blob"
	"postern/desk"
	"postern/i18n"
	"postern/internal/desktest"
	"postern/internal/mailtest"
	"postern/mailmsg"
	"postern/store"
	"postern/tickets"
	"postern/web"
)

// rig is a portal on a real server, with a database of its own.
type rig struct {
	t        *testing.T
	db       *store.DB
	desk     *tickets.Desk
	accounts *accounts.Accounts
	blobs    blob.Store
	keys     *mailmsg.Keyring
	handler  http.Handler
	url      string
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestMain(m *testing.M) { os.Exit(mailtest.Main(m)) }

func newRig(t *testing.T, change func(*Options)) *rig {
	t.Helper()
	return newRigOn(t, store.Options{}, change)
}

func newRigOn(t *testing.T, on store.Options, change func(*Options)) *rig {
	t.Helper()
	r := &rig{t: t}
	var err error
	in := desktest.New(t, on)
	r.db, r.keys, r.blobs, r.desk = in.DB, in.Keys, in.Blobs, in.Desk
	r.accounts, err = accounts.New(r.db, r.desk)
	ok(t, err)
	ok(t, r.db.Update(t.Context(), func(tx *store.Tx) error {
		return tx.PutMailbox(t.Context(), desk.Mailbox{ID: store.NewID(), Address: "support@desk.example", Aliases: []string{}, MIDDomain: "desk.example", SMTP: "smtp://127.0.0.1:1", IMAP: "imap://127.0.0.1:1"})
	}))
	texts, err := i18n.Load()
	ok(t, err)
	o := Options{
		DB: r.db, Desk: r.desk, Accounts: r.accounts, Blobs: r.blobs, Texts: texts,
		Web: web.Options{Log: slog.New(slog.DiscardHandler)},
	}
	if change != nil {
		change(&o)
	}
	h, err := New(o)
	ok(t, err)
	server := httptest.NewServer(h)
	t.Cleanup(func() {
		server.Close()
		server.Config.Handler, r.handler = nil, nil // package testing keeps what parallel tests have registered: without this, every portal of the run
	})
	r.handler, r.url = h, server.URL
	return r
}

func (r *rig) contact(name, email string) desk.Contact {
	r.t.Helper()
	c, _, err := r.desk.AddContact(r.t.Context(), tickets.NewContact{Name: name, Addresses: []string{email}})
	ok(r.t, err)
	return c
}

func (r *rig) file(name, media, content string, inline bool) desk.Attachment {
	r.t.Helper()
	sha, size, err := r.blobs.Put(r.t.Context(), strings.NewReader(content))
	ok(r.t, err)
	a := desk.Attachment{Name: mailmsg.SafeFileName(name), Type: media, Size: size, SHA256: sha, Inline: inline}
	if inline {
		a.ContentID = "pic@desk.example"
	}
	return a
}

func (r *rig) open(c desk.Contact, subject, text string, files ...desk.Attachment) desk.Ticket {
	r.t.Helper()
	t, err := r.desk.OpenByCustomer(r.t.Context(), tickets.CustomerTicket{Contact: c, Subject: subject, Text: text, Files: files})
	ok(r.t, err)
	return t
}

func (r *rig) ticket(id desk.ID) desk.Ticket {
	r.t.Helper()
	t, err := r.db.Ticket(r.t.Context(), desk.ScopeOfProgram(), id)
	ok(r.t, err)
	return t
}

func (r *rig) messages(id desk.ID) []desk.Message {
	r.t.Helper()
	m, err := r.db.Messages(r.t.Context(), desk.ScopeOfProgram(), id)
	ok(r.t, err)
	return m
}

// link makes a one-time link for a contact and gives its secret.
func (r *rig) link(c desk.Contact, purpose string, life time.Duration) string {
	r.t.Helper()
	secret := mailmsg.OneTimeSecret(r.keys, store.NewID())
	ok(r.t, r.db.Update(r.t.Context(), func(tx *store.Tx) error {
		return tx.AddOneTime(r.t.Context(), store.OneTime{
			Hash: sha256.Sum256([]byte(secret)), Purpose: purpose, ContactID: c.ID, Email: c.LoginAddress(), CreatedAt: tx.Now(), ExpiresAt: tx.Now().Add(life),
		})
	}))
	return secret
}

// browser is a browser: it keeps the session's cookie and does not follow redirects by itself.
type browser struct {
	r      *rig
	name   string
	cookie *http.Cookie
	// language is the cookie of the language picker, accept what the browser asks for by itself.
	language *http.Cookie
	accept   string
}

// answer is what a browser gets.
type answer struct {
	status   int
	location string
	header   http.Header
	body     string
}

func (v *browser) do(req *http.Request) answer {
	v.r.t.Helper()
	if v.cookie != nil {
		req.AddCookie(&http.Cookie{Name: v.cookie.Name, Value: v.cookie.Value})
	}
	if v.language != nil {
		req.AddCookie(&http.Cookie{Name: v.language.Name, Value: v.language.Value})
	}
	if v.accept != "" {
		req.Header.Set("Accept-Language", v.accept)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	ok(v.r.t, err)
	defer resp.Body.Close()
	var b []byte
	if resp.Header.Get("Content-Type") != "text/event-stream" { // which does not end; see stream
		b, err = io.ReadAll(resp.Body)
		ok(v.r.t, err)
	}
	for _, c := range resp.Cookies() {
		kept := &v.cookie
		if c.Name == languageCookie {
			kept = &v.language
		}
		if *kept = c; c.MaxAge < 0 || c.Value == "" {
			*kept = nil
		}
	}
	return answer{resp.StatusCode, resp.Header.Get("Location"), resp.Header, string(b)}
}

func (v *browser) request(method, path, contentType string, body []byte) *http.Request {
	v.r.t.Helper()
	req, err := http.NewRequestWithContext(v.r.t.Context(), method, v.r.url+path, bytes.NewReader(body))
	ok(v.r.t, err)
	if method == "POST" {
		req.Header.Set("Content-Type", contentType)
		req.Header.Set("Origin", v.r.url)
		req.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	return req
}

func (v *browser) get(path string) answer {
	v.r.t.Helper()
	return v.do(v.request("GET", path, "", nil))
}

func (v *browser) head(path string) answer {
	v.r.t.Helper()
	return v.do(v.request("HEAD", path, "", nil))
}

const urlencoded = "application/x-www-form-urlencoded"

func (v *browser) post(path string, pairs ...string) answer {
	v.r.t.Helper()
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	return v.do(v.request("POST", path, urlencoded, []byte(q.Encode())))
}

type upload struct{ name, media, content string }

func multipartBody(t testing.TB, fields map[string]string, files ...upload) (contentType string, body []byte) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for k, v := range fields {
		ok(t, w.WriteField(k, v))
	}
	for _, f := range files {
		h := textproto.MIMEHeader{"Content-Type": {f.media}, "Content-Disposition": {mime.FormatMediaType("form-data", map[string]string{"name": "files", "filename": f.name})}}
		part, err := w.CreatePart(h)
		ok(t, err)
		_, err = io.WriteString(part, f.content)
		ok(t, err)
	}
	ok(t, w.Close())
	return w.FormDataContentType(), b.Bytes()
}

func (v *browser) send(path string, fields map[string]string, files ...upload) answer {
	v.r.t.Helper()
	contentType, body := multipartBody(v.r.t, fields, files...)
	return v.do(v.request("POST", path, contentType, body))
}

// signIn brings a browser in by a one-time link.
func (r *rig) signIn(c desk.Contact) *browser {
	r.t.Helper()
	v := &browser{r: r, name: c.Name}
	if a := v.post("/sign-in/link/" + r.link(c, desk.LinkSignIn, time.Hour)); a.status != http.StatusSeeOther || a.location != "/tickets" || v.cookie == nil {
		r.t.Fatalf("%s can't sign in: %d %s", c.Name, a.status, a.location)
	}
	return v
}

// routes reads the portal's route table.
func routes(t *testing.T) gin.RoutesInfo {
	t.Helper()
	p := &portal{}
	gin.SetMode(gin.ReleaseMode)
	e := gin.New()
	p.routes(e)
	return e.Routes()
}

// answer has an agent answer a ticket.
func (r *rig) answer(ticket desk.Ticket, text string) {
	r.t.Helper()
	_, err := r.desk.ReplyByAgent(r.t.Context(), tickets.AgentReply{Ticket: ticket.ID, Agent: desk.Author{Name: "Mia Support", Email: "mia@desk.example"}, Source: desk.FromAPI, Text: text})
	ok(r.t, err)
}

// both runs a test on a portal with each database.
func both(t *testing.T, test func(*testing.T, *rig)) {
	desktest.Both(t, func(t *testing.T, o store.Options) { test(t, newRigOn(t, o, nil)) })
}
