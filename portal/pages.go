package portal

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"postern/desk"
	"postern/i18n"
	"postern/safehtml"
	"postern/tickets"
	"postern/web"
)

//go:embed templates
var templates embed.FS

// pages holds every template, once for each language.
type pages struct {
	byLang map[string]*template.Template
	under  string                   // the path of the portal on its host
	drawn  func(again func() error) // Options.Drawn
}

// parsePages reads our templates, and then those in own, if it is not nil: what one of them defines takes the place of ours of that name.
func parsePages(texts *i18n.Catalogue, assets *web.Assets, own fs.FS) (*pages, error) {
	p := &pages{byLang: map[string]*template.Template{}}
	for _, lang := range texts.Languages() {
		t := texts.For(lang)
		set, err := template.New("").Option("missingkey=error").Funcs(template.FuncMap{
			"t": t.T, "tn": t.N, "bytes": t.Bytes, "asset": assets.URL,
		}).ParseFS(templates, "templates/*.html")
		if err != nil {
			return nil, err
		}
		if own != nil {
			if set, err = set.ParseFS(own, "*.html"); err != nil {
				return nil, fmt.Errorf("own templates: %w", err)
			}
		}
		p.byLang[lang] = set
	}
	return p, nil
}

// render makes a page.
func (p *pages) render(lang, name string, view any) (*bytes.Buffer, error) {
	set, ok := p.byLang[lang]
	if !ok {
		return nil, fmt.Errorf("there are no pages in %q", lang)
	}
	var b bytes.Buffer
	if err := set.ExecuteTemplate(&b, name, view); err != nil {
		return nil, err
	}
	return bytes.NewBuffer(safehtml.Under(p.under, b.Bytes())), nil
}

// write renders a page whole before the first byte leaves, so that a fault gives an error and no half page.
func (p *pages) write(w http.ResponseWriter, status int, lang, name string, view any) error {
	b, err := p.render(lang, name, view)
	if err != nil {
		return err
	}
	if p.drawn != nil {
		p.drawn(func() error {
			_, err := p.render(lang, name, view)
			return err
		})
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(b.Len())) // a HEAD tells it too
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // the browser has gone
	return nil
}

// head is what every page shows.
type head struct {
	Lang, Dir string
	Seeing    string // whom an operator looks on as; empty: nobody does
	Idle      int    // for how many seconds the session lasts without a request; 0: nobody is signed in
	Title     string
	Portal    string
	Zone      string // that times are written in
	Help      string // the address to write to
	Here      string // the page itself, to come back to
	Languages []languageChoice
	Theme     string // light or dark, where the reader has chosen; empty: as the device is
	Brand     *brand
	Logo      *brandPicture
	LogoDark  *brandPicture // on a dark page, where that is another one
	Menu      []menuLink
	MayOpen   bool // there is a form to open tickets with
	Footer    template.HTML
	User      *user
	Active    string
	Notice    string
	Kept      string // what is true besides where scripts run
	Problems  []problem
	Knowledge string // where the knowledge base is, if there is anything in it to read
	About     *about // what search engines are told of a page that is for them; nil: it is not
}

type user struct{ Name, Initials, Mark string }

// markOf tells one person's pages from another's where a browser is shared, without saying who they are.
func markOf(id desk.ID) string {
	sum := sha256.Sum256([]byte("drafts of " + id))
	return hex.EncodeToString(sum[:8])
}

// problem is what is wrong with one field of a form.
type problem struct{ Field, Text string }

// Problem finds what is wrong with a field, or nil.
func (h head) Problem(field string) *problem {
	for i := range h.Problems {
		if h.Problems[i].Field == field {
			return &h.Problems[i]
		}
	}
	return nil
}

type oopsView struct {
	head
	Text  string
	Again *againView
}

// againView is a form that could not be taken, to be sent once more.
type againView struct {
	Action        string
	Subject, Text string
	Nonce         string
	Solved        bool
	Files         string // the names of those that have to be chosen again
}

type accessView struct {
	head
	Email string
	Name  string
	Again string
	To    string // the page to go to after signing in
	// What the operator lets people do: sign in by password, by link, register.
	Password, Link, Passkeys, Register bool
	Code                               bool // the mail has a code, which is asked for
	Registered                         bool // the mail is one that confirms a registration
}

// moment is a time on a page.
type moment struct{ ISO, Text, Day string }

func momentOf(t *i18n.Texts, at time.Time) moment {
	return moment{ISO: at.UTC().Format(time.RFC3339), Text: t.Date(at), Day: t.Day(at)}
}

type statusTag struct{ Class, Label string }

type threadView struct {
	head
	Number        int64
	Subject       string
	Status        statusTag
	Closed        bool
	Locked        bool // customers can't add to it
	Billed        bool
	Folds         bool     // some messages are folded to one line
	After         []string // what has happened since the newest message
	Properties    []field
	Scores        []choice // how its reader may say that it went
	Waiting       bool
	Created, Last moment
	Messages      []message
	Newest        desk.ID // the newest message that is shown
	EarlierURL    string  // where the messages before these are
	LatestURL     string  // where the newest are, if they are not here
	Similar       int64   // the number of a ticket that seems to be about the same; 0: none
	SimilarAt     moment
	People        []person
	TakesPart     bool // the reader gets mail about it, if they have not
	Muted         bool // stopped that
	Nonce         desk.ID
	Draft         string
	Solved        bool
	copying
	limits
}

