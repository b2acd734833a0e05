package mailtest

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"
)

// OAuthOptions say how an OAuthServer differs from the usual.
type OAuthOptions struct {
	ClientSecret string        // what the client "postern" must show; empty: none
	Lifetime     time.Duration // of an access token, by Now; zero: an hour
	KeepRefresh  bool          // a refresh gives no new refresh token, as Google's does not
	Now          func() time.Time
	// DevicePolls is how often a device is told to wait before it gets its tokens.
	DevicePolls int
}

// OAuthServer gives tokens as RFC 6749, 7636 and 8628 want it, each for the one user who consents to everything. A refresh token is
// good for one use; one that is used again ends all that came of it, as the best current practice (RFC 9700) has it.
type OAuthServer struct {
	t       testing.TB
	options OAuthOptions
	user    string
	http    *httptest.Server

	mu        sync.Mutex // guards what follows
	count     int
	codes     map[string]url.Values // by authorisation code, what it was asked for with
	devices   map[string]int        // by device code, how often it was asked about
	refresh   map[string]bool       // whether it is still good
	access    map[string]time.Time  // until when
	script    func(grant string) (status int, body string)
	refreshes int
	reused    int
	seen      []url.Values
}

// OAuth starts a server whose tokens open the mailbox of user. It is stopped with the test.
func OAuth(t testing.TB, user string, o OAuthOptions) *OAuthServer {
	t.Helper()
	if o.Lifetime == 0 {
		o.Lifetime = time.Hour
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &OAuthServer{t: t, options: o, user: user, codes: map[string]url.Values{}, devices: map[string]int{}, refresh: map[string]bool{}, access: map[string]time.Time{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /authorize", s.authorize)
	mux.HandleFunc("POST /token", s.token)
	mux.HandleFunc("POST /device", s.device)
	mux.HandleFunc("GET /tokeninfo", s.tokenInfo)
	s.http = httptest.NewServer(mux)
	t.Cleanup(s.http.Close)
	return s
}

// URL is where the server is: /authorize, /token, /device and /tokeninfo lie below it.
func (s *OAuthServer) URL() string { return s.http.URL }

// Close has the server be gone.
func (s *OAuthServer) Close() { s.http.Close() }

// Script is asked before each request for tokens, with its grant_type: a status other than 0 is answered with that and the body.
// Nil, the usual, lets all pass.
func (s *OAuthServer) Script(f func(grant string) (status int, body string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script = f
}

// Grant gives a refresh token and an access token, as if somebody had consented.
func (s *OAuthServer) Grant() (refresh, access string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.issue()
}

func (s *OAuthServer) issue() (refresh, access string) {
	s.count++
	refresh, access = fmt.Sprintf("refresh-%d-hunter2", s.count), fmt.Sprintf("access-%d-hunter2", s.count)
	s.refresh[refresh], s.access[access] = true, s.options.Now().Add(s.options.Lifetime)
	return refresh, access
}

// RevokeAccess has the access tokens so far no longer count.
func (s *OAuthServer) RevokeAccess() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.access)
}

// Revoke ends all that was given.
func (s *OAuthServer) Revoke() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.access)
	clear(s.refresh)
}

// Refreshes is how often a refresh token was taken.
func (s *OAuthServer) Refreshes() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refreshes
}

// Reused is how often one was shown that had been used already.
func (s *OAuthServer) Reused() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reused
}

// Owner gives whose mailbox an access token opens, or "".
func (s *OAuthServer) Owner(access string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if until, there := s.access[access]; there && s.options.Now().Before(until) {
		return s.user
	}
	return ""
}

// Authorizations gives the queries of the pages that people were sent to.
func (s *OAuthServer) Authorizations() []url.Values {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]url.Values{}, s.seen...)
}

