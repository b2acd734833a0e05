package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"postern/desk"
	"postern/mailmsg"
	"postern/store"
)

// changeReceiver puts the given flags into whose word is taken for senders. What was calibrated no longer is when it changes.
func (f mailboxFlags) changeReceiver(r *desk.Receiver, given func(flag string) bool) error {
	before := *r
	if given("authserv-profile") {
		if r.Profile = desk.ReceiverProfile(f.authServProfile); r.Profile == desk.M365 {
			r.AuthServID = ""
		}
	}
	if given("authserv-id") {
		r.AuthServID = strings.ToLower(strings.TrimSpace(f.authServID))
	}
	if given("authserv-hops") {
		r.Hops = f.authServHops
	}
	if r.Profile != before.Profile || r.AuthServID != before.AuthServID || r.Hops != before.Hops {
		r.CalibratedAt = time.Time{}
	}
	if given("dkim-fallback") {
		r.DKIM = f.dkimFallback
	}
	return r.Check()
}

type receiverLine struct {
	AuthServID      string               `json:"authserv_id"`
	AuthServProfile desk.ReceiverProfile `json:"authserv_profile"`
	AuthServHops    int                  `json:"authserv_hops"`
	DKIMFallback    bool                 `json:"dkim_fallback"`
	CalibratedAt    *time.Time           `json:"calibrated_at"`
}

func lineOfReceiver(r desk.Receiver) receiverLine {
	l := receiverLine{r.AuthServID, cmp.Or(r.Profile, desk.RFC8601), r.Hops, r.DKIM, nil}
	if !r.CalibratedAt.IsZero() {
		l.CalibratedAt = &r.CalibratedAt
	}
	return l
}

// provedBy says whose word is taken for senders.
func provedBy(r desk.Receiver) string {
	var who []string
	if name := r.Name(); name != "" {
		if !r.CalibratedAt.IsZero() {
			name += " (calibrated)"
		}
		who = append(who, name)
	}
	if r.DKIM {
		who = append(who, "DKIM")
	}
	if len(who) == 0 {
		return "nobody"
	}
	return strings.Join(who, ", ")
}

func (c *cli) calibrateCommand() *cobra.Command {
	var id, profile string
	cmd := c.listFlag(&cobra.Command{
		Use: "calibrate ADDRESS", Short: "Find out whose word to take for who a mail is from, and take it", Args: cobra.ExactArgs(1),
		Long: `Your mail server checks who a mail is from and writes down what it found: Authentication-Results. Everybody can write such a
line into a mail, so Postern believes none until it knows how to tell your server's from a forged one.

Called first, this prints a mail to send from outside, with a forged line in it. Send it, from a machine your mail server does
not trust, on the same day. Once the gateway has read it, call this again: it looks at what your server made of the mail. If its
line can be told from the forged one it is believed from then on; if not, nothing is changed and it says why. Call it again when
your mail server has changed. No ticket is made of the mail.`,
		Example: "  gateway mailbox calibrate support@example.com\n  gateway mailbox calibrate support@example.com --authserv-id mx.example.com",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd, func(ctx context.Context, p *parts) error {
				r := desk.Receiver{Profile: desk.ReceiverProfile(profile), AuthServID: strings.ToLower(strings.TrimSpace(id))}
				return c.calibrate(ctx, p, args[0], r)
			})
		},
	})
	cmd.Flags().StringVar(&id, "authserv-id", "", "the name under which your mail server writes (default: the one that is set, else the one most of the newest mails have)")
	cmd.Flags().StringVar(&profile, "authserv-profile", "", "how it writes: rfc8601 or m365 (default: as its name)")
	return cmd
}

// calibration is what there is to do, or what came of it.
type calibration struct {
	State   string `json:"state"` // send, calibrated, not-told-apart
	Address string `json:"address"`
	Text    string `json:"text"`
	Swaks   string `json:"swaks"`
	receiverLine
}

func (c *cli) calibrate(ctx context.Context, p *parts, address string, r desk.Receiver) error {
	if err := r.Check(); err != nil {
		return err
	}
	mb, err := p.mailbox(ctx, address)
	if err != nil {
		return err
	}
	if r.Name() == "" {
		r = mb.Receiver
	}
	newest, err := p.db.LedgerOf(ctx, mb.ID, desk.Inbox, store.Page{Limit: 200})
	if err != nil {
		return err
	}
	if r.Name() == "" {
		if r, err = p.likelyReceiver(ctx, mb, newest); err != nil {
			return err
		}
	}
	r.DKIM = mb.Receiver.DKIM
	now := time.Now()
	code := calibrationCode(p, mb, r, now)
	result := calibration{State: "send", Address: mb.Address, Swaks: swaks(mb, r, code), receiverLine: lineOfReceiver(r)}
	for _, day := range []time.Time{now, now.AddDate(0, 0, -1)} {
		code := calibrationCode(p, mb, r, day)
		i := slices.IndexFunc(newest, func(e desk.LedgerEntry) bool { return strings.Contains(e.Subject, code) })
		if i < 0 {
			continue
		}
		mail, err := p.mailOf(ctx, newest[i])
		if err != nil {
			return err
		}
		return c.calibrateBy(ctx, p, mb, r, result, mail, code)
	}
	result.Text = fmt.Sprintf("Not calibrated yet. %s is to be believed if it can be told from a forgery. Send this from outside, from a machine your mail server does not trust:\n\n%s\n\nWhen the gateway has read it, call the same command again.",
		r.Name(), result.Swaks)
	if slices.ContainsFunc(newest, func(e desk.LedgerEntry) bool { return e.Outcome == desk.Pending }) {
		result.Text += "\nThere are mails that it has not read yet; is it running?"
	}
	return c.sayCalibration(result)
}

