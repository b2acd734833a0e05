package portal

import (
	"fmt"
	"mime"
	"net/http"
	"strings"
	"testing"

	"postern/desk"
	"postern/internal/desktest"
	"postern/store"
)

// TestP16_FilesAreNeverRun: whatever somebody sends, the browser saves it, and its name puts nothing into the header.
func TestP16_FilesAreNeverRun(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	ann := r.contact("Ann", "ann@acme.example")
	mine := r.open(ann, "Files", "Look.")
	in := r.signIn(ann)
	const png = "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
	files := []upload{
		{"page.html", "text/html", "<script>alert(1)</script>"}, {"pic.svg", "image/svg+xml; x", `<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>`},
		{"script.js", "text/javascript", "alert(1)"}, {"fake.png", "image/png", "<html><script>alert(1)</script>"}, {"doc.pdf", "application/pdf", "%PDF-1.4"},
		{"real.png", "text/html", png}, {"a\"b;c\r\nSet-Cookie: x=y\r\n\r\n.txt", "text/plain", "x"}, {"\u202etxt.exe", "text/plain", "x"}, {"../../etc/passwd", "text/plain", "x"}, {"grüße 100%.txt", "text/plain", "x"},
	}
	in.want("upload", in.send(ticketPath(mine.Number), map[string]string{"text": "Files."}, files...), http.StatusSeeOther)
	said := r.messages(mine.ID)
	stored := said[len(said)-1].Attachments
	if len(stored) != len(files) {
		t.Fatalf("%d of %d files are stored", len(stored), len(files))
	}
	page := in.get(ticketPath(mine.Number)).body
	for i, a := range stored {
		path := fileURL(a)
		if !strings.Contains(page, `href="`+strings.ReplaceAll(path, "'", "&#39;")+`"`) {
			t.Errorf("the thread has no link %s", path)
		}
		got := in.get(path)
		in.want(a.Name, got, http.StatusOK)
		media, wantMedia := got.header.Get("Content-Type"), "application/octet-stream"
		if files[i].name == "real.png" {
			wantMedia = "image/png"
		}
		how, params, err := mime.ParseMediaType(got.header.Get("Content-Disposition"))
		if err != nil || how != "attachment" || params["filename"] != a.Name || media != wantMedia || got.body != files[i].content {
			t.Errorf("%q comes as %s, %q: %v", a.Name, media, got.header.Get("Content-Disposition"), err)
		}
		if got.header.Get("Content-Security-Policy") != "sandbox; default-src 'none'; frame-ancestors 'none'" || got.header.Get("Set-Cookie") != "" || got.header.Get("Cache-Control") != "private, no-store" {
			t.Errorf("%q has the header %v", a.Name, got.header)
		}
		if strings.ContainsAny(a.Name, "\r\n\"/\u202e") {
			t.Errorf("the name is %q", a.Name)
		}
	}
}

// TestEveryFileOfAMailIsThere: a picture that the history or its missing id keeps out of the text is listed as a file.
func TestEveryFileOfAMailIsThere(t *testing.T) {
	desktest.Both(t, func(t *testing.T, o store.Options) {
		r := newRigOn(t, o, nil)
		ann := r.contact("Ann", "ann@acme.example")
		ticket := r.open(ann, "Pictures", "see below")
		files := func() []desk.Attachment {
			seen, nowhere, like := r.file("seen.png", "image/png", "1", true), r.file("nowhere.png", "image/png", "2", true), r.file("like.png", "image/png", "3", true)
			seen.ContentID, nowhere.ContentID, like.ContentID = "img10@x", "", "img1"
			return []desk.Attachment{seen, nowhere, like}
		}
		said := r.messages(ticket.ID)[0]
		add := func(text, reply string) {
			m := said
			m.ID, m.Source, m.Text, m.Reply, m.MessageID, m.Attachments = store.NewID(), desk.FromMail, text, reply, "", files()
			m.HTML = `<p>` + text + `</p><img src="cid:img10@x">`
			ok(t, r.db.Update(t.Context(), func(tx *store.Tx) error { _, err := tx.AddMessage(t.Context(), m); return err }))
		}
		listed := func() map[string]int {
			page := r.signIn(ann).get(fmt.Sprintf("/tickets/%d", ticket.Number)).body
			n := map[string]int{}
			for _, name := range []string{"seen.png", "nowhere.png", "like.png"} {
				n[name] = strings.Count(page, "/"+name+`"`)
			}
			return n
		}
		add("all of it", "all of it")
		if got := listed(); got["seen.png"] != 1 || got["nowhere.png"] != 1 || got["like.png"] != 1 {
			t.Errorf("without history: %v", got)
		}
		add("new words\n> old words", "new words")
		if got := listed(); got["seen.png"] != 2 || got["nowhere.png"] != 2 || got["like.png"] != 2 {
			t.Errorf("with history: %v", got)
		}
	})
}
