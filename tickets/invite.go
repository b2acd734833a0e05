package tickets

import (
	"context"
	"slices"

	"postern/desk"
	"postern/i18n"
	"postern/store"
)

// Invite mails a contact that they may use the portal, to their login address, whether they were invited before or not. It is refused with the
// reason where that is of no use.
func (d *Desk) Invite(ctx context.Context, contact desk.ID) error {
	org, err := d.db.Organisation(ctx)
	if err != nil {
		return err
	}
	return d.db.Update(ctx, func(tx *store.Tx) error {
		c, err := tx.Contact(ctx, contact)
		if err != nil {
			return err
		}
		mb, ok := org.DefaultMailbox()
		switch {
		case d.base != "" && desk.OnlyHere(d.base):
			return &desk.Error{Kind: desk.Conflict, Text: "links lead to " + d.base + ", which only this machine reaches: set base_url first"}
		case c.LoginAddress() == "":
			return desk.Refuse("addresses", "the contact has no address to invite")
		case !ok || !answerable(org, mb, c.LoginAddress()):
			return &desk.Error{Kind: desk.Conflict, Text: "no mailbox can send to " + c.LoginAddress()}
		}
		v, err := tx.Visitor(ctx, c.ID, tx.Now())
		if err != nil {
			return err
		}
		if !org.Settings.Access.MayEnter(v, org.Lists, tx.Now()) {
			return &desk.Error{Kind: desk.Conflict, Text: "the contact may not enter the portal: they are disabled, or on none of the lists that may"}
		}
		if _, err := tx.Invite(ctx, c.ID); err != nil {
			return err
		}
		return d.sendInvitation(ctx, tx, org, mb, c)
	})
}

// inviteOnce invites a contact who is on a list that may enter and never was invited, if invitations are switched on and of use now. It is part of
// the caller's transaction, and tells whether it did.
func (d *Desk) inviteOnce(ctx context.Context, tx *store.Tx, org *store.Organisation, c desk.Contact) (bool, error) {
	mb, ok := org.DefaultMailbox()
	if !ok || !d.invites(org) || !answerable(org, mb, c.LoginAddress()) {
		return false, nil
	}
	v, err := tx.Visitor(ctx, c.ID, tx.Now())
	if err != nil || !org.Settings.Access.MayEnter(v, org.Lists, tx.Now()) {
		return false, err
	}
	if suppressed, err := tx.Suppressed(ctx, c.LoginAddress()); err != nil || suppressed {
		return false, err
	}
	if at, err := tx.Invited(ctx, c.ID); err != nil || !at.IsZero() {
		return false, err
	}
	if first, err := tx.Invite(ctx, c.ID); err != nil || !first { // another process may be at it
		return false, err
	}
	return true, d.sendInvitation(ctx, tx, org, mb, c)
}

// invites tells whether members of lists are invited by themselves, now.
func (d *Desk) invites(org *store.Organisation) bool {
	return org.Settings.Access.Entry == desk.EntryLists && org.Settings.Invitation.Enabled && (d.base == "" || !desk.OnlyHere(d.base))
}

func (d *Desk) sendInvitation(ctx context.Context, tx *store.Tx, org *store.Organisation, mb desk.Mailbox, c desk.Contact) error {
	text, _, err := d.wordsFor(org, mb, c, org.Settings.Invitation, desk.DefaultSettings().Invitation, func(t i18n.MailTexts) i18n.MailWords { return t.Invitation }, desk.V1)
	if err != nil {
		return err
	}
	if err := d.sendAccess(ctx, tx, mb, c, desk.InviteMail, text); err != nil {
		return err
	}
	return tx.Audit(ctx, desk.Invited, string(c.ID), nil)
}

// InviteListed invites everybody who is on a list that may enter and never was invited; each call to step is one of them. It is called when lists
// or settings have changed, and when the gateway starts: it may be stopped at any time, and goes on the next time.
func (d *Desk) InviteListed(ctx context.Context, step func()) error {
	org, err := d.db.FreshOrganisation(ctx)
	if err != nil || !d.invites(org) {
		return err
	}
	return d.listed(ctx, org, func(part []desk.Contact) error {
		return d.db.Update(ctx, func(tx *store.Tx) error {
			for _, c := range part {
				is, err := d.inviteOnce(ctx, tx, org, c)
				if err != nil {
					return err
				}
				if is && step != nil {
					step()
				}
			}
			return nil
		})
	})
}

// WaitingForInvitation counts who would be invited if links led to the portal: nobody, where they do.
func (d *Desk) WaitingForInvitation(ctx context.Context) (int, error) {
	org, err := d.db.FreshOrganisation(ctx)
	if err != nil || d.base == "" || !desk.OnlyHere(d.base) || org.Settings.Access.Entry != desk.EntryLists || !org.Settings.Invitation.Enabled {
		return 0, err
	}
	n := 0
	return n, d.listed(ctx, org, func(part []desk.Contact) error {
		for _, c := range part {
			at, err := d.db.Invited(ctx, c.ID)
			if err != nil {
				return err
			}
			if at.IsZero() && !c.Disabled && c.LoginAddress() != "" {
				n++
			}
		}
		return nil
	})
}

// listed goes through the contacts on the lists that may enter, some at a time. One that is on several comes several times.
func (d *Desk) listed(ctx context.Context, org *store.Organisation, do func([]desk.Contact) error) error {
	for _, l := range org.Lists {
		if !slices.Contains(org.Settings.Access.Lists, l.ID) {
			continue
		}
		for page := (store.Page{Limit: 100}); ; {
			members, last, more, err := d.ListMembers(ctx, string(l.ID), page)
			if err != nil {
				return err
			}
			if err := do(members); err != nil {
				return err
			}
			if page.Before = last; !more {
				break
			}
		}
	}
	return nil
}
