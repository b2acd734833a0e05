package store

import (
	"context"
	"slices"
	"strings"

	"postern/desk"
)

// CompanyForEmail finds the company that owns the address's domain: the longest domain that matches. It is NotFound
// for public mail domains and for domains nobody owns.
func (r reads) CompanyForEmail(ctx context.Context, email string) (desk.ID, error) {
	domains := desk.CompanyDomains(email)
	if len(domains) == 0 {
		return "", desk.Missing("company")
	}
	var id desk.ID
	err := r.x.QueryRowContext(ctx, `SELECT company_id FROM company_domains WHERE domain IN (`+placeholders(1, len(domains))+`)
		ORDER BY length(domain) DESC LIMIT 1`, anys(domains)...).Scan(&id)
	return one("company", id, err)
}

// Company finds a company.
func (r reads) Company(ctx context.Context, id desk.ID) (desk.Company, error) {
	c, err := scanCompany(r.x.QueryRowContext(ctx, companySelect+` WHERE id = $1`, id))
	if err != nil {
		return one("company", c, err)
	}
	return r.companyDomains(ctx, c)
}

// Companies lists companies, newest first.
func (r reads) Companies(ctx context.Context, p Page) ([]desk.Company, error) {
	cs, err := collect(ctx, r.x, scanCompany, companySelect+` WHERE id < $1 ORDER BY id DESC LIMIT $2`, p.before(), p.limit())
	if err != nil {
		return nil, err
	}
	for i := range cs {
		if cs[i], err = r.companyDomains(ctx, cs[i]); err != nil {
			return nil, err
		}
	}
	return cs, nil
}

const companySelect = `SELECT id, name, created_at FROM companies`

func scanCompany(row scanner) (c desk.Company, err error) {
	err = row.Scan(&c.ID, &c.Name, millis{&c.CreatedAt})
	return c, err
}

func (r reads) companyDomains(ctx context.Context, c desk.Company) (desk.Company, error) {
	_, err := collect(ctx, r.x, func(row scanner) (struct{}, error) {
		var domain string
		var verified bool
		err := row.Scan(&domain, &verified)
		if c.Domains = append(c.Domains, domain); verified {
			c.Verified = append(c.Verified, domain)
		}
		return struct{}{}, err
	}, `SELECT domain, verified FROM company_domains WHERE company_id = $1 ORDER BY position`, c.ID)
	return c, err
}

func scanString(row scanner) (s string, err error) {
	err = row.Scan(&s)
	return s, err
}

func scanID(row scanner) (id desk.ID, err error) {
	err = row.Scan(&id)
	return id, err
}

// PutCompany adds a company, or changes it if its id is there. A domain that another company has is a Conflict.
func (tx *Tx) PutCompany(ctx context.Context, c desk.Company) error {
	if err := tx.exec(ctx, `INSERT INTO companies (id, name, created_at) VALUES ($1, $2, $3)
		ON CONFLICT (id) DO UPDATE SET name = $2`, c.ID, clip(c.Name, 200), ms(c.CreatedAt)); err != nil {
		return err
	}
	if err := tx.exec(ctx, `DELETE FROM company_domains WHERE company_id = $1`, c.ID); err != nil {
		return err
	}
	for i, d := range c.Domains {
		n, err := tx.changed(ctx, `INSERT INTO company_domains (domain, company_id, position, verified) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`, d, c.ID, i, slices.Contains(c.Verified, d))
		if err != nil {
			return err
		}
		if n == 0 {
			return &desk.Error{Kind: desk.Conflict, Field: "domains", Text: "the domain " + d + " belongs to another company"}
		}
	}
	return nil
}

// Contact finds a contact.
func (r reads) Contact(ctx context.Context, id desk.ID) (desk.Contact, error) {
	c, err := scanContact(r.x.QueryRowContext(ctx, contactSelect+` WHERE id = $1`, id))
	if err != nil {
		return one("contact", c, err)
	}
	return r.contactParts(ctx, c)
}

// ContactByEmail finds the contact that has the address (normalised).
func (r reads) ContactByEmail(ctx context.Context, email string) (desk.Contact, error) {
	c, err := scanContact(r.x.QueryRowContext(ctx, contactSelect+` WHERE id = (SELECT contact_id FROM contact_addresses WHERE email = $1)`, email))
	if err != nil {
		return one("contact", c, err)
	}
	return r.contactParts(ctx, c)
}

