package tickets

import (
	"context"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"

	"postern/desk"
	"postern/store"
)

// AddCompany adds a company that an operator names. A domain where anybody can get an address is refused. verified are those of its domains
// that the operator knows to be the company's.
func (d *Desk) AddCompany(ctx context.Context, name string, domains []string, verified ...string) (desk.Company, error) {
	co := desk.Company{ID: store.NewID()}
	if err := fillCompany(&co, CompanyChange{Name: &name, Domains: &domains, Verified: &verified}); err != nil {
		return co, err
	}
	return co, d.db.Update(ctx, func(tx *store.Tx) error {
		co.CreatedAt = tx.Now()
		if err := tx.PutCompany(ctx, co); err != nil {
			return err
		}
		return tx.Audit(ctx, desk.CompanyAdded, string(co.ID), nil)
	})
}

// CompanyChange says what to change of a company; nil leaves it as it is.
type CompanyChange struct {
	Name     *string
	Domains  *[]string
	Verified *[]string // those of its domains that an operator knows to be the company's; a domain that goes is not verified any more
}

// ChangeCompany changes a company.
func (d *Desk) ChangeCompany(ctx context.Context, id desk.ID, change CompanyChange) (desk.Company, error) {
	var co desk.Company
	err := d.db.Update(ctx, func(tx *store.Tx) error {
		var err error
		if co, err = tx.Company(ctx, id); err != nil {
			return err
		}
		before := co
		if err := fillCompany(&co, change); err != nil {
			return err
		}
		if err := tx.PutCompany(ctx, co); err != nil {
			return err
		}
		return tx.Audit(ctx, desk.CompanyChanged, string(co.ID), desk.Differences(before, co))
	})
	return co, err
}

func fillCompany(co *desk.Company, change CompanyChange) error {
	if change.Name != nil {
		if co.Name = strings.TrimSpace(*change.Name); co.Name == "" {
			return desk.Refuse("name", "a company needs a name")
		}
	}
	if change.Domains != nil {
		co.Domains = []string{}
		for _, raw := range *change.Domains {
			domain, ok := desk.NormalizeDomain(raw)
			switch {
			case !ok:
				return desk.Refuse("domains", "%q is not a domain such as acme.example", raw)
			case publicSuffix(domain):
				return desk.Refuse("domains", "anybody can register a domain under %s, so it can't tell who belongs to a company", domain)
			case desk.PublicMailDomain(domain):
				return desk.Refuse("domains", "%s is open to everybody, so it can't tell who belongs to a company", domain)
			case !slices.Contains(co.Domains, domain):
				co.Domains = append(co.Domains, domain)
			}
		}
	}
	verified := co.Verified
	if change.Verified != nil {
		verified = nil
		for _, raw := range *change.Verified {
			domain, _ := desk.NormalizeDomain(raw)
			if !slices.Contains(co.Domains, domain) {
				return desk.Refuse("verified_domains", "%q is not one of the company's domains", raw)
			}
			verified = append(verified, domain)
		}
	}
	co.Verified = nil
	for _, domain := range verified {
		if slices.Contains(co.Domains, domain) && !slices.Contains(co.Verified, domain) {
			co.Verified = append(co.Verified, domain)
		}
	}
	return nil
}

// publicSuffix tells whether people who have nothing to do with each other have domains right under this one, as under
// co.uk or github.io (publicsuffix.org).
func publicSuffix(domain string) bool {
	suffix, byRegistry := publicsuffix.PublicSuffix(domain)
	return suffix == domain && (byRegistry || strings.Contains(suffix, "."))
}

// NewContact is a contact that an operator or a program adds.
type NewContact struct {
	Name      string
	Addresses []string
	Companies []desk.ID // empty: the company that owns the first address's domain
	MainOf    []desk.ID // those of Companies whose main contact this is
	Language  string
	TimeZone  string
	Username  string
	Welcome   bool // send the welcome mail
}

