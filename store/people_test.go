package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/desk"
)

func TestI13_FiftyFirstMailsFromOneAddressMakeOneContact(t *testing.T) {
	both(t, func(t *testing.T, db *DB) {
		const n = 50
		found := make([]desk.ID, n)
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				err := db.Update(t.Context(), func(tx *Tx) error {
					c, err := tx.ContactByEmail(t.Context(), "ann@example.com")
					if desk.KindOf(err) == desk.NotFound {
						c = desk.Contact{ID: NewID(), Addresses: []string{"ann@example.com"}, CreatedAt: tx.Now()}
						var isNew bool
						if isNew, err = tx.AddContact(t.Context(), c); err == nil && !isNew {
							c, err = tx.ContactByEmail(t.Context(), "ann@example.com")
						}
					}
					found[i] = c.ID
					return err
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for _, id := range found {
			if id == "" || id != found[0] {
				t.Errorf("contact %q beside %q", id, found[0])
			}
		}
		if n := number(t, db, `SELECT count(*) FROM contacts`); n != 1 {
			t.Errorf("%d contacts", n)
		}
	})
}

func TestContactsKeepTheirPartsAndTheirNamesApart(t *testing.T) {
	both(t, func(t *testing.T, db *DB) {
		ctx := t.Context()
		co := desk.Company{ID: NewID(), Name: "Acme", Domains: []string{"acme.example", "acme.test"}, CreatedAt: db.Now().UTC().Truncate(time.Millisecond)}
		ann := desk.Contact{
			ID: NewID(), Name: "Ann", Addresses: []string{"ann@acme.example", "ann@home.example"}, Companies: []desk.ID{co.ID}, Language: "de", Username: "ann",
			CreatedAt: co.CreatedAt,
		}
		bob := addContact(t, db, "bob@example.com")
		commit(t, db, func(tx *Tx) error { return errors.Join(tx.PutCompany(ctx, co), added(tx.AddContact(ctx, ann))) })
		for _, login := range []string{"ann@acme.example", " ANN@home.example ", "Ann"} {
			if got := must[desk.Contact](t)(db.ContactByLogin(ctx, login)); !reflect.DeepEqual(got, ann) {
				t.Errorf("%q finds %+v", login, got)
			}
		}
		for _, login := range []string{"", "nobody", "nobody@example.com", "\x00", "\xff", "ann\x00"} {
			c, err := db.ContactByLogin(ctx, login)
			if login == "ann\x00" { // both databases drop what neither can store
				if err != nil || c.ID != ann.ID {
					t.Errorf("%q: %v", login, err)
				}
				continue
			}
			wantKind(t, err, desk.NotFound)
		}
		if got := must[desk.Company](t)(db.Company(ctx, co.ID)); !reflect.DeepEqual(got, co) {
			t.Errorf("company %+v", got)
		}
		for what, change := range map[string]func(tx *Tx) error{
			"an address of another contact": func(tx *Tx) error {
				b := bob
				b.Addresses = []string{"bob@example.com", "ann@home.example"}
				return tx.ChangeContact(ctx, b)
			},
			"a user name of another": func(tx *Tx) error { b := bob; b.Username = "ann"; return tx.ChangeContact(ctx, b) },
			"a new one with a used name": func(tx *Tx) error {
				return added(tx.AddContact(ctx, desk.Contact{ID: NewID(), Username: "ann", CreatedAt: tx.Now()}))
			},
			"a new one with a second address of another": func(tx *Tx) error {
				return added(tx.AddContact(ctx, desk.Contact{ID: NewID(), Addresses: []string{"new@example.com", "ann@home.example"}, CreatedAt: tx.Now()}))
			},
			"a domain of another company": func(tx *Tx) error {
				return tx.PutCompany(ctx, desk.Company{ID: NewID(), Name: "Other", Domains: []string{"acme.test"}, CreatedAt: tx.Now()})
			},
			"a mailbox with a used address": func(tx *Tx) error {
				return errors.Join(tx.PutMailbox(ctx, desk.Mailbox{ID: NewID(), Address: "s@example.com"}), tx.PutMailbox(ctx, desk.Mailbox{ID: NewID(), Address: "s@example.com"}))
			},
		} {
			if err := db.Update(ctx, change); desk.KindOf(err) != desk.Conflict {
				t.Errorf("%s: %v", what, err)
			}
		}
		if n := number(t, db, `SELECT count(*) FROM contacts`) + number(t, db, `SELECT count(*) FROM companies`) + number(t, db, `SELECT count(*) FROM mailboxes`); n != 3 {
			t.Errorf("a refused change left something: %d rows", n)
		}
		wantKind(t, db.Update(ctx, func(tx *Tx) error { return tx.ChangeContact(ctx, desk.Contact{ID: NewID()}) }), desk.NotFound)
	})
}

func TestCompanyIsTheOneWithTheLongestDomain(t *testing.T) {
	both(t, func(t *testing.T, db *DB) {
		short, long := desk.Company{ID: NewID(), Name: "Group", Domains: []string{"acme.example"}}, desk.Company{ID: NewID(), Name: "Branch", Domains: []string{"berlin.acme.example"}}
		commit(t, db, func(tx *Tx) error {
			return errors.Join(tx.PutCompany(t.Context(), short), tx.PutCompany(t.Context(), long))
		})
		for email, want := range map[string]desk.ID{
			"a@acme.example": short.ID, "a@mail.acme.example": short.ID, "a@berlin.acme.example": long.ID, "a@x.y.berlin.acme.example": long.ID,
			"a@notacme.example": "", "a@example": "", "a@acme.example.evil.test": "", "a@gmail.com": "", "": "",
		} {
			got, err := db.CompanyForEmail(t.Context(), email)
			if got != want || (want == "") != (desk.KindOf(err) == desk.NotFound) {
				t.Errorf("%q: %q, %v", email, got, err)
			}
		}
	})
}

func TestPagesCoverEverythingOnceNewestFirst(t *testing.T) {
	both(t, func(t *testing.T, db *DB) {
		var want []desk.ID
		for i := range 7 {
			want = append([]desk.ID{addContact(t, db, string(rune('a'+i))+"@example.com").ID}, want...)
		}
		var got []desk.ID
		p := Page{Limit: 3}
		for {
			cs := must[[]desk.Contact](t)(db.Contacts(t.Context(), p))
			if len(cs) == 0 {
				break
			}
			for _, c := range cs {
				got = append(got, c.ID)
			}
			p.Before = got[len(got)-1]
		}
		sameIDs(t, "contacts", got, want...)
	})
}

// TestTextIsStoredTheSameOnBoth: PostgreSQL refuses NUL and broken UTF-8, and SQLite takes everything.
func TestTextIsStoredTheSameOnBoth(t *testing.T) {
	both(t, func(t *testing.T, db *DB) {
		const in, want = "a\x00b\xffc\xed\xa0\x80d", "ab\uFFFDc\uFFFDd"
		ann := addContact(t, db, "ann@example.com")
		ticket, public, _ := addTicket(t, db, "", ann)
		m := public
		m.ID, m.Text, m.Reply, m.HTML, m.Subject, m.Author.Name, m.MessageID, m.Class = NewID(), in, in, in, in, in, in, in
		m.Attachments = []desk.Attachment{{ID: NewID(), Name: in, Type: in, ContentID: in}}
		ann.Name, ann.Language = in, in
		ticket.Subject, ticket.Status = in, in
		commit(t, db, func(tx *Tx) error {
			cs, err := tx.Conversations(t.Context(), ticket.ID)
			if err != nil {
				return err
			}
			m.ConversationID = cs[0].ID
			_, keyErr := tx.Hit(t.Context(), "key "+in, time.Hour)
			return errors.Join(added(tx.AddMessage(t.Context(), m)), tx.ChangeContact(t.Context(), ann), tx.ChangeTicket(t.Context(), ticket), keyErr)
		})
		got := must[map[desk.ID]desk.Message](t)(db.MessagesByID(t.Context(), []desk.ID{m.ID}))[m.ID]
		c := must[desk.Contact](t)(db.Contact(t.Context(), ann.ID))
		tk := must[desk.Ticket](t)(db.Ticket(t.Context(), desk.ScopeOfProgram(), ticket.ID))
		for what, text := range map[string]string{
			"text": got.Text, "reply": got.Reply, "html": got.HTML, "subject": got.Subject, "author": got.Author.Name, "id": string(got.MessageID), "class": string(got.Class),
			"file": got.Attachments[0].Name, "type": got.Attachments[0].Type, "contact": c.Name, "language": c.Language, "ticket": tk.Subject, "status": tk.Status,
		} {
			if text != want {
				t.Errorf("%s: %q, want %q", what, text, want)
			}
		}
		if n, _, err := db.Hits(t.Context(), "key "+in, db.Now()); err != nil || n != 1 {
			t.Errorf("what was stored is not found: %d, %v", n, err)
		}
	})
}

func TestP8_SessionsEndWithThePassword(t *testing.T) {
	withClock(t, func(t *testing.T, db *DB, c *clock) {
		ann, bob := addContact(t, db, "ann@example.com"), addContact(t, db, "bob@example.com")
		put := func(token string, contact desk.ID, d time.Duration) {
			if err := db.PutSession(t.Context(), token, contact, []byte("data of "+token), c.now().Add(d)); err != nil {
				t.Fatal(err)
			}
		}
		alive := func(token string) bool {
			data, found, err := db.Session(t.Context(), token)
			if err != nil || found && string(data) != "data of "+token {
				t.Errorf("session %s: %q, %v", token, data, err)
			}
			return found
		}
		put("ann 1", ann.ID, time.Hour)
		put("ann 2", ann.ID, time.Hour)
		put("bob", bob.ID, time.Hour)
		put("nobody", "", time.Minute)
		commit(t, db, func(tx *Tx) error {
			return tx.PutPassword(t.Context(), ann.ID, Password{Hash: "h", ChangedAt: tx.Now()})
		})
		if alive("ann 1") || alive("ann 2") || !alive("bob") || !alive("nobody") {
			t.Error("not exactly the sessions of the contact ended")
		}
		put("ann 1", ann.ID, time.Hour) // a request that was under way
		if alive("ann 1") {
			t.Error("an ended session came back")
		}
		c.pass(time.Minute)
		if alive("nobody") {
			t.Error("a session outlives its time")
		}
		if err := db.Tidy(t.Context()); err != nil {
			t.Fatal(err)
		}
		put("ann 2", ann.ID, time.Hour)
		if alive("ann 2") {
			t.Error("an ended session came back once it was tidied up behind it")
		}
		if err := db.DropSession(t.Context(), "bob"); err != nil || alive("bob") {
			t.Errorf("a dropped session lives: %v", err)
		}
		put("bob", bob.ID, time.Hour)
		if alive("bob") {
			t.Error("a dropped session came back")
		}
		c.pass(2 * time.Hour)
		if err := db.Tidy(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := number(t, db, `SELECT count(*) FROM sessions`); n != 0 {
			t.Errorf("%d sessions are stored when all have run out", n)
		}
	})
}

func oneTime(t testing.TB, db *DB, contact desk.ID, secret string, life time.Duration) [32]byte {
	t.Helper()
	o := OneTime{Hash: sha256.Sum256([]byte(secret)), Purpose: desk.LinkSignIn, ContactID: contact, Email: "ann@example.com", CreatedAt: db.Now(), ExpiresAt: db.Now().Add(life)}
	commit(t, db, func(tx *Tx) error { return tx.AddOneTime(t.Context(), o) })
	return o.Hash
}

func TestP3_OneTimeLinkSpendsOnceUnderTwentyTries(t *testing.T) {
	both(t, func(t *testing.T, db *DB) {
		hash := oneTime(t, db, addContact(t, db, "ann@example.com").ID, "secret", time.Hour)
		spent := make(chan bool, 20)
		var wg sync.WaitGroup
		for range cap(spent) {
			wg.Go(func() {
				var ok bool
				err := db.Update(t.Context(), func(tx *Tx) error {
					var err error
					ok, err = tx.SpendOneTime(t.Context(), hash)
					return err
				})
				if err != nil {
					t.Error(err)
				}
				spent <- ok
			})
		}
		wg.Wait()
		close(spent)
		n := 0
		for ok := range spent {
			if ok {
				n++
			}
		}
		if n != 1 {
			t.Errorf("spent %d times", n)
		}
	})
}

func TestP3_LinksEndWithTimeAndWithThePassword(t *testing.T) {
	withClock(t, func(t *testing.T, db *DB, c *clock) {
		ann, bob := addContact(t, db, "ann@example.com"), addContact(t, db, "bob@example.com")
		hour, day, other := oneTime(t, db, ann.ID, "hour", time.Hour), oneTime(t, db, ann.ID, "day", 24*time.Hour), oneTime(t, db, bob.ID, "other", 24*time.Hour)
		spend := func(hash [32]byte) (ok bool) {
			commit(t, db, func(tx *Tx) error {
				var err error
				ok, err = tx.SpendOneTime(t.Context(), hash)
				return err
			})
			return ok
		}
		c.pass(time.Hour)
		if spend(hour) {
			t.Error("an expired link was spent")
		}
		commit(t, db, func(tx *Tx) error {
			return tx.PutPassword(t.Context(), ann.ID, Password{Hash: "h", ChangedAt: tx.Now()})
		})
		if spend(day) {
			t.Error("a link outlives a change of the password")
		}
		if !spend(other) {
			t.Error("the link of somebody else ended too")
		}
		if spend(sha256.Sum256(nil)) {
			t.Error("an empty secret was spent")
		}
	})
}

func TestP7_HitsCountWithinAWindow(t *testing.T) {
	withClock(t, func(t *testing.T, db *DB, c *clock) {
		count := func(key string) (n int) {
			commit(t, db, func(tx *Tx) error {
				var err error
				n, err = tx.Hit(t.Context(), key, time.Minute)
				return err
			})
			return n
		}
		for want := 1; want <= 3; want++ {
			if n := count("fixed"); n != want {
				t.Errorf("hit %d counts %d", want, n)
			}
			c.pass(20 * time.Second)
		}
		// a minute after the first hit, 20 s after the last one
		if n := count("fixed"); n != 1 {
			t.Errorf("a new window begins with %d", n)
		}
		if n, until, err := db.Hits(t.Context(), "fixed", c.now()); err != nil || n != 1 || !until.Equal(c.now().Add(time.Minute)) {
			t.Errorf("%d until %v, %v", n, until, err)
		}
		commit(t, db, func(tx *Tx) error { return tx.ForgetHits(t.Context(), "fixed") })
		if n, _, err := db.Hits(t.Context(), "fixed", c.now()); err != nil || n != 0 {
			t.Errorf("%d hits are remembered, %v", n, err)
		}
		c.pass(time.Hour)
		if err := db.Tidy(t.Context()); err != nil || number(t, db, `SELECT count(*) FROM attempts`) != 0 {
			t.Errorf("not tidy: %v", err)
		}
	})
}

func TestP7_ManyHitsAtOnceAreAllCounted(t *testing.T) {
	both(t, func(t *testing.T, db *DB) {
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if err := db.Update(context.Background(), hit("key")); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n, _, err := db.Hits(t.Context(), "key", db.Now()); err != nil || n != 50 {
			t.Errorf("%d hits, %v", n, err)
		}
	})
}

func TestTokensAreFoundByTheirHashOnly(t *testing.T) {
	both(t, func(t *testing.T, db *DB) {
		hash := sha256.Sum256([]byte("pst_secret"))
		commit(t, db, func(tx *Tx) error {
			return tx.AddToken(t.Context(), desk.Token{ID: NewID(), Name: "script", Scopes: []string{desk.ScopeRead}, CreatedAt: tx.Now()}, hash)
		})
		if got := must[desk.Token](t)(db.TokenByHash(t.Context(), hash)); got.Name != "script" || !got.Allows(desk.ScopeRead) || got.Allows(desk.ScopeWrite) {
			t.Errorf("%+v", got)
		}
		_, err := db.TokenByHash(t.Context(), sha256.Sum256([]byte("pst_Secret")))
		wantKind(t, err, desk.NotFound)
		id, used := must[[]desk.Token](t)(db.Tokens(t.Context()))[0].ID, db.Now().Truncate(time.Millisecond)
		commit(t, db, func(tx *Tx) error { return tx.UsedToken(t.Context(), id, used) })
		if got := must[[]desk.Token](t)(db.Tokens(t.Context())); len(got) != 1 || !got[0].LastUsed.Equal(used) {
			t.Errorf("%+v, used at %v", got, used)
		}
		commit(t, db, func(tx *Tx) error { return tx.DeleteToken(t.Context(), id) })
		_, err = db.TokenByHash(t.Context(), hash)
		wantKind(t, err, desk.NotFound)
		wantKind(t, db.Update(t.Context(), func(tx *Tx) error { return tx.DeleteToken(t.Context(), id) }), desk.NotFound)
	})
}

func TestSettingsReachOtherProcesses(t *testing.T) {
	bothWith(t, func(t *testing.T, o Options) {
		c := newClock()
		o.Now = c.now
		here, there := open(t, o), open(t, o)
		title := func(db *DB) string { return must[*Organisation](t)(db.Organisation(t.Context())).Settings.PortalTitle }
		before := title(there)
		s := desk.DefaultSettings()
		s.PortalTitle = "Acme help"
		commit(t, here, func(tx *Tx) error { return tx.PutSettings(t.Context(), s) })
		if got := title(here); got != "Acme help" {
			t.Errorf("this process has %q", got)
		}
		if got := title(there); got != before {
			t.Errorf("nothing was kept in memory: %q", got)
		}
		c.pass(2 * time.Second)
		if got := title(there); got != "Acme help" {
			t.Errorf("the other process has %q after two seconds", got)
		}
		if !strings.Contains(must[*Organisation](t)(there.FreshOrganisation(t.Context())).Settings.Welcome.Body, "set_password_link") {
			t.Error("what was not set is not as in the defaults")
		}
	})
}
