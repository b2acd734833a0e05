package outbound

import (
	"context"
	"fmt"

	"postern/desk"
)

// putBySMTP tells whether a row's mail gets into the agents' inbox as a mail to the mailbox's own address.
func putBySMTP(mb desk.Mailbox, row desk.Effect) bool {
	return mb.Policy.PutBy == desk.PutBySMTP && (row.Kind == desk.PutInInbox || row.Kind == desk.NoticeInInbox)
}

// mailToInbox sends a mail to the mailbox's own address. Whether an attempt whose end nobody knows has put it there the INBOX tells, also where
// its server has given it another Message-ID: then ingest has noted that, or the server's answer has told.
func (w *Worker) mailToInbox(ctx context.Context, j job) (answer string, err error) {
	if j.row.Attempt > 1 && j.mb.IMAP != "" {
		there, err := w.inFolder(ctx, j, desk.Inbox)
		if err != nil {
			return "", fmt.Errorf("look for the mail in the INBOX: %w", err)
		}
		if there {
			return "", nil
		}
	}
	reply, err := w.Submitter.Submit(ctx, j.mb, j.mb.Address, j.mb.Address, j.write)
	if err == nil {
		w.learn(ctx, j, reply)
	}
	return reply, err
}

// put appends a mail to a folder ("" is INBOX) and tells where it lies there, if the server has told.
func (w *Worker) put(ctx context.Context, j job, folder string, flags []string, maybeThere bool) (answer string, err error) {
	uidValidity, uid, err := w.Depositor.Append(ctx, j.mb, folder, j.write, flags, j.date, j.row.MessageID, maybeThere)
	if err != nil || uid == 0 {
		return "", err
	}
	return fmt.Sprintf("APPENDUID %d %d", uidValidity, uid), nil
}
