package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"postern/desk"
)

// TakeLease gives owner the right to watch the mailbox until now plus d, if nobody else has it. A lease taken from
// somebody else has a new epoch, which shuts out what the former owner still writes (REQUIREMENTS I10). An owner is named
// "instance/process": of an instance only one process runs at a time, so its next one need not wait for the lease to end.
// A former owner that read mails many at once and has not dropped the lease has died over one of those that it read then, as
// far as anybody can tell: that counts as an attempt at each of them that has none, and at no mail twice, whatever else ends processes.
func (tx *Tx) TakeLease(ctx context.Context, mailbox desk.ID, owner string, d time.Duration) (desk.Lease, bool, error) {
	now := tx.Now()
	l := desk.Lease{MailboxID: mailbox, Owner: owner, Until: now.Add(d)}
	var reading int64
	err := tx.x.QueryRowContext(ctx, `INSERT INTO leases (mailbox_id, owner, epoch, reading, until) VALUES ($1, $2, 1, 0, $3)
		ON CONFLICT (mailbox_id) DO UPDATE SET owner = $2, until = $3, epoch = leases.epoch + CASE WHEN leases.owner = $2 THEN 0 ELSE 1 END
		WHERE leases.owner = $2 OR leases.until < $4 OR $5 <> '' AND substr(leases.owner, 1, length($5)) = $5
		RETURNING epoch, reading`, mailbox, owner, ms(l.Until), ms(now), instanceOf(owner)).Scan(&l.Epoch, &reading)
	if errors.Is(err, sql.ErrNoRows) {
		return desk.Lease{}, false, nil
	}
	if err == nil && reading != 0 && reading != l.Epoch {
		err = cmp.Or(
			tx.exec(ctx, `UPDATE ledger SET attempts = 1 WHERE attempts = 0 AND id IN (SELECT id FROM ledger WHERE outcome = 'pending' AND form_id = '' AND mailbox_id = $1 ORDER BY id LIMIT $2)`, mailbox, desk.MaxUnderWay),
			tx.exec(ctx, `UPDATE leases SET reading = 0 WHERE mailbox_id = $1`, mailbox))
	}
	return l, err == nil, err
}

// ReadsManyAtOnce takes down that the lease's owner reads mails many at once from now on, without counting attempts at each.
func (tx *Tx) ReadsManyAtOnce(ctx context.Context, l desk.Lease) error {
	return tx.exec(ctx, `UPDATE leases SET reading = epoch WHERE mailbox_id = $1 AND owner = $2 AND epoch = $3`, l.MailboxID, l.Owner, l.Epoch)
}

// instanceOf gives what the names of an instance's processes begin with, or "" for a process of no instance.
func instanceOf(owner string) string {
	if instance, _, ok := strings.Cut(owner, "/"); ok {
		return instance + "/"
	}
	return ""
}

// DropLease lets go of a lease, so that another process need not wait for it to run out.
func (tx *Tx) DropLease(ctx context.Context, l desk.Lease) error {
	return tx.exec(ctx, `UPDATE leases SET until = 0, reading = 0 WHERE mailbox_id = $1 AND owner = $2 AND epoch = $3`, l.MailboxID, l.Owner, l.Epoch)
}

// HoldLease fails with Conflict if the lease is no longer the owner's, and keeps it from changing until the commit.
func (tx *Tx) HoldLease(ctx context.Context, l desk.Lease) error {
	var epoch int64
	err := tx.x.QueryRowContext(ctx, `SELECT epoch FROM leases WHERE mailbox_id = $1 AND owner = $2`+tx.d.shareLock, l.MailboxID, l.Owner).Scan(&epoch)
	if errors.Is(err, sql.ErrNoRows) || err == nil && epoch != l.Epoch {
		return &desk.Error{Kind: desk.Conflict, Text: "another process watches this mailbox now"}
	}
	return err
}

