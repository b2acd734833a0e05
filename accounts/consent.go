package accounts

import (
	"context"

	"postern/desk"
	"postern/store"
)

// ConsentNeeded tells whether somebody has to agree before they go on, and to which text in which language.
func (a *Accounts) ConsentNeeded(ctx context.Context, s desk.Settings, c desk.Contact, lang string) (desk.ConsentText, string, bool, error) {
	consent := s.Access.Consent
	if !consent.Enabled {
		return desk.ConsentText{}, "", false, nil
	}
	last, err := a.db.Consents(ctx, c.ID, desk.PortalPurpose, 1)
	if err != nil {
		return desk.ConsentText{}, "", false, err
	}
	if len(last) > 0 && !consent.Needed(last[0], s.DefaultLanguage) {
		return desk.ConsentText{}, "", false, nil
	}
	text, in := consent.In(lang, s.DefaultLanguage)
	return text, in, true, nil
}

// Consent records that somebody agreed to the version of the text that they were shown, or did not. One that was changed meanwhile is a
// Conflict: they have to read the new one.
func (a *Accounts) Consent(ctx context.Context, c desk.Contact, given bool, lang, version, channel, ip string) error {
	org, err := a.db.Organisation(ctx)
	if err != nil {
		return err
	}
	text, in := org.Settings.Access.Consent.In(lang, org.Settings.DefaultLanguage)
	if text.Version() != version {
		return &desk.Error{Kind: desk.Conflict, Text: "the text has been changed; read the new one", Key: "consent.changed"}
	}
	record := desk.ConsentRecord{Purpose: desk.PortalPurpose, Given: given, Language: in, Version: version, Channel: channel, IP: truncated(ip)}
	return a.db.Update(ctx, func(tx *store.Tx) error {
		if err := tx.KeepConsentText(ctx, text); err != nil {
			return err
		}
		return recordConsent(ctx, tx, c, record)
	})
}

// recordConsent stores what a contact said, if anything was asked.
func recordConsent(ctx context.Context, tx *store.Tx, c desk.Contact, r desk.ConsentRecord) error {
	if r.Version == "" {
		return nil
	}
	r.ID, r.ContactID, r.At = store.NewID(), c.ID, tx.Now()
	r.Actor = desk.Actor{Kind: desk.ActorContact, ID: c.ID}
	if err := tx.AddConsent(ctx, r); err != nil {
		return err
	}
	action := desk.Consented
	if !r.Given {
		action = desk.Declined
	}
	return tx.Audit(desk.As(ctx, r.Actor), action, string(c.ID), map[string]desk.Changed{"version": {Is: r.Version}})
}
