package mailmsg

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/emersion/go-msgauth/dkim"
)

// DKIMKey signs mail as a domain's (RFC 6376).
type DKIMKey struct {
	Domain   string
	Selector string         // the record lies at <selector>._domainkey.<domain>
	private  *crypto.Signer // a pointer, so that fmt shows an address only
}

// dkimBits is what every receiver verifies and every DNS host takes (RFC 8301 section 3.2).
const dkimBits = 2048

// NewDKIMKey makes a private key, as PEM. It is RSA, because many receivers know no other.
func NewDKIMKey() (string, error) {
	key, err := rsa.GenerateKey(rand.Reader, dkimBits)
	if err != nil {
		return "", fmt.Errorf("make a DKIM key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", fmt.Errorf("make a DKIM key: %w", err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), nil
}

// ParseDKIMKey reads a private key as PEM, PKCS #8 or PKCS #1: RSA of 1024 bits at least, or Ed25519 (RFC 8463). Its errors show nothing
// of the key.
func ParseDKIMKey(domain, selector, text string) (DKIMKey, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return DKIMKey{}, errors.New("the DKIM key is no PEM file with a private key")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	}
	if err != nil {
		return DKIMKey{}, errors.New("the DKIM key can't be read; it has to be a private key as PKCS #8 or PKCS #1, without a password")
	}
	const fewest = 1024
	switch key := key.(type) {
	case *rsa.PrivateKey:
		if key.N.BitLen() < fewest {
			return DKIMKey{}, fmt.Errorf("the DKIM key has %d bits; receivers take no less than %d", key.N.BitLen(), fewest)
		}
	case ed25519.PrivateKey:
	default:
		return DKIMKey{}, errors.New("the DKIM key is neither RSA nor Ed25519")
	}
	private, _ := key.(crypto.Signer)
	return DKIMKey{domain, selector, &private}, nil
}

// Name is where in DNS the record has to be.
func (k DKIMKey) Name() string { return k.Selector + "._domainkey." + k.Domain }

// Record is the TXT record with which receivers verify (RFC 6376 section 3.6.1).
func (k DKIMKey) Record() string {
	kind, public := "rsa", []byte(nil)
	switch key := (*k.private).Public().(type) {
	case ed25519.PublicKey:
		kind, public = "ed25519", key // RFC 8463 section 4.2: the bare key
	case *rsa.PublicKey:
		der, err := x509.MarshalPKIXPublicKey(key)
		if err != nil {
			panic(err) // ParseDKIMKey has read it
		}
		public = der
	}
	return "v=DKIM1; k=" + kind + "; p=" + base64.StdEncoding.EncodeToString(public)
}

// PublishedIn tells whether one of a name's TXT records holds this key.
func (k DKIMKey) PublishedIn(records []string) bool {
	for _, r := range records {
		if tag(r, "p") == tag(k.Record(), "p") {
			return true
		}
	}
	return false
}

// signed are the fields that a signature covers (RFC 6376 section 5.4.1). Those at the end are named once more than they are there, so that nobody
// adds one.
var signed = strings.Fields(`From To Cc Subject Date Message-ID Reply-To In-Reply-To References MIME-Version Content-Type Content-Transfer-Encoding
	Auto-Submitted List-Unsubscribe List-Unsubscribe-Post From To Cc Subject Reply-To`) //nolint:gochecknoglobals // never changes

// Sign gives the DKIM-Signature field, with its line end, that belongs on top of a mail. Write is called once.
func (k DKIMKey) Sign(write func(io.Writer) error) (field string, err error) {
	s, err := dkim.NewSigner(&dkim.SignOptions{
		Domain: k.Domain, Selector: k.Selector, Signer: *k.private, HeaderKeys: signed,
		HeaderCanonicalization: dkim.CanonicalizationRelaxed, BodyCanonicalization: dkim.CanonicalizationRelaxed,
	})
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	err = write(s)
	if closed := s.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	return s.Signature(), nil
}

// Holds tells whether a field that Sign gave once is good for a mail. Write is called once.
func (k DKIMKey) Holds(field string, write func(io.Writer) error) (bool, error) {
	r, w := io.Pipe()
	go func() {
		_, err := io.WriteString(w, field)
		if err == nil {
			err = write(w)
		}
		w.CloseWithError(err)
	}()
	found, err := dkim.VerifyWithOptions(r, &dkim.VerifyOptions{LookupTXT: func(name string) ([]string, error) {
		if name != k.Name() {
			return nil, nil
		}
		return []string{k.Record()}, nil
	}})
	if err == nil {
		_, err = io.Copy(io.Discard, r)
	}
	r.CloseWithError(err)
	if err != nil {
		return false, fmt.Errorf("verify our signature: %w", err)
	}
	return len(found) == 1 && found[0].Err == nil, nil
}
