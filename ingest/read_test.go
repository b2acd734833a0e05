package ingest

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/desk"
	"postern/internal/mailtest"
	"postern/store"
)

func TestI7_MailThatBreaksTheReaderBlocksNothing(t *testing.T) {
	both(t, func(r *rig) {
		its := r.keep(r.mb.ID, desk.Inbox, time.Now(),
			mail(ann, support, "1@customer.example", "first"), withFile("bob@customer.example", "2@customer.example", "PANIC"), mail("cy@customer.example", support, "3@customer.example", "third"))
		r.update(func(tx *store.Tx) error { // a fourth one whose bytes are damaged
			b := desk.FolderBatch{MailboxID: r.mb.ID, Folder: "INBOX", Role: desk.Inbox, UIDValidity: 1, Items: []desk.FolderItem{{UID: 4, Size: 3}}}
			return tx.Keep(r.t.Context(), r.lease[r.mb.ID], b, [][]byte{[]byte("no zstd")})
		})
		r.read()
		r.want(r.entry(its[0]), desk.NewTicket)
		r.want(r.entry(its[1]), desk.Quarantined)
		r.want(r.entry(its[2]), desk.NewTicket)
		r.want(r.entry(item{r.mb.ID, "INBOX", 4}), desk.Quarantined)
		if e := r.entry(its[1]); !strings.Contains(e.Reason, "as told") {
			r.t.Errorf("reason %q", e.Reason)
		}
		r.clean()
	})
}

func TestI7_PoisonMailIsParkedAfterThreeDeaths(t *testing.T) {
	both(t, func(r *rig) {
		its := r.keep(r.mb.ID, desk.Inbox, time.Now(), mail(ann, support, "1@customer.example", "poison"), mail("bob@customer.example", support, "2@customer.example", "fine"))
		for range desk.MaxAttempts { // each time, the process ends between the count and the outcome
			e := r.entry(its[0])
			if e.Attempts >= desk.MaxAttempts {
				r.t.Fatalf("parked too early: %+v", e)
			}
			r.update(func(tx *store.Tx) error { return tx.CountAttempt(r.t.Context(), e.ID, 1) })
		}
		if _, err := r.g.readCarefully(r.t.Context(), r.mb.ID, &round{}); err != nil {
			r.t.Fatal(err)
		}
		r.want(r.entry(its[0]), desk.Quarantined)
		r.want(r.entry(its[1]), desk.NewTicket)
		if e := r.entry(its[0]); !strings.Contains(e.Reason, "ended the program 3 times") {
			r.t.Errorf("reason %q", e.Reason)
		}
		r.update(func(tx *store.Tx) error { return tx.Reopen(r.t.Context(), r.entry(its[0]).ID) })
		r.read()
		r.want(r.entry(its[0]), desk.NewTicket)
		r.clean()
	})
}

func TestI7_AllBatchesUnderWayAreReadCarefully(t *testing.T) {
	both(t, func(r *rig) {
		var raws []string
		for i := range atOnce*perBatch + 1 {
			raws = append(raws, mail(fmt.Sprintf("c%d@customer.example", i), support, fmt.Sprintf("%d@customer.example", i), "x"))
		}
		r.keep(r.mb.ID, desk.Inbox, time.Now().Add(-time.Hour), raws...)
		if n, err := r.g.readCarefully(r.t.Context(), r.mb.ID, &round{}); err != nil || n != atOnce*perBatch {
			r.t.Errorf("%d mails read one by one, %v", n, err)
		}
	})
}

func TestTroubleWithFilesJudgesNoMail(t *testing.T) {
	both(t, func(r *rig) {
		it := r.keep(r.mb.ID, desk.Inbox, time.Now(), withFile("bob@customer.example", "1@customer.example", "a file"))[0]
		r.blobs.away.Store(true)
		for range 2 * desk.MaxAttempts { // at a start and later
			var careful, later round
			if _, err := r.g.readCarefully(r.t.Context(), r.mb.ID, &careful); err != nil || careful.left != 1 {
				r.t.Errorf("reading carefully: %d left, %v", careful.left, err)
			}
			if n, err := r.g.pass(r.t.Context(), r.mb.ID, &later); n != 0 || err != nil || later.left != 1 {
				r.t.Errorf("reading: %d read, %d left, %v", n, later.left, err)
			}
		}
		if e := r.entry(it); e.Outcome != desk.Pending || e.Attempts != 0 {
			r.t.Errorf("judged: %+v", e)
		}
		big := desk.FolderBatch{MailboxID: r.mb.ID, Folder: "INBOX", Role: desk.Inbox, UIDValidity: 1, Items: []desk.FolderItem{{UID: 2, Raw: noise(200 << 10)}}}
		if err := r.g.Keep(r.t.Context(), r.lease[r.mb.ID], big); desk.KindOf(err) != desk.Unavailable {
			r.t.Errorf("keeping a big mail: %v", err)
		}
		r.blobs.away.Store(false)
		r.read()
		r.want(r.entry(it), desk.NewTicket)
		r.clean()
	})
}

