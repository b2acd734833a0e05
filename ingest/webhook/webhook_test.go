package webhook

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/desk"
	"postern/ingest"
	"postern/internal/desktest"
	"postern/internal/mailtest"
	"postern/store"
)

func TestMain(m *testing.M) { os.Exit(mailtest.Main(m)) }

// door is a handler with a signed form and one at a secret URL, on a real server.
type door struct {
	t            *testing.T
	db           *store.DB
	ingest       *ingest.Ingest
	url          string
	signed, open desk.Form
	now          func() time.Time
}

// onBoth runs a check on a door before each database.
func onBoth(t *testing.T, maxBody int64, check func(t *testing.T, d *door)) {
	t.Helper()
	desktest.Both(t, func(t *testing.T, o store.Options) { check(t, newDoor(t, o, maxBody)) })
}

func newDoor(t *testing.T, o store.Options, maxBody int64) *door {
	t.Helper()
	d := &door{t: t, now: time.Now}
	var err error
	in := desktest.New(t, o)
	d.db = in.DB
	log := slog.New(slog.DiscardHandler)
	d.ingest, err = ingest.New(ingest.Options{DB: in.DB, Desk: in.Desk, Blobs: in.Blobs, Log: log})
	ok(t, err)
	mb := desk.Mailbox{ID: store.NewID(), Address: "support@desk.example", Aliases: []string{}, MIDDomain: "desk.example"}
	mapping := map[string]string{"email": "email", "subject": "topic", "message": "text"}
	d.signed = desk.Form{ID: store.NewID(), Key: "signed", Name: "Signed", MailboxID: mb.ID, Auth: desk.SignedForm, Secret: NewSecret(), Mapping: mapping}
	d.open = desk.Form{ID: store.NewID(), Key: "a-secret-url", Name: "Open", MailboxID: mb.ID, Auth: desk.SecretURLForm, Mapping: mapping}
	gone := desk.Form{ID: store.NewID(), Key: "gone", Name: "Gone", MailboxID: mb.ID, Auth: desk.SecretURLForm, Mapping: mapping, Disabled: true}
	ok(t, d.db.Update(t.Context(), func(tx *store.Tx) error {
		return errors.Join(tx.PutMailbox(t.Context(), mb), tx.PutForm(t.Context(), d.signed), tx.PutForm(t.Context(), d.open), tx.PutForm(t.Context(), gone))
	}))
	server := httptest.NewServer(New(Options{DB: d.db, Ingest: d.ingest, Log: log, MaxBody: maxBody, Now: func() time.Time { return d.now() }}))
	d.url = server.URL
	ctx, stop := context.WithCancel(context.Background())
	var reading sync.WaitGroup
	reading.Go(func() { _ = d.ingest.ReadForms(ctx) })
	t.Cleanup(func() { server.Close(); stop(); reading.Wait(); ok(t, d.db.Close()) })
	return d
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// reply is an answer of the door.
type reply struct {
	status int
	header http.Header
	body   string
}

func (d *door) post(form, contentType string, body []byte, header map[string]string) reply {
	d.t.Helper()
	req, err := http.NewRequestWithContext(d.t.Context(), http.MethodPost, d.url+"/hooks/"+form, bytes.NewReader(body))
	ok(d.t, err)
	req.Header.Set("Content-Type", contentType)
	for k, v := range header {
		req.Header.Set(k, v)
	}
	return d.do(req)
}

func (d *door) do(req *http.Request) reply {
	d.t.Helper()
	resp, err := http.DefaultClient.Do(req)
	ok(d.t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	ok(d.t, err)
	return reply{resp.StatusCode, resp.Header, string(b)}
}

func signature(secret, id string, at time.Time, body []byte) map[string]string {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		panic(err)
	}
	ts := fmt.Sprint(at.Unix())
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", id, ts, body)
	return map[string]string{"webhook-id": id, "webhook-timestamp": ts, "webhook-signature": "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))}
}

// want checks the status, and that a refusal is a problem document that says something.
func (d *door) want(r reply, status int) {
	d.t.Helper()
	if r.status != status {
		d.t.Errorf("status %d, want %d: %s", r.status, status, r.body)
	}
	if status < 300 {
		return
	}
	var p problem
	if err := json.Unmarshal([]byte(r.body), &p); err != nil || p.Status != status || p.Detail == "" || r.header.Get("Content-Type") != "application/problem+json" {
		d.t.Errorf("the refusal is no problem document: %s", r.body)
	}
}

// subjects waits until nothing is pending and gives the subjects of all tickets, newest first.
func (d *door) subjects() []string {
	d.t.Helper()
	mailtest.Until(d.t, "nothing is pending", func() bool {
		counts, err := d.db.LedgerCounts(d.t.Context())
		ok(d.t, err)
		return counts[desk.Pending] == 0
	})
	ts, err := d.db.Tickets(d.t.Context(), desk.ScopeOfProgram(), store.Page{})
	ok(d.t, err)
	out := []string{}
	for _, t := range ts {
		out = append(out, t.Subject)
	}
	return out
}

const hello = `{"email":"ann@acme.example","topic":"Hello","text":"Hi."}`

func TestW5_Signatures(t *testing.T) {
	onBoth(t, 0, func(t *testing.T, d *door) {
		good := signature(d.signed.Secret, "one", time.Now(), []byte(hello))
		other := func(k, v string) map[string]string {
			m := map[string]string{}
			for name, value := range signature(d.signed.Secret, "other", time.Now(), []byte(hello)) {
				m[name] = value
			}
			m[k] = v
			return m
		}
		d.want(d.post("signed", "application/json", []byte(hello), nil), 401)
		d.want(d.post("signed", "application/json", []byte(hello), signature(NewSecret(), "x", time.Now(), []byte(hello))), 401)
		d.want(d.post("signed", "application/json", []byte(strings.Replace(hello, "ann", "eve", 1)), good), 401)
		d.want(d.post("signed", "application/json", []byte(hello), other("webhook-id", "another")), 401)
		d.want(d.post("signed", "application/json", []byte(hello), other("webhook-timestamp", "soon")), 401)
		d.want(d.post("signed", "application/json", []byte(hello), other("webhook-signature", "v1,!!!")), 401)
		d.want(d.post("signed", "application/json", []byte(hello), signature(d.signed.Secret, "with.stop", time.Now(), []byte(hello))), 401)
		for _, off := range []time.Duration{-6 * time.Minute, 6 * time.Minute} {
			d.want(d.post("signed", "application/json", []byte(hello), signature(d.signed.Secret, "late", time.Now().Add(off), []byte(hello))), 401)
		}
		if counts, err := d.db.LedgerCounts(t.Context()); err != nil || len(counts) != 0 {
			t.Errorf("a refused post was stored: %v, %v", counts, err)
		}
		d.want(d.post("signed", "application/json", []byte(hello), good), 200)
		rotated := signature(d.signed.Secret, "two", time.Now(), []byte(hello))
		rotated["webhook-signature"] = "v1,AAAA v9,whatever " + rotated["webhook-signature"]
		d.want(d.post("signed", "application/json", []byte(hello), rotated), 200)
		if got := d.subjects(); len(got) != 2 {
			t.Errorf("tickets %q", got)
		}
	})
}

// TestW5_AKnownSignature is the example that Standard Webhooks' own documentation works through.
func TestW5_AKnownSignature(t *testing.T) {
	t.Parallel()
	h := http.Header{"Webhook-Id": {"msg_p5jXN8AQM9LWM0D4loKWxJek"}, "Webhook-Timestamp": {"1614265330"}}
	form := desk.Form{Auth: desk.SignedForm, Secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
	for signature, valid := range map[string]bool{"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=": true, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OI=": false} {
		h.Set("Webhook-Signature", signature)
		c, err := newCheck(form, h, time.Unix(1614265330, 0))
		ok(t, err)
		_, err = c.Write([]byte(`{"test": 2432232314}`))
		ok(t, err)
		if err := c.verify(); (err == nil) != valid {
			t.Errorf("%s: %v", signature, err)
		}
	}
}

// TestW5_StandardWebhooksVectors checks requests that others signed, where they lie beside the project.
func TestW5_StandardWebhooksVectors(t *testing.T) {
	corpus := os.Getenv("POSTERN_CORPUS")
	if corpus == "" {
		corpus = "../../../shared/corpus"
	}
	f, err := os.Open(filepath.Join(corpus, "expected", "standard_webhooks.jsonl"))
	if errors.Is(err, os.ErrNotExist) {
		t.Log("no vectors beside the project")
		return
	}
	ok(t, err)
	defer f.Close()
	n := 0
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var v struct {
			File, Secret, Payload string
			Now                   int64
			Headers               map[string]string
			Expect                struct{ Valid *bool }
		}
		ok(t, json.Unmarshal(lines.Bytes(), &v))
		if v.Expect.Valid == nil || strings.HasPrefix(v.Secret, "whpk_") || strings.HasPrefix(v.Headers["webhook-signature"], "v1a,") {
			continue // a choice of the product; the asymmetric scheme
		}
		h := http.Header{}
		for k, value := range v.Headers {
			h.Set(k, value)
		}
		c, err := newCheck(desk.Form{Auth: desk.SignedForm, Secret: v.Secret}, h, time.Unix(v.Now, 0))
		if err == nil {
			_, _ = c.Write([]byte(v.Payload))
			err = c.verify()
		}
		if (err == nil) != *v.Expect.Valid {
			t.Errorf("%s: %v, want valid %v", v.File, err, *v.Expect.Valid)
		}
		n++
	}
	if n < 8 {
		t.Errorf("only %d vectors were checked", n)
	}
}

func TestW4_TheSameDeliveryMakesOneTicket(t *testing.T) {
	onBoth(t, 0, func(t *testing.T, d *door) {
		start := time.Now()
		for _, later := range []time.Duration{0, time.Minute, time.Hour, 72 * time.Hour} {
			d.now = func() time.Time { return start.Add(later) }
			r := d.post("signed", "application/json", []byte(hello), signature(d.signed.Secret, "same", d.now(), []byte(hello)))
			d.want(r, 200)
			if want := map[bool]string{true: "accepted", false: "duplicate"}[later == 0]; !strings.Contains(r.body, want) {
				t.Errorf("after %v: %s, want %s", later, r.body, want)
			}
		}
		// without an id the body itself is what counts
		d.want(d.post("a-secret-url", "application/json", []byte(hello), nil), 200)
		d.want(d.post("a-secret-url", "application/json", []byte(hello), nil), 200)
		if got := d.subjects(); len(got) != 2 {
			t.Errorf("tickets %q", got)
		}
	})
}

func TestF29_TwoAtOnceMakeOneTicket(t *testing.T) {
	onBoth(t, 0, func(t *testing.T, d *door) {
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				d.want(d.post("signed", "application/json", []byte(hello), signature(d.signed.Secret, "same", time.Now(), []byte(hello))), 200)
			})
		}
		all.Wait()
		if got := d.subjects(); len(got) != 1 {
			t.Errorf("tickets %q", got)
		}
	})
}

