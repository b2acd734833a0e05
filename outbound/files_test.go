package outbound_test

import (
	"bytes"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"postern/desk"
	"postern/mailmsg"
	"postern/outbound"
	"postern/tickets"
)

// file keeps a file of a size.
func (r *rig) file(name string, size int) desk.Attachment {
	r.t.Helper()
	sum, n, err := r.w.Blobs.Put(r.t.Context(), strings.NewReader(strings.Repeat(name[:1], size)))
	if err != nil {
		r.t.Fatal(err)
	}
	return desk.Attachment{Name: name, Type: "text/plain", Size: n, SHA256: sum}
}

// TestI1_FilesBeyondTheLimitAreNamed in what agents get and in what customers get, and every attempt says the same.
func TestI1_FilesBeyondTheLimitAreNamed(t *testing.T) {
	both(t, func(r *rig) {
		r.sentFolder()
		r.drain(desk.QueueMailbox) // the ticket itself
		r.mb.Policy.MaxAttached, r.mb.Policy.Language = 3000, "de"
		r.put(r.mb)
		files := func() []desk.Attachment {
			return []desk.Attachment{r.file("a.txt", 1000), r.file("plan.txt", 2500), r.file("c.txt", 2000), r.file("d.txt", 1)}
		}
		r.says("see the plan", files()...)
		_, err := r.desk.ReplyByAgent(r.t.Context(), tickets.AgentReply{Ticket: r.ticket.ID, Text: "see our plan", Source: desk.FromAPI, Files: files()})
		if err != nil {
			r.t.Fatal(err)
		}
		r.server.after = func(string) error { return outbound.ErrAmbiguous }
		for _, limit := range []int64{3000, 1} {
			r.mb.Policy.MaxAttached = limit
			r.put(r.mb)
			r.drain(desk.QueueMail)
			r.pass(time.Minute)
			r.server.after = nil
		}
		r.drain(desk.QueueMailbox)
		for range 3 {
			r.pass(5 * time.Minute)
			r.drain(desk.QueueMailbox)
		}
		if sent := r.sent(); len(sent) != 2 || sent[0] != sent[1] || len(r.server.put) != 2 || len(r.server.saved) != 1 {
			r.t.Fatalf("%d mails to the customer, %d into the inbox, %d into Sent", len(sent), len(r.server.put), len(r.server.saved))
		}
		_, saved, _ := strings.Cut(r.server.saved[0], "\n")
		number := strconv.FormatInt(r.ticket.Number, 10)
		for what, c := range map[string]struct {
			raw, attached string
			says          []string
		}{
			"to the customer": {r.sent()[0], "a.txt c.txt", []string{"see our plan", "- plan.txt (2.4 KB)\n- d.txt (1 B)", "https://help.acme.example/tickets/" + number}},
			"in Sent":         {saved, "d.txt", []string{"see our plan", "- a.txt (1000 B)\n- plan.txt (2.4 KB)", "https://help.acme.example/tickets/" + number}},
			"to the agents":   {r.server.put[1], "d.txt links.txt", []string{"see the plan", "zu groß", "- a.txt (1000 B)\n- plan.txt (2.4 KB)", "gateway ticket files " + number + " --to "}},
		} {
			mail, err := mailmsg.Parse(strings.NewReader(c.raw), mailmsg.ParseOptions{})
			if err != nil {
				r.t.Fatal(err)
			}
			var names []string
			for _, a := range mail.Attachments {
				names = append(names, a.Name)
			}
			if got := strings.Join(names, " "); got != c.attached {
				r.t.Errorf("%s: %q go along, want %q", what, got, c.attached)
			}
			for _, say := range c.says {
				if !strings.Contains(mail.Text, say) || !strings.Contains(strings.ReplaceAll(mail.HTML, "<br>", "\n"), strings.SplitN(say, "\n", 2)[0]) {
					r.t.Errorf("%s: it does not say %q: %q, %q", what, say, mail.Text, mail.HTML)
				}
			}
			if slices.ContainsFunc(mail.Attachments, func(a desk.Attachment) bool { return strings.Contains(mail.Text, "- "+a.Name) }) {
				r.t.Errorf("%s: it names what goes along: %q", what, mail.Text)
			}
		}
		if strings.Contains(mailOf(r.t, r.server.put[1], mailmsg.ParseOptions{}).Text, "/linked/") {
			r.t.Error("an answer would quote the links")
		}
		var attached bytes.Buffer
		mailOf(r.t, r.server.put[1], mailmsg.ParseOptions{Attach: func(content io.Reader) (string, int64, error) {
			n, err := io.Copy(&attached, content)
			return "", n, err
		}})
		links := regexp.MustCompile(`- (\S+) \(.*\)\s+https://help\.acme\.example/linked/(.+)/(.+)/(\S+)`).FindAllStringSubmatch(attached.String(), -1)
		if len(links) != 3 {
			r.t.Fatalf("links are %q", links)
		}
		for _, link := range links {
			if a, err := r.desk.LinkedFile(r.t.Context(), desk.ID(link[2]), link[3], link[4]); err != nil || a.Name != link[1] {
				r.t.Errorf("the link of %s leads to %+v, %v", link[1], a, err)
			}
		}
	})
}

// mailOf reads a mail.
func mailOf(t *testing.T, raw string, o mailmsg.ParseOptions) desk.Mail {
	t.Helper()
	mail, err := mailmsg.Parse(strings.NewReader(raw), o)
	if err != nil {
		t.Fatal(err)
	}
	return mail
}