// noise is incompressible, and the same each time.
func noise(n int) []byte {
	b := make([]byte, n)
	x := uint64(1)
	for i := range b {
		x = x*6364136223846793005 + 1442695040888963407
		b[i] = byte(x >> 56)
	}
	return b
}

func TestBigMailLiesInTheBlobStoreAndIsReadFromThere(t *testing.T) {
	both(t, func(r *rig) {
		raw := mail(ann, support, "1@customer.example", strings.ToValidUTF8(string(noise(300<<10)), "?"), "Content-Transfer-Encoding: 8bit")
		it := r.keep(r.mb.ID, desk.Inbox, time.Now(), raw)[0]
		r.read()
		e := r.entry(it)
		r.want(e, desk.NewTicket)
		if e.RawSHA256 == "" {
			r.t.Error("it lies in the database")
		}
		r.clean()
	})
}

func TestINV1_TwoReadersSettleEachOf500MailsOnce(t *testing.T) {
	both(t, func(r *rig) {
		r.set(func(s *desk.Settings) { s.Budgets.NewContacts = 1000 }) // no server names a host in these mails
		const n = 500
		var raws []string
		for i := range n { // new tickets, answers to them, copies of them
			raw := mail(fmt.Sprintf("c%d@customer.example", i%100), support, fmt.Sprintf("%d@customer.example", i), fmt.Sprintf("mail %d", i))
			switch i % 5 {
			case 3:
				raw = mail(fmt.Sprintf("c%d@customer.example", (i-3)%100), support, fmt.Sprintf("%d@customer.example", i), "answer", answering(fmt.Sprintf("%d@customer.example", i-3)))
			case 4:
				raw = raws[i-4]
			}
			raws = append(raws, raw)
		}
		r.keep(r.mb.ID, desk.Inbox, time.Now(), raws...)
		ctx, cancel := context.WithTimeout(r.t.Context(), time.Minute)
		defer cancel()
		var wg sync.WaitGroup
		for range 2 {
			g := r.ingest()
			wg.Go(func() {
				for ctx.Err() == nil {
					done, err := g.pass(ctx, r.mb.ID, &round{})
					if err != nil && desk.KindOf(err) != desk.Conflict {
						r.t.Errorf("reader: %v", err)
						return
					}
					if left, err := r.db.PendingOf(ctx, r.mb.ID, "", 1); done == 0 || err != nil || len(left) == 0 {
						return
					}
				}
			})
		}
		wg.Wait()
		counts, err := r.db.LedgerCounts(r.t.Context())
		want := map[desk.Outcome]int64{desk.NewTicket: 3 * n / 5, desk.Appended: n / 5, desk.Duplicate: n / 5}
		for o, w := range want {
			if counts[o] != w {
				r.t.Errorf("%s: %d, want %d (%v, %v)", o, counts[o], w, counts, err)
			}
		}
		if got := len(r.effects(desk.WelcomeMail)); got != 60 {
			r.t.Errorf("%d welcome mails for 60 people", got)
		}
		r.clean()
	})
}

// TestReadMailboxWakesAndStops: the running reader, as the gateway has it.
func TestReadMailboxReadsWhatComesAndStops(t *testing.T) {
	both(t, func(r *rig) {
		ctx, cancel := context.WithCancel(r.t.Context())
		done := make(chan error, 2)
		go func() { done <- r.g.ReadMailbox(ctx, r.lease[r.mb.ID], nil) }()
		go func() { done <- r.g.ReadForms(ctx) }()
		for i := range 3 {
			it := r.keep(r.mb.ID, desk.Inbox, time.Now(), mail(ann, support, fmt.Sprintf("%d@customer.example", i), "x"))[0]
			r.eventually("the mail is read", func() bool { return r.entry(it).Outcome == desk.NewTicket })
		}
		e := r.posts(r.form(nil), "application/json", `{"email":"bob@customer.example","message":"hello"}`)
		r.eventually("the post is read", func() bool { return r.ledger(e.ID).Outcome == desk.NewTicket })
		cancel()
		for range 2 {
			if err := <-done; err != nil {
				r.t.Error(err)
			}
		}
	})
}

