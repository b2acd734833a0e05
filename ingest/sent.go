package ingest

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"postern/desk"
)

// SentFolder is the mailbox's Sent folder, as its watcher sees it.
type SentFolder interface {
	// LookAtSent has the folder read up to what lies in it now. When it answers nil, all of that is kept.
	LookAtSent(ctx context.Context) error
}

const (
	// waitForSent is how long an answer to an unknown mail waits until the Sent folder was looked at.
	waitForSent = 10 * time.Second
	// sentAway is for how long nobody asks again for a Sent folder that could not be looked at.
	sentAway = time.Minute
)

// withSent looks for agents' mails that are answered in a batch and not filed yet, and puts them before their answers: the Sent
// folder tells of an answer that an agent has just written after the INBOX does, now and then (REQUIREMENTS M7). Where the batch
// does not have them it has the folder looked at, once.
func (g *Ingest) withSent(ctx context.Context, batch []parsed, r *round) []parsed {
	wanted := g.unknownParents(ctx, batch)
	if len(wanted) == 0 {
		return batch
	}
	there := func(p parsed) bool { return wanted[p.Mail.MessageID] && p.Entry.Role == desk.Sent }
	late := keep(batch, there)
	for _, p := range late {
		delete(wanted, p.Mail.MessageID)
	}
	batch = slices.DeleteFunc(slices.Clone(batch), func(p parsed) bool {
		return slices.ContainsFunc(late, func(l parsed) bool { return l.Entry.ID == p.Entry.ID })
	})
	if len(wanted) > 0 && g.lookAtSent(ctx, r) {
		late = append(late, keep(g.pendingSent(ctx, batch[0].Entry.MailboxID), func(p parsed) bool {
			return there(p) && !slices.ContainsFunc(late, func(l parsed) bool { return l.Entry.ID == p.Entry.ID })
		})...)
	}
	for _, p := range late {
		at := slices.IndexFunc(batch, func(a parsed) bool { return slices.Contains(answered(a), p.Mail.MessageID) })
		batch = slices.Insert(batch, max(at, 0), p)
	}
	return batch
}

func keep(list []parsed, wanted func(parsed) bool) (out []parsed) {
	for _, p := range list {
		if wanted(p) {
			out = append(out, p)
		}
	}
	return out
}

// answered lists what a mail that has just come to the INBOX names as its parents.
func answered(p parsed) []desk.MessageID {
	if p.err != nil || p.Entry.Role != desk.Inbox || len(p.Mail.InReplyTo) == 0 || time.Since(p.Entry.InternalDate) > desk.LiveFor {
		return nil
	}
	return slices.Concat(p.Mail.InReplyTo, p.Mail.References)
}

// unknownParents names the mails that others of the batch answer, where neither a ticket nor the batch before them has any that
// they name.
func (g *Ingest) unknownParents(ctx context.Context, batch []parsed) map[desk.MessageID]bool {
	var named []desk.MessageID
	for _, p := range batch {
		named = append(named, answered(p)...)
	}
	if len(named) == 0 {
		return nil
	}
	slices.Sort(named)
	found, err := g.DB.KnownIDs(ctx, batch[0].Entry.MailboxID, slices.Compact(named))
	if err != nil {
		return nil // filing will tell
	}
	seen := map[desk.MessageID]bool{}
	for _, k := range found {
		seen[k.MessageID] = seen[k.MessageID] || k.Seen
	}
	wanted := map[desk.MessageID]bool{}
	for _, p := range batch {
		parents := answered(p)
		if len(parents) > 0 && !slices.ContainsFunc(parents, func(id desk.MessageID) bool { return seen[id] }) {
			wanted[p.Mail.InReplyTo[0]] = true
		}
		if p.err == nil {
			seen[p.Mail.MessageID] = true
		}
	}
	return wanted
}

// lookAtSent tells whether the Sent folder was looked at.
func (g *Ingest) lookAtSent(ctx context.Context, r *round) bool {
	if r.sent == nil || time.Now().Before(r.sentAgain) {
		return false
	}
	within, cancel := context.WithTimeout(ctx, waitForSent)
	defer cancel()
	if err := r.sent.LookAtSent(within); err != nil {
		r.sentAgain = time.Now().Add(sentAway)
		g.Log.DebugContext(ctx, "the Sent folder can't be looked at for an unknown Message-ID", slog.String("component", "ingest"), slog.String("error", err.Error()))
		return false
	}
	return true
}

// pendingSent reads the newest mails of the Sent folder that nobody has filed.
func (g *Ingest) pendingSent(ctx context.Context, mailbox desk.ID) []parsed {
	entries, err := g.DB.PendingSent(ctx, mailbox, perBatch)
	if err != nil {
		return nil // they are read in their turn
	}
	var out []parsed
	for _, e := range entries[:cut(entries)] {
		if p := g.parse(ctx, e, nil); p.err == nil {
			out = append(out, p)
		}
	}
	return out
}