// Senders finds the contacts that have the addresses (normalised), each with this address and the primary company alone: as
// much as filing mails needs. An address that nobody has is left out.
func (r reads) Senders(ctx context.Context, emails []string) (map[string]desk.Contact, error) {
	out := make(map[string]desk.Contact, len(emails))
	for part := range parts(emails) {
		if _, err := collect(ctx, r.x, func(row scanner) (struct{}, error) {
			var c desk.Contact
			var email string
			var company desk.ID
			err := row.Scan(&email, &c.ID, &c.Name, &c.Language, &c.Username, &c.Disabled, millis{&c.CreatedAt}, &company)
			if c.Addresses = []string{email}; company != "" {
				c.Companies = []desk.ID{company}
			}
			out[email] = c
			return struct{}{}, err
		}, `SELECT a.email, c.id, c.name, c.language, COALESCE(c.username, ''), c.disabled, c.created_at,
				COALESCE((SELECT company_id FROM contact_companies WHERE contact_id = c.id ORDER BY position LIMIT 1), '')
			FROM contact_addresses a JOIN contacts c ON c.id = a.contact_id WHERE a.email IN (`+placeholders(1, len(part))+`)`, anys(part)...); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// ContactByLogin finds the contact that signs in with the name: an address or a user name.
func (r reads) ContactByLogin(ctx context.Context, login string) (desk.Contact, error) {
	if email, ok := desk.NormalizeEmail(login); ok {
		c, err := r.ContactByEmail(ctx, email)
		if desk.KindOf(err) != desk.NotFound {
			return c, err
		}
	}
	c, err := scanContact(r.x.QueryRowContext(ctx, contactSelect+` WHERE username = $1`, strings.ToLower(strings.TrimSpace(login))))
	if err != nil {
		return one("contact", c, err)
	}
	return r.contactParts(ctx, c)
}

// Contacts lists contacts, newest first.
func (r reads) Contacts(ctx context.Context, p Page) ([]desk.Contact, error) {
	cs, err := collect(ctx, r.x, scanContact, contactSelect+` WHERE id < $1 ORDER BY id DESC LIMIT $2`, p.before(), p.limit())
	if err != nil {
		return nil, err
	}
	for i := range cs {
		if cs[i], err = r.contactParts(ctx, cs[i]); err != nil {
			return nil, err
		}
	}
	return cs, nil
}

const contactSelect = `SELECT id, name, language, time_zone, COALESCE(username, ''), disabled, created_at FROM contacts`

func scanContact(row scanner) (c desk.Contact, err error) {
	err = row.Scan(&c.ID, &c.Name, &c.Language, &c.TimeZone, &c.Username, &c.Disabled, millis{&c.CreatedAt})
	return c, err
}

func (r reads) contactParts(ctx context.Context, c desk.Contact) (desk.Contact, error) {
	var err error
	if c.Addresses, err = collect(ctx, r.x, scanString, `SELECT email FROM contact_addresses WHERE contact_id = $1 ORDER BY position`, c.ID); err != nil {
		return c, err
	}
	if _, err = collect(ctx, r.x, func(row scanner) (struct{}, error) {
		var company desk.ID
		var main bool
		err := row.Scan(&company, &main)
		if c.Companies = append(c.Companies, company); main {
			c.MainOf = append(c.MainOf, company)
		}
		return struct{}{}, err
	}, `SELECT company_id, main FROM contact_companies WHERE contact_id = $1 ORDER BY position`, c.ID); err != nil {
		return c, err
	}
	c.Suppressed, err = r.suppressions(ctx, c.ID)
	return c, err
}

// AddContact adds a new contact. It answers false, and adds nothing, if somebody has its first address already: two
// first mails of one person may be filed at the same time (REQUIREMENTS I13).
func (tx *Tx) AddContact(ctx context.Context, c desk.Contact) (bool, error) {
	if _, taken, err := tx.unlessTaken(ctx, `INSERT INTO contacts (id, name, language, username, disabled, created_at, time_zone) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		c.ID, clip(c.Name, 200), c.Language, nullable(c.Username), c.Disabled, ms(c.CreatedAt), c.TimeZone); err != nil {
		if taken {
			return false, &desk.Error{Kind: desk.Conflict, Field: "username", Text: "somebody has this user name"}
		}
		return false, err
	}
	for i, email := range c.Addresses {
		n, err := tx.changed(ctx, `INSERT INTO contact_addresses (email, contact_id, position, proved_at) VALUES ($1, $2, $3, 0) ON CONFLICT DO NOTHING`, email, c.ID, i)
		if err != nil {
			return false, err
		}
		switch {
		case n == 1:
		case i == 0:
			return false, tx.exec(ctx, `DELETE FROM contacts WHERE id = $1`, c.ID)
		default:
			return false, addressTaken(email)
		}
	}
	return true, tx.putContactCompanies(ctx, c)
}

// ChangeContact stores all of a contact that is there. An address that another contact has is a Conflict.
func (tx *Tx) ChangeContact(ctx context.Context, c desk.Contact) error {
	n, taken, err := tx.unlessTaken(ctx, `UPDATE contacts SET name = $2, language = $3, username = $4, disabled = $5, time_zone = $6 WHERE id = $1`,
		c.ID, clip(c.Name, 200), c.Language, nullable(c.Username), c.Disabled, c.TimeZone)
	if err != nil {
		if taken {
			return &desk.Error{Kind: desk.Conflict, Field: "username", Text: "somebody has this user name"}
		}
		return err
	}
	if n == 0 {
		return desk.Missing("contact")
	}
	args, but := arguments{c.ID}, ``
	if len(c.Addresses) > 0 {
		but = ` AND email NOT IN (` + args.list(anys(c.Addresses)) + `)`
	}
	if err := tx.exec(ctx, `DELETE FROM contact_addresses WHERE contact_id = $1`+but, args...); err != nil {
		return err
	}
	for i, email := range c.Addresses { // one that stays keeps its proof
		n, err := tx.changed(ctx, `INSERT INTO contact_addresses (email, contact_id, position, proved_at) VALUES ($1, $2, $3, 0)
			ON CONFLICT (email) DO UPDATE SET position = $3 WHERE contact_addresses.contact_id = $2`, email, c.ID, i)
		if err != nil {
			return err
		}
		if n == 0 {
			return addressTaken(email)
		}
	}
	if err := tx.exec(ctx, `DELETE FROM contact_companies WHERE contact_id = $1`, c.ID); err != nil {
		return err
	}
	return tx.putContactCompanies(ctx, c)
}

func addressTaken(email string) error {
	return &desk.Error{Kind: desk.Conflict, Field: "addresses", Text: "another contact has the address " + email}
}

func (tx *Tx) putContactCompanies(ctx context.Context, c desk.Contact) error {
	for i, id := range c.Companies {
		if slices.Contains(c.Companies[:i], id) {
			continue
		}
		if err := tx.exec(ctx, `INSERT INTO contact_companies (contact_id, company_id, position, main) VALUES ($1, $2, $3, $4)`, c.ID, id, i, slices.Contains(c.MainOf, id)); err != nil {
			return err
		}
	}
	return nil
}

func nullable(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// Page is a part of a list that is ordered newest first.
type Page struct {
	Before desk.ID // only what is older than this id; empty: from the newest
	Limit  int     // 1 to 200; else 50
}

// lastID sorts behind every id, whatever the database's collation makes of punctuation (RFC 9562 section 5.10).
const lastID = "ffffffff-ffff-ffff-ffff-ffffffffffff"

func (p Page) before() string {
	if p.Before == "" {
		return lastID
	}
	return string(p.Before)
}

func (p Page) limit() int {
	if p.Limit < 1 || p.Limit > 200 {
		return 50
	}
	return p.Limit
}

// LanguagesOf tells which languages contacts have chosen.
func (r reads) LanguagesOf(ctx context.Context, contacts []desk.ID) (map[desk.ID]string, error) {
	out := map[desk.ID]string{}
	for part := range parts(contacts) {
		_, err := collect(ctx, r.x, func(row scanner) (struct{}, error) {
			var id desk.ID
			var lang string
			err := row.Scan(&id, &lang)
			out[id] = lang
			return struct{}{}, err
		}, `SELECT id, language FROM contacts WHERE language <> '' AND id IN (`+placeholders(1, len(part))+`)`, anys(part)...)
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// LeaveCompany has a contact get no more mail of a company's tickets that they only answered as a colleague.
func (tx *Tx) LeaveCompany(ctx context.Context, contact, company desk.ID) error {
	return tx.exec(ctx, `DELETE FROM participants WHERE contact_id = $1 AND role = 'correspondent' AND ticket_id IN (SELECT id FROM tickets WHERE company_id = $2)`, contact, company)
}
