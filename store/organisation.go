package store

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"postern/desk"
)

// Organisation is all that the operator has set up, as it was at one moment. It is shared and must not be changed.
type Organisation struct {
	Generation int64
	Settings   desk.Settings
	Mailboxes  []desk.Mailbox
	Forms      []desk.Form
	Agents     []desk.KnownAgent
	Lists      []desk.ContactList
	Published  Published
	checked    time.Time
}

// Mailbox finds a mailbox by its id.
func (o *Organisation) Mailbox(id desk.ID) (desk.Mailbox, bool) {
	i := slices.IndexFunc(o.Mailboxes, func(m desk.Mailbox) bool { return m.ID == id })
	if i < 0 {
		return desk.Mailbox{}, false
	}
	return o.Mailboxes[i], true
}

// Form finds a form by the last part of its URL.
func (o *Organisation) Form(key string) (desk.Form, bool) {
	i := slices.IndexFunc(o.Forms, func(f desk.Form) bool { return f.Key == key })
	if i < 0 {
		return desk.Form{}, false
	}
	return o.Forms[i], true
}

// FormByID finds a form by its id.
func (o *Organisation) FormByID(id desk.ID) (desk.Form, bool) {
	i := slices.IndexFunc(o.Forms, func(f desk.Form) bool { return f.ID == id })
	if i < 0 {
		return desk.Form{}, false
	}
	return o.Forms[i], true
}

// DefaultMailbox is where tickets go that name none: the one that is set, or the oldest.
func (o *Organisation) DefaultMailbox() (desk.Mailbox, bool) {
	if m, ok := o.Mailbox(o.Settings.DefaultMailbox); ok {
		return m, true
	}
	if len(o.Mailboxes) == 0 {
		return desk.Mailbox{}, false
	}
	return o.Mailboxes[0], true
}

// IsOurs tells whether email is an address of any of our mailboxes.
func (o *Organisation) IsOurs(email string) bool {
	return slices.ContainsFunc(o.Mailboxes, func(m desk.Mailbox) bool { return m.Owns(email) })
}

// Organisation gives what the operator has set up. It is at most two seconds old, whoever changed it.
func (db *DB) Organisation(ctx context.Context) (*Organisation, error) {
	db.mu.Lock()
	org := db.org
	db.mu.Unlock()
	now := db.Now()
	if org != nil && now.Sub(org.checked) < 2*time.Second && !now.Before(org.checked) {
		return org, nil
	}
	return db.FreshOrganisation(ctx)
}

// FreshOrganisation gives what the operator has set up, as it is now.
func (db *DB) FreshOrganisation(ctx context.Context) (*Organisation, error) {
	if err := db.setClock(ctx); err != nil {
		return nil, err
	}
	checked := db.Now()
	generation, err := db.generation(ctx)
	if err != nil {
		return nil, err
	}
	db.mu.Lock()
	org := db.org
	db.mu.Unlock()
	if org != nil && org.Generation == generation {
		same := *org
		same.checked = checked
		org = &same
	} else if org, err = db.loadOrganisation(ctx, generation, checked); err != nil {
		return nil, err
	}
	db.mu.Lock()
	db.org = org
	db.mu.Unlock()
	return org, nil
}

func (db *DB) loadOrganisation(ctx context.Context, generation int64, checked time.Time) (*Organisation, error) {
	org := &Organisation{Generation: generation, checked: checked}
	var err error
	if org.Settings, err = db.Settings(ctx); err != nil {
		return nil, err
	}
	if org.Mailboxes, err = db.mailboxes(ctx, db.x, `ORDER BY id`); err != nil {
		return nil, err
	}
	if org.Agents, err = db.agents(ctx); err != nil {
		return nil, err
	}
	if org.Lists, err = db.ContactLists(ctx); err != nil {
		return nil, err
	}
	if org.Published, err = db.published(ctx); err != nil {
		return nil, err
	}
	org.Forms, err = db.forms(ctx, db.x, `ORDER BY id`)
	return org, err
}

