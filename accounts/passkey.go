package accounts

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/netip"
	"net/url"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"postern/desk"
	"postern/store"
)

// Passkeys are for one site: a browser gives a passkey to the host that it was made for, and to no other (Web Authentication Level 3, W3C).
type Passkeys struct {
	a    *Accounts
	site *webauthn.WebAuthn
}

const (
	passkeyWithin = 5 * time.Minute // how long somebody may take to use one
	maxPasskeys   = 20              // of one person
	maxKeyName    = 100             // characters
)

// ErrWrongPasskey says that a passkey is not known here, or could not prove itself.
var ErrWrongPasskey = &desk.Error{Kind: desk.Unauthenticated, Text: "This passkey is not known here", Key: "passkey.wrong"} //nolint:gochecknoglobals // never changes

// Passkeys gives those of the portal at an address. ok is false where browsers offer none: they need TLS, or localhost, and a name instead of an IP address.
func (a *Accounts) Passkeys(base, title string) (keys Passkeys, ok bool, err error) {
	u, err := url.Parse(base)
	if err != nil || u.Hostname() == "" {
		return Passkeys{}, false, nil //nolint:nilerr // it is no address that a browser could be at
	}
	if _, err := netip.ParseAddr(u.Hostname()); err == nil || u.Scheme != "https" && u.Hostname() != "localhost" {
		return Passkeys{}, false, nil
	}
	timeout := webauthn.TimeoutConfig{Enforce: true, Timeout: passkeyWithin, TimeoutUVD: passkeyWithin}
	site, err := webauthn.New(&webauthn.Config{
		RPID: u.Hostname(), RPDisplayName: title, RPOrigins: []string{u.Scheme + "://" + u.Host}, AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{ResidentKey: protocol.ResidentKeyRequirementRequired, UserVerification: protocol.VerificationRequired},
		Timeouts:               webauthn.TimeoutsConfig{Login: timeout, Registration: timeout},
	})
	return Passkeys{a, site}, err == nil, err
}

// owner is a contact as the library sees one. The user handle is the contact's id: it says nothing about the person.
type owner struct {
	desk.Contact
	keys []webauthn.Credential
}

func (o owner) WebAuthnID() []byte { return []byte(o.ID) }
func (o owner) WebAuthnName() string {
	if email := o.LoginAddress(); email != "" {
		return email
	}
	return o.Username
}
func (o owner) WebAuthnDisplayName() string {
	if o.Name != "" {
		return o.Name
	}
	return o.WebAuthnName()
}
func (o owner) WebAuthnCredentials() []webauthn.Credential { return o.keys }

func (k Passkeys) owner(ctx context.Context, id desk.ID) (owner, []store.Passkey, error) {
	c, err := k.a.db.Contact(ctx, id)
	if err != nil {
		return owner{}, nil, err
	}
	stored, err := k.a.db.Passkeys(ctx, id)
	if err != nil {
		return owner{}, nil, err
	}
	o := owner{Contact: c}
	for _, s := range stored {
		var key webauthn.Credential
		if err := json.Unmarshal([]byte(s.Data), &key); err != nil {
			return owner{}, nil, err
		}
		o.keys = append(o.keys, key)
	}
	return o, stored, nil
}

// BeginAdding begins to make a passkey for somebody who is signed in: options are for their browser, as JSON, state is for Add and for nobody else to see.
func (k Passkeys) BeginAdding(ctx context.Context, contact desk.ID) (options, state []byte, err error) {
	o, _, err := k.owner(ctx, contact)
	if err != nil {
		return nil, nil, err
	}
	if len(o.keys) >= maxPasskeys {
		return nil, nil, &desk.Error{Kind: desk.Conflict, Text: "there are too many passkeys; remove one first"}
	}
	creation, session, err := k.site.BeginRegistration(o, webauthn.WithExclusions(webauthn.Credentials(o.keys).CredentialDescriptors()))
	if err != nil {
		return nil, nil, err
	}
	return packed(creation, session)
}

