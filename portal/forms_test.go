package portal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"postern/blob"
	"postern/desk"
	"postern/internal/desktest"
	"postern/store"
)

// TestNothingIsLostWhenAFormIsRefused: what was typed comes back with every refusal, and nothing is stored.
func TestNothingIsLostWhenAFormIsRefused(t *testing.T) {
	desktest.Both(t, func(t *testing.T, o store.Options) {
		r := newRigOn(t, o, nil)
		ann := r.contact("Ann", "ann@acme.example")
		mine := r.open(ann, "Hello", "Hi.")
		in := r.signIn(ann)
		many := make([]upload, 11)
		for i := range many {
			many[i] = upload{fmt.Sprintf("file-%d.txt", i), "text/plain", "x"}
		}
		type sent struct {
			path   string
			fields map[string]string
			files  []upload
			want   []string
		}
		cases := map[string]sent{
			"eleven files":       {ticketPath(mine.Number), map[string]string{"text": "my draft", "solved": "1"}, many, []string{"Send at most 10 files", "my draft", "checked", "Choose the files again: file-0.txt"}},
			"one file too large": {ticketPath(mine.Number), map[string]string{"text": "my draft"}, []upload{{"big.bin", "text/plain", strings.Repeat("x", 25<<20+1)}, {"small.txt", "text/plain", "x"}}, []string{"big.bin is larger than \u206625 MB\u2069", "my draft", "small.txt"}},
			"blanks":             {ticketPath(mine.Number), map[string]string{"text": " \n\t "}, nil, []string{"Write what you want to say", " \n\t </textarea>"}},
			"nothing to be seen": {ticketPath(mine.Number), map[string]string{"text": "\u200b\u2060\ufeff\U000E0041\u2800 "}, nil, []string{"Write what you want to say"}},
			"a subject of that":  {"/tickets/new", map[string]string{"text": "my draft", "subject": "\u200b\u202e"}, nil, []string{"Enter a subject", "my draft"}},
			"no subject":         {"/tickets/new", map[string]string{"text": "my draft", "subject": " "}, many[:1], []string{"Enter a subject", "my draft", "file-0.txt"}},
			"no text":            {"/tickets/new", map[string]string{"text": "", "subject": `my "subject"`}, nil, []string{"Write what you want to say", "my &#34;subject&#34;"}},
		}
		for what, c := range cases {
			a := in.send(c.path, c.fields, c.files...)
			in.want(what, a, http.StatusUnprocessableEntity)
			for _, w := range c.want {
				if !strings.Contains(a.body, w) {
					t.Errorf("%s: the page lacks %q: %s", what, w, textOf(a.body))
				}
			}
		}
		in.want("too much text", in.send(ticketPath(mine.Number), map[string]string{"text": strings.Repeat("x", maxFormText+1)}), http.StatusRequestEntityTooLarge)
		all, total, err := r.db.TicketLines(t.Context(), desk.ScopeOfContact(ann), store.Listing{Limit: 10}, nil)
		if err != nil || total.All != 1 || len(all) != 1 || len(r.messages(mine.ID)) != 1 {
			t.Errorf("something was stored: %d tickets, %+v, %v", total.All, r.messages(mine.ID), err)
		}
	})
}

