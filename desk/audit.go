package desk

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"time"
)

// Actor is who does something that is written down: a program with a token, a contact, an operator at the command line, or Postern
// itself (the zero value).
type Actor struct {
	Kind ActorKind `json:"kind"`
	ID   ID        `json:"id,omitempty"`
	Name string    `json:"name,omitempty"`
	IP   string    `json:"ip,omitempty"`
}

// ActorKind is what an Actor is. It is an open set.
type ActorKind string

// The kinds.
const (
	ActorSystem  ActorKind = "system"
	ActorToken   ActorKind = "token"
	ActorCommand ActorKind = "command"
	ActorContact ActorKind = "contact"
)

type actorKey struct{}

// As gives a context in which an actor does things.
func As(ctx context.Context, a Actor) context.Context { return context.WithValue(ctx, actorKey{}, a) }

// ActorOf tells who does things in a context: Postern itself, if nobody said so.
func ActorOf(ctx context.Context) Actor {
	if a, ok := ctx.Value(actorKey{}).(Actor); ok {
		return a
	}
	return Actor{Kind: ActorSystem}
}

// AuditEntry is one line of the audit log. Entries are never changed; each one's Hash covers the one before it, so that a line that
// is missing or was changed shows (REQUIREMENTS G5).
type AuditEntry struct {
	ID      ID                 `json:"id"`
	At      time.Time          `json:"at"`
	Actor   Actor              `json:"actor"`
	Action  Action             `json:"action"`
	Subject string             `json:"subject"` // what it was done to: an id or the name of a thing
	Changes map[string]Changed `json:"changes"` // by the place of what was changed; never texts of mails, never secrets
	Hash    string             `json:"hash"`
}

// Changed is a value before and after.
type Changed struct {
	Was any `json:"was"`
	Is  any `json:"is"`
}

// Action says what was done. It is an open set.
type Action string

// The actions there are so far.
const (
	SettingsChanged Action = "settings.changed"
	SettingsRefused Action = "settings.refused" // to a token without the right
	SignedIn        Action = "sign-in.done"
	SignInFailed    Action = "sign-in.failed"
	SignedOut       Action = "sign-in.ended"
	PasswordSet     Action = "password.set"
	PasskeyAdded    Action = "passkey.added"
	PasskeyRemoved  Action = "passkey.removed"
	Registered      Action = "contact.registered"
	Consented       Action = "contact.consented"
	Declined        Action = "contact.declined"
	Invited         Action = "contact.invited"
	ContactAdded    Action = "contact.added"
	ContactChanged  Action = "contact.changed"
	CompanyAdded    Action = "company.added"
	CompanyChanged  Action = "company.changed"
	ListAdded       Action = "list.added"
	ListChanged     Action = "list.changed"
	ListDeleted     Action = "list.deleted"
	TokenAdded      Action = "token.added"
	TokenRevoked    Action = "token.revoked"
	PortalViewed    Action = "portal.viewed-as"
	HeldDecided     Action = "held.decided"
)

// Sum gives the hash of an entry that follows the one with the hash before.
func (e AuditEntry) Sum(before string) string {
	e.Hash = before
	e.At = e.At.UTC()
	b, err := json.Marshal(e)
	if err != nil {
		panic(err) // only plain values are kept
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// Differences lists what is different in two values of one kind by its place, as JSON shows it: "sharing.mode". What both lack or
// have alike is left out; a list is one value.
func Differences(was, is any) map[string]Changed {
	out := map[string]Changed{}
	differences("", plain(was), plain(is), out)
	return out
}

func plain(v any) any {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // settings, contacts and the like are plain values
	}
	var out any
	if err := json.Unmarshal(b, &out); err != nil {
		panic(err)
	}
	return out
}

func differences(place string, was, is any, out map[string]Changed) {
	a, aIs := was.(map[string]any)
	b, bIs := is.(map[string]any)
	if !aIs && was != nil || !bIs && is != nil || !aIs && !bIs {
		if !sameJSON(was, is) {
			out[place] = Changed{was, is}
		}
		return
	}
	if place != "" {
		place += "."
	}
	keys := slices.Collect(maps.Keys(a))
	for k := range b {
		if _, both := a[k]; !both {
			keys = append(keys, k)
		}
	}
	for _, k := range keys {
		differences(place+k, a[k], b[k], out)
	}
}

func sameJSON(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}