// Add keeps the passkey that a browser has made. What does not answer state, or is too late, is ErrWrongPasskey.
func (k Passkeys) Add(ctx context.Context, contact desk.ID, state, answer []byte, name string) error {
	o, _, err := k.owner(ctx, contact)
	if err != nil {
		return err
	}
	var session webauthn.SessionData
	if err := json.Unmarshal(state, &session); err != nil {
		return errors.Join(ErrWrongPasskey, err)
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(answer)
	if err != nil {
		return errors.Join(ErrWrongPasskey, err)
	}
	key, err := k.site.CreateCredential(o, session, parsed)
	if err != nil {
		return errors.Join(ErrWrongPasskey, err)
	}
	data, err := json.Marshal(key)
	if err != nil {
		return err
	}
	if r := []rune(name); len(r) > maxKeyName {
		name = string(r[:maxKeyName])
	}
	return k.a.db.Update(ctx, func(tx *store.Tx) error {
		if err := tx.AddPasskey(ctx, store.Passkey{ID: keyID(key.ID), ContactID: contact, Name: name, Data: string(data), CreatedAt: tx.Now()}); err != nil {
			return err
		}
		return tx.Audit(desk.As(ctx, desk.Actor{Kind: desk.ActorContact, ID: contact}), desk.PasskeyAdded, string(contact), nil)
	})
}

// BeginSigningIn begins to sign somebody in who says by their passkey who they are. Anybody may ask, and each time leaves a session behind: too often from
// one place is TooMany.
func (k Passkeys) BeginSigningIn(ctx context.Context, ip string) (options, state []byte, err error) {
	if err := k.a.db.Update(ctx, func(tx *store.Tx) error { return countHit(ctx, tx, "passkeys from "+placeOf(ip), triesPerPlace) }); err != nil {
		return nil, nil, err
	}
	assertion, session, err := k.site.BeginDiscoverableLogin()
	if err != nil {
		return nil, nil, err
	}
	return packed(assertion, session)
}

// SignIn gives the contact whose passkey has answered state. A key that is not known, that somebody has taken away, or that seems to have been copied is
// ErrWrongPasskey; too many tries from one place are TooMany.
func (k Passkeys) SignIn(ctx context.Context, state, answer []byte, ip string) (desk.Contact, error) {
	place := "sign-in from " + placeOf(ip)
	if err := k.a.db.Update(ctx, func(tx *store.Tx) error { return countHit(ctx, tx, place, triesPerPlace) }); err != nil {
		return desk.Contact{}, err
	}
	c, err := k.proved(ctx, state, answer)
	if err != nil {
		if desk.KindOf(err) == desk.Unauthenticated {
			return desk.Contact{}, cmp.Or(k.a.audit(ctx, desk.SignInFailed, "", ip), err)
		}
		return desk.Contact{}, err
	}
	return c, k.a.db.Update(ctx, func(tx *store.Tx) error { return tx.TakeBackHit(ctx, place) })
}

func (k Passkeys) proved(ctx context.Context, state, answer []byte) (desk.Contact, error) {
	var session webauthn.SessionData
	if err := json.Unmarshal(state, &session); err != nil {
		return desk.Contact{}, errors.Join(ErrWrongPasskey, err)
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(answer)
	if err != nil {
		return desk.Contact{}, errors.Join(ErrWrongPasskey, err)
	}
	var who owner
	var stored []store.Passkey
	var trouble error // that is not the visitor's fault
	key, err := k.site.ValidateDiscoverableLogin(func(_, handle []byte) (webauthn.User, error) {
		who, stored, err = k.owner(ctx, desk.ID(handle))
		if err != nil && desk.KindOf(err) != desk.NotFound {
			trouble = err
		}
		return who, err
	}, session, parsed)
	switch {
	case trouble != nil:
		return desk.Contact{}, trouble
	case err != nil:
		return desk.Contact{}, errors.Join(ErrWrongPasskey, err)
	case key.Authenticator.CloneWarning || who.Disabled:
		return desk.Contact{}, ErrWrongPasskey
	}
	data, err := json.Marshal(key)
	if err != nil {
		return desk.Contact{}, err
	}
	for _, s := range stored {
		if s.ID != keyID(key.ID) {
			continue
		}
		return who.Contact, k.a.db.Update(ctx, func(tx *store.Tx) error {
			s.Data, s.UsedAt = string(data), tx.Now()
			return tx.UsePasskey(ctx, s)
		})
	}
	return desk.Contact{}, ErrWrongPasskey
}

// RemovePasskey takes one of somebody's passkeys away. One that is not theirs is NotFound.
func (a *Accounts) RemovePasskey(ctx context.Context, contact desk.ID, id string) error {
	return a.db.Update(ctx, func(tx *store.Tx) error {
		theirs, err := tx.RemovePasskey(ctx, contact, id)
		if err == nil && !theirs {
			err = desk.Missing("passkey")
		}
		if err != nil {
			return err
		}
		return tx.Audit(desk.As(ctx, desk.Actor{Kind: desk.ActorContact, ID: contact}), desk.PasskeyRemoved, string(contact), nil)
	})
}

func keyID(id []byte) string { return base64.RawURLEncoding.EncodeToString(id) }

func packed(options any, session *webauthn.SessionData) (forBrowser, state []byte, err error) {
	if forBrowser, err = json.Marshal(options); err != nil {
		return nil, nil, err
	}
	state, err = json.Marshal(session)
	return forBrowser, state, err
}
