package mailmsg

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"testing"
	"time"
)

// TestM10_ThreadIndexIsAsTheDocumentSays: 1, five bytes of the time, 16 of an id; then 5 bytes for each answer.
func TestM10_ThreadIndexIsAsTheDocumentSays(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
	head := NewThreadIndex("root", at)
	b, err := base64.StdEncoding.DecodeString(head)
	if err != nil || len(b) != 22 || b[0] != 1 {
		t.Fatalf("%x, %v", b, err)
	}
	began := binary.BigEndian.Uint64(append(b[:6:6], 0, 0))
	if got := time.Unix(int64(began/1e7)-11644473600, 0); at.Sub(got) < 0 || at.Sub(got) > 10*time.Millisecond+time.Second { //nolint:gosec // a time of ours
		t.Errorf("it began at %v", got.UTC())
	}
	if NewThreadIndex("root", at) != head || NewThreadIndex("other", at) == head || NewThreadIndex("root", at.Add(time.Second)) == head {
		t.Error("it does not follow from its seed and time")
	}
	for after, want := range map[time.Duration]uint32{0: 0, -time.Hour: 0, time.Hour: 3600 * 1e7 >> 18, 24 * time.Hour: 24 * 3600 * 1e7 >> 18, 3 * 366 * 24 * time.Hour: 1<<31 | 3*366*24*3600*1e7>>23} {
		child := ThreadIndexChild(head, "m", at.Add(after))
		c, err := base64.StdEncoding.DecodeString(child)
		if err != nil || len(c) != 27 || !bytes.Equal(c[:22], b) {
			t.Fatalf("%v: %x, %v", after, c, err)
		}
		if got := binary.BigEndian.Uint32(c[22:26]); got-want > 1 {
			t.Errorf("%v: %x, want %x", after, got, want)
		}
		if child != ThreadIndexChild(head, "m", at.Add(after)) || c[26]&0xf != 0 {
			t.Errorf("%v: it does not follow from its seed, or has a level: %x", after, c)
		}
		if second, err := base64.StdEncoding.DecodeString(ThreadIndexChild(child, "n", at.Add(after))); err != nil || !bytes.HasPrefix(second, c) || len(second) != 32 {
			t.Errorf("%v: the answer to the answer has %x", after, second)
		}
	}
}

func TestThreadIndexIsReadWithCare(t *testing.T) {
	t.Parallel()
	head := NewThreadIndex("root", time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC))
	child := ThreadIndexChild(head, "a", time.Date(2026, 3, 3, 10, 0, 0, 0, time.UTC))
	long := base64.StdEncoding.EncodeToString(append([]byte{1}, make([]byte, 21+140*5)...))
	endless := base64.StdEncoding.EncodeToString(append([]byte{1}, make([]byte, 21+200*5)...))
	notOne := base64.StdEncoding.EncodeToString(make([]byte, 22))
	for value, want := range map[string]string{
		head: head, child[:10] + "\r\n\t" + child[10:]: child, " " + child + " ": child, long: long,
		"": "", "x": "", head[:8]: "", endless: "", notOne: "", base64.StdEncoding.EncodeToString(append([]byte{1}, make([]byte, 23)...)): "", strings.Repeat(" ", 5000) + head: "",
	} {
		if got := ThreadIndex(value); got != want {
			t.Errorf("%.60q: %.60q", value, got)
		}
	}
	if got := ThreadIndexChild(long, "a", time.Now()); len(got) != 36 {
		t.Errorf("an answer to a long one has %s", got)
	}
	if got := ThreadIndexChild("bad", "a", time.Now()); got != "" {
		t.Errorf("an answer to none has %s", got)
	}
	d := draft()
	d.Headers = ThreadFields("Re: AW: Drucker: defekt", long)
	raw := composed(t, d)
	for line := range strings.SplitSeq(raw, "\r\n") {
		if len(line) > 78 {
			t.Errorf("a line of %d bytes: %s", len(line), line)
		}
	}
	if m := parse(t, raw); m.ThreadIndex != long || !strings.Contains(raw, "\r\nThread-Topic: Drucker: defekt\r\n") {
		t.Errorf("%s\nread as %s", raw, m.ThreadIndex)
	}
	if len(ThreadFields("x", "")) != 0 {
		t.Error("fields without an index")
	}
}
