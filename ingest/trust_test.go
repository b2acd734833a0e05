package ingest

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emersion/go-msgauth/dkim"

	"postern/desk"
	"postern/mailmsg"
	"postern/store"
)

const mx = "mx.acme.example"

// trusts has the mailbox believe a receiver.
func (r *rig) trusts(who desk.Receiver) {
	r.t.Helper()
	r.mb.Receiver = who
	r.update(func(tx *store.Tx) error { return tx.PutMailbox(r.t.Context(), r.mb) })
	r.org() // the one that is known is another now
}

// found is what the receiver writes at the top of a mail.
func found(result, domain, raw string) string {
	return "Authentication-Results: " + mx + ";\r\n\tspf=pass smtp.mailfrom=" + domain + ";\r\n\tdmarc=" + result + " (p=none) header.from=" + domain + "\r\n" +
		"Received: from mail." + domain + " by " + mx + "; Mon, 02 Mar 2026 10:00:01 +0000\r\n" + raw
}

// wantTrust checks what is stored with the newest message of a mail's ticket, and that a reason says why.
func (r *rig) wantTrust(e desk.LedgerEntry, want desk.Trust, says string) {
	r.t.Helper()
	ms := r.messages(e.TicketID, "")
	if len(ms) == 0 {
		r.t.Errorf("%s (%s) has no message", e.Outcome, e.Reason)
		return
	}
	m := ms[len(ms)-1]
	if m.Trust != want || !slices.ContainsFunc(m.Reasons, func(s string) bool { return strings.Contains(s, says) }) {
		r.t.Errorf("trust %s, reasons %q; want %s, %q", m.Trust, m.Reasons, want, says)
	}
}

func TestA3_TheReceiversResultIsTrustedAndForgedOnesAreNot(t *testing.T) {
	both(t, func(r *rig) {
		forged := "Authentication-Results: " + mx + "; dmarc=pass header.from=customer.example"
		r.wantTrust(r.arrives(found("pass", "customer.example", mail(ann, support, "1@customer.example", "unpinned"))), desk.V0, "trusts no receiver")
		r.trusts(desk.Receiver{AuthServID: mx})
		r.wantTrust(r.arrives(found("pass", "customer.example", mail(ann, support, "2@customer.example", "proved"))), desk.V1, mx+" vouches for customer.example")
		r.wantTrust(r.arrives(found("fail", "customer.example", mail(ann, support, "3@evil.example", "forged", forged))), desk.V0, "dmarc=fail")
		r.wantTrust(r.arrives("Received: from evil.example by "+mx+"; Mon, 02 Mar 2026 10:00:01 +0000\r\n"+mail(ann, support, "4@evil.example", "forged", forged)), desk.V0, "too far down")
		r.wantTrust(r.arrives(found("pass", "evil.example", mail(ann, support, "5@evil.example", "of another domain"))), desk.V0, "not for customer.example")
		r.clean()
	})
}

func TestA1_A2_ReplyToAndASecondSenderProveNothing(t *testing.T) {
	both(t, func(r *rig) {
		r.trusts(desk.Receiver{AuthServID: mx})
		e := r.arrives(found("pass", "evil.example", mail("Eve <eve@evil.example>", support, "1@evil.example", "I am Ann", "Reply-To: ann@customer.example", "Sender: ann@customer.example", "Return-Path: <ann@customer.example>")))
		r.wantTrust(e, desk.V1, "evil.example")
		if c := r.contact("eve@evil.example"); r.ticket(e.TicketID).ContactID != c.ID {
			r.t.Errorf("the ticket is not Eve's: %+v", r.ticket(e.TicketID))
		}
		if _, err := r.db.ContactByEmail(r.t.Context(), "ann@customer.example"); desk.KindOf(err) != desk.NotFound {
			r.t.Errorf("a contact for Reply-To: %v", err)
		}
		r.want(r.arrives(found("pass", "customer.example", mail(ann+", eve@evil.example", support, "2@evil.example", "from two"))), desk.Held)
		r.want(r.arrives(found("pass", "customer.example", "From: eve@evil.example\r\n"+mail(ann, support, "3@evil.example", "from two"))), desk.Held)
		// What stands behind two lines that are no fields is text to one reader, and the header to another.
		hidden := "From: ann@customer.example\r\nMessage-ID: <4@evil.example>\r\nnot a field\r\nnor this\r\n" + mail("eve@customer.example", support, "4@customer.example", "signed by Eve")
		r.wantTrust(r.arrives(found("pass", "customer.example", hidden)), desk.V0, "more than one way")
		r.clean()
	})
}

