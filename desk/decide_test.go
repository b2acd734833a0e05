package desk_test

import (
	"slices"
	"strings"
	"testing"

	"postern/desk"
)

func addresses(emails ...string) (out []desk.Address) {
	for _, e := range emails {
		out = append(out, desk.Address{Email: e})
	}
	return out
}

func TestDecide(t *testing.T) {
	t.Parallel()
	ticket := &desk.Ticket{ID: "t", Number: 7, Participants: []desk.Participant{
		{Email: "ann@example.com", Role: desk.Requester}, {Email: "bob@example.com", Role: desk.Copied}, {Email: "eve@example.com", Role: desk.Mentioned},
	}}
	other := &desk.Ticket{ID: "other", Number: 8, Participants: ticket.Participants}
	from := func(email string) desk.Mail { return desk.Mail{From: desk.Address{Email: email}, Class: desk.Human} }
	of := func(email string, c desk.Class) desk.Mail { m := from(email); m.Class = c; return m }
	sentTo := func(to ...string) desk.Mail { m := from("support@example.com"); m.To = addresses(to...); return m }
	copied := func(m desk.Mail, cc ...string) desk.Mail { m.Cc = addresses(cc...); return m }
	unsure := from("ann@example.com")
	unsure.FromUnsure = true

	for name, c := range map[string]struct {
		f        desk.Facts
		want     desk.Outcome
		ticket   *desk.Ticket
		author   desk.AuthorKind
		internal bool
		trust    desk.Trust
		reason   string // a part of one of the reasons
	}{
		"M7 new mail":                          {f: desk.Facts{Mail: from("ann@example.com")}, want: desk.NewTicket, author: desk.Customer, trust: desk.V0, reason: "no ticket yet"},
		"M7 new mail, verified":                {f: desk.Facts{Mail: from("ann@example.com"), Verified: true}, want: desk.NewTicket, author: desk.Customer, trust: desk.V1},
		"M7 a token before a reference":        {f: desk.Facts{Mail: from("ann@example.com"), ByToken: ticket, ByRef: other, Token: "ann@example.com"}, want: desk.Appended, ticket: ticket, author: desk.Customer, trust: desk.V1, reason: "signed reply address"},
		"M7 a reference":                       {f: desk.Facts{Mail: from("ann@example.com"), ByRef: ticket, Ref: "x@y"}, want: desk.Appended, ticket: ticket, author: desk.Customer, trust: desk.V0, reason: "answers x@y of ticket #7"},
		"M9 a reference before a tie":          {f: desk.Facts{Mail: from("ann@example.com"), ByTie: other, ByRef: ticket, Ref: "x@y"}, want: desk.Appended, ticket: ticket, author: desk.Customer, reason: "answers x@y of ticket #7"},
		"M9 a tie":                             {f: desk.Facts{Mail: from("ann@example.com"), ByTie: ticket, Ref: "x@y"}, want: desk.Appended, ticket: ticket, author: desk.Customer, reason: "x@y is named by a mail of ticket #7"},
		"M9 a stranger with a tie":             {f: desk.Facts{Mail: from("zoe@example.com"), ByTie: ticket, Ref: "x@y"}, want: desk.Held, ticket: ticket, author: desk.Customer, reason: "has no part in ticket #7"},
		"M14 a ticket closed of late":          {f: desk.Facts{Mail: from("ann@example.com"), ByRef: ticket, Closed: true, At: ticket.LastActivityAt.Add(desk.ReopenFor)}, want: desk.Appended, ticket: ticket, author: desk.Customer},
		"T8 a locked ticket":                   {f: desk.Facts{Mail: from("ann@example.com"), ByRef: ticket, Locked: "billed"}, want: desk.NewTicket, author: desk.Customer, reason: "ticket #7, which it answers, is billed"},
		"T8 a stranger to a locked ticket":     {f: desk.Facts{Mail: from("zoe@example.com"), ByRef: ticket, Locked: "billed"}, want: desk.Held, ticket: ticket, author: desk.Customer},
		"M14 a ticket closed long ago":         {f: desk.Facts{Mail: from("ann@example.com"), ByRef: ticket, Closed: true, At: ticket.LastActivityAt.Add(desk.ReopenFor + 1)}, want: desk.NewTicket, author: desk.Customer, reason: "ticket #7, which it answers, has been closed for more than 90 days"},
		"M14 an open ticket of long ago":       {f: desk.Facts{Mail: from("ann@example.com"), ByRef: ticket, At: ticket.LastActivityAt.Add(desk.ReopenFor + 1)}, want: desk.Appended, ticket: ticket, author: desk.Customer},
		"M14 a stranger, long ago":             {f: desk.Facts{Mail: from("zoe@example.com"), ByRef: ticket, Closed: true, At: ticket.LastActivityAt.Add(desk.ReopenFor + 1)}, want: desk.Held, ticket: ticket, author: desk.Customer},
		"M12 participant, verified":            {f: desk.Facts{Mail: from("bob@example.com"), ByRef: ticket, Verified: true}, want: desk.Appended, ticket: ticket, author: desk.Customer, trust: desk.V1},
		"M12 participant, not verified":        {f: desk.Facts{Mail: from("bob@example.com"), ByRef: ticket}, want: desk.Appended, ticket: ticket, author: desk.Customer, trust: desk.V0, reason: "sender not verified"},
		"M12 verified, with their own token":   {f: desk.Facts{Mail: from("ann@example.com"), ByToken: ticket, Token: "ann@example.com", Verified: true}, want: desk.Appended, ticket: ticket, author: desk.Customer, trust: desk.V2},
		"M12 participant with another's token": {f: desk.Facts{Mail: from("bob@example.com"), ByToken: ticket, Token: "ann@example.com"}, want: desk.Appended, ticket: ticket, author: desk.Customer, trust: desk.V0, reason: "sender not verified"},
		"M12 a stranger with a reference":      {f: desk.Facts{Mail: from("zoe@example.com"), ByRef: ticket, Verified: true}, want: desk.Held, ticket: ticket, author: desk.Customer, reason: "has no part in ticket #7"},
		"M12 a stranger with a token":          {f: desk.Facts{Mail: from("zoe@example.com"), ByToken: ticket, Token: "ann@example.com", Verified: true}, want: desk.Held, ticket: ticket, author: desk.Customer},
		"M13 who was only mentioned":           {f: desk.Facts{Mail: from("eve@example.com"), ByRef: ticket, Verified: true}, want: desk.Held, ticket: ticket, author: desk.Customer},
		"A2 two senders":                       {f: desk.Facts{Mail: unsure, ByRef: ticket}, want: desk.Held, ticket: ticket, author: desk.Customer},
		"F22 no sender":                        {f: desk.Facts{Mail: from("")}, want: desk.Held, author: desk.Customer},

		"H1 a third party's machine, by token":   {f: desk.Facts{Mail: of("no-reply@slack.example", desk.Automatic), ByToken: ticket, Token: "ann@example.com", Verified: true}, want: desk.Held, ticket: ticket, internal: true},
		"H1 a third party's machine, no ticket":  {f: desk.Facts{Mail: of("no-reply@slack.example", desk.Automatic)}, want: desk.Automated},
		"L7 out of office of a participant":      {f: desk.Facts{Mail: of("ann@example.com", desk.Automatic), ByRef: ticket}, want: desk.Appended, ticket: ticket, author: desk.Customer, internal: true},
		"L6 bounce of a mail of ours":            {f: desk.Facts{Mail: of("mailer-daemon@x.example", desk.Bounce), ByRef: ticket}, want: desk.Appended, ticket: ticket, author: desk.System, internal: true},
		"L6 bounce of nothing we know":           {f: desk.Facts{Mail: of("mailer-daemon@x.example", desk.Bounce)}, want: desk.Automated},
		"L7 receipt":                             {f: desk.Facts{Mail: of("ann@example.com", desk.Receipt), ByRef: ticket}, want: desk.Appended, ticket: ticket, author: desk.System, internal: true},
		"L1 list mail is filed like human mail":  {f: desk.Facts{Mail: of("ann@example.com", desk.List)}, want: desk.NewTicket, author: desk.Customer},
		"H4 the same mail again":                 {f: desk.Facts{Mail: from("ann@example.com"), Duplicate: true, ByRef: ticket}, want: desk.Duplicate},
		"H4 the same id, other content":          {f: desk.Facts{Mail: from("ann@example.com"), SameID: true}, want: desk.NewTicket, author: desk.Customer, reason: "same Message-ID"},
		"H5 our own address in the INBOX":        {f: desk.Facts{Mail: from("support@example.com"), FromOurs: true, ByRef: ticket, Verified: true}, want: desk.Held, ticket: ticket},
		"H5 our own address, no ticket":          {f: desk.Facts{Mail: from("support@example.com"), FromOurs: true}, want: desk.Held},
		"H6 sent to the customer":                {f: desk.Facts{Role: desk.Sent, Mail: sentTo("ann@example.com"), ByRef: ticket, FromOurs: true}, want: desk.Appended, ticket: ticket, author: desk.Agent, trust: desk.V1, reason: "public"},
		"H6 sent to a vendor, customer in Cc":    {f: desk.Facts{Role: desk.Sent, Mail: copied(sentTo("vendor@x.example"), "bob@example.com"), ByRef: ticket}, want: desk.Appended, ticket: ticket, author: desk.Agent, trust: desk.V1},
		"H6 sent to a vendor":                    {f: desk.Facts{Role: desk.Sent, Mail: sentTo("vendor@x.example"), ByRef: ticket}, want: desk.Appended, ticket: ticket, author: desk.Agent, internal: true, trust: desk.V1, reason: "internal"},
		"H6 sent to who was only mentioned":      {f: desk.Facts{Role: desk.Sent, Mail: sentTo("eve@example.com"), ByRef: ticket}, want: desk.Appended, ticket: ticket, author: desk.Agent, internal: true, trust: desk.V1},
		"sent, of no ticket":                     {f: desk.Facts{Role: desk.Sent, Mail: sentTo("ann@example.com")}, want: desk.Ignored},
		"H7 our own copy":                        {f: desk.Facts{OwnCopy: true, Mail: from("ann@example.com"), ByRef: ticket}, want: desk.OwnCopy},
		"H7 our own copy in Sent":                {f: desk.Facts{OwnCopy: true, Role: desk.Sent, Mail: sentTo("ann@example.com"), ByRef: ticket}, want: desk.OwnCopy},
		"H8 another mailbox's ticket is no fact": {f: desk.Facts{Mail: from("ann@example.com")}, want: desk.NewTicket, author: desk.Customer},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := desk.Decide(c.f)
			if d.Outcome != c.want || d.Ticket != c.ticket || d.Internal != c.internal || d.Trust != c.trust || c.author != "" && d.Author != c.author {
				t.Errorf("decided %+v", d)
			}
			if d.Reason == "" || !slices.ContainsFunc(d.Reasons, func(r string) bool { return strings.Contains(r, c.reason) }) {
				t.Errorf("reasons %q, %q: want %q", d.Reason, d.Reasons, c.reason)
			}
		})
	}
}