// TestWhatWasWrittenComesBackWithAnErrorOfOurs: the page for it has the form again, so that also without a script nothing that
// somebody wrote is gone.
func TestWhatWasWrittenComesBackWithAnErrorOfOurs(t *testing.T) {
	t.Parallel()
	blobs := &failing{}
	r := newRig(t, func(o *Options) { blobs.Store, o.Blobs = o.Blobs, blobs })
	ann := r.contact("Ann", "ann@acme.example")
	mine := r.open(ann, "Hello", "Hi.")
	in := r.signIn(ann)
	nonce := string(store.NewID())
	fields := map[string]string{"subject": "My subject", "text": "my <draft>", "nonce": nonce, "solved": "1"}
	has := func(what string, a answer, status int, parts ...string) {
		t.Helper()
		in.want(what, a, status)
		for _, part := range append(parts, "my &lt;draft&gt;</textarea>", `value="`+nonce+`"`, `name="solved" value="1"`, `enctype="multipart/form-data"`) {
			if !strings.Contains(a.body, part) {
				t.Errorf("%s: the page lacks %s: %s", what, part, a.body)
			}
		}
	}
	has("the files can't be kept", in.send(ticketPath(mine.Number), fields, upload{"a.txt", "text/plain", "bytes"}), http.StatusInternalServerError, `action="`+ticketPath(mine.Number)+`#errs"`)
	in.want("sent again", in.send(ticketPath(mine.Number), fields), http.StatusSeeOther)
	if said := r.messages(mine.ID); len(said) != 2 || said[1].Text != "my <draft>" {
		t.Errorf("sent again, the messages are %+v", said)
	}

	ok(t, r.db.Close())
	file := upload{"b.txt", "text/plain", "bytes"}
	has("a reply, the database away", in.send(ticketPath(mine.Number), fields, file), http.StatusServiceUnavailable, "b.txt")
	has("a ticket, the database away", in.send("/tickets/new", fields, file), http.StatusServiceUnavailable, `value="My subject"`, `action="/tickets/new#errs"`, "b.txt")
	for what, a := range map[string]answer{
		"signing in": in.post("/sign-in", "email", "ann", "password", "canary", "text", "canary"), "no form": in.post("/tickets/new"), "a GET": in.get("/tickets/new"),
	} {
		in.want(what, a, http.StatusServiceUnavailable)
		if strings.Contains(a.body, "canary") || strings.Contains(a.body, "Nothing is lost") || strings.Contains(a.body, "<form") {
			t.Errorf("%s: %s", what, a.body)
		}
	}
}

// failing keeps no files.
type failing struct{ blob.Store }

func (failing) Put(_ context.Context, r io.Reader) (string, int64, error) {
	_, err := io.Copy(io.Discard, r)
	return "", 0, errors.Join(err, errors.New("the bucket is away"))
}

// TestOnlyWhereScriptsRunAreDraftsPromised: without them, what was typed does not outlive a session.
func TestOnlyWhereScriptsRunAreDraftsPromised(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	a := (&browser{r: r}).get("/sign-in?why=idle")
	if !strings.Contains(a.body, `<span class="js-only">What you typed is kept in this browser tab.</span>`) || strings.Count(a.body, "is kept") != 1 || !strings.Contains(a.body, "You were signed out") {
		t.Errorf("the page says %s", a.body)
	}
}

// endless gives the parts of a form: its text, and files that together are too large.
type endless struct{ left int64 }

func (e *endless) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), e.left)
	e.left -= n
	return int(n), nil
}

// TestAnOversizedUploadKeepsTheText: more than may be sent at once gives the page again, with what was typed.
func TestAnOversizedUploadKeepsTheText(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	ann := r.contact("Ann", "ann@acme.example")
	mine := r.open(ann, "Hello", "Hi.")
	in := r.signIn(ann)
	head := "--b\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\nmy draft\r\n--b\r\nContent-Disposition: form-data; name=\"files\"; filename=\"big.bin\"\r\n\r\n"
	body := io.MultiReader(strings.NewReader(head), &endless{maxUpload(25<<20) + 1000}, strings.NewReader("\r\n--b--\r\n"))
	req := in.request("POST", ticketPath(mine.Number), "multipart/form-data; boundary=b", nil)
	req.Body, req.ContentLength = io.NopCloser(body), -1
	a := in.do(req)
	in.want("an oversized upload", a, http.StatusRequestEntityTooLarge)
	if !strings.Contains(a.body, "my draft") || !strings.Contains(a.body, "too large together") {
		t.Errorf("the page is %s", textOf(a.body))
	}
	if len(r.messages(mine.ID)) != 1 {
		t.Error("something was stored")
	}
}

