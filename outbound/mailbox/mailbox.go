// Package mailbox puts mail into the agents' mailbox and looks for mail there, by IMAP. It reads folders without changing
// them and never deletes.
package mailbox

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"postern/desk"
	"postern/mailconn"
	"postern/outbound"
)

// Options are a Client's. The zero value is good.
type Options struct {
	// Idle is how long a connection is kept without use; zero: 60 s.
	Idle time.Duration
	// Timeout is how long a search, or an APPEND without the time its bytes need, may take; zero: 60 s.
	Timeout time.Duration
	// Tokens gives the access tokens of mailboxes that sign in by OAuth.
	Tokens mailconn.Tokens
	// Doors spread the sign-ins of all who share them. Nil: nothing does.
	Doors *mailconn.Doors
	// RootCAs are trusted instead of the system's, if set.
	RootCAs *x509.CertPool
}

var _ outbound.Depositor = (*Client)(nil)

// Client works in mailboxes, over one connection for each. Its methods may be called from several goroutines.
type Client struct {
	options Options
	pool    *pool
}

// New gives a Client, which must be closed.
func New(o Options) *Client {
	if o.Idle <= 0 {
		o.Idle = 60 * time.Second
	}
	if o.Timeout <= 0 {
		o.Timeout = 60 * time.Second
	}
	return &Client{options: o, pool: &pool{idle: o.Idle, timeout: o.Timeout, seats: map[key]*seat{}}}
}

// Close waits for what is under way and ends all connections.
func (c *Client) Close() { c.pool.close() }

// slowest is the transfer rate in bytes a second below which an APPEND is given up.
const slowest = 32 << 10

// Append puts a mail into a folder ("" is INBOX) and gives its UIDVALIDITY and UID (RFC 4315; zero where the server does
// not tell). Raw writes the mail with CRLF line ends; one of more than desk.MaxInlineRaw bytes is written twice, and must
// be the same both times. Flags are as IMAP writes them ("\Seen"); a zero date means now.
//
// With maybeThere, the folder is searched for the Message-ID first, and with INBOX the one for what is done with: agents may have moved
// it there. A mail that is found is not put again. It must be set after an attempt that ended in outbound.ErrAmbiguous, or nobody knows how.
//
// What the server refuses, and trouble in reaching it, is a *mailconn.Problem.
func (c *Client) Append(ctx context.Context, m desk.Mailbox, folder string, raw func(io.Writer) error, flags []string, date time.Time, id desk.MessageID, maybeThere bool) (uidValidity, uid uint32, err error) {
	if folder == "" {
		folder = "INBOX"
	}
	mail, err := measure(raw)
	if err != nil {
		return 0, 0, fmt.Errorf("compose the mail: %w", err)
	}
	patience := c.options.Timeout + time.Duration(mail.size/slowest)*time.Second
	err = c.with(ctx, m, patience, func(ctx context.Context, s *seat) error {
		if maybeThere {
			places := []string{folder}
			if done := m.Policy.Follow.ClosedFolder; folder == "INBOX" && done != "" {
				places = append(places, done)
			}
			for _, place := range places {
				uidValidity, uid, err = search(ctx, s.client, place, id)
				if err != nil && (place == folder || !noSuchFolder(err)) || uid != 0 {
					return err
				}
			}
		}
		uidValidity, uid, err = appendMail(ctx, s.client, folder, mail, flags, date)
		return err
	})
	if folder == "INBOX" {
		err = forbidden(m.Address, err)
	}
	return uidValidity, uid, err
}

// Find tells whether a mail with the Message-ID is in a folder. A mailbox without a Sent folder has nothing in it.
func (c *Client) Find(ctx context.Context, m desk.Mailbox, role desk.FolderRole, id desk.MessageID) (bool, error) {
	found := false
	err := c.with(ctx, m, c.options.Timeout, func(ctx context.Context, s *seat) error {
		in := []string{"INBOX"}
		if role == desk.Sent {
			var err error
			if in, err = s.sentFolders(ctx, m); err != nil {
				return err
			}
		}
		for _, folder := range in {
			_, uid, err := search(ctx, s.client, folder, id)
			if found = uid != 0; err != nil || found {
				return err
			}
		}
		return nil
	})
	return found, err
}

// sentFolders lists the folders with what agents send, those that are there.
func (s *seat) sentFolders(ctx context.Context, m desk.Mailbox) (names []string, err error) {
	if s.folders == nil {
		if s.folders, err = mailconn.Folders(ctx, s.client); err != nil {
			return nil, err
		}
	}
	if name, _ := mailconn.SentFolder(s.folders, m.Sent); name != "" {
		names = append(names, name)
	}
	for _, f := range s.folders {
		if f.Selectable && slices.Contains(m.Policy.AlsoSent, f.Name) && !slices.Contains(names, f.Name) {
			names = append(names, f.Name)
		}
	}
	return names, nil
}