func TestA4_Microsoft365(t *testing.T) {
	both(t, func(r *rig) {
		r.trusts(desk.Receiver{Profile: desk.M365})
		says := func(dmarc, raw string) string {
			return "Received: from a.acme.test by b.acme.test; Mon, 02 Mar 2026 10:00:02 +0000\r\n" +
				"Authentication-Results: spf=pass (sender IP is 192.0.2.1)\r\n smtp.mailfrom=customer.example; dkim=none (message not signed)\r\n header.d=none;dmarc=" + dmarc +
				" action=none\r\n header.from=customer.example;compauth=pass reason=100\r\n" + raw
		}
		r.wantTrust(r.arrives(says("pass", mail(ann, support, "1@customer.example", "proved"))), desk.V1, "Microsoft 365 vouches for customer.example")
		r.wantTrust(r.arrives(says("bestguesspass", mail(ann, support, "2@customer.example", "guessed"))), desk.V0, "dmarc=bestguesspass")
		r.wantTrust(r.arrives(says("none", says("pass", mail(ann, support, "3@customer.example", "forged below")))), desk.V0, "dmarc=none")
		r.wantTrust(r.arrives(found("pass", "customer.example", says("pass", mail(ann, support, "4@customer.example", "another server's on top")))), desk.V0, "Microsoft 365 wrote nothing")
	})
}

func TestA5_ACalibratedReceiverMayStandBehindOthers(t *testing.T) {
	both(t, func(r *rig) {
		r.trusts(desk.Receiver{AuthServID: mx, Hops: 1})
		inside := func(raw string) string {
			return "Received: from " + mx + " by store.acme.example; Mon, 02 Mar 2026 10:00:02 +0000\r\n" + raw
		}
		r.wantTrust(r.arrives(inside(found("pass", "customer.example", mail(ann, support, "1@customer.example", "proved")))), desk.V1, "vouches")
		r.wantTrust(r.arrives(inside(inside(found("pass", "customer.example", mail(ann, support, "2@customer.example", "one more"))))), desk.V0, "too far down")
	})
}

func TestA6_ARCIsNotLookedAt(t *testing.T) {
	both(t, func(r *rig) {
		r.trusts(desk.Receiver{AuthServID: mx, DKIM: true})
		arc := []string{
			"ARC-Authentication-Results: i=1; " + mx + "; dmarc=pass header.from=customer.example", "ARC-Seal: i=1; a=rsa-sha256; cv=none; d=customer.example; s=a; b=AA==",
			"ARC-Message-Signature: i=1; a=rsa-sha256; d=customer.example; s=a; h=from; bh=AA==; b=AA==",
		}
		r.wantTrust(r.arrives(mail(ann, support, "1@customer.example", "sealed", arc...)), desk.V0, "no DKIM signature of customer.example")
		r.wantTrust(r.arrives(found("fail", "customer.example", mail(ann, support, "2@customer.example", "sealed", arc...))), desk.V0, "dmarc=fail")
	})
}

// signed signs a mail with the key that keyOf publishes for the domain.
func signed(t *testing.T, domain, raw string) string {
	t.Helper()
	var out bytes.Buffer
	if err := dkim.Sign(&out, strings.NewReader(raw), &dkim.SignOptions{Domain: domain, Selector: "s1", Signer: dkimKey(), Hash: crypto.SHA256, HeaderKeys: []string{"From", "Subject"}}); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func dkimKey() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(bytes.Repeat([]byte("k"), 32)) }

// resolves has the rig look keys up at a name server of the test.
func (r *rig) resolves(lookup mailmsg.LookupTXT) {
	r.t.Helper()
	g, err := New(Options{DB: r.db, Desk: r.desk, Blobs: r.blobs, Log: slog.New(slog.DiscardHandler), LookupTXT: lookup})
	if err != nil {
		r.t.Fatal(err)
	}
	r.g = g
}