// TestFormsThatCannotBeReadAreToldKindly: what a browser or a program in between has damaged, or is too long, stores nothing
// and says what to do next, in words for people.
func TestFormsThatCannotBeReadAreToldKindly(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	ann := r.contact("Ann", "ann@acme.example")
	mine := r.open(ann, "Hello", "Hi.")
	in := r.signIn(ann)
	const boundary = "multipart/form-data; boundary=b"
	field := "--b\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\nmy words\r\n"
	broken, tooMuch := "send it once more", "Go back"
	for what, c := range map[string]struct {
		path, contentType, body string
		status                  int
		says                    string
	}{
		"cut short in a file":      {ticketPath(mine.Number), boundary, field + "--b\r\nContent-Disposition: form-data; name=\"files\"; filename=\"a.bin\"\r\n\r\nabc", 400, broken},
		"cut short in the text":    {ticketPath(mine.Number), boundary, strings.TrimSuffix(field, "\r\n"), 400, broken},
		"cut short between parts":  {ticketPath(mine.Number), boundary, field, 400, broken},
		"no form":                  {ticketPath(mine.Number), boundary, "hello", 400, broken},
		"nothing":                  {"/tickets/new", boundary, "", 400, broken},
		"no boundary":              {"/tickets/new", "multipart/form-data", field + "--b--\r\n", 400, broken},
		"another boundary":         {"/tickets/new", "multipart/form-data; boundary=other", field + "--b--\r\n", 400, broken},
		"a part without a header":  {ticketPath(mine.Number), boundary, "--b\r\nno header\r\n\r\nx\r\n--b--\r\n", 400, broken},
		"a part without a name":    {ticketPath(mine.Number), boundary, field + "--b\r\nContent-Disposition: form-data; name=\"files\"; filename=\"a\"; filename=\"b.bin\"\r\n\r\nabc\r\n--b--\r\n", 400, broken},
		"a broken encoding":        {ticketPath(mine.Number), boundary, "--b\r\nContent-Disposition: form-data; name=\"files\"; filename=\"a.bin\"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=\x01=\r\n--b--\r\n", 400, broken},
		"url-encoded":              {ticketPath(mine.Number), urlencoded, "text=my+words", 400, broken},
		"url-encoded, a ticket":    {"/tickets/new", urlencoded, "subject=x&text=my+words", 400, broken},
		"JSON":                     {"/tickets/new", "application/json", `{"text":"my words"}`, 400, broken},
		"a broken escape":          {"/sign-in", urlencoded, "email=%zz", 400, broken},
		"a broken media type":      {"/forgot", "application/x-www-form-urlencoded; =", "email=ann", 400, broken},
		"5 MB to the sign-in page": {"/sign-in", urlencoded, "email=ann&password=" + strings.Repeat("x", 5<<20), 413, tooMuch},
		"5 MB for a link":          {"/sign-in/link", urlencoded, "email=" + strings.Repeat("x", 5<<20), 413, tooMuch},
		"too long a text":          {ticketPath(mine.Number), boundary, "--b\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\n" + strings.Repeat("x", maxFormText+1) + "\r\n--b--\r\n", 413, tooMuch},
	} {
		a := in.do(in.request("POST", c.path, c.contentType, []byte(c.body)))
		in.want(what, a, c.status)
		page := textOf(a.body)
		if !strings.Contains(page, c.says) || c.path[:2] == "/s" && strings.Contains(page, "files") {
			t.Errorf("%s says %s", what, page)
		}
		for _, inside := range []string{"multipart", "urlencoded", "MIME", "EOF", "http:", "boundary", "cut short"} {
			if strings.Contains(page, inside) {
				t.Errorf("%s talks of %q: %s", what, inside, page)
			}
		}
	}
	_, total, err := r.db.TicketLines(t.Context(), desk.ScopeOfContact(ann), store.Listing{Limit: 10}, nil)
	if err != nil || total.All != 1 || len(r.messages(mine.ID)) != 1 {
		t.Errorf("something was stored: %d tickets, %+v, %v", total.All, r.messages(mine.ID), err)
	}
}

