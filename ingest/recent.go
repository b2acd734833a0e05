package ingest

import (
	"sync"

	"postern/desk"
)

// recent holds the bytes of items that were kept a moment ago, so that reading them need not ask the database. It is a
// short cut and nothing else: what it does not have is in the database.
type recent struct {
	mu   sync.Mutex // guards what follows
	raws map[desk.ID][]byte
	size int
}

// maxRecent is how many bytes wait to be read at the most; a reader that falls further behind reads from the database.
const maxRecent = 8 << 20

func (r *recent) add(id desk.ID, raw []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.raws == nil || r.size+len(raw) > maxRecent {
		r.raws, r.size = map[desk.ID][]byte{}, 0
	}
	r.raws[id] = raw
	r.size += len(raw)
}

// take gives an item's bytes, once; nil if they are not here.
func (r *recent) take(id desk.ID) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	raw := r.raws[id]
	delete(r.raws, id)
	r.size -= len(raw)
	return raw
}
