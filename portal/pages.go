package portal

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"postern/desk"
	"postern/i18n"
	"postern/web"
)

//go:embed templates
var templates embed.FS

// pages holds every template, once for each language.
type pages struct{ byLang map[string]*template.Template }

func parsePages(texts *i18n.Catalogue, assets *web.Assets) (*pages, error) {
	p := &pages{byLang: map[string]*template.Template{}}
	for _, lang := range texts.Languages() {
		t := texts.For(lang)
		set, err := template.New("").Option("missingkey=error").Funcs(template.FuncMap{
			"t": t.T, "tn": t.N, "bytes": t.Bytes, "asset": assets.URL,
		}).ParseFS(templates, "templates/*.html")
		if err != nil {
			return nil, err
		}
		p.byLang[lang] = set
	}
	return p, nil
}

// write renders a page whole before the first byte leaves, so that a fault gives an error and no half page.
func (p *pages) write(w http.ResponseWriter, status int, lang, name string, view any) error {
	set, ok := p.byLang[lang]
	if !ok {
		return fmt.Errorf("there are no pages in %q", lang)
	}
	var b bytes.Buffer
	if err := set.ExecuteTemplate(&b, name, view); err != nil {
		return err
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
	Title     string
	Portal    string
	Help      string // the address to write to
	User      *user
	Active    string
	Notice    string
	Kept      string // what is true besides where scripts run
	Problems  []problem
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
}

// moment is a time on a page.
type moment struct{ ISO, Text, Day string }

func momentOf(t *i18n.Texts, at time.Time) moment {
	at = at.UTC()
	return moment{ISO: at.Format(time.RFC3339), Text: t.Date(at), Day: t.Day(at)}
}

type statusTag struct{ Class, Label string }

type listView struct {
	head
	Empty              bool // the person has no ticket at all
	Waiting            int
	Pills              []pill
	Rows               []row
	From, To, Total    int
	NewerURL, OlderURL string
}

type pill struct {
	URL, Label string
	On         bool
}

type row struct {
	Number        int64
	Subject       string
	Files         bool
	By, Snippet   string
	Status        statusTag
	Created, Last moment
}

type threadView struct {
	head
	Number        int64
	Subject       string
	Status        statusTag
	Closed        bool
	Locked        bool // customers can't add to it
	Waiting       bool
	Created, Last moment
	Messages      []message
	EarlierURL    string // where the messages before these are
	LatestURL     string // where the newest are, if they are not here
	People        []person
	Nonce         desk.ID
	Draft         string
	Solved        bool
	limits
}

// limits tell a page what may be sent at once.
type limits struct {
	MaxFiles    int
	MaxFileSize int64
	ShownSize   int64 // as people are told it
}

var theLimits = limits{maxFiles, maxFileSize, shownSize} //nolint:gochecknoglobals // never changes

type message struct {
	ID         desk.ID
	Team       bool
	Author     string
	Initials   string
	Via        string
	Unverified bool
	At         moment
	Body       template.HTML
	Quoted     template.HTML
	Files      []file
	Delivery   string
}

type file struct {
	URL, Name, Ext, Class string
	Size                  int64
}

type person struct{ Name, Initials, Role string }

type newView struct {
	head
	Nonce          desk.ID
	Subject, Draft string
	limits
}

// headOf fills in what every page shows.
func (p *portal) headOf(ctx context.Context, t *i18n.Texts, who desk.Contact, title string) head {
	h := head{Lang: t.Lang(), Dir: t.Dir(), Title: title, Portal: "Support"}
	if org, err := p.DB.Organisation(ctx); err == nil { // an error page must come up without a database
		h.Portal = org.Settings.PortalTitle
		if mb, ok := org.DefaultMailbox(); ok {
			h.Help = mb.Address
		}
	}
	if who.ID != "" {
		h.User = &user{Name: nameOf(who), Initials: initials(nameOf(who)), Mark: markOf(who.ID)}
	}
	return h
}

// page gives the texts and the head of a page whose title is the text of a key.
func (p *portal) page(c *gin.Context, who desk.Contact, titleKey string) (*i18n.Texts, head, error) {
	t := p.Texts.For(p.lang(c.Request, who))
	title, err := t.T(titleKey)
	h := p.headOf(c.Request.Context(), t, who, title)
	if c.Request.Method != http.MethodHead { // nobody reads it there
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