func TestA7_DKIMIsVerifiedWhereTheReceiverWritesNothing(t *testing.T) {
	both(t, func(r *rig) {
		var asked atomic.Int32
		var away atomic.Bool
		r.resolves(func(_ context.Context, name string) ([]string, error) {
			asked.Add(1)
			if away.Load() {
				return nil, &net.DNSError{Err: "server misbehaving", Name: name, IsTemporary: true}
			}
			if !strings.HasSuffix(name, "._domainkey.customer.example") {
				return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
			}
			return []string{"v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(dkimKey().Public().(ed25519.PublicKey))}, nil
		})
		write := func(from, id string) string { return mail(from, support, id, strings.Repeat("it is broken\r\n", 10)) }

		r.wantTrust(r.arrives(signed(t, "customer.example", write(ann, "1@customer.example"))), desk.V0, "trusts no receiver")
		if n := asked.Load(); n != 0 {
			r.t.Errorf("%d keys are looked up though nobody wants that", n)
		}
		r.trusts(desk.Receiver{AuthServID: mx, DKIM: true})
		r.wantTrust(r.arrives(signed(t, "customer.example", write(ann, "2@customer.example"))), desk.V1, "a DKIM signature of customer.example holds")
		r.wantTrust(r.arrives(strings.Replace(signed(t, "customer.example", write(ann, "3@customer.example")), "broken", "fine!!", 1)), desk.V0, "does not hold")
		r.wantTrust(r.arrives(signed(t, "evil.example", write(ann, "4@evil.example"))), desk.V0, "no DKIM signature of customer.example")
		r.wantTrust(r.arrives(found("fail", "customer.example", signed(t, "customer.example", write(ann, "5@customer.example")))), desk.V0, "dmarc=fail")

		asked.Store(0)
		r.sends(signed(t, "customer.example", write(ann, "8@customer.example")))
		if n := asked.Load(); n != 0 {
			r.t.Errorf("%d keys are looked up for a mail in Sent", n)
		}
		away.Store(true)
		waits := r.arrives(signed(t, "customer.example", write(ann, "6@customer.example")))
		r.want(waits, desk.NewTicket)
		r.wantTrust(waits, desk.V0, "could not be looked up")
		if asked.Load() == 0 {
			r.t.Error("no key was looked up")
		}
		// A process that finds it pending at its start reads it the same way.
		away.Store(false)
		it := r.keep(r.mb.ID, desk.Inbox, time.Now(), signed(t, "customer.example", write(ann, "7@customer.example")))[0]
		r.resolves(r.g.LookupTXT)
		if _, err := r.g.readCarefully(r.t.Context(), r.mb.ID, &round{}); err != nil {
			r.t.Fatal(err)
		}
		r.wantTrust(r.entry(it), desk.V1, "holds")
		r.clean()
	})
}

// TestA7_SlowNameServersHoldUpNoMailbox: however many mails name a name server that never answers, they wait for a bounded
// time in a minute, and the next minute it is asked again.
func TestA7_SlowNameServersHoldUpNoMailbox(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asked, slow := 0, true
		k := &keys{ask: func(ctx context.Context, _ string) ([]string, error) {
			asked++
			if slow {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			time.Sleep(quickKey)
			return []string{"key"}, nil
		}}
		began := time.Now()
		for range 1000 {
			_, err := k.lookup(t.Context(), "s1._domainkey.slow.example")
			if e, ok := errors.AsType[*net.DNSError](err); !ok || !e.IsTimeout && !e.IsTemporary {
				t.Fatalf("a key that does not come: %v", err)
			}
		}
		if took := time.Since(began); took > slowKeys+2*keyWithin || asked == 0 {
			t.Errorf("1000 mails wait for %s, %d look-ups", took, asked)
		}
		slow = false
		time.Sleep(time.Minute)
		for range 1000 { // as quick as look-ups are
			if got, err := k.lookup(t.Context(), "s1._domainkey.customer.example"); err != nil || len(got) != 1 {
				t.Fatalf("%q, %v", got, err)
			}
		}
	})
}

