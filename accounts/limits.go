package accounts

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/netip"
	"strings"
	"time"

	"postern/desk"
	"postern/store"
)

// How often something may be tried or asked for (REQUIREMENTS P7, L10). What one place does takes away little from the same person elsewhere, and nobody
// is locked out for good.
const (
	tryWindow     = 15 * time.Minute
	freeTries     = 5   // wrong ones for one name from one place
	triesPerName  = 100 // wrong ones for one name from all places
	triesPerPlace = 100 // wrong ones from one place, for all names: behind a proxy that is not trusted, everybody is in one place
	codesPerName  = 20  // of a million, from all places

	mailsHour          = 3  // of one kind, for one name, as one place has asked for them
	mailsEverywhere    = 12 // as all places have
	linksPerPlace      = 20 // in an hour, for all names
	registrationsPlace = 20
)

// placeOf names where somebody is, for counting: an IPv4 address, or the network of an IPv6 one, as each connection has a whole /64 (RFC 6177).
func placeOf(ip string) string {
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return ip
	}
	if addr = addr.Unmap(); addr.Is4() {
		return addr.String()
	}
	network, err := addr.WithZone("").Prefix(64)
	if err != nil {
		return ip
	}
	return network.String()
}

// fingerprint stands for a name that was typed, for counting: it may be long, and is nobody's business.
func fingerprint(login string) string {
	sum := sha256.Sum256([]byte(strings.ToLower(strings.TrimSpace(login))))
	return hex.EncodeToString(sum[:8])
}

// try is what is counted of one attempt to get in: before it is made, so that many at the same moment are many. What is right takes the counts back.
type try struct {
	place    string // counts for everybody there
	name     string // counts from everywhere
	here     string // counts for the name at the place
	everyone int    // bound of name
}

func tryOf(what, login, ip string, everyone int) try {
	place, name := placeOf(ip), what+" of "+fingerprint(login)
	return try{place: "sign-in from " + place, name: name, here: name + " from " + place, everyone: everyone}
}

// count refuses with TooMany what is over a bound. That is not counted any further, and leaves no row for its name.
func (t try) count(ctx context.Context, tx *store.Tx) error {
	if err := countHit(ctx, tx, t.place, triesPerPlace); err != nil {
		return err
	}
	if err := countHit(ctx, tx, t.here, freeTries); err != nil {
		return err
	}
	return countHit(ctx, tx, t.name, t.everyone)
}

func (t try) takeBack(ctx context.Context, tx *store.Tx) error {
	return errors.Join(tx.TakeBackHit(ctx, t.place), tx.TakeBackHit(ctx, t.name), tx.ForgetHits(ctx, t.here))
}

func countHit(ctx context.Context, tx *store.Tx, key string, most int) error {
	tries, err := tx.Hit(ctx, key, tryWindow)
	if err != nil || tries <= most {
		return err
	}
	return &desk.Error{Kind: desk.TooMany, Text: "Too many wrong tries. Try again in 15 minutes", Key: "too_many_tries"}
}

// fewEnough counts a mail that somebody at a place has asked for, and tells whether it may go out. One place alone never uses up what all may ask for.
func fewEnough(ctx context.Context, tx *store.Tx, what, name, ip string) (bool, error) {
	for _, bound := range []struct {
		key  string
		most int
	}{{what + " for " + name + " from " + placeOf(ip), mailsHour}, {what + " for " + name, mailsEverywhere}} {
		if n, err := tx.Hit(ctx, bound.key, time.Hour); err != nil || n > bound.most {
			return false, err
		}
	}
	return true, nil
}