// eventually waits for a condition.
func (r *rig) eventually(what string, cond func() bool) {
	r.t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-deadline:
			r.t.Fatalf("not in time: %s", what)
		case <-tick.C:
		}
	}
}

func TestF4_OutageInTheMiddleOfReadingLosesAndJudgesNothing(t *testing.T) {
	t.Parallel()
	for name, at := range map[string]int{"carefully": 210, "in batches": 350} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			outageAt(t, at)
		})
	}
}

// outageAt takes the database away while the reader is at the mail with this number, of 400.
func outageAt(t *testing.T, at int) {
	t.Helper()
	server := mailtest.PostgresProcess(t)
	r := newRig(t, store.Options{URL: server.Database(t)})
	var its []item
	for i := range 20 {
		raws := make([]string, 20)
		for j := range raws {
			raws[j] = mail(fmt.Sprintf("c%d-%d@customer.example", i, j), support, fmt.Sprintf("%d-%d@customer.example", i, j), "x")
		}
		if i == at/20 {
			raws[at%20] = withFile("file@customer.example", "file@customer.example", "a file")
		}
		its = append(its, r.keep(r.mb.ID, desk.Inbox, time.Now().Add(-time.Hour), raws...)...)
	}
	waits := make(told, 1)
	r.g.Log = slog.New(slog.NewTextHandler(waits, nil))
	reached, down := make(chan struct{}), make(chan struct{})
	r.blobs.putting = sync.OnceFunc(func() {
		close(reached)
		<-down
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.g.ReadMailbox(ctx, r.lease[r.mb.ID], nil) }()
	<-reached
	if counts, err := r.db.LedgerCounts(ctx); err != nil || counts[desk.NewTicket] == 0 || counts[desk.Pending] == 0 {
		t.Errorf("not in the middle: %v, %v", counts, err)
	}
	server.Kill(t)
	close(down)
	<-waits
	server.Start(t)
	r.eventually("all is read", func() bool {
		left, err := r.db.PendingOf(ctx, r.mb.ID, "", 1)
		return err == nil && len(left) == 0
	})
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	counts, err := r.db.LedgerCounts(t.Context())
	if err != nil || counts[desk.NewTicket] != int64(len(its)) || len(counts) != 1 {
		t.Errorf("%v, %v", counts, err)
	}
	r.clean()
}

// told is a log that is told of once.
type told chan struct{}

// Write takes a line of the log.
func (l told) Write(line []byte) (int, error) {
	select {
	case l <- struct{}{}:
	default:
	}
	return len(line), nil
}

func (r *rig) form(mapping map[string]string) desk.Form {
	r.t.Helper()
	f := desk.Form{ID: store.NewID(), Key: string(store.NewID()), Name: "Contact", MailboxID: r.mb.ID, Auth: desk.SecretURLForm, Mapping: mapping, CreatedAt: time.Now()}
	r.update(func(tx *store.Tx) error { return tx.PutForm(r.t.Context(), f) })
	r.org()
	return f
}

func (r *rig) posts(f desk.Form, contentType, body string) desk.LedgerEntry {
	r.t.Helper()
	e, fresh, err := r.g.KeepDelivery(r.t.Context(), desk.LedgerEntry{MailboxID: f.MailboxID, FormID: f.ID, DeliveryID: string(store.NewID()), ContentType: contentType, Size: int64(len(body))}, []byte(body), 0)
	if err != nil || !fresh {
		r.t.Fatalf("kept %t, %v", fresh, err)
	}
	return e
}

func (r *rig) ledger(id desk.ID) desk.LedgerEntry {
	r.t.Helper()
	e, err := r.db.Ledger(r.t.Context(), id)
	if err != nil {
		r.t.Fatal(err)
	}
	return e
}

// readsPost reads a form post and tells what became of it.
func (r *rig) readsPost(f desk.Form, contentType, body string) desk.LedgerEntry {
	r.t.Helper()
	e := r.posts(f, contentType, body)
	if err := r.g.readForm(r.t.Context(), e); err != nil {
		r.t.Fatal(err)
	}
	return r.ledger(e.ID)
}

func TestW8_FormPostBecomesATicket(t *testing.T) {
	both(t, func(r *rig) {
		f := r.form(map[string]string{"email": "contact.mail", "message": "answers.0.text"})
		e := r.readsPost(f, "application/json", `{"contact":{"mail":" Ann@Customer.example"},"name":"Ann\nLee","answers":[{"text":"it is broken"}],"colour":"red","n":1e2,"empty":""}`)
		r.want(e, desk.NewTicket)
		ms := r.messages(e.TicketID, "ann@customer.example")
		if len(ms) != 1 || ms[0].Text != "it is broken\n\ncolour: red\nn: 1e2" || ms[0].Author.Name != "Ann Lee" || ms[0].Trust != desk.V0 || ms[0].Subject != "Contact" {
			r.t.Errorf("W9: message %+v", ms)
		}
		if n := len(r.effects(desk.PutInInbox)); n != 1 {
			r.t.Errorf("%d mails for the agents", n)
		}
		for body, want := range map[string]desk.Outcome{
			`{"contact":{"mail":"a@customer.example, b@customer.example"},"x":1}`: desk.Held,
			`{"contact":{"mail":""},"x":1}`:                                       desk.Held,
			`{"x":1}`:                                                             desk.Held,
			`{"contact":{"mail":"<script>"},"x":1}`:                               desk.Held,
			`{"contact":`:                                                         desk.Quarantined,
			``:                                                                    desk.Quarantined,
		} {
			r.want(r.readsPost(f, "application/json", body), want)
		}
		r.want(r.readsPost(f, "text/xml", "<a/>"), desk.Quarantined)
		r.clean()
	})
}

func TestL9_OpenFormWelcomesTwentyStrangersAnHour(t *testing.T) {
	both(t, func(r *rig) {
		f := r.form(nil)
		for i := range 25 {
			r.want(r.readsPost(f, "application/x-www-form-urlencoded", fmt.Sprintf("email=c%d%%40victim.example&message=buy", i)), desk.NewTicket)
		}
		if n := len(r.effects(desk.WelcomeMail)); n != 20 {
			r.t.Errorf("%d welcome mails", n)
		}
		if n := len(r.effects(desk.PutInInbox)); n != 25 {
			r.t.Errorf("%d of 25 tickets reach the agents", n)
		}
	})
}

func TestPoisonPostIsParkedAfterThreeDeaths(t *testing.T) {
	both(t, func(r *rig) {
		f := r.form(nil)
		e := r.posts(f, "application/json", `{"email":"a@customer.example"}`)
		for range desk.MaxAttempts {
			r.update(func(tx *store.Tx) error { return tx.CountAttempt(r.t.Context(), e.ID, 1) })
		}
		later := r.ingest()
		later.started = time.Now().Add(time.Second)
		if err := later.readForm(r.t.Context(), r.ledger(e.ID)); err != nil {
			r.t.Fatal(err)
		}
		r.want(r.ledger(e.ID), desk.Quarantined)
	})
}

func TestFormFilesAreKept(t *testing.T) {
	both(t, func(r *rig) {
		body := "--b\r\nContent-Disposition: form-data; name=\"email\"\r\n\r\nann@customer.example\r\n" +
			"--b\r\nContent-Disposition: form-data; name=\"doc\"; filename=\"../../x\\evil\u202e.txt\"\r\nContent-Type: text/html; x=y\r\n\r\n<b>\r\n" +
			"--b\r\nContent-Disposition: form-data; name=\"none\"; filename=\"\"\r\n\r\n\r\n--b--\r\n"
		e := r.readsPost(r.form(nil), `multipart/form-data; boundary="b"`, body)
		r.want(e, desk.NewTicket)
		ms := r.messages(e.TicketID, "")
		if len(ms) != 1 || len(ms[0].Attachments) != 1 {
			r.t.Fatalf("messages %+v", ms)
		}
		a := ms[0].Attachments[0]
		if strings.ContainsAny(a.Name, `/\`) || strings.Contains(a.Name, "\u202e") || a.Type != "text/html" || a.Size != 3 {
			r.t.Errorf("file %+v", a)
		}
		if names := []string{a.SHA256}; slices.Contains(names, "") {
			r.t.Error("the file lies nowhere")
		}
		r.clean()
	})
}