func TestL9_WhoIsProvedGetsTheWholeWelcomeMail(t *testing.T) {
	both(t, func(r *rig) {
		r.trusts(desk.Receiver{AuthServID: mx})
		r.arrives(found("pass", "customer.example", mail(ann, support, "1@customer.example", "proved")))
		r.arrives(found("fail", "customer.example", mail("bob@customer.example", support, "2@customer.example", "not proved")))
		want := map[string]string{"ann@customer.example": desk.DefaultSettings().Welcome.Body, "bob@customer.example": desk.DefaultSettings().Welcome.NeutralBody}
		for _, e := range r.effects(desk.WelcomeMail) {
			text, err := r.db.Template(r.t.Context(), e.Template)
			if err != nil || text.Body != want[e.Recipient] {
				r.t.Errorf("%s gets %q, %v", e.Recipient, text.Body, err)
			}
			delete(want, e.Recipient)
		}
		if len(want) != 0 {
			r.t.Errorf("no welcome mail for %v", want)
		}
	})
}

func TestM12_AProvedParticipantIsNotFlagged(t *testing.T) {
	both(t, func(r *rig) {
		r.trusts(desk.Receiver{AuthServID: mx})
		first := r.arrives(found("pass", "customer.example", mail(ann, support, "1@customer.example", "it is broken")))
		r.agentAnswers(first.TicketID, "try again")
		flagged := func() bool {
			ms := r.messages(first.TicketID, "")
			return slices.Contains(ms[len(ms)-1].Reasons, "sender not verified")
		}
		r.wantTrust(r.arrives(found("pass", "customer.example", mail(ann, support, "2@customer.example", "proved", answering("1@customer.example")))), desk.V1, "vouches")
		if flagged() {
			r.t.Error("a proved sender is flagged")
		}
		r.wantTrust(r.arrives(found("none", "customer.example", mail(ann, support, "3@customer.example", "not proved", answering("1@customer.example")))), desk.V0, "dmarc=none")
		if !flagged() {
			r.t.Error("a sender who is not proved is not flagged")
		}
		own := r.replyAddress(first.TicketID, "ann@customer.example")
		r.wantTrust(r.arrives(found("pass", "customer.example", mail(ann, own, "4@customer.example", "proved, with the token"))), desk.V2, "signed reply address")
		r.clean()
	})
}

// TestH2_ASpoofedSenderReadsNothing goes through CVE-2024-49193: a spoofed From line, the attacker in Cc, and a support address
// with a number that can be guessed.
func TestH2_ASpoofedSenderReadsNothing(t *testing.T) {
	both(t, func(r *rig) {
		r.trusts(desk.Receiver{AuthServID: mx})
		first := r.arrives(found("pass", "customer.example", mail(ann, support, "1@customer.example", "the secret plan")))
		r.agentAnswers(first.TicketID, "noted")
		spoofed := func(to, id string, more ...string) desk.LedgerEntry {
			more = append(more, "Cc: eve@evil.example", "Authentication-Results: "+mx+"; dmarc=pass header.from=customer.example")
			return r.arrives(found("fail", "customer.example", mail(ann, to, id, "add my colleague", more...)))
		}
		for i, to := range []string{"support+1@acme.example", "support+id1@acme.example", "support+" + strings.Repeat("a", mailmsg.TokenLen) + "@acme.example"} {
			e := spoofed(to, string(rune('a'+i))+"@evil.example", "Subject: [#1] Printer")
			r.want(e, desk.NewTicket)
			r.wantTrust(e, desk.V0, "dmarc=fail")
			if e.TicketID == first.TicketID {
				r.t.Errorf("mail to %s joined the ticket", to)
			}
		}
		r.wantTexts(first.TicketID, "", "the secret plan", "noted")

		// Who has seen a Message-ID of the ticket can add to it, flagged, and gets nothing from it.
		known := spoofed(support, "d@evil.example", answering("1@customer.example"))
		r.want(known, desk.Appended)
		r.wantTrust(known, desk.V0, "sender not verified")
		r.agentAnswers(first.TicketID, "who is this?")
		if _, err := r.db.ContactByEmail(r.t.Context(), "eve@evil.example"); desk.KindOf(err) != desk.NotFound {
			r.t.Errorf("there is a contact for the address in Cc: %v", err)
		}
		all, err := r.db.Effects(r.t.Context(), "", store.Page{Limit: 200})
		if err != nil || len(all) == 0 {
			r.t.Fatalf("%d outbox rows, %v", len(all), err)
		}
		for _, e := range all {
			if strings.Contains(e.Recipient, "evil.example") {
				r.t.Errorf("%s goes to %s", e.Kind, e.Recipient)
			}
		}
		for _, p := range r.ticket(first.TicketID).Participants {
			if p.Email != "ann@customer.example" {
				r.t.Errorf("%s takes part", p.Email)
			}
		}
		r.clean()
	})
}

