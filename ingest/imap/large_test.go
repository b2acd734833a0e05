package imap

import (
	"bytes"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"postern/desk"
	"postern/store"
)

// huge is a customer's mail with a file of so many bytes.
func huge(subject string, size int) []byte {
	head, _, _ := bytes.Cut(about(subject), []byte("\r\n\r\n"))
	return fmt.Appendf(head, "\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nSee the file.\r\n--b\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; filename=a.pdf\r\n\r\n%s\r\n--b--\r\n",
		bytes.Repeat([]byte("0123456789 0123456789 0123456789\r\n"), size/34))
}

// message gives the only message of the ticket with a subject.
func (r *rig) message(subject string) desk.Message {
	r.t.Helper()
	ts, err := r.in.DB.Tickets(r.t.Context(), desk.ScopeOfProgram(), store.Page{Limit: 200})
	r.ok(err)
	var found []desk.Message
	for _, t := range ts {
		if t.Subject == subject {
			ms, err := r.in.DB.Messages(r.t.Context(), desk.ScopeOfProgram(), t.ID)
			r.ok(err)
			found = append(found, ms...)
		}
	}
	if len(found) != 1 {
		r.t.Fatalf("%d messages are about %s", len(found), subject)
	}
	return found[0]
}

func TestI9_AMailThatIsTooLargeIsOneTicketThatSaysSo(t *testing.T) {
	both(t, func(r *rig) {
		r.options.MaxMail = 1 << 20
		raw := huge("huge", 3<<20)
		r.dovecot.Append(user, "INBOX", raw, nil, time.Time{})
		r.dovecot.Append(user, "INBOX", about("small"), nil, time.Time{})
		before := flagsOf(r.dovecot, "INBOX")
		stop := r.watch()
		r.until(desk.NewTicket, 2)
		r.wantSubjects("huge", "small")
		m := r.message("huge")
		if !strings.Contains(m.Text, "See the file.\n\nThis mail is too large to be shown here in full: it has 3 MB") || !strings.HasSuffix(m.Text, "It has files: a.pdf.") || m.Text != m.Reply || !strings.Contains(m.HTML, "too large") || m.Internal || len(m.Attachments) != 0 ||
			m.Author.Email != "huge@customer.example" || m.MessageID != "huge@customer.example" || !strings.Contains(strings.Join(m.Reasons, "\n"), "open it in the folder INBOX of the mailbox (3 MB)") {
			r.t.Errorf("the ticket says %q (%q), with %d files, because %q", m.Text, m.HTML, len(m.Attachments), m.Reasons)
		}
		e, err := r.in.DB.Ledger(r.t.Context(), m.LedgerID)
		if err != nil || e.Outcome != desk.NewTicket || e.Size != int64(len(raw)) || !e.HeaderOnly {
			r.t.Errorf("the row is %+v, %v", e, err)
		}
		kept, err := r.in.DB.Raws(r.t.Context(), []desk.ID{e.ID})
		if err != nil || len(kept[e.ID]) == 0 || len(kept[e.ID]) > 1000 {
			r.t.Errorf("%d bytes are kept, %v", len(kept[e.ID]), err)
		}
		if after := flagsOf(r.dovecot, "INBOX"); !reflect.DeepEqual(before, after) {
			r.t.Errorf("flags were %v and are %v", before, after)
		}
		r.clean()

		// It is answered like other mail.
		r.dovecot.Append(user, "INBOX", bytes.Replace(about("more"), []byte("\r\nMessage-ID"), []byte("\r\nIn-Reply-To: <huge@customer.example>\r\nMessage-ID"), 1), nil, time.Time{})
		r.dovecot.Append(user, "INBOX", bytes.Replace(bytes.Replace(about("again"), []byte("again <again@"), []byte("huge <huge@"), 1), []byte("\r\nMessage-ID"), []byte("\r\nIn-Reply-To: <huge@customer.example>\r\nMessage-ID"), 1), nil, time.Time{})
		r.until(desk.Appended, 1)
		r.until(desk.Held, 1)
		stop()
		r.wantSubjects("huge", "small")
		r.clean()
	})
}

