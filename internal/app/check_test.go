package app

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"postern/desk"
	"postern/internal/mailtest"
	"postern/store"
)

// tested gives what mailbox test finds, by check.
func (d *desktop) tested(status int) map[string]finding {
	d.t.Helper()
	out, told, code := d.gateway("mailbox", "test", "support@desk.example", "--json")
	var list struct{ Items []finding }
	if err := json.Unmarshal([]byte(out), &list); err != nil || code != status {
		d.t.Fatalf("exit status %d, %v: %s%s", code, err, out, told)
	}
	found := map[string]finding{}
	for _, f := range list.Items {
		found[f.Check] = f
		if f.Result == problem && f.Do == "" || strings.Contains(f.Text+f.Do, "hunter2") {
			d.t.Errorf("%+v", f)
		}
	}
	return found
}

func (d *desktop) says(found map[string]finding, check string, r result, words ...string) {
	d.t.Helper()
	f, there := found[check]
	if !there || f.Result != r {
		d.t.Errorf("%s: %+v, want %s", check, f, r)
	}
	for _, w := range words {
		if !strings.Contains(f.Text+". "+f.Do, w) {
			d.t.Errorf("%s: %q does not say %q", check, f, w)
		}
	}
}

// TestI11_AMailboxIsTried tells each thing that may be wrong, and what to do, with real servers.
func TestI11_AMailboxIsTried(t *testing.T) {
	t.Parallel()
	d := newDesktop(t)
	dovecot := mailtest.Dovecot(t, mailtest.User{Name: "support", Password: "hunter2"})
	sink := mailtest.SMTPWith(t, mailtest.SMTPOptions{Username: "u", Password: "hunter2"})
	change := func(change func(*desk.Mailbox)) {
		t.Helper()
		d.with(func(p *parts) {
			d.ok(p.db.Update(t.Context(), func(tx *store.Tx) error {
				return tx.ChangeMailbox(t.Context(), d.mb, func(mb *desk.Mailbox) error { change(mb); return nil })
			}))
		})
	}
	change(func(mb *desk.Mailbox) {
		mb.IMAP, mb.Secrets.IMAPPassword = "imap://support@"+dovecot.Addr(), "hunter2"
		mb.SMTP, mb.Secrets.SMTPPassword = "smtp://u@"+sink.Addr(), "hunter2"
	})
	found := d.tested(0)
	d.says(found, "connection", good, dovecot.Addr()+" answers")
	d.says(found, "tls", aside, "this machine")
	d.says(found, "login", good, "INBOX has 0 mails")
	d.says(found, "folders", good, "INBOX is read")
	d.says(found, "sent-folder", good, `"Sent"`)
	d.says(found, "flags", aside, "no unread mail")
	d.says(found, "sent-copies", aside, "no mail has been seen in Sent")
	d.says(found, "sub-addressing", aside, "gateway mailbox probe")
	d.says(found, "dmarc", warned, "gateway mailbox calibrate")
	if _, there := found["dns"]; there {
		t.Error("an address was looked up")
	}

	dovecot.Append("support", "INBOX", []byte("Subject: x\r\n\r\nunread"), nil, time.Now())
	b := desk.FolderBatch{MailboxID: d.mb, Folder: "Sent", Role: desk.Sent, UIDValidity: 1, Items: []desk.FolderItem{{UID: 1, InternalDate: time.Now(), Raw: []byte("Subject: x\r\n\r\nx")}}}
	d.with(func(p *parts) { d.ok(p.ingest.Keep(t.Context(), d.lease, b)) })
	change(func(mb *desk.Mailbox) {
		mb.SubAddress, mb.Receiver = true, desk.Receiver{Profile: desk.RFC8601, AuthServID: "mx.desk.example"}
		mb.Folders, mb.Sent = []string{"Gone"}, "Nowhere"
		mb.Secrets.SMTPPassword = "no"
	})
	found = d.tested(1)
	d.says(found, "flags", good, "stays unread")
	d.says(found, "sent-copies", good, "of the newest 1 mails there, agents wrote 1 and Postern 0")
	d.says(found, "sub-addressing", good, "support+TOKEN@desk.example")
	d.says(found, "dmarc", good, "mx.desk.example")
	d.says(found, "folders", warned, `"Gone"`, "--folder")
	d.says(found, "sent-folder", warned, `"Nowhere"`, "--sent")
	d.says(found, "smtp", problem, "sending (SMTP)", "does not accept", "Check both")

	for want, url := range map[string]string{"login": "imap://support@" + dovecot.Addr(), "tls": "imaps://support@" + dovecot.TLSAddr(), "connection": "imap://support@127.0.0.1:1", "dns": "imaps://support@no-such-host.invalid"} {
		change(func(mb *desk.Mailbox) { mb.IMAP, mb.Secrets.IMAPPassword, mb.SMTP = url, "no", "" })
		found = d.tested(1)
		d.says(found, want, problem, "reading (IMAP)")
		d.says(found, "smtp", warned, "nothing can be sent")
		for _, later := range []string{"folders", "flags"} {
			if f, there := found[later]; there {
				t.Errorf("%s: %s was looked at: %+v", want, later, f)
			}
		}
	}
	if out, told, code := d.gateway("mailbox", "test", "support@desk.example"); code != 1 || !strings.Contains(out, "problem: reading (IMAP): ") || !strings.Contains(told, "what to do stands behind each problem (1)") {
		t.Errorf("exit status %d: %s%s", code, out, told)
	}
}

