package mailmsg

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// DKIM says how a mail is signed (RFC 6376, relaxed/relaxed, SHA-256). The signature is deterministic, which is why it is
// made here: go-msgauth takes its time from the clock. Signer holds an RSA or an Ed25519 key.
type DKIM struct {
	Domain   string
	Selector string
	Signer   crypto.Signer
	Time     time.Time // when it was signed; zero: not said
}

// signedFields are the fields a signature covers if the mail has them. From stands twice, so that a second one that is
// added on the way breaks the signature.
func signedFields() []string {
	return []string{
		"From", "From", "To", "Cc", "Reply-To", "Subject", "Date", "Message-ID", "In-Reply-To", "References", "MIME-Version",
		"Content-Type", "Content-Transfer-Encoding", "Auto-Submitted", "List-Unsubscribe", "List-Unsubscribe-Post",
	}
}

// sign gives the DKIM-Signature field for a header and the body that writeBody writes.
func (k DKIM) sign(header []byte, writeBody func(io.Writer) error) ([]byte, error) {
	if k.Domain == "" || k.Selector == "" || k.Signer == nil || strings.ContainsAny(k.Domain+k.Selector, "\r\n\x00 ;=") {
		return nil, fmt.Errorf("%w: DKIM needs a domain, a selector and a key", ErrDraft)
	}
	algorithm, opts := "rsa-sha256", crypto.SignerOpts(crypto.SHA256)
	switch k.Signer.Public().(type) {
	case *rsa.PublicKey:
	case ed25519.PublicKey:
		algorithm, opts = "ed25519-sha256", crypto.Hash(0)
	default:
		return nil, fmt.Errorf("%w: DKIM key of type %T", ErrDraft, k.Signer.Public())
	}

	bodyHash := sha256.New()
	canonical := &relaxedBody{w: bodyHash}
	if err := writeBody(canonical); err != nil {
		return nil, err
	}
	canonical.end()

	fields := relaxedFields(header)
	var names []string
	headerHash := sha256.New()
	used := map[string]bool{}
	for _, name := range signedFields() {
		value, ok := fields[strings.ToLower(name)]
		if !ok {
			continue
		}
		names = append(names, name)
		if !used[name] { // the second From stands for one that is not there
			used[name] = true
			io.WriteString(headerHash, value+"\r\n")
		}
	}
	tags := []string{"v=1;", "a=" + algorithm + ";", "c=relaxed/relaxed;", "d=" + k.Domain + ";", "s=" + k.Selector + ";"}
	if !k.Time.IsZero() {
		tags = append(tags, "t="+strconv.FormatInt(k.Time.Unix(), 10)+";")
	}
	tags = append(tags, "h="+strings.Join(names, ": ")+";", "bh="+base64.StdEncoding.EncodeToString(bodyHash.Sum(nil))+";", "b=")
	value := strings.Join(tags, " ")
	io.WriteString(headerHash, "dkim-signature:"+value)

	signature, err := k.Signer.Sign(rand.Reader, headerHash.Sum(nil), opts)
	if err != nil {
		return nil, fmt.Errorf("sign with DKIM: %w", err)
	}
	encoded := base64.StdEncoding.EncodeToString(signature)
	for len(encoded) > 70 {
		value += encoded[:70] + " "
		encoded = encoded[70:]
	}
	h := &headerWriter{}
	h.field("DKIM-Signature", value+encoded)
	return h.buf.Bytes(), nil
}

// relaxedFields gives the fields of a header that Compose wrote, canonical (RFC 6376 section 3.4.2), by lower-case name.
func relaxedFields(header []byte) map[string]string {
	out := map[string]string{}
	text := strings.ReplaceAll(string(header), "\r\n ", " ")
	for line := range strings.SplitSeq(text, "\r\n") {
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			continue
		}
		name = strings.ToLower(name)
		out[name] = name + ":" + strings.Join(strings.FieldsFunc(value, func(r rune) bool { return r == ' ' || r == '\t' }), " ")
	}
	return out
}

// relaxedBody writes a body in its canonical form (RFC 6376 section 3.4.4): runs of blanks become one space, blanks at
// the end of lines and empty lines at the end of the body vanish.
type relaxedBody struct {
	w       io.Writer
	blank   bool // blanks seen that may turn out to end the line
	content bool // the line has something already
	newline int  // line ends not yet written
	wrote   bool
	out     bytes.Buffer
}

func (c *relaxedBody) Write(p []byte) (int, error) {
	c.out.Reset()
	for _, b := range p {
		switch b {
		case '\r': // Compose writes CRLF only
		case '\n':
			c.newline++
			c.blank, c.content = false, false
		case ' ', '\t':
			c.blank = true
		default:
			for ; c.newline > 0; c.newline-- {
				c.out.WriteString("\r\n")
			}
			if c.blank {
				c.out.WriteByte(' ')
				c.blank = false
			}
			c.out.WriteByte(b)
			c.content, c.wrote = true, true
		}
	}
	_, err := c.w.Write(c.out.Bytes())
	return len(p), err
}

func (c *relaxedBody) end() {
	if c.wrote {
		io.WriteString(c.w, "\r\n")
	}
}