// TestI9_OnceThroughRestartsSweepsAndUIDValidityChanges: whatever happens to the mailbox, the mail is one ticket.
func TestI9_OnceThroughRestartsSweepsAndUIDValidityChanges(t *testing.T) {
	both(t, func(r *rig) {
		r.options.MaxMail = 1 << 20
		c := hang(r.t, r.dovecot.Addr())
		c.hidden.Store(1) // the sweep is to find it
		r.change(func(mb *desk.Mailbox) { mb.IMAP = strings.Replace(mb.IMAP, r.dovecot.Addr(), c.addr, 1) })
		r.dovecot.Append(user, "INBOX", huge("huge", 2<<20), nil, time.Time{})
		r.dovecot.Append(user, "INBOX", about("small"), nil, time.Time{})
		stop := r.watch()
		r.until(desk.NewTicket, 1)
		c.hidden.Store(0)
		r.until(desk.NewTicket, 2)
		stop()
		for round := range int64(2) {
			r.dovecot.Kill()
			r.dovecot.Renumber(user, "INBOX")
			r.dovecot.Start()
			stop := r.watch()
			r.until(desk.Duplicate, 2*round+2)
			stop()
			r.watch()()
		}
		r.wantSubjects("huge", "small")
		if f := r.folder("INBOX"); f.Seen != 6 || f.PassedOver != 1 || f.Generation != 2 {
			r.t.Errorf("%+v", f)
		}
		r.clean()
	})
}

// TestI9_TheTextOfAMailThatIsTooLarge is shown like that of others, and its files are named, also those far behind.
func TestI9_TheTextOfAMailThatIsTooLarge(t *testing.T) {
	both(t, func(r *rig) {
		r.options.MaxMail = 1 << 20
		file := bytes.Repeat([]byte("MDEyMzQ1Njc4OSAwMTIzNDU2Nzg5IDAxMjM0NTY3ODkgMDEyMzQ1Njc4OSAwMTIzNDU2Nzg5\r\n"), 15000)
		head, _, _ := bytes.Cut(about("plans"), []byte("\r\n\r\n"))
		var raw bytes.Buffer
		fmt.Fprintf(&raw, "%s\r\nIn-Reply-To: <question@example.com>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"out er\"\r\n\r\nThis is a multi-part message in MIME format.\r\n--out er\r\nContent-Type: multipart/alternative; boundary=in\r\n\r\n", head)
		fmt.Fprint(&raw, "--in\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nDie Pl=E4ne f=FCr das Haus.\r\n\r\nOn Mon, 2 Mar 2026 at 09:00, Support <support@example.com> wrote:\r\n> Send us the plans.\r\n")
		fmt.Fprint(&raw, "--in\r\nContent-Type: text/html; charset=iso-8859-1\r\n\r\n<p>Die Pl&auml;ne f&uuml;r das <b>Haus</b>.</p>\r\n--in--\r\n")
		for _, disposition := range []string{"attachment; filename=first.pdf", "attachment;\r\n filename*=utf-8''gr%C3%BCner%20Hof.pdf", "attachment; filename=third.pdf"} {
			fmt.Fprintf(&raw, "--out er\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: %s\r\n\r\n%s", disposition, file)
		}
		fmt.Fprint(&raw, "--out er--\r\n")
		r.dovecot.Append(user, "INBOX", raw.Bytes(), nil, time.Time{})
		before := flagsOf(r.dovecot, "INBOX")
		stop := r.watch()
		r.until(desk.NewTicket, 1)
		stop()
		m := r.message("plans")
		const notice = "This mail is too large to be shown here in full: it has 3 MB. It has arrived, and lies in the support mailbox. Whoever answers it opens it there. It has files: first.pdf, grüner Hof.pdf, third.pdf."
		if m.Reply != "Die Pläne für das Haus.\n\n"+notice || !strings.HasPrefix(m.Text, "Die Pläne für das Haus.\n") || !strings.HasSuffix(m.Text, notice) || !strings.Contains(m.Text, "Send us the plans") || len(m.Attachments) != 0 ||
			!strings.Contains(m.HTML, "Die Pläne für das Haus") || !strings.Contains(m.HTML, "third.pdf") {
			r.t.Errorf("the reply is %q, the text %q, the HTML %q, with %d files", m.Reply, m.Text, m.HTML, len(m.Attachments))
		}
		if after := flagsOf(r.dovecot, "INBOX"); !reflect.DeepEqual(before, after) {
			r.t.Errorf("flags were %v and are %v", before, after)
		}
		r.clean()

		// It is the same mail when the folder was replaced.
		r.dovecot.Kill()
		r.dovecot.Renumber(user, "INBOX")
		r.dovecot.Start()
		r.watch()
		r.until(desk.Duplicate, 1)
		r.wantSubjects("plans")
		r.clean()
	})
}