// AddContact adds a contact, and tells whether a welcome mail goes out. An address that another contact has is a
// Conflict.
func (d *Desk) AddContact(ctx context.Context, in NewContact) (desk.Contact, bool, error) {
	c := desk.Contact{ID: store.NewID()}
	err := fillContact(&c, ContactChange{Name: &in.Name, Addresses: &in.Addresses, Companies: &in.Companies, MainOf: &in.MainOf, Language: &in.Language, TimeZone: &in.TimeZone, Username: &in.Username})
	if err != nil {
		return c, false, err
	}
	if c.Name == "" && len(c.Addresses) == 0 {
		return c, false, desk.Refuse("addresses", "a contact needs an address or a name")
	}
	org, err := d.db.Organisation(ctx)
	if err != nil {
		return c, false, err
	}
	welcomed := false
	err = d.db.Update(ctx, func(tx *store.Tx) error {
		c.CreatedAt = tx.Now()
		if len(in.Companies) == 0 {
			company, err := tx.CompanyForEmail(ctx, c.LoginAddress())
			switch {
			case err == nil:
				c.Companies = []desk.ID{company}
			case desk.KindOf(err) != desk.NotFound:
				return err
			}
		}
		if err := checkCompanies(ctx, tx, c.Companies); err != nil {
			return err
		}
		if err := notAgents(ctx, tx, c); err != nil {
			return err
		}
		added, err := tx.AddContact(ctx, c)
		if err != nil {
			return err
		}
		if !added {
			return &desk.Error{Kind: desk.Conflict, Field: "addresses", Text: "another contact has the address " + c.LoginAddress()}
		}
		if err := tx.Audit(ctx, desk.ContactAdded, string(c.ID), nil); err != nil {
			return err
		}
		mb, ok := org.DefaultMailbox()
		if !in.Welcome || !ok {
			return nil
		}
		// The operator says whose address it is: as sure as a receiver's DMARC.
		welcomed, err = d.Welcome(ctx, tx, org, mb, c, desk.V1)
		return err
	})
	return c, welcomed, err
}

func checkCompanies(ctx context.Context, tx *store.Tx, ids []desk.ID) error {
	for _, id := range ids {
		if _, err := tx.Company(ctx, id); err != nil {
			if desk.KindOf(err) == desk.NotFound {
				return desk.Refuse("companies", "there is no company %s", id)
			}
			return err
		}
	}
	return nil
}

// ContactChange says what to change of a contact; nil leaves it as it is.
type ContactChange struct {
	Name      *string
	Addresses *[]string
	Companies *[]desk.ID
	MainOf    *[]desk.ID
	Language  *string
	TimeZone  *string
	Username  *string
	Disabled  *bool
	// Unsuppress has automatic mail sent to its addresses again, even where somebody complained.
	Unsuppress bool
}

// ChangeContact changes a contact. A contact that is disabled, or whose login address changes, is signed out everywhere.
func (d *Desk) ChangeContact(ctx context.Context, id desk.ID, change ContactChange) (desk.Contact, error) {
	var c desk.Contact
	org, err := d.db.Organisation(ctx)
	if err != nil {
		return c, err
	}
	err = d.db.Update(ctx, func(tx *store.Tx) error {
		before, err := tx.Contact(ctx, id)
		if err != nil {
			return err
		}
		c = before
		if err := fillContact(&c, change); err != nil {
			return err
		}
		if err := checkCompanies(ctx, tx, c.Companies); err != nil {
			return err
		}
		if c.Disabled || c.LoginAddress() != before.LoginAddress() {
			if err := tx.EndSessions(ctx, id); err != nil {
				return err
			}
		}
		// Whoever edits the contact has looked at its addresses.
		for _, email := range c.Addresses {
			if err := tx.Reached(ctx, email, tx.Now()); err != nil {
				return err
			}
			if change.Unsuppress {
				if err := tx.Unsuppress(ctx, email); err != nil {
					return err
				}
			}
		}
		if err := notAgents(ctx, tx, c); err != nil {
			return err
		}
		if err := tx.ChangeContact(ctx, c); err != nil {
			return err
		}
		for _, company := range before.Companies {
			if !slices.Contains(c.Companies, company) {
				if err := tx.LeaveCompany(ctx, id, company); err != nil {
					return err
				}
			}
		}
		if c, err = tx.Contact(ctx, id); err != nil {
			return err
		}
		if _, err := d.inviteOnce(ctx, tx, org, c); err != nil {
			return err
		}
		return tx.Audit(ctx, desk.ContactChanged, string(id), contactChanges(before, c))
	})
	return c, err
}