// Header gives the header of the mail in the INBOX that has a Message-ID, or nothing if it is not there (yet).
func (c *Client) Header(ctx context.Context, m desk.Mailbox, id desk.MessageID) (header []byte, err error) {
	err = c.with(ctx, m, c.options.Timeout, func(ctx context.Context, s *seat) error {
		_, uid, err := search(ctx, s.client, "INBOX", id)
		if err != nil || uid == 0 {
			return err
		}
		section := &imap.FetchItemBodySection{Specifier: imap.PartSpecifierHeader, Peek: true}
		return mailconn.Do(ctx, s.client, func() error {
			messages, err := s.client.Fetch(imap.UIDSetNum(imap.UID(uid)), &imap.FetchOptions{BodySection: []*imap.FetchItemBodySection{section}}).Collect()
			if err != nil || len(messages) == 0 {
				return err
			}
			header = messages[0].FindBodySection(section)
			return nil
		})
	})
	return header, err
}

// with runs f on the mailbox's connection. After any error the connection is not kept: go-imap leaves one unusable after
// a refused APPEND, and what it is good for after other errors can't be told.
func (c *Client) with(ctx context.Context, m desk.Mailbox, patience time.Duration, f func(context.Context, *seat) error) error {
	config, err := mailconn.IMAPOf(m, c.options.Tokens)
	if err != nil {
		return err
	}
	config.RootCAs, config.Doors = c.options.RootCAs, c.options.Doors
	s, err := c.pool.take(ctx, config)
	if err != nil {
		return err
	}
	keep := false // nor after a panic
	defer func() { c.pool.give(config, s, keep) }()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err = f(ctx, s)
	keep = err == nil
	return refused(err)
}

// noSuchFolder tells whether a server has refused a folder that it does not have; not all give a reason (RFC 5530 section 3).
func noSuchFolder(err error) bool {
	e, ok := errors.AsType[*imap.Error](err)
	return ok && e.Type == imap.StatusResponseTypeNo && (e.Code == imap.ResponseCodeNonExistent || e.Code == imap.ResponseCodeTryCreate || e.Code == "")
}

// refused puts a server's NO or BAD into words (RFC 5530, RFC 3501 section 7.1).
func refused(err error) error {
	e, ok := errors.AsType[*imap.Error](err)
	if !ok {
		return err
	}
	switch e.Code {
	case imap.ResponseCodeOverQuota:
		return &mailconn.Problem{What: "the mailbox is full", Do: "Make room in it", Err: e}
	case imap.ResponseCodeTryCreate, imap.ResponseCodeNonExistent:
		return &mailconn.Problem{What: "the mailbox does not have that folder", Do: "Make it, or choose another", Err: e} // who has renamed it may do so again
	case imap.ResponseCodeTooBig:
		return &mailconn.Problem{What: "the mail is too large for the mailbox", Do: "Raise the server's limit", Err: e, Permanent: true}
	}
	return &mailconn.Problem{What: "the mail server refused", Do: "See what it said", Err: e}
}

// forbidden tells what to do about a server that lets nobody append to the INBOX. Some give no reason: theirs may be another one, so that
// is only said beside it.
func forbidden(address string, err error) error {
	problem, ok := errors.AsType[*mailconn.Problem](err)
	e, refused := errors.AsType[*imap.Error](err)
	if !ok || !refused || e.Type != imap.StatusResponseTypeNo {
		return err
	}
	bySMTP := "have it put there by SMTP: gateway mailbox edit " + address + " --put-by smtp"
	switch e.Code {
	case imap.ResponseCodeNoPerm, imap.ResponseCodeCannot:
		return &mailconn.Problem{What: "the mail server lets us append nothing to the INBOX", Do: strings.ToUpper(bySMTP[:1]) + bySMTP[1:], Err: e, Permanent: true}
	case "":
		return &mailconn.Problem{What: problem.What, Do: problem.Do + "; if it takes no appended mail, " + bySMTP, Err: e}
	}
	return err
}

// mail is what is to be appended: APPEND wants the size first.
type mail struct {
	size   int64
	inline []byte // all of it, if it is small
	write  func(io.Writer) error
}

func measure(raw func(io.Writer) error) (mail, error) {
	m := mail{write: raw}
	var w counter
	if err := raw(&w); err != nil {
		return mail{}, err
	}
	m.size = w.n
	if w.n <= desk.MaxInlineRaw {
		m.inline = w.buf.Bytes()
		m.write = func(w io.Writer) error { _, err := w.Write(m.inline); return err }
	}
	return m, nil
}

// counter counts, and keeps what it counts while that is little.
type counter struct {
	n   int64
	buf bytes.Buffer
}

