package e2e

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/chromedp/cdproto/network"
)

// TestT9_SendingInABrowser: an answer with three files, of which one is too large and one is taken back; sending is stopped, fails without a connection, and
// works when it is tried again, once (UX, journey 5).
func TestT9_SendingInABrowser(t *testing.T) {
	t.Parallel()
	in := install(t, mode{})
	in.start()
	printer := prepare(in)
	p := openTab(t, in.url)
	p.arrives(in, "ingrid@halvorsen.example")
	p.open(fmt.Sprintf("/tickets/%d", printer.Number))

	log := bytes.Repeat([]byte("0123456789abcdef"), 3<<16) // 3 MB
	p.do("choose files", choose("#files", []string{upload(t, "video.bin", make([]byte, 26<<20)), upload(t, "printer.log", log), upload(t, "private.txt", []byte("not that one"))}))
	if got := p.text(".up.bad"); p.count(".up") != 3 || p.count(".up.bad") != 1 {
		t.Errorf("chosen are %s; too large is %s", p.text(".ups"), got)
	}
	p.do("take one back", click(".up:last-child .x"))
	p.fill("#text", "Here is the log.")

	connection := func(what string, c network.Conditions) {
		p.do(what, call(network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{MatchedNetworkConditions: []*network.Conditions{&c}}))
	}
	connection("have a slow connection", network.Conditions{DownloadThroughput: -1, UploadThroughput: 500_000})
	p.do("send", click(".compose .btn.primary"))
	p.until("(b => b.value > 0 && b.value < 1)(document.querySelector('.sending progress'))")
	p.stop("thread-sending")
	p.do("stop", click(".sending button"))
	p.until("document.querySelector('.sending').hidden && !document.querySelector('.compose').dataset.sent")
	p.onlyHas(in, printer, 4)

	connection("lose the connection", network.Conditions{Offline: true, DownloadThroughput: -1, UploadThroughput: -1})
	p.do("send", click(".compose .btn.primary"))
	p.until("document.querySelector('.sending [role=status]').textContent.includes('no connection')")
	if p.bool("document.activeElement !== document.querySelector('.sending button:last-child')") {
		t.Error("the focus is not on what tries again")
	}
	p.stop("thread-not-sent")
	p.onlyHas(in, printer, 4)

	connection("have a connection", network.Conditions{DownloadThroughput: -1, UploadThroughput: -1})
	p.leads("try again", click(".sending button:last-child"))
	if got := p.text(".note.ok"); got == "" || p.path() != fmt.Sprintf("/tickets/%d", printer.Number) || p.bool("document.querySelector('#text').value !== ''") {
		t.Errorf("sent, the page at %s says %q", p.path(), got)
	}
	p.stop("thread-sent-again")
	if m := in.messagesOf(printer.ID, 5)[4]; m.Text != "Here is the log." || len(m.Attachments) != 1 || m.Attachments[0].Name != "printer.log" || m.Attachments[0].Size != int64(len(log)) {
		t.Errorf("sent: %+v", m)
	}

	// Another one from the page that says that the first is sent.
	p.do("choose a file", choose("#files", []string{upload(t, "note.txt", []byte("and this"))}))
	p.fill("#text", "And a note.")
	p.leads("send", click(".compose .btn.primary"))
	in.messagesOf(printer.ID, 6)
	p.clean("sending")
}

// onlyHas checks that a ticket has no more messages than it had.
func (p *tab) onlyHas(in *installation, of ticket, n int) {
	p.t.Helper()
	if said, err := in.messages(of.ID); err != nil || len(said) != n {
		p.t.Errorf("there are %d messages, want %d: %v", len(said), n, err)
	}
}

func (p *tab) count(selector string) int {
	p.t.Helper()
	return eval[int](p, fmt.Sprintf("document.querySelectorAll(%q).length", selector))
}