// TestI9_WhateverTheServerDoesOverTheTextThereIsTheHeader, and mail goes on on the connection there is.
func TestI9_WhateverTheServerDoesOverTheTextThereIsTheHeader(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]func(io.Writer, string) bool{
		"drops":   func(io.Writer, string) bool { return false },
		"hangs":   func(out io.Writer, _ string) bool { return untilLeft(out) },
		"refuses": func(out io.Writer, tag string) bool { fmt.Fprintf(out, "%s BAD what\r\n", tag); return true },
		"has none": func(out io.Writer, tag string) bool {
			fmt.Fprintf(out, "* 2 FETCH (UID 2 BODY[TEXT] NIL)\r\n%s OK\r\n", tag)
			return true
		},
		"sends all": func(out io.Writer, tag string) bool {
			fmt.Fprintf(out, "* 2 FETCH (UID 2 BODY[TEXT] {%d}\r\n%s)\r\n%s OK\r\n", 3<<20, bytes.Repeat([]byte("x"), 3<<20), tag)
			return true
		},
		"breaks off": func(out io.Writer, _ string) bool {
			fmt.Fprint(out, "* 2 FETCH (UID 2 BODY[TEXT]<0> {1000}\r\nSee the")
			return false
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &fake{mails: few(4), text: text}
			f.mails[1] = huge("huge", 3<<20)
			var sessions []int
			f.body = func(_ io.Writer, _, session int) (bool, bool) {
				f.mu.Lock()
				defer f.mu.Unlock()
				sessions = append(sessions, session)
				return false, true
			}
			k := newMemory()
			o := quick(k)
			o.MaxMail, o.Timeout = 1<<20, 300*time.Millisecond
			stop := watch(t, serve(t, f), k, o)
			got := k.waitFor(t, "INBOX", 4)
			stop()
			head, _, _ := bytes.Cut(f.mails[1], []byte("\r\n\r\n"))
			if it := got[1]; !it.HeaderOnly || it.Size != int64(len(f.mails[1])) || it.Outcome != "" || string(it.Raw) != string(head)+"\r\n\r\n" {
				t.Errorf("%+v", it)
			}
			if slices.ContainsFunc(sessions, func(s int) bool { return s != 1 }) {
				t.Errorf("mail was fetched in the sessions %v", sessions)
			}
		})
	}
}

// TestI9_AServerThatIsWrongAboutTheSize tells a small one and sends a large mail.
func TestI9_AServerThatIsWrongAboutTheSize(t *testing.T) {
	t.Parallel()
	f := &fake{mails: few(3), claims: 1000}
	f.mails[1] = huge("huge", 3<<20)
	k := newMemory()
	o := quick(k)
	o.MaxMail = 1 << 20
	watch(t, serve(t, f), k, o)
	got := k.waitFor(t, "INBOX", 3)
	if it := got[1]; !it.HeaderOnly || it.Size != int64(len(f.mails[1])) || it.Outcome != "" || !bytes.HasSuffix(it.Raw, []byte("\r\n\r\n")) || len(it.Raw) > 1000 {
		t.Errorf("%+v", it)
	}
	for _, i := range []int{0, 2} {
		if got[i].HeaderOnly || !bytes.Equal(got[i].Raw, f.mails[i]) {
			t.Errorf("item %d: %+v", i, got[i])
		}
	}
}

// TestI9_AHeaderThatNeverComesIsGivenUp: a large mail holds up no other, either.
func TestI9_AHeaderThatNeverComesIsGivenUp(t *testing.T) {
	t.Parallel()
	f := &fake{mails: few(5), noHeaders: true}
	f.mails[1] = huge("huge", 3<<20)
	k := newMemory()
	o := quick(k)
	o.MaxMail = 1 << 20
	watch(t, serve(t, f), k, o)
	for i, it := range k.waitFor(t, "INBOX", 5) {
		if (it.Outcome == desk.Unfetched) != (i == 1) {
			t.Errorf("item %d: %q %q", i, it.Outcome, it.Reason)
		}
	}
}
