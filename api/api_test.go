package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/accounts"
	"postern/desk"
	"postern/ingest"
	"postern/internal/desktest"
	"postern/internal/mailtest"
	"postern/store"
	"postern/tickets"
	"postern/web"
)

func TestMain(m *testing.M) { os.Exit(mailtest.Main(m)) }

// client talks to an API with a token.
type client struct {
	t       *testing.T
	db      *store.DB
	desk    *tickets.Desk
	who     *accounts.Accounts
	ingest  *ingest.Ingest
	blobs   *counting
	log     *logged
	handler http.Handler
	url     string
	token   string
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newClient(t *testing.T) *client {
	t.Helper()
	return newClientOn(t, store.Options{})
}

func newClientOn(t *testing.T, o store.Options) *client {
	t.Helper()
	in := desktest.New(t, o)
	c := &client{t: t, db: in.DB, desk: in.Desk, blobs: &counting{Store: in.Blobs}, log: &logged{}}
	var err error
	c.who, err = accounts.New(c.db, c.desk)
	ok(t, err)
	mb := desk.Mailbox{
		ID: store.NewID(), Address: "support@desk.example", Aliases: []string{}, Name: "Desk", MIDDomain: "desk.example", IMAP: "imap://support@127.0.0.1", SMTP: "smtp://127.0.0.1",
		Secrets: desk.MailboxSecrets{IMAPPassword: "canary-password", SMTPPassword: "canary-password"},
	}
	form := desk.Form{ID: store.NewID(), Key: "canary-key", Name: "Contact", MailboxID: mb.ID, Auth: desk.SignedForm, Secret: "whsec_canary", Mapping: map[string]string{}}
	ok(t, c.db.Update(t.Context(), func(tx *store.Tx) error {
		return errors.Join(tx.PutMailbox(t.Context(), mb), tx.PutForm(t.Context(), form))
	}))
	c.ingest, err = ingest.New(ingest.Options{DB: c.db, Desk: c.desk, Blobs: c.blobs, Log: slog.New(slog.DiscardHandler)})
	ok(t, err)
	h, err := New(Options{
		DB: c.db, Desk: c.desk, Accounts: c.who, Held: c.ingest, Quarantine: c.ingest, Blobs: c.blobs, Version: "test", BaseURL: "http://desk.example",
		Web: web.Options{Log: slog.New(slog.NewTextHandler(c.log, &slog.HandlerOptions{Level: slog.LevelWarn}))},
	})
	ok(t, err)
	server := httptest.NewServer(h)
	c.handler, c.url = h, server.URL
	t.Cleanup(server.Close)
	c.token, err = c.who.CreateToken(t.Context(), "test", nil)
	ok(t, err)
	return c
}

// logged is what a handler has logged.
type logged struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// operator makes a token that may change the settings.
func (c *client) operator() string {
	c.t.Helper()
	token, err := c.who.CreateToken(c.t.Context(), "operator", []string{desk.ScopeRead, desk.ScopeSettings})
	ok(c.t, err)
	return token
}

type reply struct {
	status int
	header http.Header
	body   []byte
}

func (c *client) ask(method, path string, body any) reply {
	c.t.Helper()
	var r io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		r = strings.NewReader(b)
	default:
		packed, err := json.Marshal(b)
		ok(c.t, err)
		r = bytes.NewReader(packed)
	}
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.url+path, r)
	ok(c.t, err)
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	ok(c.t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	ok(c.t, err)
	return reply{resp.StatusCode, resp.Header, b}
}

// want checks the status and reads the answer; a refusal must be a problem document with words for people.
func (c *client) want(status int, method, path string, body, out any) {
	c.t.Helper()
	r := c.ask(method, path, body)
	if r.status != status {
		c.t.Fatalf("%s %s: %d, want %d: %s", method, path, r.status, status, r.body)
	}
	if bytes.Contains(r.body, []byte("canary")) {
		c.t.Errorf("%s %s shows a secret: %s", method, path, r.body)
	}
	if status >= 400 {
		var p struct {
			Status        int
			Title, Detail string
		}
		if err := json.Unmarshal(r.body, &p); err != nil || p.Status != status || p.Detail == "" || !strings.HasPrefix(r.header.Get("Content-Type"), "application/problem+json") {
			c.t.Errorf("%s %s: no problem document: %s %s", method, path, r.header.Get("Content-Type"), r.body)
		}
	}
	if out != nil {
		ok(c.t, json.Unmarshal(r.body, out))
	}
}