// TestAStalePageSentTwiceIsStoredOnce: a page that the browser kept after it was sent may be sent again with other words,
// and every text that is clicked twice is stored once.
func TestAStalePageSentTwiceIsStoredOnce(t *testing.T) {
	desktest.Both(t, func(t *testing.T, o store.Options) {
		r := newRigOn(t, o, nil)
		ann, bea := r.contact("Ann", "ann@acme.example"), r.contact("Bea", "bea@acme.example")
		mine, other, hers := r.open(ann, "Hello", "Hi."), r.open(ann, "Other", "Hi."), r.open(bea, "Hers", "Hi.")
		in, her := r.signIn(ann), r.signIn(bea)
		reply := func(v *browser, to desk.Ticket, nonce desk.ID, text string, files ...upload) {
			t.Helper()
			v.want(text, v.send(ticketPath(to.Number), map[string]string{"text": text, "nonce": string(nonce)}, files...), http.StatusSeeOther)
		}
		nonce := store.NewID()
		a, b := upload{"a.txt", "text/plain", "a"}, upload{"a.txt", "text/plain", "b"}
		for range 3 {
			reply(in, mine, nonce, "one")
			reply(in, mine, nonce, "two")
			reply(in, mine, nonce, "two", a)
			reply(in, mine, nonce, "two", b)
			reply(in, mine, nonce, "three")
			reply(in, mine, nonce, "f\xffo\x00ur\r\n")
			reply(in, other, nonce, "one")
			reply(in, other, nonce, "two")
			reply(her, hers, nonce, "one")
			reply(her, hers, nonce, "two")
		}
		for ticket, want := range map[desk.ID]string{mine.ID: "[Hi. one two two two three f\ufffdour]", other.ID: "[Hi. one two]", hers.ID: "[Hi. one two]"} {
			var said []string
			for _, m := range r.messages(ticket) {
				said = append(said, m.Text)
			}
			slices.SortStableFunc(said, func(a, b string) int { return strings.Index(want, a) - strings.Index(want, b) }) // all may be of one moment
			if got := fmt.Sprint(said); got != want {
				t.Errorf("the ticket says %s, want %s", got, want)
			}
		}

		nonce = store.NewID()
		for range 3 {
			for _, words := range [][2]string{{"Printer", "broken"}, {"Printer", "still broken"}, {"Scanner", "broken"}} {
				in.want(words[0], in.send("/tickets/new", map[string]string{"subject": " " + words[0] + " ", "text": words[1], "nonce": string(nonce)}), http.StatusSeeOther)
			}
		}
		if _, total, err := r.db.TicketLines(t.Context(), desk.ScopeOfContact(ann), store.Listing{Limit: 10}, nil); err != nil || total.All != 5 {
			t.Errorf("Ann has %d tickets, %v; want the two and three new ones", total.All, err)
		}
	})
}

// TestAPageDoesNotDateAMessage: a message's id says when it was written, whatever the page sends.
func TestAPageDoesNotDateAMessage(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	ann := r.contact("Ann", "ann@acme.example")
	mine := r.open(ann, "Hello", "Hi.")
	in := r.signIn(ann)
	for _, nonce := range []string{string(store.NewID()), "ffffffff-ffff-7fff-bfff-ffffffffffff", "00000000-0000-7000-8000-000000000000", uuid.NewString(), "x", ""} {
		after := store.NewID()
		in.want(nonce, in.send(ticketPath(mine.Number), map[string]string{"text": "with " + nonce, "nonce": nonce}), http.StatusSeeOther)
		in.want(nonce, in.send("/tickets/new", map[string]string{"subject": "with " + nonce, "text": "x", "nonce": nonce}), http.StatusSeeOther)
		before := store.NewID()
		said := r.messages(mine.ID)
		i := slices.IndexFunc(said, func(m desk.Message) bool { return m.Text == strings.TrimSpace("with "+nonce) })
		if i < 0 || said[i].ID <= after || said[i].ID >= before {
			t.Errorf("%q: the message is %+v", nonce, said)
		}
	}
	if _, total, err := r.db.TicketLines(t.Context(), desk.ScopeOfContact(ann), store.Listing{Limit: 10}, nil); err != nil || total.All != 7 {
		t.Errorf("there are %d tickets, %v", total.All, err)
	}
}

// TestALongSubjectIsRefusedNotCut: what doesn't fit is told, with the limit, and what fits is kept whole.
func TestALongSubjectIsRefusedNotCut(t *testing.T) {
	desktest.Both(t, func(t *testing.T, o store.Options) {
		r := newRigOn(t, o, nil)
		ann := r.contact("Ann", "ann@acme.example")
		in := r.signIn(ann)
		long := strings.Repeat("ü", desk.MaxSubject)
		a := in.send("/tickets/new", map[string]string{"subject": long + "x", "text": "my draft"})
		in.want("1,001 characters", a, http.StatusUnprocessableEntity)
		if page := textOf(a.body); !strings.Contains(page, "1,000 characters") || !strings.Contains(a.body, long+"x") || !strings.Contains(page, "my draft") {
			t.Errorf("the page says %s", page)
		}
		in.want("1,000 characters", in.send("/tickets/new", map[string]string{"subject": " " + long + " ", "text": "my draft"}), http.StatusSeeOther)
		lines, total, err := r.db.TicketLines(t.Context(), desk.ScopeOfContact(ann), store.Listing{Limit: 10}, nil)
		if err != nil || total.All != 1 || lines[0].Subject != long || r.messages(lines[0].ID)[0].Subject != long {
			t.Errorf("%d tickets, %+v, %v", total.All, lines, err)
		}
	})
}
