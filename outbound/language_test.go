package outbound_test

import (
	"strings"
	"testing"
	"time"

	"postern/desk"
	"postern/mailmsg"
	"postern/store"
	"postern/tickets"
)

// parsed gives the text and the HTML of a mail.
func parsed(t *testing.T, raw string) desk.Mail {
	t.Helper()
	mail, err := mailmsg.Parse(strings.NewReader(raw), mailmsg.ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return mail
}

// TestO5_EachReaderIsWrittenToInTheirLanguage: theirs, else the mailbox's, else the default; the first attempt settles it.
func TestO5_EachReaderIsWrittenToInTheirLanguage(t *testing.T) {
	both(t, func(r *rig) {
		ctx := r.t.Context()
		settings := desk.DefaultSettings()
		settings.DefaultLanguage = "fr"
		if err := r.db.Update(ctx, func(tx *store.Tx) error { return tx.PutSettings(ctx, settings) }); err != nil {
			r.t.Fatal(err)
		}
		for _, c := range []struct{ contact, mailbox, lang, subject, link string }{
			{"", "", "fr", "Connexion à Support", "Se connecter"},
			{"", "de", "de", "Anmelden bei Support", "Anmelden"},
			{"he", "de", "he", "כניסה אל Support", "כניסה"},
			{"sv", "it", "it", "Accedi a Support", "Accedi"},
		} {
			if _, err := r.desk.ChangeContact(ctx, r.ann.ID, tickets.ContactChange{Language: &c.contact}); err != nil {
				r.t.Fatal(err)
			}
			r.mb.Policy.Language = c.mailbox
			r.put(r.mb)
			r.server.sent = map[string][]string{}
			err := r.db.Update(ctx, func(tx *store.Tx) error {
				return r.desk.SendLink(ctx, tx, r.mb, r.ann, desk.SignInMail, desk.LinkSignIn)
			})
			if err != nil {
				r.t.Fatal(err)
			}
			r.drain(desk.QueueMail)
			mail := parsed(r.t, r.sent()[0])
			dir := map[bool]string{true: "rtl", false: "ltr"}[c.lang == "he"]
			raw := strings.ReplaceAll(strings.ReplaceAll(r.sent()[0], "=\r\n", ""), "=3D", "=")
			if mail.Subject != c.subject || !strings.Contains(raw, `<html lang="`+c.lang+`" dir="`+dir+`">`) || !strings.Contains(mail.HTML, c.link) {
				r.t.Errorf("%+v: %q\n%s", c, mail.Subject, raw)
			}
		}
	})
}

// TestO5_TheWordsOfTheWelcomeMail: the operator's go before ours, and who is not proved reads the mailbox's language.
func TestO5_TheWordsOfTheWelcomeMail(t *testing.T) {
	both(t, func(r *rig) {
		ctx := r.t.Context()
		asItCame := desk.DefaultSettings()
		worded := desk.DefaultSettings()
		worded.Welcome.Languages = map[string]desk.Words{"de": {Subject: "Servus bei {{portal.name}}", Body: "{{portal.set_password_link}}"}}
		own := desk.DefaultSettings()
		own.Welcome.Body = "Our own words: {{portal.set_password_link}}"
		for name, c := range map[string]struct {
			settings         desk.Settings
			contact, mailbox string
			trust            desk.Trust
			want             string
		}{
			"the contact's language":            {asItCame, "de", "", desk.V1, "Ihr Zugang zu Support"},
			"the mailbox's":                     {asItCame, "", "es", desk.V1, "Su acceso a Support"},
			"the operator's words":              {worded, "de", "", desk.V1, "Servus bei Support"},
			"the operator's for another one":    {worded, "fr", "", desk.V1, "Votre accès à Support"},
			"the operator's default is no ours": {own, "de", "", desk.V1, "Our own words"},
			"a stranger's choice counts not":    {asItCame, "de", "it", desk.V0, "nomina questo indirizzo"},
			"nor in the default language":       {asItCame, "de", "", desk.V0, "names this address"},
		} {
			email := strings.ReplaceAll(strings.ReplaceAll(name, " ", "-"), "'", "") + "@customer.example"
			contact, _, err := r.desk.AddContact(ctx, tickets.NewContact{Name: "Cy", Addresses: []string{email}, Language: c.contact})
			if err != nil {
				r.t.Fatal(err)
			}
			mb := r.mb
			mb.Policy.Language = c.mailbox
			err = r.db.Update(ctx, func(tx *store.Tx) error {
				_, err := r.desk.Welcome(ctx, tx, &store.Organisation{Settings: c.settings, Mailboxes: []desk.Mailbox{mb}}, mb, contact, c.trust)
				return err
			})
			if err != nil {
				r.t.Fatal(err)
			}
			r.drain(desk.QueueMail)
			sent := r.server.sent[email]
			if len(sent) != 1 {
				r.t.Fatalf("%s: %d mails", name, len(sent))
			}
			if mail := parsed(r.t, sent[0]); !strings.Contains(mail.Subject+mail.Text, c.want) {
				r.t.Errorf("%s: %q\n%s", name, mail.Subject, mail.Text)
			}
		}
	})
}

// TestO3_AnswersHaveTheMailboxsSignature, in text and HTML, escaped; automatic mail has not, nor has the message itself.
func TestO3_AnswersHaveTheMailboxsSignature(t *testing.T) {
	both(t, func(r *rig) {
		ctx := r.t.Context()
		r.sentFolder()
		r.mb.Policy.Signature = "Acme <Support>\nMain Street 1"
		r.put(r.mb)
		r.answer("try again", false)
		err := r.db.Update(ctx, func(tx *store.Tx) error {
			return r.desk.SendLink(ctx, tx, r.mb, r.ann, desk.SignInMail, desk.LinkSignIn)
		})
		if err != nil {
			r.t.Fatal(err)
		}
		r.drain(desk.QueueMail)
		r.pass(time.Minute)
		r.drain(desk.QueueMailbox)
		for _, raw := range append(r.sent(), r.server.saved...) {
			_, body, _ := strings.Cut(raw, "\r\n\r\n")
			answer := strings.Contains(body, "try again")
			if strings.Contains(body, "Acme <Support>\r\nMain Street 1") != answer || strings.Contains(body, "Acme &lt;Support&gt;") != answer {
				r.t.Errorf("an answer: %t: %s", answer, raw)
			}
		}
		ms, err := r.db.Messages(ctx, desk.ScopeOfProgram(), r.ticket.ID)
		if err != nil || strings.Contains(ms[1].Text+ms[1].HTML, "Main Street") {
			r.t.Errorf("%q, %v", ms[1].HTML, err)
		}
	})
}

// TestI6_AnswersComeFromTheAddressThatWasWrittenTo: an alias of the mailbox, and never an address that is none of it.
func TestI6_AnswersComeFromTheAddressThatWasWrittenTo(t *testing.T) {
	both(t, func(r *rig) {
		ctx := r.t.Context()
		r.sentFolder()
		key := r.signs("postern")
		r.mb.Aliases = []string{"sales@acme.example"}
		r.put(r.mb)
		cs, err := r.db.Conversations(ctx, r.ticket.ID)
		if err != nil {
			r.t.Fatal(err)
		}
		for n, c := range []struct{ to, from string }{
			{"elsewhere@other.example", "support@acme.example"},
			{"sales@acme.example", "sales@acme.example"},
			{"support+abc@acme.example", "sales@acme.example"}, // a reply address of ours
			{"support@acme.example", "support@acme.example"},
		} {
			r.pass(time.Minute)
			err := r.db.Update(ctx, func(tx *store.Tx) error {
				_, err := tx.AddMessage(ctx, desk.Message{
					ID: store.NewID(), TicketID: r.ticket.ID, ConversationID: cs[0].ID, MailboxID: r.mb.ID, Author: desk.Author{Kind: desk.Customer, Email: "ann@customer.example"}, Source: desk.FromMail,
					Subject: "Printer", Text: "hello", To: []desk.Address{{Email: c.to}}, MessageID: desk.MessageID(store.NewID() + "@customer.example"), LedgerID: "", CreatedAt: tx.Now(),
				})
				return err
			})
			if err != nil {
				r.t.Fatal(err)
			}
			r.answer("try again", false)
			r.drain(desk.QueueMail)
			r.pass(time.Minute)
			r.drain(desk.QueueMailbox)
			sent, saved := r.sent(), r.server.saved
			if len(sent) != n+1 || len(saved) != n+1 {
				r.t.Fatalf("%s: %d sent, %d saved", c.to, len(sent), len(saved))
			}
			_, copied, _ := strings.Cut(saved[n], "\n")
			h := header(r.t, sent[n])
			if !strings.Contains(h["from"], "<"+c.from+">") || !strings.Contains(header(r.t, copied)["from"], "<"+c.from+">") || !strings.Contains(h["reply-to"], "support+") || !holds(r.t, sent[n], key) {
				r.t.Errorf("to %s: %v", c.to, h)
			}
			if sender := r.server.senders[len(r.server.senders)-1]; !strings.HasPrefix(sender, "support+") {
				r.t.Errorf("the envelope sender is %s", sender)
			}
		}
	})
}
