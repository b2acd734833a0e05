package store

import (
	"context"
	"time"

	"postern/desk"
)

// Fresh is a message that was stored lately.
type Fresh struct{ MessageID, TicketID desk.ID }

// mostFresh is how many are told of at once; whoever looks seldom sees the newest.
const mostFresh = 1000

// FreshMessages lists the public messages that were stored since a time, the oldest first. Ids are made before a transaction commits, so whoever asks
// again asks for some seconds that they know already.
func (r reads) FreshMessages(ctx context.Context, since time.Time) ([]Fresh, error) {
	return collect(ctx, r.x, func(row scanner) (f Fresh, err error) {
		err = row.Scan(&f.MessageID, &f.TicketID)
		return f, err
	}, `SELECT id, ticket_id FROM (SELECT id, ticket_id FROM messages WHERE id > $1 AND NOT internal ORDER BY id DESC LIMIT $2) m ORDER BY id`, firstIDAt(since), mostFresh)
}

// firstIDAt is an id before all that are made from a time on (RFC 9562 section 5.7).
func firstIDAt(at time.Time) string {
	const digits = "0123456789abcdef"
	n, hex := uint64(at.UnixMilli()), make([]byte, 12) //nolint:gosec // times are after 1970
	for i := range hex {
		hex[11-i] = digits[n&15]
		n >>= 4
	}
	return string(hex[:8]) + "-" + string(hex[8:]) + "-0000-0000-000000000000"
}
