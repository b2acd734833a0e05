package outbound

import (
	"context"
	"net/url"
	"time"

	"postern/desk"
	"postern/mailconn"
	"postern/mailmsg"
)

// later says that a row has to wait, through nobody's fault: the attempt does not count.
type later struct{ until time.Time }

// Error says so.
func (l *later) Error() string { return "it waits until " + l.until.UTC().Format(time.TimeOnly) }

// afterAWhile has a row wait for another one: a short time at first, and up to five minutes, for what it waits for may take days.
func (w *Worker) afterAWhile(row desk.Effect) error {
	now := w.DB.Now()
	return &later{now.Add(min(max(now.Sub(row.CreatedAt)/4, 2*time.Second), 5*time.Minute))}
}

const (
	// savesWithin is how long a provider of which nothing is known may take to put a copy of what it was given into Sent;
	// savesSlowly is the same for one that is known to do so, and savesRenamed for one whose copy has another Message-ID: ingest has to read it first.
	savesWithin  = 8 * time.Second
	savesSlowly  = 2 * time.Minute
	savesRenamed = 10 * time.Minute
	// awaits is how long the copy waits for recipients whose servers put the mail off.
	awaits = 10 * time.Minute
)

// saveSent puts a copy of an agent's answer into Sent, once the answer itself has left: colleagues who see it there may rely on that. A provider
// that does so by itself goes first (REQUIREMENTS O6).
func (w *Worker) saveSent(ctx context.Context, j job) (answer string, err error) {
	if j.mb.Policy.SaveSent == desk.SaveSentNever {
		return "", &Refusal{Code: 550, Stage: NotAsked, Text: "the mailbox wants no copies in Sent"}
	}
	mails, err := w.DB.EffectsOf(ctx, j.row.TicketID, j.row.SubjectID, desk.ReplyMail)
	if err != nil {
		return "", err
	}
	var left time.Time // when the mail was handed over to the last server so far
	open := false
	for _, mail := range mails {
		open = open || mail.DoneAt.IsZero()
		if mail.State == desk.EffectSent && mail.DoneAt.After(left) {
			left = mail.DoneAt
		}
	}
	now := w.DB.Now()
	age := now.Sub(j.row.CreatedAt)
	switch {
	case left.IsZero() && !open:
		return "", &Refusal{Code: 554, Stage: NotAsked, Text: "the answer was sent to nobody, so there is no copy of it"}
	case left.IsZero() || open && age < awaits:
		return "", w.afterAWhile(j.row)
	}
	if j.mb.Policy.SaveSent != desk.SaveSentAlways {
		if until := left.Add(savesBy(j.mb)); now.Before(until) {
			return "", &later{until}
		}
		if there, err := w.inFolder(ctx, j, desk.Sent); err != nil || there {
			return "", err
		}
	}
	folder, err := w.sentFolder(ctx, j.mb)
	if err != nil {
		return "", err
	}
	// What is there already, put by an attempt of which nobody knows the end, is not put again.
	return w.put(ctx, j, folder, []string{`\Seen`}, j.row.Attempt > 1 || j.row.Unknowns > 0)
}

// savedBySending tells whether Sent has a copy of the mail that can only be there because the server took it for this recipient. The mails of an
// answer to several have one Message-ID, which our own copy has too: what lies there may be another's, and then the mail is repeated.
func (w *Worker) savedBySending(ctx context.Context, j job) (bool, error) {
	if j.row.Kind == desk.ReplyMail {
		rows, err := w.DB.EffectsOf(ctx, j.row.TicketID, j.row.SubjectID, desk.ReplyMail, desk.SentCopy)
		if err != nil {
			return false, err
		}
		for _, row := range rows {
			// A first attempt under way counts not: it puts nothing before an answer has been sent, and this one has not.
			tried := row.Unknowns > 0 || row.Attempt > 1 || row.Attempt == 1 && row.State != desk.EffectSending
			if row.ID != j.row.ID && (row.Kind == desk.ReplyMail || tried) {
				return false, nil
			}
		}
	}
	return w.Depositor.Find(ctx, j.mb, desk.Sent, j.row.MessageID)
}

// savesBy tells how long the provider may take to save what it sent.
func savesBy(mb desk.Mailbox) time.Duration {
	host := func(raw string) string {
		u, err := url.Parse(raw)
		if err != nil {
			return ""
		}
		return u.Hostname()
	}
	preset, _ := mailconn.PresetOfBoth(host(mb.IMAP), host(mb.SMTP))
	switch {
	case !preset.Quirks.SavesSent:
		return savesWithin
	case preset.Quirks.RewritesIDs:
		return savesRenamed
	}
	return savesSlowly
}

// inFolder tells whether a folder has the mail, under any of the ids that it is known by. A notice has its own alone: the others are those of
// the message that it is about.
func (w *Worker) inFolder(ctx context.Context, j job, role desk.FolderRole) (bool, error) {
	mids := []desk.MessageID{j.row.MessageID}
	if j.row.Kind != desk.NoticeInInbox {
		more, err := w.DB.MessageIDsOf(ctx, j.mb.ID, j.row.TicketID, j.row.SubjectID)
		if err != nil {
			return false, err
		}
		mids = append(mids, more...)
	}
	for _, mid := range mids {
		if there, err := w.Depositor.Find(ctx, j.mb, role, mid); err != nil || there {
			return there, err
		}
	}
	return false, nil
}

// sentFolder names the Sent folder that is read.
func (w *Worker) sentFolder(ctx context.Context, mb desk.Mailbox) (string, error) {
	folders, err := w.DB.Folders(ctx)
	if err != nil {
		return "", err
	}
	for _, f := range folders {
		if f.MailboxID == mb.ID && f.Role == desk.Sent {
			return f.Name, nil
		}
	}
	return "", &mailconn.Problem{What: "no Sent folder of " + mb.Address + " is known", Do: "Name it with gateway mailbox edit --sent"}
}

// copiedTo lists whom an answer was mailed to, in the order it was decided.
func (w *Worker) copiedTo(ctx context.Context, row desk.Effect) (out []string, err error) {
	mails, err := w.DB.EffectsOf(ctx, row.TicketID, row.SubjectID, desk.ReplyMail)
	for _, mail := range mails {
		out = append(out, mail.Recipient)
	}
	if err == nil && len(out) == 0 {
		err = desk.Missing("mail that this is a copy of")
	}
	return out, err
}

// sentCopy is an agent's answer as it lies in Sent: it names everybody it went to, and holds no reply address of any of them.
func (w *Worker) sentCopy(ctx context.Context, d *mailmsg.Draft, t wording, mb desk.Mailbox, n named, row desk.Effect) error {
	for i, email := range t.To {
		if i == 0 {
			d.To = []desk.Address{{Email: email}}
		} else {
			d.Cc = append(d.Cc, desk.Address{Email: email})
		}
	}
	return w.answer(ctx, d, t, mb, n, row)
}