type items[T any] struct {
	Items      []T     `json:"items"`
	NextCursor *string `json:"next_cursor"`
}

func TestTokensAndScopes(t *testing.T) {
	desktest.Both(t, func(t *testing.T, o store.Options) {
		c := newClientOn(t, o)
		good := c.token
		for _, token := range []string{"", "wrong", "pst_wrong", good + "x"} {
			c.token = token
			c.want(401, "GET", "/api/v1/tickets", nil, nil)
		}
		var err error
		c.token, err = c.who.CreateToken(t.Context(), "reader", []string{desk.ScopeRead})
		ok(t, err)
		c.want(200, "GET", "/api/v1/tickets", nil, nil)
		c.want(403, "POST", "/api/v1/companies", map[string]any{"name": "Acme"}, nil)
		c.want(403, "PATCH", "/api/v1/settings", map[string]any{"portal_title": "Mine"}, nil)
		c.token = good
		c.want(403, "PATCH", "/api/v1/settings", map[string]any{"portal_title": "Mine"}, nil)
	})
}

// TestTheSchemeHasNoCase: RFC 9110 11.1 says so.
func TestTheSchemeHasNoCase(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	for authorization, want := range map[string]int{
		"Bearer " + c.token: 200, "bearer " + c.token: 200, "BEARER  " + c.token: 200, "Basic " + c.token: 401, "Bearer" + c.token: 401, c.token: 401, "Bearer": 401, "": 401,
	} {
		req, err := http.NewRequestWithContext(t.Context(), "GET", c.url+"/api/v1/tickets", nil)
		ok(t, err)
		req.Header.Set("Authorization", authorization)
		resp, err := http.DefaultClient.Do(req)
		ok(t, err)
		ok(t, resp.Body.Close())
		if resp.StatusCode != want {
			t.Errorf("%.8s… gives %d, want %d", authorization, resp.StatusCode, want)
		}
	}
}

func TestRefusalsAreProblems(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	c.want(404, "GET", "/api/v1/nothing", nil, nil)
	c.want(404, "GET", "/api/v1/tickets/77", nil, nil)
	c.want(404, "GET", "/api/v1/tickets/"+string(store.NewID()), nil, nil)
	c.want(404, "GET", "/api/v1/contacts/x", nil, nil)
	c.want(422, "GET", "/api/v1/tickets?limit=201", nil, nil)
	c.want(422, "GET", "/api/v1/outbox?state=lost", nil, nil)
	c.want(422, "POST", "/api/v1/companies", map[string]any{"name": "Acme", "colour": "red"}, nil)
	c.want(400, "POST", "/api/v1/companies", `{"name":`, nil)
	c.want(422, "POST", "/api/v1/companies", map[string]any{"name": "Everybody", "domains": []string{"gmail.com"}}, nil)
	c.want(422, "POST", "/api/v1/contacts", map[string]any{"addresses": []string{"not an address"}}, nil)
	c.want(422, "POST", "/api/v1/tickets", map[string]any{"subject": "S", "text": "T", "address": "nobody@acme.example"}, nil)
}