// Folder tells how far a folder is read; one that was never looked at has UIDVALIDITY 0.
func (r reads) Folder(ctx context.Context, mailbox desk.ID, name string) (desk.Folder, error) {
	f, err := scanFolder(r.x.QueryRowContext(ctx, folderSelect+` WHERE mailbox_id = $1 AND name = $2`, mailbox, name))
	if errors.Is(err, sql.ErrNoRows) {
		return desk.Folder{MailboxID: mailbox, Name: name}, nil
	}
	return f, err
}

// SentFolder names the folder that is a mailbox's Sent folder, as far as anybody has seen; "": there was none.
func (r reads) SentFolder(ctx context.Context, mailbox desk.ID) (name string, err error) {
	err = r.x.QueryRowContext(ctx, `SELECT name FROM folders WHERE mailbox_id = $1 AND role = 'sent'`, mailbox).Scan(&name)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return name, err
}

// Folders lists the watched folders.
func (r reads) Folders(ctx context.Context) ([]desk.Folder, error) {
	return collect(ctx, r.x, scanFolder, folderSelect+` ORDER BY mailbox_id, name`)
}

const folderSelect = `SELECT mailbox_id, name, role, account, generation, uidvalidity, last_uid, seen, passed_over, problem FROM folders`

func scanFolder(row scanner) (f desk.Folder, err error) {
	err = row.Scan(&f.MailboxID, &f.Name, &f.Role, &f.Account, &f.Generation, &f.UIDValidity, &f.LastUID, &f.Seen, &f.PassedOver, &f.Problem)
	return f, err
}

// Keep stores what a watcher saw: a ledger row for every item, the bytes, and the folder's cursor behind the last of
// them. Items at or below the cursor are there already and are left as they are, so a batch may come twice. A batch that the
// sweep found leaves the cursor alone, and only what has no row yet is stored. raws holds the compressed bytes, in the order
// of b.Items; nil where an item has none in the database.
func (tx *Tx) Keep(ctx context.Context, l desk.Lease, b desk.FolderBatch, raws [][]byte) error {
	if err := tx.HoldLease(ctx, l); err != nil {
		return err
	}
	f, err := tx.Folder(ctx, b.MailboxID, b.Folder)
	if err != nil {
		return err
	}
	same := f.Generation == b.Generation && f.UIDValidity == b.UIDValidity
	if b.Role == desk.Sent && f.Role != desk.Sent {
		if err := tx.noSentBut(ctx, b.MailboxID, b.Folder); err != nil {
			return err
		}
	}
	if b.PassedOver {
		if !same {
			return fmt.Errorf("keep what was passed over in %s: the folder is another one by now", b.Folder)
		}
		return tx.keepPassedOver(ctx, b, raws)
	}
	if !same {
		f.LastUID = 0
	}
	added, last := int64(0), f.LastUID
	for i, it := range b.Items {
		if it.UID <= last {
			if it.UID <= f.LastUID {
				continue
			}
			return fmt.Errorf("keep %s: UID %d comes after %d", b.Folder, it.UID, last)
		}
		last = it.UID
		// A row may be there: the batch comes twice at the same time, or the folder is back at an old UIDVALIDITY.
		if err := tx.addLedger(ctx, tx.entryOf(b, it), raws[i], &added); err != nil {
			return err
		}
	}
	if err := tx.x.flush(ctx); err != nil {
		return err
	}
	return tx.exec(ctx, `INSERT INTO folders (mailbox_id, name, role, account, generation, uidvalidity, last_uid, seen, passed_over, problem) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, '')
		ON CONFLICT (mailbox_id, name) DO UPDATE SET role = `+roleNow+`, account = $4, generation = $5, uidvalidity = $6, seen = folders.seen + $8,
			last_uid = CASE WHEN folders.generation = $5 AND folders.uidvalidity = $6 AND folders.last_uid > $7 THEN folders.last_uid ELSE $7 END`,
		b.MailboxID, b.Folder, b.Role, b.Account, b.Generation, b.UIDValidity, last, added)
}

// roleNow has a folder that is the Sent folder stay that, whoever reads it as a further one too.
const roleNow = `CASE WHEN folders.role = 'sent' AND $3 = 'also-sent' THEN folders.role ELSE $3 END`