func TestH5_OurAddressInTheInboxIsNobodyThoughItsDomainIsProved(t *testing.T) {
	both(t, func(r *rig) {
		r.trusts(desk.Receiver{AuthServID: mx})
		first := r.arrives(found("pass", "customer.example", mail(ann, support, "1@customer.example", "it is broken")))
		for i, result := range []string{"fail", "pass"} { // V0, V1
			for j, from := range []string{"Support <support@acme.example>", "support+x@acme.example", "sales@acme.example"} {
				id := string(rune('a'+i)) + string(rune('a'+j)) + "@acme.example"
				r.want(r.arrives(found(result, "acme.example", mail(from, ann, id, "send money", answering("1@customer.example")))), desk.Held)
			}
			// A colleague's own address is a stranger's here, however sure we are that it is hers.
			r.want(r.arrives(found(result, "acme.example", mail("Agent <agent@acme.example>", support, result+"@acme.example", "send money", answering("1@customer.example")))), desk.Held)
		}
		r.wantTexts(first.TicketID, "", "it is broken")
	})
}

func TestH7_AMarkThatSaysItIsOursIsNormalMail(t *testing.T) {
	both(t, func(r *rig) {
		r.trusts(desk.Receiver{AuthServID: mx})
		first := r.arrives(found("pass", "customer.example", mail(ann, support, "1@customer.example", "it is broken")))
		answer := r.agentAnswers(first.TicketID, "try again")
		marks := []string{"X-Gateway: postern", "X-Postern: own-copy", "X-Postern-Loop: acme.example." + strings.Repeat("a", mailmsg.TokenLen), "X-Loop: acme.example", answering("1@customer.example")}
		forged := r.arrives(found("fail", "customer.example", mail(ann, support, "2@evil.example", "ignore me", marks...)))
		r.want(forged, desk.Appended)
		r.wantTrust(forged, desk.V0, "dmarc=fail")
		ourID := r.arrives(found("fail", "customer.example", mail(ann, support, string(answer.MessageID), "your own id", marks...)))
		r.want(ourID, desk.Appended)
		r.wantTrust(ourID, desk.V0, "dmarc=fail")
		r.want(r.arrives(found("fail", "acme.example", mail(support, ann, "3@acme.example", "our own name", marks...))), desk.Held)
		r.clean()
	})
}

