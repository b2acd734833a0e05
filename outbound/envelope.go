package outbound

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"postern/desk"
	"postern/mailmsg"
	"postern/store"
)

// The stages of a Refusal beside NotAsked: what the server's answer was to.
const (
	StageMail = "MAIL"
	StageRcpt = "RCPT"
	StageData = "DATA"
	StageEnd  = "the whole mail"
)

// plainFor is how long a mailbox's server that refused our envelope sender is not asked again whether it takes one.
const plainFor = time.Hour

// plain remembers which mailboxes' servers refuse an envelope sender with a token: that costs each mail a try.
type plain struct {
	mu    sync.Mutex // guards until
	until map[desk.ID]time.Time
}

func (p *plain) is(mailbox desk.ID, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return now.Before(p.until[mailbox])
}

func (p *plain) note(mailbox desk.ID, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.until[mailbox] = now.Add(plainFor)
}

// submit hands a mail over. Its envelope sender tells to whom it went, where the mailbox takes such addresses: then a bounce can't be
// forged, and tells whose it is whatever it says (REQUIREMENTS L5, L6). A server that lets us send under the mailbox's own
// address only gets that.
func (w *Worker) submit(ctx context.Context, j job) (reply string, err error) {
	mb, to := j.mb, j.row.Recipient
	if j.row.BounceToken == "" {
		return w.Submitter.Submit(ctx, mb, mb.Address, to, j.write)
	}
	var refusal *Refusal
	sender, ok := mailmsg.ReplyAddress(mb.Address, j.row.BounceToken)
	if ok && mb.SubAddress && !w.plain.is(mb.ID, w.DB.Now()) {
		reply, err = w.Submitter.Submit(ctx, mb, sender, to, j.write)
		if !errors.As(err, &refusal) || !refusal.aboutSender() {
			return reply, err
		}
	}
	// Before it goes out, or a bounce that comes at once would count for nothing.
	if err := w.DB.Update(ctx, func(tx *store.Tx) error { return tx.SendPlain(ctx, j.row.ID) }); err != nil {
		return "", err
	}
	reply, err = w.Submitter.Submit(ctx, mb, mb.Address, to, j.write)
	if err == nil && refusal != nil {
		w.plain.note(mb.ID, w.DB.Now())
		w.Log.WarnContext(ctx, "the mail server refuses our envelope senders, so bounces are told apart by what they say", slog.String("mailbox", mb.Address), slog.String("error", refusal.Error()))
	}
	return reply, err
}

// aboutSender tells whether a refusal may be about the envelope sender: servers often put it off until they know the recipient. Code
// and class are those of RFC 3463: 5.1.7 and 5.1.8 are about the sender's address, 5.7.x about policy.
func (r *Refusal) aboutSender() bool {
	if !r.Permanent() {
		return false
	}
	return r.Stage == StageMail || r.Stage == StageRcpt && (r.Enhanced == "5.1.7" || r.Enhanced == "5.1.8" || strings.HasPrefix(r.Enhanced, "5.7."))
}
