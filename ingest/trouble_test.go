package ingest

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"postern/desk"
)

// scattered is a mail that is too large for the database.
func scattered(from, id string, more ...string) string {
	return mail(from, support, id, strings.ToValidUTF8(string(noise(300<<10)), "?"), append(more, "Content-Transfer-Encoding: 8bit")...)
}

func TestI7_AFileThatCantBeReadToItsEndJudgesNoMail(t *testing.T) {
	both(t, func(r *rig) {
		body := "--b\r\nContent-Type: text/plain\r\n\r\nsee file\r\n--b\r\nContent-Type: image/png\r\n\r\n" + string(noise(300<<10)) + "\r\n--b--"
		its := r.keep(r.mb.ID, desk.Inbox, time.Now(), scattered(ann, "1@customer.example"),
			mail("bob@customer.example", support, "2@customer.example", body, `Content-Type: multipart/mixed; boundary="b"`))
		r.blobs.breaks.Store(true)
		for _, it := range its {
			if err := r.g.fileOne(r.t.Context(), r.g.parse(r.t.Context(), r.entry(it), nil)); desk.KindOf(err) != desk.Unavailable {
				r.t.Errorf("UID %d: %v", it.uid, err)
			}
			r.want(r.entry(it), desk.Pending)
		}
		r.blobs.breaks.Store(false)
		r.read()
		for _, it := range its {
			r.want(r.entry(it), desk.NewTicket)
		}
		r.clean()
	})
}

func TestI7_AFileThatCantBeReadToItsEndJudgesNoPost(t *testing.T) {
	both(t, func(r *rig) {
		f := r.form(nil)
		long := string(noise(150 << 10))
		var kept []desk.LedgerEntry
		for contentType, body := range map[string]string{
			"application/json":                  `{"email":"ann@customer.example","message":"` + strings.Map(letters, long) + `"}`,
			"application/x-www-form-urlencoded": "email=ann%40customer.example&message=" + strings.Map(letters, long),
			`multipart/form-data; boundary="b"`: "--b\r\nContent-Disposition: form-data; name=\"email\"\r\n\r\nann@customer.example\r\n--b\r\nContent-Disposition: form-data; name=\"doc\"; filename=\"a.bin\"\r\n\r\n" + long + "\r\n--b--\r\n",
			`multipart/form-data; boundary="c"`: "--c\r\nContent-Disposition: form-data; name=\"email\"\r\n\r\nann@customer.example\r\n--c\r\nContent-Disposition: form-data; name=\"message\"\r\n\r\n" + strings.Map(letters, long) + "\r\n--c--\r\n",
		} {
			e := r.posts(f, contentType, body)
			if e.RawSHA256 == "" {
				r.t.Fatalf("%s lies in the database", contentType)
			}
			kept = append(kept, e)
		}
		r.blobs.breaks.Store(true)
		for _, e := range kept {
			if err := r.g.readForm(r.t.Context(), e); desk.KindOf(err) != desk.Unavailable {
				r.t.Errorf("%s: %v", e.ContentType, err)
			}
			r.want(r.ledger(e.ID), desk.Pending)
		}
		r.blobs.breaks.Store(false)
		for _, e := range kept {
			if err := r.g.readForm(r.t.Context(), e); err != nil {
				r.t.Error(err)
			}
			r.want(r.ledger(e.ID), desk.NewTicket)
		}
		r.clean()
	})
}

func TestQuarantineIsLoggedByWhoPutTheItemThere(t *testing.T) {
	both(t, func(r *rig) {
		var log bytes.Buffer
		r.g.Log = slog.New(slog.NewTextHandler(&log, nil))
		e := r.entry(r.keep(r.mb.ID, desk.Inbox, time.Now(), mail(ann, support, "1@customer.example", "x"))[0])
		ended, end := context.WithCancel(r.t.Context())
		end()
		if err := r.g.quarantine(ended, e, errBreaks); err == nil {
			r.t.Error("settled without a database")
		}
		r.read()
		if err := r.g.quarantine(r.t.Context(), e, errBreaks); err != nil {
			r.t.Error(err)
		}
		if log.Len() > 0 {
			r.t.Errorf("of a mail that is a ticket: %s", &log)
		}
		e = r.entry(r.keep(r.mb.ID, desk.Inbox, time.Now(), mail(ann, support, "2@customer.example", "x"))[0])
		if err := r.g.quarantine(r.t.Context(), e, errBreaks); err != nil {
			r.t.Error(err)
		}
		r.want(r.ledger(e.ID), desk.Quarantined)
		if n := strings.Count(log.String(), string(e.ID)); n != 1 {
			r.t.Errorf("told %d times: %s", n, &log)
		}
	})
}

// letters makes noise something that JSON and URLs take, and that packs badly all the same.
func letters(c rune) rune {
	const safe = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return rune(safe[c&63])
}