// SetProblem notes why a folder can't be read now, or with "" that it can. There is one Sent folder: what is said of one
// makes those that were it before no longer so.
func (tx *Tx) SetProblem(ctx context.Context, l desk.Lease, folder string, role desk.FolderRole, problem string) error {
	if err := tx.HoldLease(ctx, l); err != nil {
		return err
	}
	if role == desk.Sent {
		if err := tx.noSentBut(ctx, l.MailboxID, folder); err != nil {
			return err
		}
	}
	if problem == "" {
		return tx.exec(ctx, `UPDATE folders SET problem = '', role = `+roleNow+` WHERE mailbox_id = $1 AND name = $2 AND (problem <> '' OR role <> $3)`, l.MailboxID, folder, role)
	}
	return tx.exec(ctx, `INSERT INTO folders (mailbox_id, name, role, account, generation, uidvalidity, last_uid, seen, passed_over, problem) VALUES ($1, $2, $3, '', 0, 0, 0, 0, 0, $4)
		ON CONFLICT (mailbox_id, name) DO UPDATE SET problem = $4, role = `+roleNow, l.MailboxID, folder, role, clip(problem, 1000))
}

// noSentBut has no other folder of a mailbox be its Sent folder. What was wrong with one that is so no longer is nobody's trouble.
func (tx *Tx) noSentBut(ctx context.Context, mailbox desk.ID, folder string) error {
	return tx.exec(ctx, `UPDATE folders SET role = 'former-sent', problem = '' WHERE mailbox_id = $1 AND role = 'sent' AND name <> $2`, mailbox, folder)
}

// keepPassedOver stores what the sweep found and leaves the cursor alone. A row that is there stays as it is, so a batch may come
// twice. A mail whose row was lost was seen before, and is not counted as seen once more.
func (tx *Tx) keepPassedOver(ctx context.Context, b desk.FolderBatch, raws [][]byte) error {
	added := int64(0)
	for i, it := range b.Items {
		if err := tx.addLedger(ctx, tx.entryOf(b, it), raws[i], &added); err != nil {
			return err
		}
	}
	if err := tx.x.flush(ctx); err != nil || added == 0 {
		return err
	}
	return tx.exec(ctx, `UPDATE folders SET passed_over = folders.passed_over + $3, seen = CASE WHEN folders.seen > rows.n THEN folders.seen ELSE rows.n END
		FROM (SELECT count(*) AS n FROM ledger WHERE form_id = '' AND mailbox_id = $1 AND folder = $2) AS rows WHERE mailbox_id = $1 AND name = $2`,
		b.MailboxID, b.Folder, added)
}

// entryOf makes the ledger row of an item.
func (tx *Tx) entryOf(b desk.FolderBatch, it desk.FolderItem) desk.LedgerEntry {
	e := desk.LedgerEntry{
		ID: cmp.Or(it.ID, NewID()), MailboxID: b.MailboxID, Folder: b.Folder, Role: b.Role.OfMails(), Generation: b.Generation, UIDValidity: b.UIDValidity, UID: it.UID,
		InternalDate: it.InternalDate, ReceivedAt: tx.Now(), Size: it.Size, RawSHA256: it.RawSHA256, HeaderOnly: it.HeaderOnly, Outcome: it.Outcome, Reason: it.Reason,
	}
	if e.Outcome == "" {
		e.Outcome = desk.Pending
	} else {
		e.DoneAt = e.ReceivedAt
	}
	if it.Later {
		e.RetryAt = desk.NextFetch(e.ReceivedAt, e.ReceivedAt, 0)
	}
	return e
}