func TestPeople(t *testing.T) {
	desktest.Both(t, func(t *testing.T, o store.Options) {
		c := newClientOn(t, o)
		var acme, other struct{ ID string }
		c.want(201, "POST", "/api/v1/companies", map[string]any{"name": "Acme", "domains": []string{"ACME.example"}}, &acme)
		c.want(409, "POST", "/api/v1/companies", map[string]any{"name": "Copy", "domains": []string{"acme.example"}}, nil)
		c.want(201, "POST", "/api/v1/companies", map[string]any{"name": "Other"}, &other)
		var ann map[string]any
		c.want(201, "POST", "/api/v1/contacts", map[string]any{"name": "Ann", "addresses": []string{"Ann@print.acme.example", "ann@home.example"}}, &ann)
		if ann["company_id"] != acme.ID || fmt.Sprint(ann["addresses"]) != "[ann@print.acme.example ann@home.example]" {
			t.Errorf("Ann is %v", ann)
		}
		c.want(409, "POST", "/api/v1/contacts", map[string]any{"addresses": []string{"ann@home.example"}}, nil)
		c.want(200, "PATCH", "/api/v1/contacts/"+ann["id"].(string), map[string]any{"companies": []string{other.ID, acme.ID}, "language": "de"}, &ann)
		if ann["company_id"] != other.ID || ann["language"] != "de" || ann["name"] != "Ann" {
			t.Errorf("Ann is %v", ann)
		}
		c.want(422, "PATCH", "/api/v1/contacts/"+ann["id"].(string), map[string]any{"companies": []string{"none"}}, nil)
		ok(t, c.db.Update(t.Context(), func(tx *store.Tx) error {
			return tx.Suppress(t.Context(), desk.Suppression{Address: ann["addresses"].([]any)[0].(string), Reason: desk.Complained, At: time.Now()})
		}))
		c.want(200, "PATCH", "/api/v1/contacts/"+ann["id"].(string), map[string]any{"language": "fr"}, &ann)
		if n := len(ann["suppressed"].([]any)); n != 1 {
			t.Errorf("%d addresses are suppressed", n)
		}
		c.want(422, "PATCH", "/api/v1/contacts/"+ann["id"].(string), map[string]any{"suppressed": ann["suppressed"]}, nil)
		c.want(200, "PATCH", "/api/v1/contacts/"+ann["id"].(string), map[string]any{"suppressed": []string{}}, &ann)
		if n := len(ann["suppressed"].([]any)); n != 0 {
			t.Errorf("%d addresses are suppressed after that is lifted", n)
		}
		c.want(200, "PATCH", "/api/v1/companies/"+acme.ID, map[string]any{"name": "Acme Inc"}, nil)
		var found items[struct{ Name string }]
		c.want(200, "GET", "/api/v1/contacts?address=ANN@home.example", nil, &found)
		if len(found.Items) != 1 || found.Items[0].Name != "Ann" {
			t.Errorf("by address: %+v", found)
		}
		c.want(200, "GET", "/api/v1/contacts?address=nobody@home.example", nil, &found)
		if len(found.Items) != 0 {
			t.Errorf("nobody: %+v", found)
		}
	})
}

// TestTicketsHaveTheFieldsThatArePromised compares field names with the architecture's, letter by letter.
func TestTicketsHaveTheFieldsThatArePromised(t *testing.T) {
	desktest.Both(t, func(t *testing.T, o store.Options) {
		c := newClientOn(t, o)
		var ann, ticket, message map[string]any
		c.want(201, "POST", "/api/v1/contacts", map[string]any{"name": "Ann", "addresses": []string{"ann@acme.example"}, "welcome": false}, &ann)
		c.want(201, "POST", "/api/v1/tickets", map[string]any{"address": "ann@acme.example", "subject": "A call", "text": "Ann called."}, &ticket)
		has := func(what string, m map[string]any, names string) {
			t.Helper()
			for name := range strings.FieldsSeq(names) {
				if _, there := m[name]; !there {
					t.Errorf("%s lacks %q: %v", what, name, m)
				}
			}
		}
		has("a contact", ann, "id name addresses suppressed company_id companies language")
		has("a ticket", ticket, "id number subject status mailbox_id contact_id company_id created_at last_activity_at participants properties")
		if ticket["mailbox_id"] != nil || ticket["status"] != "open" || ticket["number"] != 1.0 {
			t.Errorf("the ticket is %v", ticket)
		}
		if rows, err := c.db.Effects(t.Context(), "", store.Page{}); err != nil || len(rows) != 0 {
			t.Errorf("a ticket without mail caused %v, %v", rows, err)
		}
		id := ticket["id"].(string)
		file := map[string]any{"name": "../plan.txt", "type": "text/plain", "content": []byte("the plan\x00\xff")}
		c.want(201, "POST", "/api/v1/tickets/"+id+"/messages", map[string]any{"text": "Here.", "attachments": []any{file}}, &message)
		has("a message", message, "id ticket_id author source internal text reply html message_id created_at class trust reasons delivery attachments")
		has("an author", message["author"].(map[string]any), "kind name address")
		c.want(201, "POST", "/api/v1/tickets/1/messages", map[string]any{"text": "Between us.", "internal": true}, nil)
		c.want(422, "POST", "/api/v1/tickets/1/messages", map[string]any{"text": "  "}, nil)
		var said items[map[string]any]
		c.want(200, "GET", "/api/v1/tickets/"+id+"/messages", nil, &said)
		if len(said.Items) != 3 || said.Items[0]["internal"] != true || said.Items[1]["delivery"].(map[string]any)["state"] != "pending" || said.Items[2]["delivery"] != nil {
			t.Errorf("messages: %v", said.Items)
		}
		a := said.Items[1]["attachments"].([]any)[0].(map[string]any)
		has("an attachment", a, "id name type size sha256 inline")
		r := c.ask("GET", "/api/v1/files/"+a["id"].(string), nil)
		if a["name"] != "plan.txt" || string(r.body) != "the plan\x00\xff" || !strings.HasPrefix(r.header.Get("Content-Disposition"), "attachment") {
			t.Errorf("the file is %v with %q, %v", a, r.body, r.header)
		}
		c.want(200, "PATCH", "/api/v1/tickets/"+id, map[string]any{"status": "closed", "properties": map[string]string{"serial": "7"}}, &ticket)
		if ticket["status"] != "closed" || ticket["properties"].(map[string]any)["serial"] != "7" {
			t.Errorf("the ticket is %v", ticket)
		}
		c.want(422, "PATCH", "/api/v1/tickets/"+id, map[string]any{"status": "lost"}, nil)
		for _, list := range []string{"held", "quarantine", "outbox", "mailboxes", "agents", "forms", "settings"} {
			c.want(200, "GET", "/api/v1/"+list, nil, nil)
		}
	})
}