func (r reads) generation(ctx context.Context) (int64, error) {
	var s string
	if err := r.x.QueryRowContext(ctx, `SELECT value FROM settings WHERE key = 'generation'`).Scan(&s); err != nil {
		return 0, err
	}
	return strconv.ParseInt(s, 10, 64)
}

// changedSetup tells every process that the set-up is another now.
func (tx *Tx) changedSetup(ctx context.Context) error {
	tx.reconfigured = true
	return tx.exec(ctx, `UPDATE settings SET value = CAST(CAST(value AS BIGINT) + 1 AS TEXT) WHERE key = 'generation'`)
}

// Settings reads the organisation's settings; what was never set is as in desk.DefaultSettings.
func (r reads) Settings(ctx context.Context) (desk.Settings, error) {
	s := desk.DefaultSettings()
	found, err := collect(ctx, r.x, scanString, `SELECT value FROM settings WHERE key = 'organisation'`)
	if err != nil || len(found) == 0 {
		return s, err
	}
	return s, json.Unmarshal([]byte(found[0]), &s)
}

// PutSettings stores the settings.
func (tx *Tx) PutSettings(ctx context.Context, s desk.Settings) error {
	if err := tx.exec(ctx, `INSERT INTO settings (key, value) VALUES ('organisation', $1) ON CONFLICT (key) DO UPDATE SET value = $1`, pack(s)); err != nil {
		return err
	}
	return tx.changedSetup(ctx)
}

func (db *DB) mailboxes(ctx context.Context, x statements, which string, args ...any) ([]desk.Mailbox, error) {
	return collect(ctx, x, func(row scanner) (m desk.Mailbox, err error) {
		var secrets []byte
		if err = row.Scan(packed[desk.OAuth]{&m.OAuth}, &m.ID, &m.Address, packed[[]string]{&m.Aliases}, &m.Name, &m.IMAP, &m.SMTP, &secrets, millis{&m.Since},
			&m.Sent, packed[[]string]{&m.Folders}, &m.MIDDomain, &m.SubAddress, &m.SubjectTag, &m.SentOpens, packed[[]string]{&m.FormSenders}, &m.Receiver.Profile, &m.Receiver.AuthServID, &m.Receiver.Hops, &m.Receiver.DKIM, packed[desk.Signing]{&m.Signing}, packed[desk.Policy]{&m.Policy}, millis{&m.Receiver.CalibratedAt},
			&m.Pipeline, &m.Paused, millis{&m.TriedAt}, millis{&m.CreatedAt}); err != nil {
			return m, err
		}
		plain, err := db.unseal(secrets)
		if err != nil {
			return m, err
		}
		return m, json.Unmarshal(plain, &m.Secrets)
	}, `SELECT oauth, id, address, aliases, name, imap, smtp, secrets, since, sent_folder, folders, mid_domain, sub_address, subject_tag, sent_opens, form_senders,
		authserv_profile, authserv_id, authserv_hops, dkim_fallback, signing, policy, calibrated_at, pipeline, paused, tried_at, created_at FROM mailboxes `+which, args...)
}

// ChangeMailbox changes a mailbox as it is now: what somebody else has changed meanwhile stays.
func (tx *Tx) ChangeMailbox(ctx context.Context, id desk.ID, change func(*desk.Mailbox) error) error {
	ms, err := tx.db.mailboxes(ctx, tx.x, `WHERE id = $1`+tx.d.shareLock, id)
	if err != nil {
		return err
	}
	if len(ms) == 0 {
		return desk.Missing("mailbox")
	}
	if err := change(&ms[0]); err != nil {
		return err
	}
	return tx.PutMailbox(ctx, ms[0])
}