// KeepDelivery stores a form post. It answers false, with the entry that is there, for a delivery that came before; within
// says how long ago that may be, 0 for ever.
func (tx *Tx) KeepDelivery(ctx context.Context, e desk.LedgerEntry, raw []byte, within time.Duration) (desk.LedgerEntry, bool, error) {
	now := tx.Now()
	e.ID, e.ReceivedAt, e.InternalDate, e.Outcome = NewID(), now, now, desk.Pending
	base := e.DeliveryID
	for n := 1; ; n++ {
		var added int64
		if err := cmp.Or(tx.addLedger(ctx, e, raw, &added), tx.x.flush(ctx)); err != nil || added == 1 {
			return e, added == 1, err
		}
		before, err := scanLedger(tx.x.QueryRowContext(ctx, ledgerSelect+` WHERE form_id = $1 AND delivery_id = $2`, e.FormID, e.DeliveryID))
		if err != nil || within == 0 || now.Sub(before.ReceivedAt) < within {
			return before, false, err
		}
		e.DeliveryID = fmt.Sprintf("%s again %d", base, n)
	}
}

// addLedger stores a row and its bytes, unless it is there, and counts it in added once the statements are flushed.
func (tx *Tx) addLedger(ctx context.Context, e desk.LedgerEntry, raw []byte, added *int64) error {
	count := func(n int64) error { *added += n; return nil }
	if err := tx.x.later(ctx, count, `INSERT INTO ledger (id, mailbox_id, folder, role, generation, uidvalidity, uid, form_id, delivery_id, content_type, internal_date,
		received_at, size, raw_sha256, header_only, outcome, reason, attempts, ticket_id, subject, sender, retry_at, done_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, 0, '', '', '', $18, $19) ON CONFLICT DO NOTHING`,
		e.ID, e.MailboxID, e.Folder, e.Role, e.Generation, e.UIDValidity, e.UID, e.FormID, e.DeliveryID, clip(e.ContentType, 500), ms(e.InternalDate),
		ms(e.ReceivedAt), e.Size, e.RawSHA256, e.HeaderOnly, e.Outcome, clip(e.Reason, 1000), ms(e.RetryAt), ms(e.DoneAt)); err != nil || raw == nil {
		return err
	}
	return tx.exec(ctx, `INSERT INTO raws (ledger_id, bytes) SELECT id, $2 FROM ledger WHERE id = $1`, e.ID, raw)
}

const ledgerSelect = `SELECT id, mailbox_id, folder, role, generation, uidvalidity, uid, form_id, delivery_id, content_type, internal_date,
	received_at, size, raw_sha256, header_only, outcome, reason, attempts, ticket_id, subject, sender, retry_at, done_at FROM ledger`

func scanLedger(row scanner) (e desk.LedgerEntry, err error) {
	err = row.Scan(&e.ID, &e.MailboxID, &e.Folder, &e.Role, &e.Generation, &e.UIDValidity, &e.UID, &e.FormID, &e.DeliveryID, &e.ContentType, millis{&e.InternalDate},
		millis{&e.ReceivedAt}, &e.Size, &e.RawSHA256, &e.HeaderOnly, &e.Outcome, &e.Reason, &e.Attempts, &e.TicketID, &e.Subject, &e.From, millis{&e.RetryAt}, millis{&e.DoneAt})
	return e, err
}

const (
	pendingOf    = ledgerSelect + ` WHERE outcome = 'pending' AND form_id = '' AND mailbox_id = $1 AND id > $2 ORDER BY id LIMIT $3`
	pendingSent  = ledgerSelect + ` WHERE outcome = 'pending' AND role = 'sent' AND mailbox_id = $1 ORDER BY id DESC LIMIT $2`
	unfetchedOf  = ledgerSelect + ` WHERE retry_at > 0 AND mailbox_id = $1 AND retry_at <= $2 ORDER BY retry_at LIMIT $3`
	pendingForms = ledgerSelect + ` WHERE outcome = 'pending' AND form_id <> '' AND id > $1 ORDER BY id LIMIT $2`
)

// PendingOf lists inbound items of a mailbox that wait to be read and came after the item named, oldest first.
func (r reads) PendingOf(ctx context.Context, mailbox, after desk.ID, limit int) ([]desk.LedgerEntry, error) {
	return collect(ctx, r.x, scanLedger, pendingOf, mailbox, after, limit)
}