// calibrateBy judges the mail that was sent for it.
func (c *cli) calibrateBy(ctx context.Context, p *parts, mb desk.Mailbox, r desk.Receiver, result calibration, mail desk.Mail, code string) error {
	calibrated, ok, why := r.Calibrate(mail, code)
	if !ok {
		result.State, result.receiverLine = "not-told-apart", lineOfReceiver(mb.Receiver)
		result.Text = "Nothing was changed: " + why + ".\nHave your mail server check DMARC and take out what others wrote under its name (RFC 8601 section 5), then send another mail:\n\n" +
			result.Swaks + "\n\nOr have Postern verify signatures itself: gateway mailbox edit " + mb.Address + " --dkim-fallback"
		return errors.Join(c.sayCalibration(result), errors.New("the receiver's result can't be told from a forged one"))
	}
	calibrated.CalibratedAt = time.Now().Truncate(time.Millisecond)
	err := changeMailbox(ctx, p, mb.Address, func(mb *desk.Mailbox) error {
		calibrated.DKIM = mb.Receiver.DKIM
		mb.Receiver = calibrated
		return nil
	}, nil)
	if err != nil {
		return err
	}
	result.State, result.receiverLine = "calibrated", lineOfReceiver(calibrated)
	result.Text = fmt.Sprintf("Calibrated: %s. From now on %s is believed: its dmarc=pass proves a sender (V1).", why, calibrated.Name())
	return c.sayCalibration(result)
}

func (c *cli) sayCalibration(result calibration) error {
	if c.asJSON {
		return printJSON(c.env.Stdout, result)
	}
	c.say("%s", result.Text)
	return nil
}

const calibrationSubject = "Postern calibration "

// calibrationCode names a mailbox, a receiver and a day: whoever has seen an old one can't have it count once more.
func calibrationCode(p *parts, mb desk.Mailbox, r desk.Receiver, day time.Time) string {
	return p.keys.Token(mailmsg.ForCalibration, string(mb.ID), r.Name(), day.UTC().Format(time.DateOnly))
}

// swaks is a command that sends a mail with a forged result. What is automatic opens no ticket and is not answered.
func swaks(mb desk.Mailbox, r desk.Receiver, code string) string {
	forged := fmt.Sprintf("dmarc=pass header.from=calibration.invalid %s=%s", desk.CalibrationMark, code)
	if r.Profile == desk.M365 {
		forged = "spf=pass smtp.mailfrom=calibration.invalid; " + forged
	} else {
		forged = r.AuthServID + "; " + forged
	}
	return fmt.Sprintf(`swaks --to %s --from YOU@YOUR-OTHER-DOMAIN \
  --header 'Subject: %s%s' \
  --add-header 'Auto-Submitted: auto-generated' \
  --add-header 'Authentication-Results: %s'`, mb.Address, calibrationSubject, code, forged)
}

func (p *parts) mailOf(ctx context.Context, e desk.LedgerEntry) (desk.Mail, error) {
	raw, err := p.ingest.Raw(ctx, e)
	if err != nil {
		return desk.Mail{}, err
	}
	defer raw.Close()
	return mailmsg.Parse(raw, mailmsg.ParseOptions{})
}

// lookedAt is how many mails are enough to see how a mail server writes.
const lookedAt = 30

// likelyReceiver guesses who writes Authentication-Results: whom most of the mails name at their top. That it is no forger is for
// the calibration to find out.
func (p *parts) likelyReceiver(ctx context.Context, mb desk.Mailbox, newest []desk.LedgerEntry) (best desk.Receiver, err error) {
	votes := map[desk.Receiver]int{}
	for _, e := range newest[:min(len(newest), lookedAt)] {
		mail, err := p.mailOf(ctx, e)
		if desk.KindOf(err) == desk.NotFound || errors.Is(err, fs.ErrNotExist) { // it was not fetched
			continue
		}
		if err != nil {
			return best, err
		}
		if len(mail.AuthResults) == 0 {
			continue
		}
		r := desk.Receiver{Profile: desk.RFC8601, AuthServID: mail.AuthResults[0].ServID}
		if r.AuthServID == "" {
			r.Profile = desk.M365
		}
		if r.Check() != nil {
			continue
		}
		if votes[r]++; votes[r] > votes[best] {
			best = r
		}
	}
	if best.Name() == "" {
		return best, errors.New("no mail in the INBOX has Authentication-Results, so your mail server seems to write none. " +
			"Send one mail from outside and try again; if that changes nothing, have Postern verify signatures: gateway mailbox edit " + mb.Address + " --dkim-fallback")
	}
	return best, nil
}