func fillContact(c *desk.Contact, change ContactChange) error {
	if change.Name != nil {
		c.Name = strings.TrimSpace(*change.Name)
	}
	if change.Addresses != nil {
		c.Addresses = []string{}
		for _, raw := range *change.Addresses {
			email, ok := desk.NormalizeEmail(raw)
			if !ok {
				return desk.Refuse("addresses", "%q is not a mail address", raw)
			}
			if !slices.Contains(c.Addresses, email) {
				c.Addresses = append(c.Addresses, email)
			}
		}
	}
	if change.Companies != nil {
		c.Companies = *change.Companies
		c.MainOf = slices.DeleteFunc(slices.Clone(c.MainOf), func(id desk.ID) bool { return !slices.Contains(c.Companies, id) })
	}
	if change.MainOf != nil {
		for _, id := range *change.MainOf {
			if !slices.Contains(c.Companies, id) {
				return desk.Refuse("main_of", "the contact does not belong to the company %s", id)
			}
		}
		c.MainOf = *change.MainOf
	}
	if change.Language != nil {
		c.Language = *change.Language
	}
	if change.TimeZone != nil {
		if err := desk.CheckTimeZone("time_zone", *change.TimeZone); err != nil {
			return err
		}
		c.TimeZone = *change.TimeZone
	}
	if change.Username != nil {
		c.Username = strings.ToLower(strings.TrimSpace(*change.Username))
		if strings.ContainsAny(c.Username, "@ \t") {
			return desk.Refuse("username", "a user name has no @ and no spaces")
		}
	}
	if change.Disabled != nil {
		c.Disabled = *change.Disabled
	}
	return nil
}

// contactChanges is what the audit log tells of a change: which companies somebody belongs to and whether they may sign in, but neither names
// nor addresses, for what is written down there stays when a person is forgotten.
func contactChanges(before, after desk.Contact) map[string]desk.Changed {
	out := desk.Differences(
		map[string]any{"companies": before.Companies, "main_of": before.MainOf, "disabled": before.Disabled, "language": before.Language},
		map[string]any{"companies": after.Companies, "main_of": after.MainOf, "disabled": after.Disabled, "language": after.Language})
	for field, same := range map[string]bool{
		"name": before.Name == after.Name, "addresses": slices.Equal(before.Addresses, after.Addresses), "username": before.Username == after.Username,
	} {
		if !same {
			out[field] = desk.Changed{Was: "…", Is: "…"}
		}
	}
	return out
}

// Own is what contacts may change of themselves; nil leaves something as it is.
type Own struct{ Name, TimeZone, Language *string }

// ChangeOwn changes a contact as they ask.
func (d *Desk) ChangeOwn(ctx context.Context, contact desk.ID, own Own) error {
	if own.TimeZone != nil {
		if err := desk.CheckTimeZone("time_zone", *own.TimeZone); err != nil {
			return err
		}
	}
	return d.db.Update(ctx, func(tx *store.Tx) error {
		c, err := tx.Contact(ctx, contact)
		if err != nil {
			return err
		}
		before := c
		for field, to := range map[*string]*string{&c.Name: own.Name, &c.TimeZone: own.TimeZone, &c.Language: own.Language} {
			if to != nil {
				*field = *to
			}
		}
		if err := tx.ChangeContact(ctx, c); err != nil {
			return err
		}
		return tx.Audit(desk.As(ctx, desk.Actor{Kind: desk.ActorContact, ID: contact}), desk.ContactChanged, string(contact), contactChanges(before, c))
	})
}