// PendingSent lists the newest mails of a mailbox's Sent folder that wait to be read, in the order in which they came.
func (r reads) PendingSent(ctx context.Context, mailbox desk.ID, limit int) ([]desk.LedgerEntry, error) {
	found, err := collect(ctx, r.x, scanLedger, pendingSent, mailbox, limit)
	slices.Reverse(found)
	return found, err
}

// PendingForms lists form posts that wait to be read and came after the item named, oldest first.
func (r reads) PendingForms(ctx context.Context, after desk.ID, limit int) ([]desk.LedgerEntry, error) {
	return collect(ctx, r.x, scanLedger, pendingForms, after, limit)
}

// UnfetchedOf lists mails of a mailbox that its server has failed to send, and is to be asked for again by now.
func (db *DB) UnfetchedOf(ctx context.Context, mailbox desk.ID, limit int) ([]desk.LedgerEntry, error) {
	return collect(ctx, db.x, scanLedger, unfetchedOf, mailbox, ms(db.Now()), limit)
}

// AskAgain takes down, before a mail's server is asked for it again, when it will be the next time: whatever ends the
// attempt, another one is not made at once.
func (tx *Tx) AskAgain(ctx context.Context, l desk.Lease, e desk.LedgerEntry) error {
	if err := tx.HoldLease(ctx, l); err != nil {
		return err
	}
	return tx.exec(ctx, `UPDATE ledger SET attempts = $2, retry_at = $3 WHERE id = $1 AND outcome = 'unfetched'`, e.ID, e.Attempts+1, ms(desk.NextFetch(e.ReceivedAt, tx.Now(), e.Attempts+1)))
}

// KeepLate gives a mail that could not be fetched what came of asking for it again: its bytes, and it is pending, or another
// outcome. It is not asked for any more. One that came before is left as it is.
func (tx *Tx) KeepLate(ctx context.Context, l desk.Lease, id desk.ID, it desk.FolderItem, raw []byte) error {
	if err := tx.HoldLease(ctx, l); err != nil {
		return err
	}
	outcome, done := cmp.Or(it.Outcome, desk.Pending), time.Time{}
	if it.Outcome != "" {
		done = tx.Now()
	}
	n, err := tx.changed(ctx, `UPDATE ledger SET outcome = $2, reason = $3, internal_date = $4, size = $5, raw_sha256 = $6, header_only = $7, attempts = 0, retry_at = 0, done_at = $8
		WHERE id = $1 AND outcome = 'unfetched'`, id, outcome, clip(it.Reason, 1000), ms(it.InternalDate), it.Size, it.RawSHA256, it.HeaderOnly, ms(done))
	if err != nil || n == 0 || raw == nil {
		return err
	}
	return tx.exec(ctx, `INSERT INTO raws (ledger_id, bytes) VALUES ($1, $2)`, id, raw)
}

// RetryUnfetched has a mail that its server has failed to send asked for again now, by an operator's word.
func (tx *Tx) RetryUnfetched(ctx context.Context, id desk.ID) error {
	n, err := tx.changed(ctx, `UPDATE ledger SET attempts = 0, retry_at = $2 WHERE id = $1 AND outcome = 'unfetched'`, id, ms(tx.Now()))
	if err == nil && n == 0 {
		err = desk.Missing("unfetched mail")
	}
	return err
}

// Ledger finds one row.
func (r reads) Ledger(ctx context.Context, id desk.ID) (desk.LedgerEntry, error) {
	e, err := scanLedger(r.x.QueryRowContext(ctx, ledgerSelect+` WHERE id = $1`, id))
	return one("item", e, err)
}

// LedgerWith lists the rows with an outcome, newest first.
func (r reads) LedgerWith(ctx context.Context, outcome desk.Outcome, p Page) ([]desk.LedgerEntry, error) {
	return collect(ctx, r.x, scanLedger, ledgerSelect+` WHERE outcome = $1 AND id < $2 ORDER BY id DESC LIMIT $3`, outcome, p.before(), p.limit())
}

