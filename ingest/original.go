package ingest

import (
	"context"

	"postern/desk"
	"postern/mailmsg"
)

// Original gives the HTML of a mail as its sender wrote it; "" if it has none. It is not harmless: it must go through safehtml.Original.
func (g *Ingest) Original(ctx context.Context, item desk.ID) (string, error) {
	e, err := g.DB.Ledger(ctx, item)
	if err != nil {
		return "", err
	}
	r, err := g.Raw(ctx, e)
	if err != nil {
		return "", err
	}
	defer r.Close() //nolint:errcheck // it was only read
	return mailmsg.OriginalHTML(r)
}
