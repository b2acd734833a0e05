package accounts

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/netip"
	"strings"
	"time"

	"postern/desk"
	"postern/store"
)

// Applicant is what somebody says who wants to register.
type Applicant struct {
	Name, Email, Company string
	Password             string // empty: they sign in by link
	Language, TimeZone   string
	Agreed               bool   // to the text whose version is Version, in Language
	Version              string // of the consent text that the page has shown
	Browser              string // a secret that only the browser has in which this was typed
	IP                   string
}

// Register has a mail sent by which the applicant proves their address; nothing is made before that. The answer, and the work, are the same
// whether the address is somebody's or nobody's (REQUIREMENTS P2, L9): an address that has an account is told so by mail, one that may not
// register gets none. What is wrong with the input itself is Invalid.
func (a *Accounts) Register(ctx context.Context, in Applicant) error {
	org, err := a.db.Organisation(ctx)
	if err != nil {
		return err
	}
	access := org.Settings.Access
	if access.Registration == desk.RegistrationClosed {
		return &desk.Error{Kind: desk.Forbidden, Text: "nobody can register here", Key: "register.closed"}
	}
	email, ok := desk.NormalizeEmail(in.Email)
	if !ok {
		return &desk.Error{Kind: desk.Invalid, Field: "email", Text: "enter a mail address", Key: "register.need_email"}
	}
	text, lang := access.Consent.In(in.Language, org.Settings.DefaultLanguage)
	if access.Consent.Enabled && (!in.Agreed || in.Version != text.Version()) {
		return &desk.Error{Kind: desk.Invalid, Field: "consent", Text: "agree to the text, or you can't register", Key: "register.need_consent"}
	}
	if !access.Password {
		in.Password = ""
	}
	if in.Password != "" {
		if err := CheckPassword(in.Password, desk.Contact{Addresses: []string{email}}); err != nil {
			return err
		}
	}
	hash, err := a.hash(ctx, in.Password) // for everybody: the work is the same
	if err != nil {
		return err
	}
	if in.Password == "" {
		hash = ""
	}
	if access.Registration == desk.RegistrationDomains && !domainAllowed(access.Domains, email) {
		return &desk.Error{Kind: desk.Invalid, Field: "email", Text: "this domain can't register", Key: "register.domain"}
	}
	r := store.Registration{Email: email, Name: strings.TrimSpace(in.Name), Company: strings.TrimSpace(in.Company), Password: hash, Language: in.Language, TimeZone: in.TimeZone, Browser: in.Browser}
	if access.Consent.Enabled {
		r.Consent = desk.ConsentRecord{Purpose: desk.PortalPurpose, Given: true, Language: lang, Version: text.Version(), Channel: "registration", IP: truncated(in.IP)}
	}
	return a.db.Update(ctx, func(tx *store.Tx) error { return a.register(ctx, tx, org, r, text, in.IP) })
}

func domainAllowed(domains []string, email string) bool {
	for _, d := range domains {
		if desk.DomainOf(email) == d {
			return true
		}
	}
	return false
}

func (a *Accounts) register(ctx context.Context, tx *store.Tx, org *store.Organisation, r store.Registration, text desk.ConsentText, ip string) error {
	n, err := tx.Hit(ctx, "registrations from "+placeOf(ip), time.Hour)
	if err != nil {
		return err
	}
	if n > registrationsPlace {
		return &desk.Error{Kind: desk.TooMany, Text: "Too many registrations from here. Try again in an hour", Key: "register.too_many"}
	}
	few, err := fewEnough(ctx, tx, "registration", fingerprint(r.Email), ip)
	mb, can := org.DefaultMailbox()
	if err != nil || !few || !can || mb.SMTP == "" || org.Inside(r.Email) {
		return err
	}
	if suppressed, err := tx.Suppressed(ctx, r.Email); err != nil || suppressed {
		return err
	}
	c, err := tx.ContactByEmail(ctx, r.Email)
	switch {
	case err == nil:
		return a.known(ctx, tx, org, mb, c, r)
	case desk.KindOf(err) != desk.NotFound:
		return err
	case org.Settings.Access.Registration == desk.RegistrationLists:
		return nil // only contacts are on lists
	}
	if r.Consent.Version != "" {
		if err := tx.KeepConsentText(ctx, text); err != nil {
			return err
		}
	}
	return a.mailer.SendConfirmation(ctx, tx, mb, r)
}