// Write counts b.
func (c *counter) Write(b []byte) (int, error) {
	c.n += int64(len(b))
	if c.n <= desk.MaxInlineRaw {
		return c.buf.Write(b)
	}
	c.buf = bytes.Buffer{}
	return len(b), nil
}

func appendMail(ctx context.Context, client *imapclient.Client, folder string, m mail, flags []string, date time.Time) (uidValidity, uid uint32, err error) {
	options := &imap.AppendOptions{Time: date}
	for _, f := range flags {
		options.Flags = append(options.Flags, imap.Flag(f))
	}
	complete := false // the server may have all of it
	err = mailconn.Do(ctx, client, func() error {
		cmd := client.Append(folder, m.size, options)
		w := &exactly{w: cmd, left: m.size}
		err := m.write(w)
		if err == nil && w.left != 0 {
			err = fmt.Errorf("the mail came out %d bytes shorter the second time", w.left)
		}
		if err != nil {
			_ = client.Close() // the command's own Close would complete it
			_ = cmd.Close()
			if w.err != nil {
				return w.err // the server's reason, if it gave one, and not what raw made of it
			}
			return err
		}
		complete = true
		closeErr := cmd.Close()
		data, err := cmd.Wait()
		if err == nil {
			err = closeErr
		}
		uidValidity, uid = data.UIDValidity, uint32(data.UID)
		return err
	})
	if _, reply := errors.AsType[*imap.Error](err); err != nil && complete && !reply {
		err = fmt.Errorf("%w: %w", outbound.ErrAmbiguous, err)
	}
	return uidValidity, uid, err
}

// exactly passes on no more than it was told to expect: one byte more would be read as a command.
type exactly struct {
	w    io.Writer
	left int64
	err  error // what the connection said
}

// Write passes b on.
func (e *exactly) Write(b []byte) (int, error) {
	if int64(len(b)) > e.left {
		return 0, errors.New("the mail came out longer the second time")
	}
	n, err := e.w.Write(b)
	e.left -= int64(n)
	e.err = err
	return n, err
}

// search finds a mail by its Message-ID and gives its UIDVALIDITY and UID, or zero. Go-imap sends the id as a quoted
// string or literal, so that nothing in it is read as a command. As servers differ in what they count as a match
// (RFC 9051 section 6.4.4 asks for a substring only), the header of what they found is compared.
func search(ctx context.Context, client *imapclient.Client, folder string, id desk.MessageID) (uidValidity, uid uint32, err error) {
	if id == "" {
		return 0, 0, nil
	}
	err = mailconn.Do(ctx, client, func() error {
		box, err := client.Select(folder, &imap.SelectOptions{ReadOnly: true}).Wait()
		if err != nil {
			return err
		}
		if box.NumMessages == 0 {
			return nil
		}
		uids, err := candidates(client, id)
		if len(uids) > 0 {
			uidValidity, uid = box.UIDValidity, uint32(slices.Max(uids))
		}
		return err
	})
	return uidValidity, uid, err
}

// candidates finds mails in the selected folder by their Message-ID, without those that have one of the flags.
func candidates(client *imapclient.Client, id desk.MessageID, without ...imap.Flag) (out []imap.UID, err error) {
	found, err := client.UIDSearch(&imap.SearchCriteria{
		Header: []imap.SearchCriteriaHeaderField{{Key: "Message-ID", Value: string(id)}}, NotFlag: without,
	}, nil).Wait()
	if err != nil {
		return nil, err
	}
	uids := found.AllUIDs()
	if len(uids) == 0 {
		return nil, nil
	}
	headers, err := messageIDs(client, imap.UIDSetNum(uids[max(0, len(uids)-maxCandidates):]...))
	for uid, header := range headers {
		if sameID(header, id) {
			out = append(out, uid)
		}
	}
	return out, err
}

// messageIDs gives the Message-ID fields of mails in the selected folder.
func messageIDs(client *imapclient.Client, uids imap.UIDSet) (map[imap.UID][]byte, error) {
	header := &imap.FetchItemBodySection{Specifier: imap.PartSpecifierHeader, HeaderFields: []string{"Message-ID"}, Peek: true}
	mails, err := client.Fetch(uids, &imap.FetchOptions{UID: true, BodySection: []*imap.FetchItemBodySection{header}}).Collect()
	out := make(map[imap.UID][]byte, len(mails))
	for _, m := range mails {
		out[m.UID] = m.FindBodySection(header)
	}
	return out, err
}

// maxCandidates bounds how many headers a careless search can make us read.
const maxCandidates = 100

// sameID compares a Message-ID header with an id (RFC 5322 section 3.6.4).
func sameID(header []byte, id desk.MessageID) bool {
	_, value, _ := strings.Cut(string(header), ":")
	value = strings.Join(strings.Fields(value), "")
	return strings.Trim(value, "<>") == string(id)
}