func (s *OAuthServer) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	back, err := url.Parse(q.Get("redirect_uri"))
	if err != nil || q.Get("client_id") != "postern" || q.Get("response_type") != "code" || q.Get("code_challenge_method") != "S256" || len(q.Get("state")) < 20 {
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	s.count++
	code := fmt.Sprintf("code-%d-hunter2", s.count)
	s.codes[code] = q
	s.seen = append(s.seen, q)
	s.mu.Unlock()
	back.RawQuery = url.Values{"code": {code}, "state": {q.Get("state")}}.Encode()
	http.Redirect(w, r, back.String(), http.StatusFound)
}

func (s *OAuthServer) device(w http.ResponseWriter, r *http.Request) {
	if r.FormValue("client_id") != "postern" {
		answerJSON(w, http.StatusUnauthorized, map[string]any{"error": "invalid_client"})
		return
	}
	s.mu.Lock()
	s.count++
	code := fmt.Sprintf("device-%d-hunter2", s.count)
	s.devices[code] = 0
	s.mu.Unlock()
	answerJSON(w, http.StatusOK, map[string]any{
		"device_code": code, "user_code": "WDJB-MJHT", "verification_uri": s.URL() + "/activate", "expires_in": 600, "interval": 1,
	})
}

func (s *OAuthServer) token(w http.ResponseWriter, r *http.Request) {
	grant := r.FormValue("grant_type")
	s.mu.Lock()
	script := s.script
	s.mu.Unlock()
	if script != nil {
		if status, body := script(grant); status != 0 {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body)) // the client may have gone
			return
		}
	}
	status, out := s.grant(grant, r)
	answerJSON(w, status, out)
}

func (s *OAuthServer) grant(grant string, r *http.Request) (status int, out map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	no := func(code string) (int, map[string]any) {
		return http.StatusBadRequest, map[string]any{"error": code, "error_description": "it is not good (any more)"}
	}
	if r.FormValue("client_id") != "postern" || r.FormValue("client_secret") != s.options.ClientSecret {
		return no("invalid_client")
	}
	switch grant {
	case "authorization_code":
		q, there := s.codes[r.FormValue("code")]
		delete(s.codes, r.FormValue("code"))
		sum := sha256.Sum256([]byte(r.FormValue("code_verifier")))
		if !there || q.Get("redirect_uri") != r.FormValue("redirect_uri") || q.Get("code_challenge") != base64.RawURLEncoding.EncodeToString(sum[:]) {
			return no("invalid_grant")
		}
	case "urn:ietf:params:oauth:grant-type:device_code":
		polls, there := s.devices[r.FormValue("device_code")]
		if !there {
			return no("invalid_grant")
		}
		if s.devices[r.FormValue("device_code")] = polls + 1; polls < s.options.DevicePolls {
			return no("authorization_pending")
		}
		delete(s.devices, r.FormValue("device_code"))
	case "refresh_token":
		shown := r.FormValue("refresh_token")
		good, known := s.refresh[shown]
		if !good {
			if known { // somebody else has used it: nobody knows who is the thief
				s.reused++
				clear(s.refresh)
				clear(s.access)
			}
			return no("invalid_grant")
		}
		s.refreshes++
		if s.options.KeepRefresh {
			refresh, access := s.issue()
			delete(s.refresh, refresh)
			return http.StatusOK, s.tokens("", access)
		}
		s.refresh[shown] = false
	default:
		return no("unsupported_grant_type")
	}
	return http.StatusOK, s.tokens(s.issue())
}

func (s *OAuthServer) tokens(refresh, access string) map[string]any {
	out := map[string]any{"access_token": access, "token_type": "Bearer", "expires_in": int(s.options.Lifetime.Seconds())}
	if refresh != "" {
		out["refresh_token"] = refresh
	}
	return out
}

// tokenInfo is what Dovecot's oauth2 passdb asks.
func (s *OAuthServer) tokenInfo(w http.ResponseWriter, r *http.Request) {
	if owner := s.Owner(r.URL.Query().Get("access_token")); owner != "" {
		answerJSON(w, http.StatusOK, map[string]any{"email": owner, "active": "true"})
		return
	}
	answerJSON(w, http.StatusUnauthorized, map[string]any{"error": "invalid_token"})
}

func answerJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client may have gone
}
