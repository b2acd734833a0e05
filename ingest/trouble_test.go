package ingest

import (
	"bytes"
	"context"
	"fmt"
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

// lock keeps items from being read until they are unlocked.
func (r *rig) lock(es ...desk.LedgerEntry) (unlock func()) {
	r.t.Helper()
	for _, e := range es {
		if e.RawSHA256 == "" {
			r.t.Fatalf("item %s lies in the database", e.ID)
		}
		r.blobs.locked.Store(e.RawSHA256, true)
	}
	return r.blobs.locked.Clear
}

func TestI7_AMailWhoseBytesCantBeReadHoldsUpNoOther(t *testing.T) {
	both(t, func(r *rig) {
		its := r.keep(r.mb.ID, desk.Inbox, time.Now(), scattered(ann, "1@customer.example"), mail("bob@customer.example", support, "2@customer.example", "x"))
		unlock := r.lock(r.entry(its[0]))
		var now round
		if n, err := r.g.readCarefully(r.t.Context(), r.mb.ID, &now); n != 2 || err != nil {
			r.t.Errorf("reading carefully: %d had their turn, %v", n, err)
		}
		if e := r.entry(its[0]); e.Outcome != desk.Pending || e.Attempts != 0 {
			r.t.Errorf("judged: %+v", e)
		}
		r.want(r.entry(its[1]), desk.NewTicket)

		more := r.keep(r.mb.ID, desk.Inbox, time.Now(), mail("cy@customer.example", support, "3@customer.example", "x"))
		if n, err := r.g.pass(r.t.Context(), r.mb.ID, &now); n != 1 || err != nil {
			r.t.Errorf("%d read, %v", n, err)
		}
		r.want(r.entry(more[0]), desk.NewTicket)
		if n := r.blobs.opened.Load(); n != 1 {
			r.t.Errorf("asked for %d times in one round", n)
		}

		now.again = time.Now()
		more = r.keep(r.mb.ID, desk.Inbox, time.Now(), mail("di@customer.example", support, "4@customer.example", "x"))
		if n, err := r.g.pass(r.t.Context(), r.mb.ID, &now); n != 1 || err != nil || r.blobs.opened.Load() != 2 {
			r.t.Errorf("the next round: %d read, asked for %d times, %v", n, r.blobs.opened.Load(), err)
		}
		r.want(r.entry(more[0]), desk.NewTicket)

		unlock()
		now.again = time.Now()
		if n, err := r.g.pass(r.t.Context(), r.mb.ID, &now); n != 1 || err != nil {
			r.t.Errorf("unlocked: %d read, %v", n, err)
		}
		r.want(r.entry(its[0]), desk.NewTicket)
		r.clean()
	})
}

func TestI7_ManyMailsWhoseBytesCantBeReadAreTriedAFewAtATime(t *testing.T) {
	both(t, func(r *rig) {
		const locked = 3 * inARow
		var raws []string
		for i := range locked {
			raws = append(raws, scattered(ann, fmt.Sprintf("%d@customer.example", i), fmt.Sprintf("Subject: %d", i)))
		}
		its := r.keep(r.mb.ID, desk.Inbox, time.Now().Add(-time.Hour), raws...)
		var all []desk.LedgerEntry
		for _, it := range its {
			all = append(all, r.entry(it))
		}
		unlock := r.lock(all...)
		for name, read := range map[string]func(context.Context, desk.ID, *round) (int, error){"carefully": r.g.readCarefully, "in batches": r.g.pass} {
			behind := r.keep(r.mb.ID, desk.Inbox, time.Now(), mail("bob@customer.example", support, name+"@customer.example", "x"))
			var now round
			tried := r.blobs.opened.Load()
			for passes := 1; ; passes++ {
				_, err := read(r.t.Context(), r.mb.ID, &now)
				n := r.blobs.opened.Load() - tried
				tried += n
				if n > inARow+1 || passes > 10 { // one more by the second reader of a batch
					r.t.Fatalf("%s: %d were tried in one go, %v", name, n, err)
				}
				if err == nil {
					break
				}
			}
			r.want(r.entry(behind[0]), desk.NewTicket)
			if now.left != locked {
				r.t.Errorf("%s: %d are left", name, now.left)
			}
		}
		unlock()
		r.read()
		for _, it := range its {
			r.want(r.entry(it), desk.NewTicket)
		}
		r.clean()
	})
}

func TestAPostWhoseBytesCantBeReadHoldsUpNoOther(t *testing.T) {
	both(t, func(r *rig) {
		f := r.form(nil)
		var stuck []desk.LedgerEntry
		for i := range 2 {
			stuck = append(stuck, r.posts(f, "application/x-www-form-urlencoded", fmt.Sprintf("email=ann%%40customer.example&n=%d&message=", i)+strings.Map(letters, string(noise(150<<10)))))
		}
		e := r.posts(f, "application/json", `{"email":"bob@customer.example","message":"hello"}`)
		unlock := r.lock(stuck...)
		var now round
		if n, err := r.g.passForms(r.t.Context(), &now); n != 3 || err != nil || now.left != 2 {
			r.t.Errorf("%d had their turn, %d left, %v", n, now.left, err)
		}
		r.want(r.ledger(e.ID), desk.NewTicket)
		unlock()
		now.again = time.Now()
		if _, err := r.g.passForms(r.t.Context(), &now); err != nil {
			r.t.Error(err)
		}
		for _, e := range stuck {
			r.want(r.ledger(e.ID), desk.NewTicket)
		}
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