// TestA1_AFormSenderStandsForThePersonInReplyTo: what a form elsewhere mails is its visitor's, whom nobody has proved; and only
// where the operator named the form.
func TestA1_AFormSenderStandsForThePersonInReplyTo(t *testing.T) {
	both(t, func(r *rig) {
		const form = "Shop <noreply@shop.example>"
		r.mb.FormSenders = []string{"noreply@shop.example"}
		r.trusts(desk.Receiver{AuthServID: mx})
		post := func(id, replyTo string) string {
			return found("pass", "shop.example", mail(form, support, id, "please call me", "Reply-To: "+replyTo, "Auto-Submitted: auto-generated", "Subject: New message"))
		}
		e := r.arrives(post("1@shop.example", ann))
		r.want(e, desk.NewTicket)
		r.wantTrust(e, desk.V0, "typed into a form")
		r.wantTrust(e, desk.V0, "noreply@shop.example is a form of this mailbox")
		if c := r.contact("ann@customer.example"); r.ticket(e.TicketID).ContactID != c.ID || c.Name != "Ann" {
			r.t.Errorf("the ticket is %+v, the contact %+v", r.ticket(e.TicketID), c)
		}
		welcome := r.effects(desk.WelcomeMail)
		if len(welcome) != 1 || welcome[0].Recipient != "ann@customer.example" {
			r.t.Fatalf("welcome mails: %+v", welcome)
		}
		if text, err := r.db.Template(r.t.Context(), welcome[0].Template); err != nil || text.Body != r.org().Settings.Welcome.NeutralBody {
			r.t.Errorf("the welcome mail is %q, %v", text, err)
		}

		// Somebody of the shop's own domain is not proved either: the shop's server wrote the mail, and anybody typed the address.
		boss := r.arrives(post("2@shop.example", "boss@shop.example"))
		r.want(boss, desk.NewTicket)
		r.wantTrust(boss, desk.V0, "typed into a form")
		// No form answers a mail: then it is a machine in the place of the form.
		answer := strings.NewReplacer("Subject:", "In-Reply-To: <1@shop.example>\r\nSubject:")
		r.want(r.arrives(answer.Replace(post("3@shop.example", ann))), desk.Held)
		for id, more := range map[string]string{"3a@shop.example": "Return-Path: <>", "3b@shop.example": "Subject: Out of office", "3c@shop.example": "X-Vacation: yes"} {
			r.want(r.arrives(more+"\r\n"+strings.Replace(post(id, ann), "Subject: New message", "X: y", 1)), desk.Automated)
		}
		r.want(r.arrives(strings.Replace(post("3d@shop.example", ann), "dmarc=pass", "dmarc=fail", 1)), desk.Automated)

		for id, replyTo := range map[string]string{
			"4a@shop.example": "x..y@other_.example", "4b@shop.example": "=?utf-8?q?ann=40customer.example?=@evil.example", "4c@shop.example": "x: ann@customer.example;",
			"4@shop.example": "ann@customer.example, bob@customer.example", "5@shop.example": "support@acme.example", "6@shop.example": "sales@acme.example",
			"7@shop.example": "postmaster@customer.example", "8@shop.example": "noreply@shop.example",
		} {
			r.want(r.arrives(post(id, replyTo)), desk.Held)
		}
		none := r.arrives(strings.Replace(post("4d@shop.example", ann), "Reply-To:", "X-Reply-To:", 1))
		r.want(none, desk.Held)
		_, err := r.g.SplitHeld(r.t.Context(), none.ID, desk.Address{}, "Mette")
		r.wantKind("split for nobody", err, desk.Invalid)
		_, err = r.g.SplitHeld(r.t.Context(), none.ID, desk.Address{Email: "support@acme.example"}, "Mette")
		r.wantKind("split for ourselves", err, desk.Invalid)
		e, err = r.g.SplitHeld(r.t.Context(), none.ID, desk.Address{Email: "Dora@customer.example", Name: "Dora"}, "Mette")
		if err != nil || r.ticket(e.TicketID).ContactID != r.contact("dora@customer.example").ID {
			r.t.Errorf("split for Dora: %+v, %v", e, err)
		}
		r.wantTrust(e, desk.V0, "typed into a form")
		other := mail("noreply@other.example", support, "9@other.example", "please call me", "Reply-To: "+ann)
		r.want(r.arrives(other), desk.Automated)
		r.update(func(tx *store.Tx) error {
			return tx.Suppress(r.t.Context(), desk.Suppression{Address: "ann@customer.example", Reason: desk.Bounced, At: time.Now().Add(-time.Hour)})
		})
		r.want(r.arrives(post("10@shop.example", ann)), desk.NewTicket)
		r.wantSuppressed("ann@customer.example", "ann@customer.example bounced")
		if n := len(r.effects(desk.WelcomeMail)); n != 3 {
			r.t.Errorf("%d welcome mails", n)
		}
		r.clean()
	})
}

// TestA1_AHeldFormMailIsThePersonsToo: an agent who makes a ticket of one does it for the person.
func TestA1_AHeldFormMailIsThePersonsToo(t *testing.T) {
	both(t, func(r *rig) {
		first := r.arrives(mail(bob, support, "1@customer.example", "it is broken"))
		r.agentAnswers(first.TicketID, "try again")
		r.mb.FormSenders = []string{"noreply@shop.example"}
		r.trusts(desk.Receiver{})
		held := r.arrives(mail("noreply@shop.example", r.replyAddress(first.TicketID, "bob@customer.example"), "2@shop.example", "mine too", "Reply-To: "+ann))
		r.want(held, desk.Held)
		e, err := r.g.SplitHeld(r.t.Context(), held.ID, desk.Address{}, "Mette")
		if err != nil || e.TicketID == first.TicketID {
			r.t.Fatal(e, err)
		}
		if c := r.contact("ann@customer.example"); r.ticket(e.TicketID).ContactID != c.ID {
			r.t.Errorf("the ticket is %+v", r.ticket(e.TicketID))
		}
		r.wantTrust(e, desk.V0, "typed into a form")
	})
}
