package outbound_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-msgauth/dkim"

	"postern/desk"
	"postern/mailmsg"
	"postern/outbound"
	"postern/store"
)

// signs gives the mailbox a key, and what receivers find in DNS.
func (r *rig) signs(selector string) mailmsg.DKIMKey {
	r.t.Helper()
	text, err := mailmsg.NewDKIMKey()
	if err != nil {
		r.t.Fatal(err)
	}
	r.mb.Signing, r.mb.Secrets.DKIMKey = desk.Signing{Selector: selector, On: true}, text
	r.put(r.mb)
	key, err := mailmsg.ParseDKIMKey("acme.example", selector, text)
	if err != nil {
		r.t.Fatal(err)
	}
	return key
}

func (r *rig) put(mb desk.Mailbox) {
	r.t.Helper()
	if err := r.db.Update(r.t.Context(), func(tx *store.Tx) error { return tx.PutMailbox(r.t.Context(), mb) }); err != nil {
		r.t.Fatal(err)
	}
}

// holds tells whether a receiver finds the signature of a key, and of no other, in a mail.
func holds(t *testing.T, raw string, key mailmsg.DKIMKey) bool {
	t.Helper()
	found, err := dkim.VerifyWithOptions(strings.NewReader(raw), &dkim.VerifyOptions{LookupTXT: func(name string) ([]string, error) {
		if name != key.Name() {
			return nil, errors.New("asked for " + name)
		}
		return []string{key.Record()}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	return len(found) == 1 && found[0].Err == nil
}

// TestO7_MailIsSigned: what leaves us is signed, files and all; what goes into the agents' inbox is not, for a customer's address stands there.
func TestO7_MailIsSigned(t *testing.T) {
	both(t, func(r *rig) {
		key := r.signs("postern")
		r.answer("try again", false)
		r.drain(desk.QueueMail)
		r.drain(desk.QueueMailbox)
		sent := r.sent()
		if len(sent) != 1 || !holds(r.t, sent[0], key) {
			r.t.Fatalf("%d mails, the first:\n%s", len(sent), sent)
		}
		for name, change := range map[string]func(string) string{
			"another word":    func(s string) string { return strings.Replace(s, "try again", "try  once more", 1) },
			"another subject": func(s string) string { return strings.Replace(s, "\r\nSubject: ", "\r\nSubject: x", 1) },
			"a second From": func(s string) string {
				return strings.Replace(s, "\r\nFrom:", "\r\nFrom: eve@evil.example\r\nFrom:", 1)
			},
			"a further Reply-To": func(s string) string {
				return strings.Replace(s, "\r\nFrom:", "\r\nReply-To: eve@evil.example\r\nFrom:", 1)
			},
		} {
			changed := change(sent[0])
			if changed == sent[0] || holds(r.t, changed, key) {
				r.t.Errorf("%s: the signature holds", name)
			}
		}
		if put := r.server.put; len(put) != 1 || strings.Contains(put[0], "DKIM-Signature") {
			r.t.Errorf("into the inbox went %q", put)
		}
	})
}

// TestO4_ARepeatHasTheSameSignature: a signature has the time in it, so the first attempt's is kept.
func TestO4_ARepeatHasTheSameSignature(t *testing.T) {
	both(t, func(r *rig) {
		key := r.signs("postern")
		r.answer("try again", false)
		r.server.after = func(string) error { return outbound.ErrAmbiguous }
		for range 2 {
			r.drain(desk.QueueMail)
			r.pass(5 * time.Hour)
		}
		r.mb.Signing.On = false // what has begun goes on as it began
		r.put(r.mb)
		r.drain(desk.QueueMail)
		sent := r.sent()
		if len(sent) != 3 || sent[0] != sent[1] || sent[1] != sent[2] || !holds(r.t, sent[0], key) {
			r.t.Errorf("%d copies, not all the same:\n%q", len(sent), sent)
		}
	})
}

// TestO7_ASignatureThatNoLongerFitsIsMadeAgain: after a change of the key in the middle of a delivery.
func TestO7_ASignatureThatNoLongerFitsIsMadeAgain(t *testing.T) {
	both(t, func(r *rig) {
		first := r.signs("postern")
		r.answer("try again", false)
		r.server.after = func(string) error { return outbound.ErrAmbiguous }
		r.drain(desk.QueueMail)
		r.pass(5 * time.Hour)
		second := r.signs("postern2")
		r.drain(desk.QueueMail)
		r.pass(5 * time.Hour)
		r.drain(desk.QueueMail)
		sent := r.sent()
		if len(sent) != 3 || !holds(r.t, sent[0], first) || !holds(r.t, sent[1], second) || sent[1] != sent[2] {
			r.t.Errorf("%d copies: %q", len(sent), sent)
		}
	})
}

// TestO7_WithoutAKeyNothingIsSigned: nor once a key comes while a mail is on its way.
func TestO7_WithoutAKeyNothingIsSigned(t *testing.T) {
	both(t, func(r *rig) {
		r.answer("try again", false)
		r.server.after = func(string) error { return outbound.ErrAmbiguous }
		r.drain(desk.QueueMail)
		r.pass(5 * time.Hour)
		r.signs("postern")
		r.drain(desk.QueueMail)
		if sent := r.sent(); len(sent) != 2 || sent[0] != sent[1] || strings.Contains(sent[0], "DKIM-Signature") {
			r.t.Errorf("%q", sent)
		}
	})
}