func TestW8_Bodies(t *testing.T) {
	onBoth(t, 3<<20, func(t *testing.T, d *door) {
		d.want(d.post("a-secret-url", "application/x-www-form-urlencoded", []byte("email=ann%40acme.example&topic=Encoded&text=H%C3%BCllo"), nil), 200)
		var b bytes.Buffer
		w := multipart.NewWriter(&b)
		ok(t, errors.Join(w.WriteField("email", "ann@acme.example"), w.WriteField("topic", "With files"), w.WriteField("text", "See there.")))
		big := bytes.Repeat([]byte("0123456789abcdef"), 100_000) // more than is kept in memory
		part, err := w.CreateFormFile("file", "../../etc/big.bin")
		ok(t, err)
		_, err = part.Write(big)
		ok(t, errors.Join(err, w.Close()))
		d.want(d.post("a-secret-url", w.FormDataContentType(), b.Bytes(), nil), 200)

		d.want(d.post("a-secret-url", "application/json", []byte(`{"email":"ann@acme.example",`), nil), 422)
		d.want(d.post("a-secret-url", "application/json", nil, nil), 422)
		d.want(d.post("a-secret-url", "text/csv", []byte("a,b"), nil), 422)
		d.want(d.post("a-secret-url", w.FormDataContentType(), b.Bytes()[:len(b.Bytes())/2], nil), 422)
		d.want(d.post("a-secret-url", "application/octet-stream", nil, nil), 422)
		d.want(d.post("a-secret-url", "application/json", bytes.Repeat([]byte("x"), 4<<20), nil), 413)
		chunked, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.url+"/hooks/a-secret-url", io.MultiReader(bytes.NewReader(bytes.Repeat([]byte("x"), 4<<20))))
		ok(t, err)
		chunked.Header.Set("Content-Type", "application/json")
		d.want(d.do(chunked), 413)

		d.want(d.post("nowhere", "application/json", []byte(hello), nil), 404)
		d.want(d.post("gone", "application/json", []byte(hello), nil), 410)
		get, err := http.NewRequestWithContext(t.Context(), http.MethodGet, d.url+"/hooks/a-secret-url", nil)
		ok(t, err)
		r := d.do(get)
		d.want(r, 405)
		if r.header.Get("Allow") != "POST" {
			t.Errorf("Allow is %q", r.header.Get("Allow"))
		}

		got := d.subjects()
		if len(got) != 2 || got[0] != "With files" || got[1] != "Encoded" {
			t.Errorf("tickets %q", got)
		}
		ts, err := d.db.Tickets(t.Context(), desk.ScopeOfProgram(), store.Page{})
		ok(t, err)
		said, err := d.db.Messages(t.Context(), desk.ScopeOfProgram(), ts[0].ID)
		ok(t, err)
		if len(said) != 1 || len(said[0].Attachments) != 1 {
			t.Fatalf("the ticket has %+v", said)
		}
		a := said[0].Attachments[0]
		if a.Name != "big.bin" || a.Size != int64(len(big)) {
			t.Errorf("the file is %+v", a)
		}
		file, err := d.ingest.Blobs.Open(t.Context(), a.SHA256)
		ok(t, err)
		defer file.Close()
		if kept, err := io.ReadAll(file); err != nil || !bytes.Equal(kept, big) {
			t.Errorf("the file's bytes differ, %v", err)
		}
	})
}