// TestALongSubjectIsRefusedNotCut: the limit is in the refusal, and what fits is kept whole.
func TestALongSubjectIsRefusedNotCut(t *testing.T) {
	desktest.Both(t, func(t *testing.T, o store.Options) {
		c := newClientOn(t, o)
		c.want(201, "POST", "/api/v1/contacts", map[string]any{"addresses": []string{"ann@acme.example"}}, nil)
		long := strings.Repeat("ü", desk.MaxSubject)
		add := func(subject string) map[string]any {
			return map[string]any{"address": "ann@acme.example", "subject": subject, "text": "Ann called."}
		}
		var ticket struct{ Subject string }
		c.want(201, "POST", "/api/v1/tickets", add(long), &ticket)
		c.want(200, "GET", "/api/v1/tickets/1", nil, &ticket)
		if ticket.Subject != long {
			t.Errorf("of %d bytes %d are kept", len(long), len(ticket.Subject))
		}
		for method, path := range map[string]string{"POST": "/api/v1/tickets", "PATCH": "/api/v1/tickets/1"} {
			body := add(long + "x")
			if method == "PATCH" {
				body = map[string]any{"subject": long + "x"}
			}
			if r := c.ask(method, path, body); r.status != 422 || !bytes.Contains(r.body, []byte("1000")) || !bytes.Contains(r.body, []byte("body.subject")) {
				t.Errorf("%s %s: %d %s", method, path, r.status, r.body)
			}
		}
	})
}

func TestPagingMissesAndRepeatsNothing(t *testing.T) {
	desktest.Both(t, func(t *testing.T, o store.Options) {
		c := newClientOn(t, o)
		contact, _, err := c.desk.AddContact(t.Context(), tickets.NewContact{Addresses: []string{"ann@acme.example"}})
		ok(t, err)
		const all = 250
		for i := range all {
			_, _, err := c.desk.OpenByAgent(t.Context(), tickets.AgentTicket{Contact: contact.ID, Source: desk.FromAPI, Subject: fmt.Sprint(i), Text: "x"})
			ok(t, err)
		}
		for _, limit := range []int{7, 50, 125, 200} {
			var numbers []int
			cursor := ""
			for pages := 0; ; pages++ {
				var page items[struct{ Number int }]
				c.want(200, "GET", fmt.Sprintf("/api/v1/tickets?limit=%d&cursor=%s", limit, cursor), nil, &page)
				for _, it := range page.Items {
					numbers = append(numbers, it.Number)
				}
				if page.NextCursor == nil {
					break
				}
				if cursor = *page.NextCursor; pages > all {
					t.Fatal("the pages don't end")
				}
			}
			if len(numbers) != all || !slices.IsSortedFunc(numbers, func(a, b int) int { return b - a }) || numbers[0] != all {
				t.Errorf("by %d: %d tickets, %v …", limit, len(numbers), numbers[:min(5, len(numbers))])
			}
		}
	})
}

