package webhook

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"net/http"
	"strconv"
	"strings"
	"time"

	"postern/desk"
)

// tolerance is how far a signed time may be from ours (Standard Webhooks 1.0.0, "Verifying webhook authenticity").
const tolerance = 5 * time.Minute

// secretPrefix marks a Standard Webhooks secret.
const secretPrefix = "whsec_"

// NewSecret makes a Standard Webhooks secret: "whsec_" and 32 random bytes in base64.
func NewSecret() string {
	var key [32]byte
	_, _ = rand.Read(key[:]) // never fails since Go 1.24
	return secretPrefix + base64.StdEncoding.EncodeToString(key[:])
}

// check verifies a post while its body passes by.
type check struct {
	mac        hash.Hash // nil: the URL itself was the proof
	signatures []string
}

func refused(format string, args ...any) error {
	return &desk.Error{Kind: desk.Unauthenticated, Text: fmt.Sprintf(format, args...)}
}

// newCheck reads what the headers promise. A post to a signed form without a signature is refused before its body is
// read.
func newCheck(form desk.Form, h http.Header, now time.Time) (*check, error) {
	switch form.Auth {
	case desk.SecretURLForm:
		return &check{}, nil
	case desk.SignedForm:
	default:
		return nil, &desk.Error{Kind: desk.Gone, Text: "this form has no way to tell who may post; set it up again"}
	}
	id, ts, sig := h.Get("Webhook-Id"), h.Get("Webhook-Timestamp"), h.Get("Webhook-Signature")
	if id == "" || ts == "" || sig == "" {
		return nil, refused("the post is not signed: want the headers webhook-id, webhook-timestamp and webhook-signature (Standard Webhooks)")
	}
	if strings.Contains(id, ".") {
		return nil, refused("a webhook-id must not contain a full stop")
	}
	seconds, err := strconv.ParseInt(ts, 10, 64)
	if err != nil {
		return nil, refused("webhook-timestamp is not a number of seconds")
	}
	if d := now.Sub(time.Unix(seconds, 0)); d > tolerance || d < -tolerance {
		return nil, refused("webhook-timestamp is more than %d minutes away from our clock", int(tolerance.Minutes()))
	}
	key, err := secretKey(form.Secret)
	if err != nil {
		return nil, err
	}
	c := &check{mac: hmac.New(sha256.New, key)}
	fmt.Fprintf(c.mac, "%s.%s.", id, ts)
	for s := range strings.FieldsSeq(sig) {
		if version, value, ok := strings.Cut(s, ","); ok && version == "v1" {
			c.signatures = append(c.signatures, value)
		}
	}
	return c, nil
}

func secretKey(secret string) ([]byte, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, secretPrefix))
	if err != nil || len(key) < 24 {
		return nil, errors.New("the form's secret is damaged")
	}
	return key, nil
}

// Write takes the next bytes of the body.
func (c *check) Write(p []byte) (int, error) {
	if c.mac == nil {
		return len(p), nil
	}
	return c.mac.Write(p)
}

// verify tells, after the whole body, whether one of the signatures is right. It takes the same time wherever a wrong one
// differs.
func (c *check) verify() error {
	if c.mac == nil {
		return nil
	}
	want := c.mac.Sum(nil)
	for _, s := range c.signatures {
		if got, err := base64.StdEncoding.DecodeString(s); err == nil && hmac.Equal(got, want) {
			return nil
		}
	}
	return refused("the signature is wrong: sign webhook-id.webhook-timestamp.body with the form's secret")
}

func megabytes(n int64) string { return strconv.FormatInt(n>>20, 10) + " MB" }