// TestF30_ABodyThatIsCutShortStoresNothing uses a connection of its own that stops in the middle of a body.
func TestF30_ABodyThatIsCutShortStoresNothing(t *testing.T) {
	onBoth(t, 0, func(t *testing.T, d *door) {
		c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(d.url, "http://"))
		ok(t, err)
		_, err = fmt.Fprintf(c, "POST /hooks/a-secret-url HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(hello), hello[:20])
		ok(t, err)
		ok(t, c.(*net.TCPConn).CloseWrite())
		answer, err := io.ReadAll(c)
		ok(t, errors.Join(err, c.Close()))
		if !bytes.HasPrefix(answer, []byte("HTTP/1.1 422")) && !bytes.HasPrefix(answer, []byte("HTTP/1.1 400")) {
			t.Errorf("the answer is %q", answer)
		}
		if counts, err := d.db.LedgerCounts(t.Context()); err != nil || len(counts) != 0 {
			t.Errorf("stored: %v, %v", counts, err)
		}
	})
}

// TestF30_ABodyThatTakesTooLongIsLetGo sends a body drop by drop: 408 when the time is up, and the connection ends.
func TestF30_ABodyThatTakesTooLongIsLetGo(t *testing.T) {
	onBoth(t, 0, func(t *testing.T, d *door) {
		returned := make(chan struct{})
		h := New(Options{DB: d.db, Ingest: d.ingest, Log: slog.New(slog.DiscardHandler), Within: 300 * time.Millisecond})
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer close(returned)
			h.ServeHTTP(w, r)
		}))
		t.Cleanup(server.Close)
		c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", server.Listener.Addr().String())
		ok(t, err)
		defer c.Close()
		ok(t, c.SetDeadline(time.Now().Add(20*time.Second)))
		_, err = fmt.Fprintf(c, "POST /hooks/a-secret-url HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"ema\r\n")
		ok(t, err)
		answer, err := io.ReadAll(c)
		ok(t, err) // the end of the connection, not our own deadline
		if !bytes.HasPrefix(answer, []byte("HTTP/1.1 408")) {
			t.Errorf("the answer is %q", answer)
		}
		select {
		case <-returned:
		case <-time.After(20 * time.Second):
			t.Error("the handler still waits")
		}
		if counts, err := d.db.LedgerCounts(t.Context()); err != nil || len(counts) != 0 {
			t.Errorf("stored: %v, %v", counts, err)
		}
	})
}

