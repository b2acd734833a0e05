package mailmsg

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"postern/desk"
)

// wanted is what a mail of the collection says; testdata/mail/README.md tells what its fields mean.
type wanted struct {
	About       string                  `json:"about"`
	Limits      Limits                  `json:"limits"`
	From        *string                 `json:"from"`
	FromUnsure  bool                    `json:"from_unsure"`
	To          *[]string               `json:"to"`
	Cc          *[]string               `json:"cc"`
	ReplyTo     *[]string               `json:"reply_to"`
	DeliveredTo []string                `json:"delivered_to"`
	Subject     *string                 `json:"subject"`
	MessageID   *desk.MessageID         `json:"message_id"`
	InReplyTo   *[]desk.MessageID       `json:"in_reply_to"`
	References  *[]desk.MessageID       `json:"references"`
	List        string                  `json:"list"`
	Text        *string                 `json:"text"`
	HTML        *string                 `json:"html"`
	Reply       *string                 `json:"reply"`
	Quoted      *string                 `json:"quoted"`
	Signature   string                  `json:"signature"`
	Class       desk.Class              `json:"class"`
	Kind        desk.AutomaticKind      `json:"kind"`
	Spam        string                  `json:"spam"`
	Suppress    bool                    `json:"suppress_answers"`
	Bounced     []desk.BouncedRecipient `json:"bounced"`
	Who         []desk.BouncedRecipient `json:"who"`
	BouncedID   desk.MessageID          `json:"bounced_message_id"`
	Attachments []wantedFile            `json:"attachments"`
	Truncated   bool                    `json:"truncated"`
	Defects     []string                `json:"defects"`
}

// wantedFile is a file of such a mail. Content is all of it; a file without it may hold anything.
type wantedFile struct {
	Name      string  `json:"name"`
	Type      string  `json:"type"`
	Inline    bool    `json:"inline"`
	ContentID string  `json:"content_id"`
	Content   *string `json:"content"`
}

// TestCollection reads every mail of the project's own collection, with the line ends it has and with those of the wire, and
// compares what it says with what it should.
func TestCollection(t *testing.T) {
	t.Parallel()
	for _, file := range collection(t) {
		name := strings.TrimSuffix(file, ".eml")
		t.Run(strings.TrimPrefix(filepath.ToSlash(name), "testdata/mail/"), func(t *testing.T) {
			t.Parallel()
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			says, err := os.ReadFile(name + ".json")
			if err != nil {
				t.Fatal(err)
			}
			want := wanted{Class: desk.Human}
			in := json.NewDecoder(bytes.NewReader(says))
			in.DisallowUnknownFields()
			if err := in.Decode(&want); err != nil {
				t.Fatal(err)
			}
			compare(t, raw, want)
			if bytes.IndexByte(raw, '\r') < 0 && want.Limits == (Limits{}) { // limits count line ends
				compare(t, bytes.ReplaceAll(raw, []byte("\n"), []byte("\r\n")), want)
			}
		})
	}
}

// collection names the mails of testdata/mail, each of which has its expectation beside it.
func collection(tb testing.TB) []string {
	tb.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "mail", "*", "*.eml"))
	if err != nil {
		tb.Fatal(err)
	}
	expectations, err := filepath.Glob(filepath.Join("testdata", "mail", "*", "*.json"))
	if err != nil || len(files) == 0 || len(expectations) != len(files) {
		tb.Fatalf("%d mails, %d expectations, %v", len(files), len(expectations), err)
	}
	return files
}

func compare(t *testing.T, raw []byte, want wanted) {
	t.Helper()
	m, files := parseKeeping(t, string(raw), want.Limits)
	check := func(what string, got, want any) {
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s\n got %#v\nwant %#v", what, got, want)
		}
	}
	optional(t, "from", m.From.String(), want.From)
	optional(t, "to", addresses(m.To), want.To)
	optional(t, "cc", addresses(m.Cc), want.Cc)
	optional(t, "reply_to", addresses(m.ReplyTo), want.ReplyTo)
	optional(t, "subject", m.Subject, want.Subject)
	optional(t, "message_id", m.MessageID, want.MessageID)
	optional(t, "in_reply_to", m.InReplyTo, want.InReplyTo)
	optional(t, "references", m.References, want.References)
	optional(t, "text", m.Text, want.Text)
	optional(t, "html", m.HTML, want.HTML)
	optional(t, "quoted", m.Quoted, want.Quoted)
	check("from_unsure", m.FromUnsure, want.FromUnsure)
	check("delivered_to", m.DeliveredTo, want.DeliveredTo)
	check("list", m.List, want.List)
	optional(t, "reply", m.Reply, want.Reply)
	check("signature", m.Signature, want.Signature)
	check("class", m.Class, want.Class)
	check("kind", m.Kind, want.Kind)
	check("spam", m.Spam, want.Spam)
	check("suppress_answers", m.SuppressAnswers, want.Suppress)
	if want.Who == nil {
		check("bounced", m.Bounced, want.Bounced)
	} else {
		who := slices.Clone(m.Bounced)
		for i := range who {
			who[i].Diagnostic = ""
		}
		check("who", who, want.Who)
	}
	check("bounced_message_id", m.BouncedMessageID, want.BouncedID)
	check("truncated", m.Truncated, want.Truncated)
	check("defects", m.Defects, want.Defects)
	check("number of attachments", len(m.Attachments), len(want.Attachments))
	for i, a := range m.Attachments[:min(len(m.Attachments), len(want.Attachments))] {
		w := want.Attachments[i]
		check("attachment", fmt.Sprint(a.Name, "|", a.Type, "|", a.Inline, "|", a.ContentID), fmt.Sprint(w.Name, "|", w.Type, "|", w.Inline, "|", w.ContentID))
		if w.Content != nil {
			check("content of "+w.Name, strings.ReplaceAll(files[i], "\r\n", "\n"), *w.Content)
		}
	}
	checkMail(t, want.About, m)
	checkFolded(t, m.Text, Folded{Reply: m.Reply, Quoted: m.Quoted, Signature: m.Signature})
	again, err := Parse(&pieces{raw, 5}, ParseOptions{Limits: want.Limits})
	if err != nil || again.Fingerprint == "" || again.HTML != m.HTML || again.Reply != m.Reply {
		t.Errorf("read five bytes at a time it differs: %v", err)
	}
	if sum, err := Fingerprint(bytes.NewReader(raw)); err != nil || want.Limits == (Limits{}) && sum != again.Fingerprint {
		t.Errorf("the fingerprint alone is %s, not %s: %v", sum, again.Fingerprint, err)
	}
}

// optional compares where the expectation says anything.
func optional[T any](t *testing.T, what string, got T, want *T) {
	t.Helper()
	if want == nil {
		return
	}
	if got, want := fmt.Sprintf("%q", any(got)), fmt.Sprintf("%q", any(*want)); got != want {
		t.Errorf("%s\n got %s\nwant %s", what, got, want)
	}
}

func addresses(list []desk.Address) []string {
	out := make([]string, 0, len(list))
	for _, a := range list {
		out = append(out, a.String())
	}
	return out
}
