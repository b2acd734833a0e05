package store

import (
	"slices"
	"strings"
	"testing"
	"time"

	"postern/desk"
	"postern/i18n"
)

var closedBuiltIn = desk.ClosedStatuses(desk.BuiltInPipelines())

// listed gives the ids of what a listing shows, and its counts.
func listed(t *testing.T, db *DB, s desk.Scope, l Listing) ([]desk.ID, Counts) {
	t.Helper()
	if l.Limit == 0 {
		l.Limit = 50
	}
	found, counts, err := db.TicketLines(t.Context(), s, l, closedBuiltIn)
	if err != nil {
		t.Fatal(err)
	}
	var ids []desk.ID
	for _, f := range found {
		ids = append(ids, f.ID)
	}
	return ids, counts
}

func TestT1_TheListFiltersSortsAndPages(t *testing.T) {
	withClock(t, func(t *testing.T, db *DB, c *clock) {
		ann := addContact(t, db, "ann@example.com")
		var all []desk.ID
		for i, subject := range []string{"Beta", "älter", "Alpha", "Gamma", "delta"} {
			c.pass(time.Hour)
			ticket, _, _ := addTicket(t, db, "", ann)
			all = append(all, ticket.ID)
			ticket.Subject = subject
			ticket.Status = []string{desk.Open, desk.Closed, desk.Waiting, desk.Closed, desk.Open}[i]
			ticket.LastActivityAt = ticket.LastActivityAt.AddDate(0, 0, -i)
			commit(t, db, func(tx *Tx) error { return tx.ChangeTicket(t.Context(), ticket) })
		}
		mine := desk.ScopeOfContact(ann)
		for name, want := range map[string]struct {
			l   Listing
			ids []desk.ID
		}{
			"all":            {Listing{}, all},
			"oldest first":   {Listing{Up: true}, []desk.ID{all[4], all[3], all[2], all[1], all[0]}},
			"open":           {Listing{Kind: ListOpen}, []desk.ID{all[0], all[2], all[4]}},
			"waiting":        {Listing{Kind: ListWaiting}, []desk.ID{all[2]}},
			"closed":         {Listing{Kind: ListClosed}, []desk.ID{all[1], all[3]}},
			"second page":    {Listing{Offset: 2, Limit: 2}, []desk.ID{all[2], all[3]}},
			"behind the end": {Listing{Offset: 5}, nil},
			"by subject":     {Listing{Sort: "subject", Up: true}, []desk.ID{all[2], all[1], all[0], all[4], all[3]}},
			"by number":      {Listing{Sort: "number", Up: true}, all},
			"by creation":    {Listing{Sort: "created"}, []desk.ID{all[4], all[3], all[2], all[1], all[0]}},
			"by status":      {Listing{Sort: "status", Up: true}, []desk.ID{all[4], all[0], all[2], all[3], all[1]}},
			"no such sort":   {Listing{Sort: "1; DROP TABLE tickets"}, all},
		} {
			ids, counts := listed(t, db, mine, want.l)
			sameIDs(t, name, ids, want.ids...)
			if counts != (Counts{All: 5, Open: 3, Waiting: 1, Closed: 2}) {
				t.Errorf("%s: %+v", name, counts)
			}
		}
	})
}

