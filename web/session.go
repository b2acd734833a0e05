package web

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/alexedwards/scs/v2"

	"postern/desk"
)

// SessionStore keeps sessions by token.
type SessionStore interface {
	Session(ctx context.Context, token string) (data []byte, found bool, err error)
	PutSession(ctx context.Context, token string, contact desk.ID, data []byte, expires time.Time) error
	DropSession(ctx context.Context, token string) error
}

// Sessions knows who is signed in: a random token in a cookie, all else on the server (REQUIREMENTS P8).
type Sessions struct {
	scs *scs.SessionManager
	now func() time.Time
}

const (
	keyContact = "contact"
	keySeen    = "seen"  // Unix minutes
	keyBegan   = "began" // Unix minutes
	keyWay     = "way"
	keyIP      = "ip"
	keyAgent   = "agent"
)

// NewSessions makes sessions, which end when Current says so.
func NewSessions(store SessionStore, https bool, fail func(http.ResponseWriter, *http.Request, error)) *Sessions {
	m := scs.New()
	m.Store = sessionStore{store}
	m.Codec = sessionCodec{}
	m.HashTokenInStore = true
	m.Lifetime = 12 * time.Hour // of one that nobody is signed in to
	m.Cookie.Persist = false
	m.Cookie.Name = "postern"
	m.Cookie.HttpOnly = true
	m.Cookie.SameSite = http.SameSiteLaxMode
	if m.Cookie.Secure = https; https {
		m.Cookie.Name = "__Host-postern"
	}
	m.ErrorFunc = fail
	return &Sessions{scs: m, now: time.Now}
}

// Handler makes the session of each request available to h.
func (s *Sessions) Handler(h http.Handler) http.Handler { return s.scs.LoadAndSave(h) }

// Session is one sign-in, as the one who signed in is told of it.
type Session struct {
	Contact desk.ID
	Way     Way
	IP      string // where it began
	Agent   string // what the browser calls itself
	Began   time.Time
	Seen    time.Time // to the minute
	Token   string    // the hash by which it is stored; only of those that were listed
}

// Way is how somebody came in.
type Way string

// The ways.
const (
	ByPassword Way = "password"
	ByLink     Way = "link"
	ByPasskey  Way = "passkey"
	AsOperator Way = "operator" // who looks at what the contact sees, read only
)

// maxAgent is how much is kept of what a browser calls itself.
const maxAgent = 200

// SignIn begins a session of its own, which lasts longest in any case; whatever token the browser had before is worth nothing now.
func (s *Sessions) SignIn(ctx context.Context, in Session, longest time.Duration) error {
	if err := s.scs.RenewToken(ctx); err != nil {
		return err
	}
	s.scs.SetDeadline(ctx, s.now().Add(longest))
	if len(in.Agent) > maxAgent {
		in.Agent = strings.ToValidUTF8(in.Agent[:maxAgent], "")
	}
	for key, value := range map[string]any{keyContact: string(in.Contact), keyWay: string(in.Way), keyIP: in.IP, keyAgent: in.Agent, keySeen: s.minute(), keyBegan: s.minute()} {
		s.scs.Put(ctx, key, value)
	}
	return nil
}

// SignOut ends the session.
func (s *Sessions) SignOut(ctx context.Context) error { return s.scs.Destroy(ctx) }

// Current tells whose session it is; nobody's is the zero value. It ends after idle without a request, and after longest in any case: timedOut
// says that it was somebody's until then. quiet has this request not count, as one that the page makes by itself.
func (s *Sessions) Current(ctx context.Context, idle, longest time.Duration, quiet bool) (in Session, timedOut bool, err error) {
	in = sessionOf(func(key string) any { return s.scs.Get(ctx, key) })
	if in.Contact == "" {
		return Session{}, false, nil
	}
	now := time.Unix(int64(s.minute())*60, 0)
	if now.Sub(in.Seen) > idle || now.Sub(in.Began) > longest {
		return Session{}, true, s.scs.Destroy(ctx)
	}
	if !now.Equal(in.Seen) && !quiet { // written at most once a minute
		s.scs.Put(ctx, keySeen, s.minute())
	}
	return in, false, nil
}

