package desk

import "time"

// OAuthProvider is whose OAuth server gives the tokens that open a mailbox.
type OAuthProvider string

// The providers.
const (
	OAuthGoogle    OAuthProvider = "google"
	OAuthMicrosoft OAuthProvider = "microsoft"
	OAuthCustom    OAuthProvider = "custom"
)

// OAuth says how a mailbox gets its access tokens. The zero value: it signs in with a password.
type OAuth struct {
	Provider OAuthProvider
	ClientID string
	Tenant   string // Microsoft's: a directory's id or domain, or "common"
	// For OAuthCustom; those of the others are known.
	AuthURL, TokenURL, DeviceURL string
	Scope                        string // as RFC 6749 section 3.3 writes it
}

// Used tells whether the mailbox signs in by OAuth.
func (o OAuth) Used() bool { return o.Provider != "" }

// Grant is the leave to sign in to a mailbox by OAuth, with its tokens. They are stored encrypted and never shown.
type Grant struct {
	MailboxID ID
	Tokens    GrantTokens
	Version   int64     // counts the tokens; whoever renews says which ones they renewed
	Expires   time.Time // of the access token
	RenewAt   time.Time // when it is to be renewed
	Forced    bool      // the access token was asked for because a mail server had refused the one before
	// Problem is why it could not be renewed the last time; empty: it could.
	Problem  string
	Ended    bool      // waiting won't help: somebody has to act
	RetryAt  time.Time // for a Problem that may pass
	Failures int       // in a row
	// AuthorisedAt is when somebody consented, RenewedAt when the tokens were last renewed.
	AuthorisedAt, RenewedAt time.Time
}

// GrantTokens are the secrets of a Grant.
type GrantTokens struct {
	Refresh string
	Access  string
}

// String hides them.
func (GrantTokens) String() string { return "[hidden]" }

// GoString hides them.
func (GrantTokens) GoString() string { return "[hidden]" }

// Good tells whether the access token can be used at a time.
func (g Grant) Good(now time.Time) bool { return g.Tokens.Access != "" && now.Before(g.Expires) }