// TestI11_WhatIsKnownOfAProviderIsTold where its servers are used, reached or not.
func TestI11_WhatIsKnownOfAProviderIsTold(t *testing.T) {
	t.Parallel()
	d := newDesktop(t)
	d.with(func(p *parts) {
		mb := desk.Mailbox{IMAP: "imaps://u@outlook.office365.com"}
		var fs findings
		d.ok((&cli{}).stored(t.Context(), p, mb, &fs))
		if s := fmt.Sprint(fs); !strings.Contains(s, "another Message-ID") || !strings.Contains(s, "saves what is sent") {
			t.Errorf("%s", s)
		}
	})
}

// TestM1_FurtherSentFoldersAreFoundAndWarnedOf: a new mailbox reads those that look like it, unless somebody said which.
func TestM1_FurtherSentFoldersAreFoundAndWarnedOf(t *testing.T) {
	t.Parallel()
	d := newDesktop(t)
	dovecot := mailtest.Dovecot(t, mailtest.User{Name: "support", Password: "hunter2"})
	for _, name := range []string{"Éléments envoyés", "Gesendet", "Old"} {
		d.ok(dovecot.Dial("support").Create(name, nil).Wait())
	}
	also := func(address string) (names []string) {
		d.with(func(p *parts) {
			mb, err := p.mailbox(t.Context(), address)
			d.ok(err)
			names = mb.Policy.AlsoSent
		})
		slices.Sort(names)
		return names
	}
	add := func(address string, more ...string) string {
		t.Helper()
		_, told, code := d.gateway(append([]string{"mailbox", "add", address, "--imap", dovecot.IMAPURL("support")}, more...)...)
		if code != 0 {
			t.Fatal(told)
		}
		return told
	}
	if told := add("one@desk.example"); !strings.Contains(told, `"Éléments envoyés" is read like Sent`) || !slices.Equal(also("one@desk.example"), []string{"Gesendet", "Éléments envoyés"}) {
		t.Errorf("%q: %s", also("one@desk.example"), told)
	}
	if told := add("two@desk.example", "--also-sent", "Gesendet"); !strings.Contains(told, `--also-sent "Gesendet" --also-sent "Éléments envoyés"`) || !slices.Equal(also("two@desk.example"), []string{"Gesendet"}) {
		t.Errorf("%q: %s", also("two@desk.example"), told)
	}
	add("three@desk.example", "--also-sent", "")
	out, _, _ := d.gateway("mailbox", "test", "three@desk.example")
	if len(also("three@desk.example")) != 0 || !strings.Contains(out, `warning: folder "Gesendet" looks as if`) || strings.Contains(out, `"Old"`) {
		t.Errorf("%s", out)
	}
	d.want(0, "", "mailbox", "edit", "three@desk.example", "--also-sent", "Gesendet")
	for _, bad := range [][]string{{"--also-sent", "Nowhere"}, {"--also-sent", "INBOX"}, {"--also-sent", "Old", "--also-sent", "Old"}, {"--folder", "Gesendet"}, {"--closed-folder", "Gesendet"}} {
		if _, told, code := d.gateway(append([]string{"mailbox", "edit", "three@desk.example"}, bad...)...); code != 1 || !strings.Contains(told, "--also-sent") {
			t.Errorf("%q: exit status %d: %s", bad, code, told)
		}
	}
	if got := also("three@desk.example"); !slices.Equal(got, []string{"Gesendet"}) {
		t.Errorf("%q", got)
	}
	d.want(0, "", "mailbox", "edit", "three@desk.example", "--also-sent", "")
	if got := also("three@desk.example"); len(got) != 0 {
		t.Errorf("%q", got)
	}
}

// TestM12_AnAddressThatAContactHasTooIsWarnedOf: what comes from there would be held.
func TestM12_AnAddressThatAContactHasTooIsWarnedOf(t *testing.T) {
	t.Parallel()
	d := newDesktop(t)
	dovecot := mailtest.Dovecot(t, mailtest.User{Name: "support", Password: "hunter2"})
	const warning = "desk@customer.example is an address of the contact Ann as well"
	d.want(0, "", "contact", "add", "--name", "Ann", "--email", "ann@customer.example,desk@customer.example", "--no-welcome")
	d.want(0, warning, "mailbox", "add", "help@desk.example", "--imap", dovecot.IMAPURL("support"), "--alias", "desk@customer.example")
	d.want(0, warning, "mailbox", "test", "help@desk.example")
	d.want(0, "", "contact", "edit", "ann@customer.example", "--email", "ann@customer.example")
	if out, told, _ := d.gateway("mailbox", "test", "help@desk.example"); strings.Contains(out+told, "as well") {
		t.Errorf("it was taken from her: %s%s", out, told)
	}
}