// TestNoMailIsPublicByItself: whatever is known of a mail, it reaches a customer's ticket in public only from a participant or from Sent (INV5).
func TestINV5_NothingBecomesPublicButFromAParticipantOrSent(t *testing.T) {
	t.Parallel()
	ticket := &desk.Ticket{Participants: []desk.Participant{{Email: "ann@example.com", Role: desk.Requester}, {Email: "eve@example.com", Role: desk.Mentioned}}}
	bools := []bool{false, true}
	n := 0
	for _, class := range []desk.Class{desk.Human, desk.Automatic, desk.Bounce, desk.Complaint, desk.Receipt, desk.List} {
		for _, email := range []string{"ann@example.com", "eve@example.com", "zoe@example.com", "support@example.com", ""} {
			for _, role := range []desk.FolderRole{desk.Inbox, desk.Sent} {
				for _, token := range bools {
					for _, verified := range bools {
						for _, ours := range bools {
							f := desk.Facts{Mail: desk.Mail{From: desk.Address{Email: email}, Class: class}, Role: role, Verified: verified, FromOurs: ours, ByRef: ticket, Token: "ann@example.com"}
							if token {
								f.ByToken = ticket
							}
							d := desk.Decide(f)
							n++
							if d.Outcome == desk.Appended && !d.Internal && (email != "ann@example.com" || ours || role != desk.Inbox || class != desk.Human && class != desk.List) {
								t.Errorf("public: %+v", f)
							}
							if d.Outcome == desk.NewTicket {
								t.Errorf("a mail of a known ticket opened another one: %+v", f)
							}
						}
					}
				}
			}
		}
	}
	if n != 6*5*2*2*2*2 {
		t.Errorf("%d cases", n)
	}
}

func TestL1_L4_WhoIsNeverAnsweredAutomaticallyAndWhoIsNoHuman(t *testing.T) {
	t.Parallel()
	type is struct{ machine, role bool }
	for email, want := range map[string]is{
		"noreply@x.example": {true, true}, "no-reply@x.example": {true, true}, "No_Reply@x.example": {}, "no.reply+x@x.example": {true, true}, "do-not-reply@x.example": {true, true},
		"mailer-daemon@x.example": {true, true}, "mail-daemon@x.example": {true, true}, "postmaster@x.example": {true, true}, "bounces@x.example": {true, true},
		"bounce-17-ann@x.example": {true, true}, "nicht-antworten@x.example": {true, true}, "majordomo@x.example": {true, true},
		"webmaster@x.example": {false, true}, "abuse@x.example": {false, true}, "root@x.example": {false, true},
		"ann@x.example": {}, "info@x.example": {}, "": {},
	} {
		if got := (is{desk.MachineAddress(email), desk.RoleAddress(email)}); got != want {
			t.Errorf("%q: %+v", email, got)
		}
	}
}