// TestT1_SearchFindsWhatCustomersMaySee: by number, subject, text and file name, in any case and without accents; never by notes.
func TestT1_SearchFindsWhatCustomersMaySee(t *testing.T) {
	both(t, func(t *testing.T, db *DB) {
		ann := addContact(t, db, "ann@example.com")
		text, _, _ := addTicket(t, db, "", ann)
		subject, _, _ := addTicket(t, db, "", ann)
		stranger, _, _ := addTicket(t, db, "", addContact(t, db, "eve@example.com"))
		for i, ticket := range []desk.Ticket{text, subject, stranger} {
			commit(t, db, func(tx *Tx) error {
				cs, err := tx.Conversations(t.Context(), ticket.ID)
				if err != nil {
					return err
				}
				m := desk.Message{
					ID: NewID(), TicketID: ticket.ID, ConversationID: cs[0].ID, Source: desk.FromMail, Author: desk.Author{Kind: desk.Agent, Name: "Mia"}, CreatedAt: ticket.CreatedAt.Add(time.Second),
					Reply: []string{strings.Repeat("filler ", 30) + "Die GRÖSSE 100%_ passt", "nothing", "Größe 100%_"}[i],
				}
				if i == 0 {
					m.Attachments = []desk.Attachment{{Name: "Résumé.pdf", Type: "application/pdf", SHA256: strings.Repeat("b", 64)}}
				}
				if err := added(tx.AddMessage(t.Context(), m)); err != nil {
					return err
				}
				if i == 1 {
					ticket.Subject = "Ünlü yazıcı שָׁלוֹם น้ำแข็ง"
				}
				return tx.ChangeTicket(t.Context(), ticket)
			})
		}
		mine := desk.ScopeOfContact(ann)
		for query, want := range map[string][]desk.ID{
			"größe": {text.ID}, "grosse passt": {text.ID}, "GROSSE nothing": nil, "100%_": {text.ID}, "100a": nil, "resume.PDF": {text.ID}, "unlu": {subject.ID}, "שלום": {subject.ID}, "แข็ง": {subject.ID},
			"unlu public": {subject.ID}, "note": nil, "note.txt": nil, "public.txt": {subject.ID, text.ID}, `\`: nil, "'": nil,
		} {
			ids, counts := listed(t, db, mine, Listing{Words: i18n.Words(query)})
			slices.Sort(ids)
			slices.Sort(want)
			sameIDs(t, query, ids, want...)
			if counts.All != len(want) {
				t.Errorf("%s: counted %+v", query, counts)
			}
		}
		ids, _ := listed(t, db, mine, Listing{Words: i18n.Words("public"), Number: subject.Number, Up: true})
		sameIDs(t, "a number comes first", ids, subject.ID, text.ID)
		ids, _ = listed(t, db, mine, Listing{Number: stranger.Number})
		sameIDs(t, "somebody else's number", ids)
		lines, _, err := db.TicketLines(t.Context(), mine, Listing{Words: i18n.Words("grosse 100%"), Limit: 10}, closedBuiltIn)
		if err != nil || len(lines) != 1 || !strings.HasSuffix(lines[0].Hit, "passt") || lines[0].HitAuthor.Name != "Mia" {
			t.Errorf("the hit: %+v, %v", lines, err)
		}
	})
}

// TestT6_RulesHideTicketsEverywhere: a ticket that the operator's rules don't show is not in lists, searches, by its number, nor are its files.
func TestT6_RulesHideTicketsEverywhere(t *testing.T) {
	both(t, func(t *testing.T, db *DB) {
		ctx := t.Context()
		m := addMailbox(t, db, "support@example.com")
		ann := addContact(t, db, "ann@example.com")
		ticket, public, _ := addTicket(t, db, m.ID, ann)
		ticket.Properties = map[string]string{"serial": "FL-90", "seats": "12", "due": "2026-03-01", "vip": "true", "odd": "1e5x"}
		ticket.Billed = true
		commit(t, db, func(tx *Tx) error { return tx.ChangeTicket(ctx, ticket) })
		settings := desk.DefaultSettings()
		for _, p := range []struct {
			key  string
			kind desk.PropertyType
		}{{"serial", desk.TextProperty}, {"seats", desk.NumberProperty}, {"due", desk.DateProperty}, {"vip", desk.BooleanProperty}, {"odd", desk.NumberProperty}, {"none", desk.TextProperty}} {
			settings.Properties = append(settings.Properties, desk.Property{Key: p.key, Name: p.key, Type: p.kind})
		}
		rule := func(property string, op desk.Operator, values ...string) desk.Condition {
			return desk.Condition{Property: property, Operator: op, Values: values}
		}
		for _, c := range []struct {
			rule  desk.Condition
			shows bool
		}{
			{rule("status", desk.Is, "closed", "open"), true}, {rule("status", desk.IsNot, "open"), false}, {rule("pipeline", desk.Is, "support"), true}, {rule("pipeline", desk.IsNot, "support"), false},
			{rule("status_kind", desk.Is, "open"), true}, {rule("status_kind", desk.Is, "closed"), false}, {rule("status_kind", desk.IsNot, "closed"), true}, {rule("status_kind", desk.IsNot, "open"), false},
			{rule("mailbox", desk.Is, string(m.ID)), true}, {rule("mailbox", desk.Unknown), false}, {rule("company", desk.Unknown), true}, {rule("assignee", desk.Known), false},
			{rule("source", desk.Is, "mail"), true}, {rule("source", desk.Is, "form"), false}, {rule("subject", desk.Contains, "PRINT"), true}, {rule("subject", desk.Contains, "%"), false},
			{rule("created_at", desk.After, "2d"), true}, {rule("created_at", desk.Before, "2d"), false}, {rule("created_at", desk.Is, "0d"), true}, {rule("created_at", desk.Is, "1d"), false}, {rule("created_at", desk.Before, "2999-01-01"), true},
			{rule("last_activity_at", desk.After, "2999-01-01"), false}, {rule("billed", desk.Is, "true"), true}, {rule("billed", desk.Is, "false"), false},
			{rule("properties.serial", desk.Is, "FL-90"), true}, {rule("properties.serial", desk.Contains, "fl-"), true}, {rule("properties.serial", desk.IsNot, "FL-90"), false}, {rule("properties.serial", desk.Unknown), false},
			{rule("properties.seats", desk.AtLeast, "9"), true}, {rule("properties.seats", desk.AtLeast, "12.5"), false}, {rule("properties.seats", desk.AtMost, "12"), true}, {rule("properties.seats", desk.AtMost, "9"), false},
			{rule("properties.due", desk.Before, "2026-03-02"), true}, {rule("properties.due", desk.After, "2026-03-02"), false}, {rule("properties.due", desk.Is, "2026-03-01"), true},
			{rule("properties.vip", desk.Is, "true"), true}, {rule("properties.vip", desk.Is, "false"), false}, {rule("properties.none", desk.Known), false}, {rule("properties.none", desk.Unknown), true},
			{rule("properties.odd", desk.AtLeast, "0"), false}, // what a form filled with no number is none
		} {
			settings.Shown.Rules = []desk.Condition{c.rule}
			if err := desk.CheckSettings(settings); err != nil {
				t.Fatalf("%+v: %v", c.rule, err)
			}
			scope := desk.ScopeOfVisitor(settings, nil, desk.Visitor{Contact: ann}, db.Now())
			seesAsAWhole(t, db, scope, ticket, public, c.shows, c.rule.Property+" "+string(c.rule.Operator)+" "+strings.Join(c.rule.Values, ","))
		}
		for _, never := range []desk.Condition{rule("number", desk.Is, "1"), rule("properties.x'y", desk.Is, "1"), rule("status", "like", "open"), rule("subject", desk.Contains), rule("created_at", desk.After, "yesterday"), rule("properties.seats", desk.AtLeast, "many")} {
			settings.Shown.Rules = []desk.Condition{never}
			if err := desk.CheckSettings(settings); desk.KindOf(err) != desk.Invalid {
				t.Errorf("%+v is taken: %v", never, err)
			}
			seesAsAWhole(t, db, desk.ScopeOfVisitor(settings, nil, desk.Visitor{Contact: ann}, db.Now()), ticket, public, false, "a rule that can't be")
		}
		settings.Shown.Rules, settings.Shown.HiddenStatuses = nil, []string{desk.Open}
		seesAsAWhole(t, db, desk.ScopeOfVisitor(settings, nil, desk.Visitor{Contact: ann}, db.Now()), ticket, public, false, "a hidden status")
		settings.Shown.HiddenStatuses = []string{desk.Closed}
		seesAsAWhole(t, db, desk.ScopeOfVisitor(settings, nil, desk.Visitor{Contact: ann}, db.Now()), ticket, public, true, "another hidden status")
	})
}

// seesAsAWhole checks that a ticket is there in every way, or in none.
func seesAsAWhole(t *testing.T, db *DB, s desk.Scope, ticket desk.Ticket, public desk.Message, want bool, why string) {
	t.Helper()
	ctx := t.Context()
	_, byID := db.Ticket(ctx, s, ticket.ID)
	_, byNumber := db.TicketByNumber(ctx, s, ticket.Number)
	_, file := db.Attachment(ctx, s, public.Attachments[0].ID)
	for what, err := range map[string]error{"ticket": byID, "number": byNumber, "file": file} {
		if want && err != nil || !want && desk.KindOf(err) != desk.NotFound {
			t.Errorf("%s: the %s: %v, want it %t", why, what, err, want)
		}
	}
	ids, counts := listed(t, db, s, Listing{})
	found, hits := listed(t, db, s, Listing{Words: []string{"public"}})
	messages := must[[]desk.Message](t)(db.Messages(ctx, s, ticket.ID))
	page := must[[]desk.Ticket](t)(db.Tickets(ctx, s, Page{}))
	for what, is := range map[string]bool{
		"list": slices.Contains(ids, ticket.ID), "count": counts.All > 0, "search": slices.Contains(found, ticket.ID), "count of hits": hits.All > 0, "messages": len(messages) > 0, "page": len(page) > 0,
	} {
		if is != want {
			t.Errorf("%s: the %s has it %t, want %t", why, what, is, want)
		}
	}
}

// TestT3_OnlyTheNewestConversationShows: with HubSpot's rule earlier conversations are not in the thread, the search, the files or the list's lines.
func TestT3_OnlyTheNewestConversationShows(t *testing.T) {
	both(t, func(t *testing.T, db *DB) {
		ctx := t.Context()
		ann := addContact(t, db, "ann@example.com")
		ticket, old, _ := addTicket(t, db, "", ann)
		newer := desk.Conversation{ID: NewID(), TicketID: ticket.ID, Channel: desk.FromMail, CreatedAt: db.Now()}
		notes := desk.Conversation{ID: NewID(), TicketID: ticket.ID, Channel: desk.FromMail, CreatedAt: db.Now()}
		latest := old
		latest.ID, latest.ConversationID, latest.Reply, latest.Attachments, latest.MessageID = NewID(), newer.ID, "recent", nil, ""
		hidden := latest
		hidden.ID, hidden.ConversationID, hidden.Internal = NewID(), notes.ID, true
		commit(t, db, func(tx *Tx) error {
			for _, c := range []desk.Conversation{newer, notes} {
				if err := tx.AddConversation(ctx, c); err != nil {
					return err
				}
			}
			if err := added(tx.AddMessage(ctx, latest)); err != nil {
				return err
			}
			return added(tx.AddMessage(ctx, hidden))
		})
		settings := desk.DefaultSettings()
		for conversations, all := range map[desk.ConversationsShown]bool{desk.AllConversations: true, desk.NewestConversation: false} {
			settings.Shown.Conversations = conversations
			s := desk.ScopeOfVisitor(settings, nil, desk.Visitor{Contact: ann}, db.Now())
			var got []desk.ID
			for _, m := range must[[]desk.Message](t)(db.Messages(ctx, s, ticket.ID)) {
				got = append(got, m.ID)
			}
			want := []desk.ID{latest.ID}
			if all {
				want = []desk.ID{old.ID, latest.ID}
			}
			sameIDs(t, "messages", got, want...)
			for word, hit := range map[string]bool{"recent": true, "public": all, "public.txt": all, "printer": true} {
				if found, _ := listed(t, db, s, Listing{Words: []string{word}}); (len(found) > 0) != hit {
					t.Errorf("%s: %q found %t, want %t", conversations, word, len(found) > 0, hit)
				}
			}
			if _, err := db.Attachment(ctx, s, old.Attachments[0].ID); (err == nil) != all {
				t.Errorf("%s: its file: %v", conversations, err)
			}
			lines, _, err := db.TicketLines(ctx, s, Listing{Limit: 5}, closedBuiltIn)
			if err != nil || len(lines) != 1 || lines[0].HasFiles != all || lines[0].LastReply != "recent" && !all {
				t.Errorf("%s: the line %+v, %v", conversations, lines, err)
			}
		}
	})
}