// LedgerOf lists the rows of a mailbox's mails in folders with a role, newest first.
func (r reads) LedgerOf(ctx context.Context, mailbox desk.ID, role desk.FolderRole, p Page) ([]desk.LedgerEntry, error) {
	return collect(ctx, r.x, scanLedger, ledgerSelect+` WHERE mailbox_id = $1 AND role = $2 AND form_id = '' AND id < $3 ORDER BY id DESC LIMIT $4`,
		mailbox, role, p.before(), p.limit())
}

// LedgerCounts counts the rows by outcome.
func (r reads) LedgerCounts(ctx context.Context) (map[desk.Outcome]int64, error) {
	counts := map[desk.Outcome]int64{}
	_, err := collect(ctx, r.x, func(row scanner) (struct{}, error) {
		var o desk.Outcome
		var n int64
		err := row.Scan(&o, &n)
		counts[o] = n
		return struct{}{}, err
	}, `SELECT outcome, count(*) FROM ledger GROUP BY outcome`)
	return counts, err
}

// UIDs lists the UIDs from one on that have rows of a folder in its generation and UIDVALIDITY, in ascending order.
func (r reads) UIDs(ctx context.Context, f desk.Folder, from uint32) ([]uint32, error) {
	return collect(ctx, r.x, func(row scanner) (uid uint32, err error) {
		err = row.Scan(&uid)
		return uid, err
	}, `SELECT uid FROM ledger WHERE form_id = '' AND mailbox_id = $1 AND folder = $2 AND generation = $3 AND uidvalidity = $4 AND uid >= $5 ORDER BY uid`,
		f.MailboxID, f.Name, f.Generation, int64(f.UIDValidity), int64(from))
}

// FolderEvents counts the mails that only the sweep has found, and how often a folder was replaced.
func (r reads) FolderEvents(ctx context.Context) (passedOver, replaced int64, err error) {
	err = r.x.QueryRowContext(ctx, `SELECT CAST(COALESCE(sum(passed_over), 0) AS BIGINT), CAST(COALESCE(sum(generation), 0) AS BIGINT) FROM folders`).Scan(&passedOver, &replaced)
	return passedOver, replaced, err
}

