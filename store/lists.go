package store

import (
	"context"
	"slices"
	"time"

	"postern/desk"
)

func scanList(row scanner) (l desk.ContactList, err error) {
	err = row.Scan(&l.ID, &l.Name, packed[[]desk.Condition]{&l.Rule}, millis{&l.CreatedAt})
	return l, err
}

// ContactLists lists all lists of contacts, the oldest first.
func (r reads) ContactLists(ctx context.Context) ([]desk.ContactList, error) {
	return collect(ctx, r.x, scanList, `SELECT id, name, rule, created_at FROM contact_lists ORDER BY id`)
}

// ContactList finds a list by its id or its name.
func (r reads) ContactList(ctx context.Context, idOrName string) (desk.ContactList, error) {
	l, err := scanList(r.x.QueryRowContext(ctx, `SELECT id, name, rule, created_at FROM contact_lists WHERE id = $1 OR name = $1 ORDER BY id = $1 DESC LIMIT 1`, idOrName))
	return one("list", l, err)
}

// PutContactList adds a list, or changes it if its id is there. Two lists of one name are a Conflict.
func (tx *Tx) PutContactList(ctx context.Context, l desk.ContactList) error {
	if _, taken, err := tx.unlessTaken(ctx, `INSERT INTO contact_lists (id, name, rule, created_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (id) DO UPDATE SET name = $2, rule = $3`, l.ID, clip(l.Name, 200), pack(l.Rule), ms(l.CreatedAt)); err != nil {
		if taken {
			return &desk.Error{Kind: desk.Conflict, Field: "name", Text: "there is a list called " + l.Name}
		}
		return err
	}
	return tx.changedSetup(ctx)
}

// DeleteContactList takes a list away. Who was on it is not any more.
func (tx *Tx) DeleteContactList(ctx context.Context, id desk.ID) error {
	n, err := tx.changed(ctx, `DELETE FROM contact_lists WHERE id = $1`, id)
	if err == nil && n == 0 {
		err = desk.Missing("list")
	}
	if err != nil {
		return err
	}
	return tx.changedSetup(ctx)
}

// AddMember puts a contact on a fixed list. It answers false if they are there already.
func (tx *Tx) AddMember(ctx context.Context, list, contact desk.ID) (bool, error) {
	n, err := tx.changed(ctx, `INSERT INTO contact_list_members (list_id, contact_id, added_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, list, contact, ms(tx.Now()))
	return n == 1, err
}

// DropMember takes a contact off a fixed list. It answers false if they were not there.
func (tx *Tx) DropMember(ctx context.Context, list, contact desk.ID) (bool, error) {
	n, err := tx.changed(ctx, `DELETE FROM contact_list_members WHERE list_id = $1 AND contact_id = $2`, list, contact)
	return n == 1, err
}

// Members lists the contacts on a fixed list, the newest contacts first.
func (r reads) Members(ctx context.Context, list desk.ID, p Page) ([]desk.Contact, error) {
	ids, err := collect(ctx, r.x, scanID, `SELECT contact_id FROM contact_list_members WHERE list_id = $1 AND contact_id < $2 ORDER BY contact_id DESC LIMIT $3`, list, p.before(), p.limit())
	if err != nil {
		return nil, err
	}
	out := make([]desk.Contact, len(ids))
	for i, id := range ids {
		if out[i], err = r.Contact(ctx, id); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// FixedLists names the fixed lists that a contact was put on.
func (r reads) FixedLists(ctx context.Context, contact desk.ID) ([]desk.ID, error) {
	return collect(ctx, r.x, scanID, `SELECT list_id FROM contact_list_members WHERE contact_id = $1 ORDER BY list_id`, contact)
}

// Visitor finds a contact with all that decides what they may see now.
func (r reads) Visitor(ctx context.Context, id desk.ID, now time.Time) (desk.Visitor, error) {
	c, err := r.Contact(ctx, id)
	if err != nil {
		return desk.Visitor{}, err
	}
	v := desk.Visitor{Contact: c}
	if v.Fixed, err = r.FixedLists(ctx, id); err != nil || len(c.Companies) == 0 {
		return v, err
	}
	proved, err := collect(ctx, r.x, scanString, `SELECT email FROM contact_addresses WHERE contact_id = $1 AND proved_at > $2`, id, ms(now.Add(-desk.ProvedFor)))
	if err != nil {
		return v, err
	}
	domains := make([]string, len(proved))
	for i, email := range proved {
		domains[i] = desk.DomainOf(email)
	}
	for i, company := range c.Companies {
		m := desk.Membership{CompanyID: company, Primary: i == 0, Main: slices.Contains(c.MainOf, company)}
		if len(domains) > 0 {
			args := arguments{company}
			if err := r.x.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM company_domains WHERE company_id = $1 AND verified AND domain IN (`+args.list(anys(domains))+`))`, args...).Scan(&m.Proved); err != nil {
				return v, err
			}
		}
		v.Memberships = append(v.Memberships, m)
	}
	return v, nil
}

// Proved notes that a link which was sent to an address was used: its mail reaches who signed in.
func (tx *Tx) Proved(ctx context.Context, contact desk.ID, email string) error {
	return tx.exec(ctx, `UPDATE contact_addresses SET proved_at = $3 WHERE contact_id = $1 AND email = $2`, contact, email, ms(tx.Now()))
}

// VerifiedDomains lists the domains of companies that an operator knows to be theirs.
func (r reads) VerifiedDomains(ctx context.Context, companies []desk.ID) ([]string, error) {
	if len(companies) == 0 {
		return nil, nil
	}
	var args arguments
	return collect(ctx, r.x, scanString, `SELECT domain FROM company_domains WHERE verified AND company_id IN (`+args.list(anys(companies))+`) ORDER BY domain`, args...)
}

// AnyVerifiedDomain tells whether any company has a domain that an operator knows to be its own.
func (r reads) AnyVerifiedDomain(ctx context.Context) (any bool, err error) {
	err = r.x.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM company_domains WHERE verified)`).Scan(&any)
	return any, err
}