// lateView has an answer to a ticket that takes none any more.
type lateView struct {
	head
	Number  int64
	Subject string
	Reason  string
	Nonce   desk.ID
	Form    string // the key of the form that a new ticket about it is written in; empty: there is none
	Text    string
	Files   string // the names of those that have to be chosen again
}

// copying tells a page whether its writer may name people who are to get copies, and what becomes of them.
type copying struct {
	Copying desk.Copying // what the mailbox says
	Copies  string       // who is named
}

// Asked tells whether people beside colleagues wait for an agent.
func (c copying) Asked() bool { return c.Copying != desk.CopyEverybody }

// MayCopy tells whether anybody can get copies.
func (c copying) MayCopy() bool { return c.Copying != desk.CopyNobody }

// limits tell a page what may be sent at once.
type limits struct {
	MaxFiles    int
	MaxFileSize int64
	ShownSize   int64 // as people are told it
}

// limitsOf are those that the operator has set. Some programs count a megabyte as 2^20 bytes: theirs is taken too.
func limitsOf(s desk.Settings) limits {
	return limits{maxFiles, int64(s.FileMB) << 20, int64(s.FileMB) * 1_000_000}
}

type message struct {
	ID         desk.ID
	Team       bool
	Own        bool // the reader wrote it
	Folded     bool
	Before     []string // what has happened to the ticket before it
	Author     string
	Initials   string
	Via        string
	Unverified bool
	At         moment
	Body       template.HTML
	Quoted     template.HTML
	Files      []file
	Delivery   string
	Line       string // the beginning of what it says, in one line
	Original   string // where it is seen as its sender laid it out; empty: nowhere
	Pictures   string // the same with pictures from elsewhere
	Opened     bool   // that is asked for
}

type file struct {
	URL, Name, Ext, Class string
	Size                  int64
}

type person struct{ Name, Initials, Role string }

// headOf fills in what every page shows.
func (p *portal) headOf(r *http.Request, t *i18n.Texts, who visitor, title string) head {
	h := head{Lang: t.Lang(), Dir: t.Dir(), Title: title, Portal: "Support", Zone: t.Zone(p.DB.Now()), Here: here(r), Theme: themeOf(r)}
	menu := desk.Branding{}.Items()
	if org, err := p.DB.Organisation(r.Context()); err == nil { // an error page must come up without a database
		menu = org.Settings.Branding.Items()
		h.Portal = org.Settings.PortalTitle
		if offered := org.Settings.Offered(); len(offered) > 1 && !who.Seeing {
			h.Languages = languagesOf(offered, t.Lang())
		}
		if mb, ok := org.DefaultMailbox(); ok {
			h.Help = mb.Address
		}
		if org.HasArticles(who.scope) {
			h.Knowledge = knowledgePath(t.Lang())
		}
		if b, err := p.brands.of(org); err == nil { // a page without it is better than none
			h.Brand, h.Footer = b, b.footers[t.Lang()]
			h.Logo, h.LogoDark = b.shown(h.Theme)
		}
	}
	if who.Seeing {
		h.Seeing = nameOf(who.Contact)
	}
	if who.ID != "" && who.org != nil {
		h.Idle = who.org.Settings.Access.IdleMinutes * 60
	}
	if who.ID != "" {
		h.User = &user{Name: nameOf(who.Contact), Initials: initials(nameOf(who.Contact)), Mark: markOf(who.ID)}
	}
	h.MayOpen = h.User != nil && who.org != nil && len(tickets.Forms(who.org)) > 0
	h.Menu = menuOf(h, menu)
	return h
}

// page gives the texts and the head of a page whose title is the text of a key.
func (p *portal) page(c *gin.Context, who visitor, titleKey string) (*i18n.Texts, head, error) {
	t := p.texts(c.Request, who)
	title, err := t.T(titleKey)
	h := p.headOf(c.Request, t, who, title)
	if c.Request.Method != http.MethodHead && !byItself(c.Request) { // nobody reads it there
		h.Notice = p.sessions.TakeNotice(c.Request.Context())
	}
	return t, h, err
}

// show writes a page; a form with problems is 422, or what has been set already.
func (p *portal) show(c *gin.Context, t *i18n.Texts, name string, view any, problems int) error {
	status := c.Writer.Status()
	if problems > 0 && status == http.StatusOK {
		status = http.StatusUnprocessableEntity
	}
	return p.pages.write(c.Writer, status, t.Lang(), name, view)
}

func nameOf(c desk.Contact) string {
	if c.Name != "" {
		return c.Name
	}
	if email := c.LoginAddress(); email != "" {
		return email
	}
	return c.Username
}

// initials gives up to two letters that stand for a name.
func initials(name string) string {
	var out []rune
	for word := range strings.FieldsFuncSeq(name, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(".-_@", r) }) {
		if r, _ := utf8.DecodeRuneInString(word); unicode.IsLetter(r) && len(out) < 2 {
			out = append(out, unicode.ToUpper(r))
		}
	}
	return string(out)
}

func ticketPath(number int64) string { return "/tickets/" + strconv.FormatInt(number, 10) }
