package web

import (
	"context"
	"encoding/json"
	"net/http"
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
	scs  *scs.SessionManager
	idle time.Duration
	now  func() time.Time
}

const (
	keyContact = "contact"
	keySeen    = "seen" // Unix minutes
)

// NewSessions makes sessions that end after idle without a request, and after twelve hours in any case.
func NewSessions(store SessionStore, https bool, idle time.Duration, fail func(http.ResponseWriter, *http.Request, error)) *Sessions {
	m := scs.New()
	m.Store = sessionStore{store}
	m.Codec = sessionCodec{}
	m.HashTokenInStore = true
	m.Lifetime = 12 * time.Hour
	m.Cookie.Name = "postern"
	m.Cookie.HttpOnly = true
	m.Cookie.SameSite = http.SameSiteLaxMode
	if m.Cookie.Secure = https; https {
		m.Cookie.Name = "__Host-postern"
	}
	m.ErrorFunc = fail
	return &Sessions{scs: m, idle: idle, now: time.Now}
}

// Handler makes the session of each request available to h.
func (s *Sessions) Handler(h http.Handler) http.Handler { return s.scs.LoadAndSave(h) }

// SignIn begins a session of its own for the contact; whatever token the browser had before is worth nothing now.
func (s *Sessions) SignIn(ctx context.Context, contact desk.ID) error {
	if err := s.scs.RenewToken(ctx); err != nil {
		return err
	}
	s.scs.Put(ctx, keyContact, string(contact))
	s.scs.Put(ctx, keySeen, s.minute())
	return nil
}

// SignOut ends the session.
func (s *Sessions) SignOut(ctx context.Context) error { return s.scs.Destroy(ctx) }

// Contact tells whose session it is. timedOut says that it was somebody's until they did nothing for too long.
func (s *Sessions) Contact(ctx context.Context) (id desk.ID, timedOut bool, err error) {
	id = desk.ID(s.scs.GetString(ctx, keyContact))
	if id == "" {
		return "", false, nil
	}
	now, seen := s.minute(), s.scs.GetInt(ctx, keySeen)
	if time.Duration(now-seen)*time.Minute > s.idle {
		return "", true, s.scs.Destroy(ctx)
	}
	if now != seen { // written at most once a minute
		s.scs.Put(ctx, keySeen, now)
	}
	return id, false, nil
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
