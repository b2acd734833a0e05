package ingest

import (
	"fmt"
	"testing"
	"time"

	"postern/desk"
	"postern/store"
)

func TestI7_ABatchIsBoundedByBytes(t *testing.T) {
	both(t, func(r *rig) {
		const n = 40
		b := desk.FolderBatch{MailboxID: r.mb.ID, Folder: "INBOX", Role: desk.Inbox, UIDValidity: 1}
		for i := range n {
			size := int64(2 << 20)
			if i == 20 {
				size = 3 * bytesPerBatch
			}
			raw := mail(fmt.Sprintf("c%d@customer.example", i), support, fmt.Sprintf("%d@customer.example", i), "x")
			b.Items = append(b.Items, desk.FolderItem{UID: uint32(i + 1), InternalDate: time.Now(), Size: size, Raw: []byte(raw)})
		}
		if err := r.g.Keep(r.t.Context(), r.lease[r.mb.ID], b); err != nil {
			r.t.Fatal(err)
		}
		batches := pipeline{ready: make(chan []parsed), filed: make(chan struct{}, 1)}
		go func() {
			defer close(batches.ready)
			if err := r.g.load(r.t.Context(), r.mb.ID, "", &round{}, &batches); err != nil {
				r.t.Error(err)
			}
		}()
		seen := map[desk.ID]bool{}
		for batch := range batches.ready {
			batches.oneIsFiled()
			bytes := int64(0)
			for _, p := range batch {
				bytes += p.Entry.Size
				seen[p.Entry.ID] = true
			}
			if bytes > bytesPerBatch && len(batch) > 1 {
				r.t.Errorf("%d mails of %d bytes in one batch", len(batch), bytes)
			}
			if bytes <= bytesPerBatch/2 && len(seen) < 20 {
				r.t.Errorf("only %d mails in a batch", len(batch))
			}
		}
		if len(seen) != n {
			r.t.Errorf("%d mails", len(seen))
		}
		r.read()
		if left, err := r.db.PendingOf(r.t.Context(), r.mb.ID, "", 1); err != nil || len(left) > 0 {
			r.t.Errorf("left %v, %v", left, err)
		}
	})
}

func TestI7_NoMoreThanThreeBatchesAreUnderWay(t *testing.T) {
	t.Parallel()
	r := newRig(t, store.Options{Path: t.TempDir() + "/postern.db"})
	b := desk.FolderBatch{MailboxID: r.mb.ID, Folder: "INBOX", Role: desk.Inbox, UIDValidity: 1}
	for i := range 10 { // a batch each, with a file that is kept while it is parsed
		raw := withFile(fmt.Sprintf("c%d@customer.example", i), fmt.Sprintf("%d@customer.example", i), fmt.Sprint("file ", i))
		b.Items = append(b.Items, desk.FolderItem{UID: uint32(i + 1), InternalDate: time.Now(), Size: bytesPerBatch, Raw: []byte(raw)})
	}
	if err := r.g.Keep(t.Context(), r.lease[r.mb.ID], b); err != nil {
		t.Fatal(err)
	}
	begun, most := 0, 0
	r.blobs.putting = func() {
		counts, err := r.db.LedgerCounts(t.Context())
		if err != nil {
			t.Error(err)
		}
		begun++
		most = max(most, begun-int(counts[desk.NewTicket]))
	}
	if n, err := r.g.pass(t.Context(), r.mb.ID, &round{}); n != 10 || err != nil {
		t.Errorf("%d read, %v", n, err)
	}
	if most > atOnce {
		t.Errorf("%d batches were under way", most)
	}
}