// known mails somebody who has an account that they have one. Who may not sign in gets nothing.
func (a *Accounts) known(ctx context.Context, tx *store.Tx, org *store.Organisation, mb desk.Mailbox, c desk.Contact, r store.Registration) error {
	v, err := tx.Visitor(ctx, c.ID, tx.Now())
	if err != nil {
		return err
	}
	if c.LoginAddress() != r.Email || !org.Settings.Access.MayEnter(v, org.Lists, tx.Now()) {
		return nil
	}
	return a.mailer.SendLink(ctx, tx, mb, c, desk.KnownMail, desk.LinkSignIn)
}

// Confirmation tells which registration an unused link is for, without spending it. Anything else is ErrLink.
func (a *Accounts) Confirmation(ctx context.Context, secret string) (store.Registration, error) {
	return confirmation(ctx, a.db, a.db.Now(), secret)
}

type registrationReader interface {
	Registration(ctx context.Context, hash [32]byte, now time.Time) (store.Registration, error)
}

func confirmation(ctx context.Context, r registrationReader, now time.Time, secret string) (store.Registration, error) {
	if secret == "" {
		return store.Registration{}, ErrLink
	}
	found, err := r.Registration(ctx, sha256.Sum256([]byte(secret)), now)
	if desk.KindOf(err) == desk.NotFound {
		err = ErrLink
	}
	return found, err
}

// Confirm spends a registration's link: the address is proved, and its contact is made, or is the one who has the address by now; then
// their account stays as it is.
//
// The link proves who reads the address' mail, and not who typed the registration: anybody can type somebody else's address. So the password and the
// consent count only in the browser that they were typed in. Elsewhere, again tells that a password was left out and has to be chosen once more.
func (a *Accounts) Confirm(ctx context.Context, secret, browser string) (c desk.Contact, again bool, err error) {
	err = a.db.Update(ctx, func(tx *store.Tx) error {
		r, err := confirmation(ctx, tx, tx.Now(), secret)
		if err != nil {
			return err
		}
		if r.Browser == "" || subtle.ConstantTimeCompare([]byte(r.Browser), []byte(browser)) == 0 {
			again = r.Password != ""
			r.Password, r.Consent = "", desk.ConsentRecord{}
		}
		c, err = tx.ContactByEmail(ctx, r.Email)
		if err != nil && desk.KindOf(err) != desk.NotFound {
			return err
		}
		if err == nil {
			again = false
		} else if c, err = a.contactOf(ctx, tx, r); err != nil {
			return err
		}
		if c.Disabled {
			return ErrLink
		}
		if err := tx.Proved(ctx, c.ID, r.Email); err != nil {
			return err
		}
		if err := recordConsent(ctx, tx, c, r.Consent); err != nil {
			return err
		}
		return tx.EndRegistrations(ctx, r.Email)
	})
	return c, again, err
}

// contactOf makes the contact of a registration.
func (a *Accounts) contactOf(ctx context.Context, tx *store.Tx, r store.Registration) (desk.Contact, error) {
	c := desk.Contact{ID: store.NewID(), Name: r.Name, Addresses: []string{r.Email}, Language: r.Language, CreatedAt: tx.Now()}
	if desk.CheckTimeZone("", r.TimeZone) == nil { // a browser says it: what is none is not kept
		c.TimeZone = r.TimeZone
	}
	company, err := tx.CompanyForEmail(ctx, r.Email)
	switch {
	case err == nil:
		c.Companies = []desk.ID{company}
	case desk.KindOf(err) != desk.NotFound:
		return c, err
	}
	if added, err := tx.AddContact(ctx, c); err != nil || !added {
		return c, errors.Join(err, errUnlessAdded(added))
	}
	if _, err := tx.Welcomed(ctx, r.Email); err != nil { // they know the portal already
		return c, err
	}
	if r.Password != "" {
		if err := tx.PutPassword(ctx, c.ID, store.Password{Hash: r.Password, ChangedAt: tx.Now()}); err != nil {
			return c, err
		}
	}
	ctx = desk.As(ctx, desk.Actor{Kind: desk.ActorContact, ID: c.ID})
	changes := map[string]desk.Changed{}
	if r.Company != "" {
		changes["company_hint"] = desk.Changed{Is: r.Company}
	}
	return c, tx.Audit(ctx, desk.Registered, string(c.ID), changes)
}

func errUnlessAdded(added bool) error {
	if added {
		return nil
	}
	return ErrLink // somebody has got the address at this moment: the next link leads in
}

// truncated gives an address without the part that names one machine: a consent's record needs no more (REQUIREMENTS G1).
func truncated(ip string) string {
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return ""
	}
	bits := 24
	if addr.Is6() && !addr.Is4In6() {
		bits = 48
	}
	p, err := addr.Unmap().Prefix(bits)
	if err != nil {
		return ""
	}
	return p.String()
}
