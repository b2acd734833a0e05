package store

import (
	"context"
	"time"

	"postern/desk"
)

// Registration is what somebody said who wants to register, until they have confirmed their address.
type Registration struct {
	Hash      [32]byte // of the link's secret
	Email     string
	Name      string
	Company   string // what they call it
	Password  string // its hash; empty: they want none
	Language  string
	TimeZone  string
	Browser   string             // a secret of the browser in which it was typed; empty: not known
	Consent   desk.ConsentRecord // what they agreed to; the zero value: nothing was asked
	CreatedAt time.Time
	ExpiresAt time.Time
}

// AddRegistration stores one.
func (tx *Tx) AddRegistration(ctx context.Context, r Registration) error {
	return tx.exec(ctx, `INSERT INTO registrations (hash, email, name, company, password, language, time_zone, browser, consent, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		r.Hash[:], r.Email, clip(r.Name, 200), clip(r.Company, 200), r.Password, clip(r.Language, 35), clip(r.TimeZone, 64), r.Browser, pack(r.Consent), ms(r.CreatedAt), ms(r.ExpiresAt))
}

// Registration finds one that has not run out, by the hash of its link's secret.
func (r reads) Registration(ctx context.Context, hash [32]byte, now time.Time) (Registration, error) {
	out := Registration{Hash: hash}
	err := r.x.QueryRowContext(ctx, `SELECT email, name, company, password, language, time_zone, browser, consent, created_at, expires_at FROM registrations WHERE hash = $1 AND expires_at > $2`, hash[:], ms(now)).
		Scan(&out.Email, &out.Name, &out.Company, &out.Password, &out.Language, &out.TimeZone, &out.Browser, packed[desk.ConsentRecord]{&out.Consent}, millis{&out.CreatedAt}, millis{&out.ExpiresAt})
	return one("registration", out, err)
}

// EndRegistrations forgets what was said about an address: it has been confirmed, or is a contact's.
func (tx *Tx) EndRegistrations(ctx context.Context, email string) error {
	return tx.exec(ctx, `DELETE FROM registrations WHERE email = $1`, email)
}

// KeepConsentText keeps the words that somebody is asked about, for as long as there are records of it.
func (tx *Tx) KeepConsentText(ctx context.Context, t desk.ConsentText) error {
	return tx.exec(ctx, `INSERT INTO consent_texts (version, text, label) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, t.Version(), t.Text, t.Label)
}

// AddConsent records that somebody agreed, or took it back. KeepConsentText has kept the words.
func (tx *Tx) AddConsent(ctx context.Context, c desk.ConsentRecord) error {
	return tx.exec(ctx, `INSERT INTO consents (id, contact_id, purpose, given, language, version, channel, ip, actor, at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		c.ID, c.ContactID, c.Purpose, c.Given, c.Language, c.Version, c.Channel, c.IP, pack(c.Actor), ms(c.At))
}

// Consents lists what a contact agreed to and took back, the newest first.
func (r reads) Consents(ctx context.Context, contact desk.ID, purpose string, most int) ([]desk.ConsentRecord, error) {
	return collect(ctx, r.x, func(row scanner) (c desk.ConsentRecord, err error) {
		c.ContactID, c.Purpose = contact, purpose
		err = row.Scan(&c.ID, &c.Given, &c.Language, &c.Version, &c.Channel, &c.IP, packed[desk.Actor]{&c.Actor}, millis{&c.At})
		return c, err
	}, `SELECT id, given, language, version, channel, ip, actor, at FROM consents WHERE contact_id = $1 AND purpose = $2 ORDER BY id DESC LIMIT $3`, contact, purpose, most)
}

// ConsentText finds the words of a version that somebody was asked about.
func (r reads) ConsentText(ctx context.Context, version string) (t desk.ConsentText, err error) {
	err = r.x.QueryRowContext(ctx, `SELECT text, label FROM consent_texts WHERE version = $1`, version).Scan(&t.Text, &t.Label)
	return one("consent text", t, err)
}

// Invite notes that a contact is invited now. first tells whether they never were.
func (tx *Tx) Invite(ctx context.Context, contact desk.ID) (first bool, err error) {
	n, err := tx.changed(ctx, `INSERT INTO invitations (contact_id, at) VALUES ($1, $2) ON CONFLICT DO NOTHING`, contact, ms(tx.Now()))
	if err != nil || n == 1 {
		return n == 1, err
	}
	return false, tx.exec(ctx, `UPDATE invitations SET at = $2 WHERE contact_id = $1`, contact, ms(tx.Now()))
}

// Invited tells when a contact was last invited; the zero time: never.
func (r reads) Invited(ctx context.Context, contact desk.ID) (at time.Time, err error) {
	found, err := collect(ctx, r.x, func(row scanner) (at time.Time, err error) { err = row.Scan(millis{&at}); return at, err }, `SELECT at FROM invitations WHERE contact_id = $1`, contact)
	if err != nil || len(found) == 0 {
		return at, err
	}
	return found[0], nil
}
