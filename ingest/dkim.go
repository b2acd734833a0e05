package ingest

import (
	"context"
	"net"
	"sync"
	"time"

	"postern/desk"
	"postern/mailmsg"
)

// dkim looks at a mail's DKIM signatures, where the mailbox wants that and nothing else tells who the mail is from
// (REQUIREMENTS A7).
func (g *Ingest) dkim(ctx context.Context, e desk.LedgerEntry, mail desk.Mail) (d desk.DKIM, err error) {
	org, err := g.DB.Organisation(ctx)
	if err != nil {
		return d, err
	}
	if mb, ok := org.Mailbox(e.MailboxID); !ok || e.Role != desk.Inbox || !mb.Receiver.WantsDKIM(mail) {
		return d, nil
	}
	raw, err := g.Raw(ctx, e)
	if err != nil {
		return d, err
	}
	defer raw.Close()
	return mailmsg.VerifyDKIM(ctx, raw, mail, g.keys.lookup)
}

const (
	// keyWithin is how long one key may take to be looked up.
	keyWithin = 2 * time.Second
	// quickKey is what a look-up usually takes at most. All that others take longer, together, is at most slowKeys in a minute:
	// senders whose name servers let us wait must not hold up the mail of others.
	quickKey = 200 * time.Millisecond
	slowKeys = 10 * time.Second
)

// keys looks up DKIM keys within bounded time. It may be used by many goroutines.
type keys struct {
	ask mailmsg.LookupTXT

	mu    sync.Mutex    // guards the rest; not held while a look-up is under way
	since time.Time     // when the current minute began
	slow  time.Duration // what look-ups took too long in it
}

func (k *keys) lookup(ctx context.Context, name string) ([]string, error) {
	if !k.timeLeft() {
		return nil, &net.DNSError{Err: "other look-ups take too long", Name: name, IsTemporary: true}
	}
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, keyWithin)
	defer cancel()
	records, err := k.ask(ctx, name)
	k.mu.Lock()
	k.slow += max(0, time.Since(began)-quickKey)
	k.mu.Unlock()
	if err != nil && ctx.Err() != nil {
		err = &net.DNSError{Err: err.Error(), Name: name, IsTimeout: true}
	}
	return records, err
}

func (k *keys) timeLeft() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if now := time.Now(); now.Sub(k.since) >= time.Minute {
		k.since, k.slow = now, 0
	}
	return k.slow < slowKeys
}