// PutMailbox adds a mailbox, or changes it if its id is there. Another mailbox with its address is a Conflict, and so is an agent with one of
// its addresses: mail from there would be ours and the agent's at once.
func (tx *Tx) PutMailbox(ctx context.Context, m desk.Mailbox) error {
	agents, err := tx.Agents(ctx)
	if err != nil {
		return err
	}
	if err := desk.NoAgents(agents, "address", append([]string{m.Address}, m.Aliases...), "mailbox"); err != nil {
		return err
	}
	secrets, err := json.Marshal(m.Secrets)
	if err != nil {
		return err
	}
	_, taken, err := tx.unlessTaken(ctx, `INSERT INTO mailboxes (id, address, aliases, name, imap, smtp, secrets, since, sent_folder, mid_domain, sub_address, pipeline, paused,
			authserv_profile, authserv_id, authserv_hops, dkim_fallback, calibrated_at, created_at, subject_tag, folders, form_senders, tried_at, signing, oauth, sent_opens, policy, placed_until)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, '')
		ON CONFLICT (id) DO UPDATE SET address = $2, aliases = $3, name = $4, imap = $5, smtp = $6, secrets = $7, since = $8,
			sent_folder = $9, mid_domain = $10, sub_address = $11, pipeline = $12, paused = $13,
			authserv_profile = $14, authserv_id = $15, authserv_hops = $16, dkim_fallback = $17, calibrated_at = $18, subject_tag = $20, folders = $21, form_senders = $22, tried_at = $23, signing = $24, oauth = $25, sent_opens = $26, policy = $27,
			placed_until = CASE WHEN $28 THEN mailboxes.placed_until ELSE '' END`,
		m.ID, m.Address, pack(m.Aliases), m.Name, m.IMAP, m.SMTP, tx.db.seal(secrets), ms(m.Since),
		m.Sent, m.MIDDomain, m.SubAddress, m.Pipeline, m.Paused,
		m.Receiver.Profile, m.Receiver.AuthServID, m.Receiver.Hops, m.Receiver.DKIM, ms(m.Receiver.CalibratedAt), ms(m.CreatedAt), m.SubjectTag, pack(m.Folders), pack(m.FormSenders), ms(m.TriedAt), pack(m.Signing), pack(m.OAuth), m.SentOpens, pack(m.Policy), m.Policy.Follow.Used())
	if err != nil {
		if taken {
			return &desk.Error{Kind: desk.Conflict, Field: "address", Text: "there is a mailbox with the address " + m.Address}
		}
		return err
	}
	return tx.changedSetup(ctx)
}

func (db *DB) forms(ctx context.Context, x statements, which string, args ...any) ([]desk.Form, error) {
	return collect(ctx, x, func(row scanner) (f desk.Form, err error) {
		var secret []byte
		if err = row.Scan(&f.ID, &f.Key, &f.Name, &f.MailboxID, &f.Auth, &secret, packed[map[string]string]{&f.Mapping}, &f.Pipeline, &f.Disabled, millis{&f.CreatedAt}); err != nil {
			return f, err
		}
		plain, err := db.unseal(secret)
		f.Secret = string(plain)
		return f, err
	}, `SELECT id, key, name, mailbox_id, auth, secret, mapping, pipeline, disabled, created_at FROM forms `+which, args...)
}

// ChangeForm changes a form as it is now: what somebody else has changed meanwhile stays.
func (tx *Tx) ChangeForm(ctx context.Context, id desk.ID, change func(*desk.Form) error) error {
	fs, err := tx.db.forms(ctx, tx.x, `WHERE id = $1`+tx.d.shareLock, id)
	if err != nil {
		return err
	}
	if len(fs) == 0 {
		return desk.Missing("form")
	}
	if err := change(&fs[0]); err != nil {
		return err
	}
	return tx.PutForm(ctx, fs[0])
}

// PutForm adds a form, or changes it if its id is there.
func (tx *Tx) PutForm(ctx context.Context, f desk.Form) error {
	_, taken, err := tx.unlessTaken(ctx, `INSERT INTO forms (id, key, name, mailbox_id, auth, secret, mapping, pipeline, disabled, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
		ON CONFLICT (id) DO UPDATE SET key = $2, name = $3, mailbox_id = $4, auth = $5, secret = $6, mapping = $7, pipeline = $8, disabled = $9`,
		f.ID, f.Key, f.Name, f.MailboxID, f.Auth, tx.db.seal([]byte(f.Secret)), pack(f.Mapping), f.Pipeline, f.Disabled, ms(f.CreatedAt))
	if err != nil {
		if taken {
			return &desk.Error{Kind: desk.Conflict, Field: "key", Text: "there is a form at this URL"}
		}
		return err
	}
	return tx.changedSetup(ctx)
}
