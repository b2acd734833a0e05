package store

import (
	"context"
	"fmt"

	"postern/desk"
)

// Audit writes down what the context's actor does in this transaction. Nothing that is said in mails and no secret may be in changes.
func (tx *Tx) Audit(ctx context.Context, action desk.Action, subject string, changes map[string]desk.Changed) error {
	e := desk.AuditEntry{ID: NewID(), At: tx.Now(), Actor: desk.ActorOf(ctx), Action: action, Subject: clip(subject, 400), Changes: changes}
	if e.Changes == nil {
		e.Changes = map[string]desk.Changed{}
	}
	// Whoever writes the next entry waits for this row, so that the chain has one end.
	var before string
	var position int64
	if err := tx.x.QueryRowContext(ctx, `SELECT position, hash FROM audit_end`+tx.d.updateLock).Scan(&position, &before); err != nil {
		return err
	}
	stored, err := storedEntry(e)
	if err != nil {
		return err
	}
	e.Hash = stored.Sum(before)
	if err := tx.exec(ctx, `UPDATE audit_end SET position = $1, hash = $2`, position+1, e.Hash); err != nil {
		return err
	}
	return tx.exec(ctx, `INSERT INTO audit (position, id, at, actor, action, subject, changes, hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		position+1, e.ID, ms(e.At), pack(stored.Actor), e.Action, e.Subject, pack(stored.Changes), e.Hash)
}

// storedEntry is an entry as it is read back: what is hashed must be what is there later.
func storedEntry(e desk.AuditEntry) (desk.AuditEntry, error) {
	out := e
	out.Actor, out.Changes = desk.Actor{}, nil
	if err := (packed[desk.Actor]{&out.Actor}).Scan(clean(pack(e.Actor))); err != nil {
		return e, err
	}
	if err := (packed[map[string]desk.Changed]{&out.Changes}).Scan(clean(pack(e.Changes))); err != nil {
		return e, err
	}
	return out, (millis{&out.At}).Scan(ms(e.At))
}

const auditColumns = `id, at, actor, action, subject, changes, hash`

func scanAudit(row scanner) (e desk.AuditEntry, err error) {
	err = row.Scan(&e.ID, millis{&e.At}, packed[desk.Actor]{&e.Actor}, &e.Action, &e.Subject, packed[map[string]desk.Changed]{&e.Changes}, &e.Hash)
	return e, err
}

// AuditLog lists what was done, the newest first; of a subject alone, if one is named.
func (r reads) AuditLog(ctx context.Context, subject string, p Page) ([]desk.AuditEntry, error) {
	before := int64(1) << 62
	if p.Before != "" {
		if err := r.x.QueryRowContext(ctx, `SELECT position FROM audit WHERE id = $1`, p.Before).Scan(&before); err != nil {
			_, err = one("audit entry", 0, err)
			return nil, err
		}
	}
	return collect(ctx, r.x, scanAudit, `SELECT `+auditColumns+` FROM audit WHERE position < $1 AND ($2 = '' OR subject = $2) ORDER BY position DESC LIMIT $3`, before, subject, p.limit())
}

// CheckAudit goes over the whole audit log and says where it was changed after it was written; "" if it was not.
func (r reads) CheckAudit(ctx context.Context) (string, error) {
	var last, position int64
	var end, before string
	if err := r.x.QueryRowContext(ctx, `SELECT position, hash FROM audit_end`).Scan(&last, &end); err != nil {
		return "", err
	}
	for position < last {
		lines, err := collect(ctx, r.x, scanAudit, `SELECT `+auditColumns+` FROM audit WHERE position > $1 AND position <= $2 ORDER BY position LIMIT 500`, position, last)
		if err != nil {
			return "", err
		}
		if len(lines) == 0 {
			return fmt.Sprintf("the audit log was changed: entry %d, its newest, is not there", last), nil
		}
		for _, e := range lines {
			position++
			if e.Sum(before) != e.Hash {
				return fmt.Sprintf("the audit log was changed: its entry %d (%s, %s) does not follow from the one before it", position, e.At.Format("2006-01-02 15:04:05"), e.Action), nil
			}
			before = e.Hash
		}
	}
	if before != end {
		return fmt.Sprintf("the audit log was changed: it does not end with entry %d", last), nil
	}
	return "", nil
}
