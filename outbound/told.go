package outbound

import (
	"errors"
	"strings"

	"postern/desk"
	"postern/i18n"
	"postern/mailmsg"
	"postern/store"
)

// tell gives what agents are told of a row that has ended an attempt: once that it is late, and once that it has failed. The row notes it, in the
// transaction that adds the notice.
func (w *Worker) tell(row *desk.Effect, j job) []store.Notice {
	stage := row.Tells(w.DB.Now())
	if stage == "" || j.mb.IMAP == "" {
		return nil
	}
	row.Told = stage
	words := w.Texts.For(j.mb.Policy.Language, j.fallback)
	texts := words.Failed
	if stage == desk.EffectDeferred {
		texts = words.Late
	}
	values := map[string]string{
		"recipient": row.Recipient, "subject": j.subject, "reason": whyNot(words, j.err), "until": row.CreatedAt.Add(desk.GiveUpAfter).UTC().Format("2006-01-02 15:04 UTC"),
	}
	e := desk.Effect{
		ID: store.NewID(), Kind: desk.NoticeInInbox, MailboxID: row.MailboxID, TicketID: row.TicketID, SubjectID: row.SubjectID, Recipient: j.mb.Address, CreatedAt: w.DB.Now(),
	}
	e.MessageID = mailmsg.MessageIDFor(w.Keys, j.mb.ID, row.TicketID, e.ID, j.mb.MIDDomain)
	body := desk.Expand(texts.Text, values)
	if row.LastError != "" {
		body += "\n\n" + row.LastError
	}
	return []store.Notice{{Effect: e, Text: store.Template{Subject: desk.Expand(texts.Headline, values), Body: body + "\n", Language: words.Lang}}}
}

// whyNot says in plain words why a mail does not arrive (RFC 3463).
func whyNot(words i18n.MailTexts, err error) string {
	refusal, refused := errors.AsType[*Refusal](err)
	switch {
	case errors.Is(err, mailmsg.ErrDraft):
		return words.Reason.Broken
	case isBusy(err):
		return words.Reason.PutOff
	case !refused:
		return words.Reason.Unreachable
	case strings.HasSuffix(refusal.Enhanced, ".2.2"):
		return words.Reason.Full
	case !refusal.Permanent():
		return words.Reason.PutOff
	case strings.HasPrefix(refusal.Enhanced, "5.1.") || refusal.Enhanced == "" && refusal.Stage == StageRcpt && refusal.Code == 550:
		return words.Reason.NoAddress
	}
	return words.Reason.Refused
}

func isBusy(err error) bool {
	_, busy := errors.AsType[*Busy](err)
	return busy
}
