package tickets

import (
	"context"
	"slices"
	"strings"

	"postern/desk"
	"postern/store"
)

// AddList adds a list of contacts: fixed, or with a rule that says who is on it.
func (d *Desk) AddList(ctx context.Context, name string, rule []desk.Condition) (desk.ContactList, error) {
	l := desk.ContactList{ID: store.NewID(), Name: strings.TrimSpace(name), Rule: rule}
	if l.Rule == nil {
		l.Rule = []desk.Condition{}
	}
	if err := l.Check(); err != nil {
		return l, err
	}
	return l, d.db.Update(ctx, func(tx *store.Tx) error {
		l.CreatedAt = tx.Now()
		if err := tx.PutContactList(ctx, l); err != nil {
			return err
		}
		return tx.Audit(ctx, desk.ListAdded, string(l.ID), desk.Differences(desk.ContactList{}, l))
	})
}

// ListChange says what to change of a list; nil leaves it as it is.
type ListChange struct {
	Name *string
	Rule *[]desk.Condition // not of a fixed list that has members: who was put there by hand would not be on it any more
}

// ChangeList changes a list, named by id or name. What it decides, it decides anew at once.
func (d *Desk) ChangeList(ctx context.Context, idOrName string, change ListChange) (desk.ContactList, error) {
	var l desk.ContactList
	err := d.db.Update(ctx, func(tx *store.Tx) error {
		var err error
		if l, err = tx.ContactList(ctx, idOrName); err != nil {
			return err
		}
		before := l
		if change.Name != nil {
			l.Name = strings.TrimSpace(*change.Name)
		}
		if change.Rule != nil {
			members, err := tx.Members(ctx, l.ID, store.Page{Limit: 1})
			if err != nil {
				return err
			}
			if len(members) > 0 && len(*change.Rule) > 0 {
				return &desk.Error{Kind: desk.Conflict, Field: "rule", Text: "the list has members; take them off first, or make a list with this rule beside it"}
			}
			l.Rule = slices.Clone(*change.Rule)
		}
		if err := l.Check(); err != nil {
			return err
		}
		if err := tx.PutContactList(ctx, l); err != nil {
			return err
		}
		return tx.Audit(ctx, desk.ListChanged, string(l.ID), desk.Differences(before, l))
	})
	if err == nil {
		err = d.InviteListed(ctx, nil)
	}
	return l, err
}

// DeleteList takes a list away. One that the settings name is a Conflict: what it decides must be decided otherwise first.
func (d *Desk) DeleteList(ctx context.Context, idOrName string) error {
	return d.db.Update(ctx, func(tx *store.Tx) error {
		l, err := tx.ContactList(ctx, idOrName)
		if err != nil {
			return err
		}
		settings, err := tx.Settings(ctx)
		if err != nil {
			return err
		}
		for place, ids := range map[string][]desk.ID{"access.lists": settings.Access.Lists, "sharing.lists": settings.Sharing.Lists} {
			if slices.Contains(ids, l.ID) {
				return &desk.Error{Kind: desk.Conflict, Text: "the setting " + place + " names this list; change that first"}
			}
		}
		if err := tx.DeleteContactList(ctx, l.ID); err != nil {
			return err
		}
		return tx.Audit(ctx, desk.ListDeleted, string(l.ID), desk.Differences(l, desk.ContactList{}))
	})
}

// ChangeMembers puts contacts on a fixed list and takes others off, and tells how many that were. What the list decides, it decides anew at once.
func (d *Desk) ChangeMembers(ctx context.Context, idOrName string, add, drop []desk.ID) (added, dropped int, err error) {
	org, err := d.db.Organisation(ctx)
	if err != nil {
		return 0, 0, err
	}
	err = d.db.Update(ctx, func(tx *store.Tx) error {
		added, dropped = 0, 0
		l, err := tx.ContactList(ctx, idOrName)
		if err != nil {
			return err
		}
		if len(l.Rule) > 0 {
			return &desk.Error{Kind: desk.Conflict, Text: "a rule says who is on this list; change the rule, or make a fixed list"}
		}
		changes := map[string]desk.Changed{}
		for _, id := range add {
			c, err := tx.Contact(ctx, id)
			if err != nil {
				if desk.KindOf(err) == desk.NotFound {
					return desk.Refuse("add", "there is no contact %s", id)
				}
				return err
			}
			is, err := tx.AddMember(ctx, l.ID, id)
			if err != nil {
				return err
			}
			if is {
				if _, err := d.inviteOnce(ctx, tx, org, c); err != nil {
					return err
				}
				added++
				changes["members."+string(id)] = desk.Changed{Was: false, Is: true}
			}
		}
		for _, id := range drop {
			was, err := tx.DropMember(ctx, l.ID, id)
			if err != nil {
				return err
			}
			if was {
				dropped++
				changes["members."+string(id)] = desk.Changed{Was: true, Is: false}
			}
		}
		if len(changes) == 0 {
			return nil
		}
		return tx.Audit(ctx, desk.ListChanged, string(l.ID), changes)
	})
	return added, dropped, err
}

// ListMembers gives a page of the contacts on a list, fixed or by rule, the newest first; more tells that there may be older ones, behind the
// id that is given.
func (d *Desk) ListMembers(ctx context.Context, idOrName string, p store.Page) (members []desk.Contact, last desk.ID, more bool, err error) {
	l, err := d.db.ContactList(ctx, idOrName)
	if err != nil {
		return nil, "", false, err
	}
	if p.Limit < 1 || p.Limit > 200 {
		p.Limit = 50
	}
	if len(l.Rule) == 0 {
		members, err = d.db.Members(ctx, l.ID, p)
		if n := len(members); n > 0 {
			last, more = members[n-1].ID, n == p.Limit
		}
		return members, last, more, err
	}
	for now, want := d.db.Now(), p.Limit; ; {
		part, err := d.db.Contacts(ctx, store.Page{Before: p.Before, Limit: 200})
		if err != nil {
			return nil, "", false, err
		}
		for _, c := range part {
			if l.Has(c, nil, now) {
				members = append(members, c)
			}
			if p.Before = c.ID; len(members) == want {
				return members, c.ID, true, nil
			}
		}
		if len(part) < 200 {
			return members, p.Before, false, nil
		}
	}
}
