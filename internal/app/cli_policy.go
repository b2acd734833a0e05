package app

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"golang.org/x/text/language"

	"postern/desk"
)

// policyFlags are how a mailbox works with agents and customers, on the command line.
type policyFlags struct {
	language  string
	saveSent  string
	signature string
	putBy     string
	alsoSent  []string
	attached  string
	follow    followFlags
	copying   string
	anyTo     bool
	watchBy   int
}

func (f *policyFlags) define(cmd *cobra.Command) {
	f.follow.define(cmd)
	cmd.Flags().StringVar(&f.copying, "copying", string(desk.CopyAsked), "what becomes of people in copy: ask (those whom a customer copies get our mail once an agent copies them too), everybody (at once, if the customer is proved) or requester (our mail goes to the requester alone)")
	cmd.Flags().BoolVar(&f.anyTo, "any-recipient", false, "make tickets of mail that is neither to the mailbox's address nor to an --alias of it, too; else it is ignored (gateway ledger list --outcome ignored)")
	cmd.Flags().StringArrayVar(&f.alsoSent, "also-sent", nil, "a further folder into which agents' mail clients save what they send, beside the Sent folder; may be given several times; \"\" gives up all of them (for a new mailbox: found by the usual names)")
	cmd.Flags().IntVar(&f.watchBy, "connections", desk.DefaultConnections, "over how many connections the folders are watched, at most: INBOX and Sent first; those for which none are left share one and are asked in turns. Another one is used now and then to put mail into folders")
	cmd.Flags().StringVar(&f.language, "language", "", "the language of mail to people who have chosen none, such as de (default: the settings' default_language)")
	cmd.Flags().StringVar(&f.signature, "signature-file", "", "a text file with what stands below answers that agents write outside the mailbox; \"\" takes it away")
	cmd.Flags().StringVar(&f.putBy, "put-by", string(desk.PutByAppend), "how what customers write in the portal and in forms gets into the inbox: append (by IMAP), or smtp (as a mail to the mailbox's own address) where the provider forbids or hides appended mail")
	cmd.Flags().StringVar(&f.attached, "max-attached", "20MB", "how large all files of a mail may be together, such as 500KB or 20MB; what is beyond stays in the portal, and the mail names it")
	cmd.Flags().StringVar(&f.saveSent, "save-sent", string(desk.SaveSentAuto), "whether answers written outside the mailbox are put into its Sent folder: auto (where the provider does not do it), always or never")
}

// mostSignature bounds what is below every answer.
const mostSignature = 4000

// change puts the given flags into a mailbox's policy.
func (f policyFlags) change(p *desk.Policy, given func(flag string) bool) error {
	if given("language") {
		if p.Language = ""; f.language != "" {
			tag, err := language.Parse(f.language)
			if err != nil {
				return fmt.Errorf("--language: %q is not a language such as en or pt-BR", f.language)
			}
			p.Language = tag.String()
		}
	}
	if given("save-sent") {
		if p.SaveSent = desk.SaveSent(f.saveSent); !p.SaveSent.Known() {
			return fmt.Errorf("--save-sent: %q is none of auto, always and never", f.saveSent)
		}
	}
	if given("put-by") {
		if p.PutBy = desk.PutBy(f.putBy); f.putBy == "" || !p.PutBy.Known() {
			return fmt.Errorf("--put-by: %q is neither append nor smtp", f.putBy)
		}
	}
	if given("also-sent") {
		p.AlsoSent = []string{}
		for _, name := range f.alsoSent {
			switch {
			case name == "" && len(f.alsoSent) == 1: // there is no other way to name none
			case name == "" || strings.EqualFold(name, "INBOX") || slices.Contains(p.AlsoSent, name):
				return fmt.Errorf("--also-sent: %q: name other folders than INBOX, each once", name)
			default:
				p.AlsoSent = append(p.AlsoSent, name)
			}
		}
	}
	if given("max-attached") {
		n, err := parseSize(f.attached)
		if err != nil {
			return fmt.Errorf("--max-attached: %w", err)
		}
		p.MaxAttached = n
	}
	if given("signature-file") {
		if p.Signature = ""; f.signature != "" {
			text, err := os.ReadFile(f.signature)
			if err != nil {
				return fmt.Errorf("--signature-file: %w", err)
			}
			p.Signature = strings.TrimSpace(strings.ReplaceAll(string(text), "\r\n", "\n"))
			if len(p.Signature) > mostSignature || !utf8.ValidString(p.Signature) {
				return fmt.Errorf("--signature-file: %s is no text in UTF-8 of at most %d bytes", f.signature, mostSignature)
			}
		}
	}
	if given("connections") {
		if p.Connections = f.watchBy; f.watchBy < 1 || f.watchBy > desk.MostConnections {
			return fmt.Errorf("--connections: %d is not between 1 and %d", f.watchBy, desk.MostConnections)
		}
	}
	if given("any-recipient") {
		p.AnyRecipient = f.anyTo
	}
	if given("copying") {
		if p.Copying = desk.Copying(f.copying); !p.Copying.Known() {
			return fmt.Errorf("--copying: %q is none of ask, everybody and requester", f.copying)
		}
	}
	return f.follow.change(&p.Follow, given)
}

// parseSize reads a number of bytes with a unit, such as 20MB.
func parseSize(s string) (int64, error) {
	for _, unit := range []struct {
		name  string
		bytes int64
	}{{"KB", 1 << 10}, {"MB", 1 << 20}, {"GB", 1 << 30}} {
		digits, ok := strings.CutSuffix(strings.ToUpper(strings.ReplaceAll(s, " ", "")), unit.name)
		if n, err := strconv.ParseInt(digits, 10, 32); ok && err == nil && n > 0 {
			return n * unit.bytes, nil
		}
	}
	return 0, fmt.Errorf("%q is no size such as 500KB, 20MB or 1GB", s)
}