// TestW2_F4_TheDatabaseIsAway has PostgreSQL die: 503 with Retry-After, and what is sent again later is there once.
func TestW2_F4_TheDatabaseIsAway(t *testing.T) {
	t.Parallel()
	pg := mailtest.PostgresProcess(t)
	d := newDoor(t, store.Options{URL: pg.Database(t)}, 0)
	send := func() reply {
		return d.post("signed", "application/json", []byte(hello), signature(d.signed.Secret, "one", time.Now(), []byte(hello)))
	}
	pg.Kill(t)
	for range 2 {
		r := send()
		d.want(r, 503)
		if r.header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
	pg.Start(t)
	mailtest.Until(t, "the post is taken", func() bool {
		r := send()
		if r.status != 200 && r.status != 503 {
			t.Fatalf("after the restart: %d %s", r.status, r.body)
		}
		return r.status == 200
	})
	d.want(send(), 200)
	if got := d.subjects(); len(got) != 1 {
		t.Errorf("tickets %q", got)
	}
}

// TestW2_NoRoomForAPostIsNoFaultOfTheSender has a machine without a place for temporary files.
func TestW2_NoRoomForAPostIsNoFaultOfTheSender(t *testing.T) {
	d := newDoor(t, store.Options{}, 0)
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "gone"))
	body := []byte(`{"email":"ann@acme.example","text":"` + strings.Repeat("x", desk.MaxInlineRaw) + `"}`)
	r := d.post("a-secret-url", "application/json", body, nil)
	d.want(r, http.StatusServiceUnavailable)
	if !strings.Contains(r.body, "can't be stored now") || r.header.Get("Retry-After") == "" {
		t.Errorf("%v %s", r.header, r.body)
	}
}