// Raws reads the compressed bytes of rows that have them in the database, by id.
func (r reads) Raws(ctx context.Context, ids []desk.ID) (map[desk.ID][]byte, error) {
	out := make(map[desk.ID][]byte, len(ids))
	for part := range parts(ids) {
		if _, err := collect(ctx, r.x, func(row scanner) (struct{}, error) {
			var id desk.ID
			var b []byte
			err := row.Scan(&id, &b)
			out[id] = b
			return struct{}{}, err
		}, `SELECT ledger_id, bytes FROM raws WHERE ledger_id IN (`+placeholders(1, len(part))+`)`, anys(part)...); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Settle gives a pending row its outcome. If somebody else has settled it the transaction fails with Conflict, here or when
// it commits.
func (tx *Tx) Settle(ctx context.Context, e desk.LedgerEntry) error {
	return tx.settle(ctx, e, desk.Pending)
}

// SettleHeld is Settle for a held row, about which an agent has decided.
func (tx *Tx) SettleHeld(ctx context.Context, e desk.LedgerEntry) error {
	return tx.settle(ctx, e, desk.Held)
}

func (tx *Tx) settle(ctx context.Context, e desk.LedgerEntry, from desk.Outcome) error {
	mine := func(n int64) error {
		if n == 0 {
			return &desk.Error{Kind: desk.Conflict, Text: "item " + string(e.ID) + " was filed by somebody else"}
		}
		return nil
	}
	return tx.x.later(ctx, mine, `UPDATE ledger SET outcome = $2, reason = $3, ticket_id = $4, subject = $5, sender = $6, done_at = $7 WHERE id = $1 AND outcome = $8`,
		e.ID, e.Outcome, clip(e.Reason, 1000), e.TicketID, clip(e.Subject, 500), clip(e.From, 320), ms(tx.Now()), from)
}

// CountAttempt adds n to the attempts of a pending row: 1 before it is read, because that may end this process, and -1
// if it did not and the row has to wait.
func (tx *Tx) CountAttempt(ctx context.Context, id desk.ID, n int) error {
	return tx.exec(ctx, `UPDATE ledger SET attempts = attempts + $2 WHERE id = $1 AND outcome = 'pending'`, id, n)
}

// Supersede turns a held row into a duplicate: the same mail has been found where it can be trusted.
func (tx *Tx) Supersede(ctx context.Context, id desk.ID, reason string) error {
	return tx.exec(ctx, `UPDATE ledger SET outcome = 'duplicate', reason = $2, done_at = $3 WHERE id = $1 AND outcome = 'held'`, id, clip(reason, 1000), ms(tx.Now()))
}

// Reopen puts a quarantined row back to pending, to be read once more.
func (tx *Tx) Reopen(ctx context.Context, id desk.ID) error {
	n, err := tx.changed(ctx, `UPDATE ledger SET outcome = 'pending', reason = '', attempts = 0, done_at = 0 WHERE id = $1 AND outcome = 'quarantined'`, id)
	if err == nil && n == 0 {
		err = desk.Missing("quarantined item")
	}
	return err
}

// ReopenUnaddressed has mails read once more that were none of the mailbox's, by the addresses that it had, and tells how many.
func (tx *Tx) ReopenUnaddressed(ctx context.Context, mailbox desk.ID) (int64, error) {
	return tx.changed(ctx, `UPDATE ledger SET outcome = 'pending', reason = '', done_at = 0 WHERE mailbox_id = $1 AND outcome = 'ignored' AND reason = $2`, mailbox, desk.Unaddressed)
}

// Unpark has a quarantined row be held, so that what was decided about it can be carried out in the same transaction. It fails
// with Conflict if the row is not in quarantine.
func (tx *Tx) Unpark(ctx context.Context, id desk.ID) error {
	n, err := tx.changed(ctx, `UPDATE ledger SET outcome = 'held' WHERE id = $1 AND outcome = 'quarantined'`, id)
	if err == nil && n == 0 {
		err = &desk.Error{Kind: desk.Conflict, Text: "item " + string(id) + " is no longer in quarantine"}
	}
	return err
}

// Likeness is what two copies of a mail have in common.
type Likeness struct {
	MessageID   desk.MessageID
	Fingerprint string
}

// Seen is what a mailbox has of a mail.
type Seen struct {
	Ledger       desk.ID // the row that has the same mail; "": there is none
	OtherContent bool    // there is another mail with the Message-ID
}

// SeenBefore tells which of the mails a mailbox has, as NoteSeen took them down. The same Message-ID with the same content
// is the same mail (REQUIREMENTS H4, I6).
func (r reads) SeenBefore(ctx context.Context, mailbox desk.ID, mails []Likeness) (map[Likeness]Seen, error) {
	out := make(map[Likeness]Seen, len(mails))
	for part := range parts(mails) {
		rows := make([][]any, len(part))
		for i, m := range part {
			rows[i] = []any{int64(i), storedID(m.MessageID), m.Fingerprint}
		}
		list, args := rowsOf(rows)
		mailboxIs := fmt.Sprintf(`f.mailbox_id = $%d AND f.message_id = v.column2 AND f.fingerprint`, len(args)+1)
		if _, err := collect(ctx, r.x, func(row scanner) (struct{}, error) {
			var i int
			var s Seen
			err := row.Scan(&i, &s.Ledger, &s.OtherContent)
			out[part[i]] = s
			return struct{}{}, err
		}, `SELECT v.column1, COALESCE((SELECT f.ledger_id FROM fingerprints f WHERE `+mailboxIs+` = v.column3), ''),
			EXISTS (SELECT 1 FROM fingerprints f WHERE `+mailboxIs+` <> v.column3) FROM (VALUES `+list+`) AS v`, append(args, mailbox)...); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// NoteSeen takes down that the item's mailbox has the mail. The transaction fails with Conflict if somebody else has done
// so, here or when it commits.
func (tx *Tx) NoteSeen(ctx context.Context, e desk.LedgerEntry, mail Likeness) error {
	first := func(n int64) error {
		if n == 0 {
			return &desk.Error{Kind: desk.Conflict, Text: "somebody else files the same mail as item " + string(e.ID)}
		}
		return nil
	}
	return tx.x.later(ctx, first, `INSERT INTO fingerprints (mailbox_id, message_id, fingerprint, ledger_id) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
		e.MailboxID, storedID(mail.MessageID), mail.Fingerprint, e.ID)
}

// FirstInSent takes down that the item, a mail in Sent, is alike, and gives the ledger row that was so before it in this mailbox and has become
// a message; "": none.
func (tx *Tx) FirstInSent(ctx context.Context, e desk.LedgerEntry, alike string) (first desk.ID, err error) {
	err = tx.x.QueryRowContext(ctx, `INSERT INTO sent_copies (mailbox_id, alike, ledger_id) VALUES ($1, $2, $3)
		ON CONFLICT (mailbox_id, alike) DO UPDATE SET ledger_id = sent_copies.ledger_id RETURNING ledger_id`, e.MailboxID, alike, e.ID).Scan(&first)
	if err != nil || first == e.ID {
		return "", err
	}
	// Only a statement of its own sees what a transaction has done that the first one had to wait for.
	if _, err = tx.MessageOf(ctx, first); desk.KindOf(err) != desk.NotFound {
		return first, err
	}
	return "", tx.exec(ctx, `UPDATE sent_copies SET ledger_id = $3 WHERE mailbox_id = $1 AND alike = $2`, e.MailboxID, alike, e.ID)
}

// usableIDs gives the ids as they are stored. Empty ones never are (REQUIREMENTS M8).
func usableIDs(mids []desk.MessageID) []desk.MessageID {
	out := mids[:0:0]
	for _, m := range mids {
		if m = storedID(m); strings.TrimSpace(string(m)) != "" {
			out = append(out, m)
		}
	}
	return out
}

// storedID gives a Message-ID as it is stored: what is longer than a line may be is cut (RFC 5322 section 2.1.1).
func storedID(m desk.MessageID) desk.MessageID { return desk.MessageID(clip(string(m), 998)) }

// AddOrphan remembers which mails an item answers, or reports about, that belongs nowhere yet: when one of them turns up later,
// the item is read again.
func (tx *Tx) AddOrphan(ctx context.Context, e desk.LedgerEntry, answers []desk.MessageID) error {
	tx.noOrphans = ""
	for _, mid := range usableIDs(answers) {
		if err := tx.exec(ctx, `INSERT INTO orphans (mailbox_id, mid, ledger_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
			e.MailboxID, mid, e.ID); err != nil {
			return err
		}
	}
	return nil
}

// ReopenOrphans puts the items that wait for one of the mails back to pending: their ticket is there now.
func (tx *Tx) ReopenOrphans(ctx context.Context, mailbox desk.ID, mids []desk.MessageID) error {
	if tx.noOrphans == mailbox {
		return nil
	}
	var some bool
	if err := tx.x.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM orphans WHERE mailbox_id = $1)`, mailbox).Scan(&some); err != nil {
		return err
	}
	if !some {
		tx.noOrphans = mailbox
		return nil
	}
	for _, mid := range usableIDs(mids) {
		found, err := collect(ctx, tx.x, scanID, `DELETE FROM orphans WHERE mailbox_id = $1 AND mid = $2 RETURNING ledger_id`, mailbox, mid)
		if err != nil {
			return err
		}
		for _, id := range found {
			if err := tx.exec(ctx, `UPDATE ledger SET outcome = 'pending', reason = '', done_at = 0 WHERE id = $1 AND outcome IN ('ignored', 'automatic')`, id); err != nil {
				return err
			}
		}
	}
	return nil
}