// sessionOf reads a session from its stored values.
func sessionOf(value func(key string) any) Session {
	text := func(key string) string { v, _ := value(key).(string); return v }
	minute := func(key string) time.Time { v, _ := value(key).(int); return time.Unix(int64(v)*60, 0) }
	return Session{Contact: desk.ID(text(keyContact)), Way: Way(text(keyWay)), IP: text(keyIP), Agent: text(keyAgent), Began: minute(keyBegan), Seen: minute(keySeen)}
}

// Listed reads the sessions of somebody as the store has them, by token.
func Listed(stored map[string][]byte) ([]Session, error) {
	var out []Session
	for token, data := range stored {
		_, values, err := sessionCodec{}.Decode(data)
		if err != nil {
			return nil, err
		}
		in := sessionOf(func(key string) any { return values[key] })
		in.Token = token
		out = append(out, in)
	}
	slices.SortFunc(out, func(a, b Session) int { return cmp.Or(b.Seen.Compare(a.Seen), strings.Compare(a.Token, b.Token)) })
	return out, nil
}

// Token is the hash by which this request's session is stored.
func (s *Sessions) Token(ctx context.Context) string {
	sum := sha256.Sum256([]byte(s.scs.Token(ctx)))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// Put keeps a text in the session; Take gives it once, Read as often as it is asked for.
func (s *Sessions) Put(ctx context.Context, key, text string) { s.scs.Put(ctx, "p:"+key, text) }

// Take gives a text that was put, once.
func (s *Sessions) Take(ctx context.Context, key string) string {
	return s.scs.PopString(ctx, "p:"+key)
}

// Read gives a text that was put.
func (s *Sessions) Read(ctx context.Context, key string) string {
	return s.scs.GetString(ctx, "p:"+key)
}

// Notice leaves a text for the next page of this session.
func (s *Sessions) Notice(ctx context.Context, text string) { s.scs.Put(ctx, "notice", text) }

// TakeNotice gives the text that was left, once.
func (s *Sessions) TakeNotice(ctx context.Context) string { return s.scs.PopString(ctx, "notice") }

func (s *Sessions) minute() int { return int(s.now().Unix() / 60) }

// sessionCodec writes a session as JSON, so that the store can see whose it is.
type sessionCodec struct{}

type sessionData struct {
	Deadline time.Time      `json:"deadline"`
	Values   map[string]any `json:"values"`
}

func (sessionCodec) Encode(deadline time.Time, values map[string]any) ([]byte, error) {
	return json.Marshal(sessionData{deadline, values})
}

func (sessionCodec) Decode(b []byte) (time.Time, map[string]any, error) {
	var d sessionData
	if err := json.Unmarshal(b, &d); err != nil {
		return time.Time{}, nil, err
	}
	for k, v := range d.Values {
		if n, ok := v.(float64); ok {
			d.Values[k] = int(n)
		}
	}
	return d.Deadline, d.Values, nil
}

// sessionStore is a SessionStore as scs wants it.
type sessionStore struct{ s SessionStore }

func (s sessionStore) FindCtx(ctx context.Context, token string) ([]byte, bool, error) {
	return s.s.Session(ctx, token)
}

func (s sessionStore) CommitCtx(ctx context.Context, token string, b []byte, expiry time.Time) error {
	_, values, err := sessionCodec{}.Decode(b)
	if err != nil {
		return err
	}
	contact, _ := values[keyContact].(string)
	return s.s.PutSession(ctx, token, desk.ID(contact), b, expiry)
}

func (s sessionStore) DeleteCtx(ctx context.Context, token string) error {
	return s.s.DropSession(ctx, token)
}

func (s sessionStore) Find(token string) ([]byte, bool, error) {
	return s.FindCtx(context.Background(), token)
}

func (s sessionStore) Commit(token string, b []byte, expiry time.Time) error {
	return s.CommitCtx(context.Background(), token, b, expiry)
}

func (s sessionStore) Delete(token string) error { return s.DeleteCtx(context.Background(), token) }
