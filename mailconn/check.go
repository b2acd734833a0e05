package mailconn

import (
	"context"
	"errors"
	"slices"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// IMAPFindings is what CheckIMAP saw in a mailbox.
type IMAPFindings struct {
	Folders []Folder
	Sent    string // the Sent folder; empty: none was found
	SentBy  SentBy
	Mails   uint32 // in INBOX
	Idle    bool   // the server tells of new mail by itself (RFC 2177)
	UIDPlus bool   // it tells where an appended mail went (RFC 4315)
	Move    bool   // RFC 6851
	Tokens  bool   // it can sign in with OAuth tokens
	Unread  bool   // there was an unread mail in INBOX to try Marks with
	Marks   bool   // it marks mail as read that was only looked at (BODY.PEEK), which it must not (RFC 9051 section 6.4.5)
}

// CheckIMAP signs in, looks around and changes nothing. Configured is the operator's name for the Sent folder, or "".
func CheckIMAP(ctx context.Context, c IMAPConfig, configured string) (IMAPFindings, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*c.timeout())
	defer cancel()
	client, err := DialIMAP(ctx, c, nil)
	if err != nil {
		return IMAPFindings{}, err
	}
	defer client.Close()
	var f IMAPFindings
	if f.Folders, err = Folders(ctx, client); err != nil {
		return IMAPFindings{}, c.explain(ctx, working, err)
	}
	f.Sent, f.SentBy = SentFolder(f.Folders, configured)
	err = Do(ctx, client, func() error {
		caps := client.Caps()
		f.Idle, f.UIDPlus, f.Move = caps.Has(imap.CapIdle), caps.Has(imap.CapUIDPlus), caps.Has(imap.CapMove)
		f.Tokens = caps.Has("AUTH=XOAUTH2") || caps.Has("AUTH=OAUTHBEARER")
		box, err := client.Select("INBOX", &imap.SelectOptions{ReadOnly: true}).Wait()
		if err != nil {
			return err
		}
		f.Mails = box.NumMessages
		return f.peek(client)
	})
	return f, c.explain(ctx, working, err)
}

// peek looks at an unread mail as a watcher does, and then whether it is still unread: some servers ignore PEEK. Agents tell
// by that mark what nobody has handled yet.
func (f *IMAPFindings) peek(client *imapclient.Client) error {
	if f.Mails == 0 {
		return nil
	}
	found, err := client.UIDSearch(&imap.SearchCriteria{NotFlag: []imap.Flag{imap.FlagSeen}}, nil).Wait()
	if _, refused := errors.AsType[*imap.Error](err); refused {
		return nil // one that does not search can't be tried
	}
	if err != nil {
		return err
	}
	unread := found.AllUIDs()
	if len(unread) == 0 {
		return nil
	}
	uid := imap.UIDSetNum(slices.Max(unread))
	some := &imap.FetchItemBodySection{Peek: true, Partial: &imap.SectionPartial{Size: 1 << 10}}
	if err := client.Fetch(uid, &imap.FetchOptions{UID: true, BodySection: []*imap.FetchItemBodySection{some}}).Close(); err != nil {
		return err
	}
	if _, err := client.Select("INBOX", &imap.SelectOptions{ReadOnly: true}).Wait(); err != nil {
		return err
	}
	now, err := client.Fetch(uid, &imap.FetchOptions{UID: true, Flags: true}).Collect()
	if err != nil {
		return err
	}
	for _, m := range now { // none, if it was moved away meanwhile
		f.Unread = true
		f.Marks = slices.Contains(m.Flags, imap.FlagSeen)
	}
	return nil
}

// SMTPFindings is what CheckSMTP learned of a server.
type SMTPFindings struct {
	Encrypted bool
	MaxSize   string // as the SIZE extension says it (RFC 1870); empty: unknown
	UTF8      bool   // it takes addresses that are not ASCII (RFC 6531)
}

// CheckSMTP signs in and sends nothing.
func CheckSMTP(ctx context.Context, c SMTPConfig) (SMTPFindings, error) {
	client, err := DialSMTP(ctx, c)
	if err != nil {
		return SMTPFindings{}, err
	}
	defer client.Close()
	var f SMTPFindings
	_, f.Encrypted = client.TLSConnectionState()
	_, f.MaxSize = client.Extension("SIZE")
	f.UTF8, _ = client.Extension("SMTPUTF8")
	if client.UpdateDeadline(c.timeout()) == nil {
		_ = client.Quit() // we know what we wanted to know
	}
	return f, nil
}