func TestWelcomeTemplatesMustLeadSomewhere(t *testing.T) {
	desktest.Both(t, func(t *testing.T, o store.Options) {
		c := newClientOn(t, o)
		c.token = c.operator()
		for name, welcome := range map[string]map[string]any{
			"neither link nor credentials":    {"body": "Hello {{contact.name}}"},
			"a password in a mail":            {"body": "{{portal.username}} {{portal.password}} {{portal.set_password_link}}"},
			"neutral without the link":        {"neutral_body": "Hello"},
			"neutral with the sender's words": {"neutral_body": "Hello {{ contact.name }}, {{portal.set_password_link}}"},
		} {
			t.Run(name, func(t *testing.T) {
				r := (&client{t: t, url: c.url, token: c.token}).ask("PATCH", "/api/v1/settings", map[string]any{"welcome": welcome})
				if r.status != 422 || !bytes.Contains(r.body, []byte(`"location":"body.welcome.`)) {
					t.Errorf("%d %s", r.status, r.body)
				}
			})
		}
		c.want(422, "PATCH", "/api/v1/settings", map[string]any{"colour": "red"}, nil)
		for location, body := range map[string]map[string]any{
			"body.portal_title": {"portal_title": 4711}, "body.welcome.enabled": {"welcome": map[string]any{"enabled": "canary"}}, "body.pipelines": {"pipelines": "canary"},
		} {
			r := c.ask("PATCH", "/api/v1/settings", body)
			if r.status != 422 || !bytes.Contains(r.body, []byte(`"location":"`+location+`"`)) || bytes.Contains(r.body, []byte("Go ")) || bytes.Contains(r.body, []byte("4711")) || bytes.Contains(r.body, []byte("canary")) {
				t.Errorf("%v: %d %s", body, r.status, r.body)
			}
		}
		var s desk.Settings
		statuses := []map[string]any{{"key": "open", "name": "Open"}, {"key": "closed", "name": "Closed", "closed": true}, {"key": "onhold", "name": "On hold"}}
		c.want(200, "PATCH", "/api/v1/settings", map[string]any{"pipelines": []map[string]any{{"key": "support", "name": "Support", "statuses": statuses}}}, &s)
		if got := s.Pipelines[0].Statuses; len(got) != 3 || got[2].Closed || !got[1].Closed || got[0].Closed {
			t.Errorf("the statuses are %+v", got)
		}
		c.want(200, "PATCH", "/api/v1/settings", map[string]any{"portal_title": "Acme Help", "welcome": map[string]any{"enabled": false}}, &s)
		if s.PortalTitle != "Acme Help" || s.Welcome.Enabled || s.Welcome.Body != desk.DefaultSettings().Welcome.Body {
			t.Errorf("the settings are %+v", s)
		}
	})
}

func TestOpenAPINamesEveryRoute(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	r := c.ask("GET", "/api/v1/openapi.json", nil)
	var doc struct {
		OpenAPI string                    `json:"openapi"`
		Paths   map[string]map[string]any `json:"paths"`
	}
	ok(t, json.Unmarshal(r.body, &doc))
	if !strings.HasPrefix(doc.OpenAPI, "3.1") {
		t.Errorf("OpenAPI %q", doc.OpenAPI)
	}
	for path, methods := range map[string]string{
		"/companies": "get post", "/companies/{id}": "get patch", "/contacts": "get post", "/contacts/{id}": "get patch", "/tickets": "get post", "/tickets/{id}": "get patch",
		"/tickets/{id}/messages": "get post", "/files/{id}": "get", "/held": "get", "/quarantine": "get", "/quarantine/{id}": "get", "/quarantine/{id}/raw": "get", "/quarantine/{id}/retry": "post", "/quarantine/{id}/deliver": "post", "/outbox": "get", "/mailboxes": "get", "/agents": "get", "/forms": "get", "/settings": "get patch",
		"/articles": "get post", "/articles/{id}": "get patch delete", "/categories": "get", "/categories/{id}": "get put delete",
	} {
		for m := range strings.FieldsSeq(methods) {
			if doc.Paths["/api/v1"+path][m] == nil {
				t.Errorf("%s %s is not described", m, path)
			}
		}
	}
}

// TestTheDatabaseIsAway has PostgreSQL die under a running API.
func TestTheDatabaseIsAway(t *testing.T) {
	t.Parallel()
	pg := mailtest.PostgresProcess(t)
	c := newClientOn(t, store.Options{URL: pg.Database(t)})
	c.want(200, "GET", "/api/v1/tickets", nil, nil)
	pg.Kill(t)
	c.want(503, "GET", "/api/v1/tickets", nil, nil)
	if !strings.Contains(c.log.String(), "an API call failed") {
		t.Errorf("when a token can't be looked up the log says %q", c.log)
	}
	for range 2 {
		c.want(503, "GET", "/api/v1/tickets", nil, nil)
		c.want(503, "POST", "/api/v1/companies", map[string]any{"name": "Acme"}, nil)
	}
	pg.Start(t)
	for deadline := time.Now().Add(20 * time.Second); c.ask("GET", "/api/v1/tickets", nil).status != 200; {
		if time.Now().After(deadline) {
			t.Fatal("it does not come back")
		}
	}
	c.want(201, "POST", "/api/v1/companies", map[string]any{"name": "Acme"}, nil)
}
