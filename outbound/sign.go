package outbound

import (
	"fmt"
	"io"

	"postern/desk"
	"postern/mailmsg"
)

// sign puts our DKIM signature on top of a mail that leaves us. The first attempt makes it and the row keeps it, for it has the time in it: a repeat
// sends the same bytes. One that no longer fits, because the mail comes out otherwise since an update of this program, is made again.
func (j *job) sign(words *wording) error {
	if j.row.Kind.Queue() == desk.QueueMailbox && !putBySMTP(j.mb, j.row) {
		return nil
	}
	settled := j.before.Wording != ""
	if settled && words.Signature == "" || !settled && !j.mb.Signing.On {
		return nil
	}
	key, err := mailmsg.ParseDKIMKey(desk.DomainOf(j.mb.Address), j.mb.Signing.Selector, j.mb.Secrets.DKIMKey)
	if err != nil {
		return fmt.Errorf("%w: gateway mailbox dkim %s makes a new one", err, j.mb.Address)
	}
	write, fits := j.write, false
	if settled {
		if fits, err = key.Holds(words.Signature, write); err != nil {
			return err
		}
	}
	if !fits && !j.mb.Signing.On {
		words.Signature = ""
		return nil
	}
	if !fits {
		if words.Signature, err = key.Sign(write); err != nil {
			return err
		}
	}
	j.write = func(out io.Writer) error {
		if _, err := io.WriteString(out, words.Signature); err != nil {
			return err
		}
		return write(out)
	}
	return nil
}
