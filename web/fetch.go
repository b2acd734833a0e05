package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"

	"postern/desk"
)

// Fetcher gets pictures from elsewhere for somebody who asked for them. It reaches public addresses only, whatever a name leads to at the moment it
// is dialled (REQUIREMENTS W10, P13), follows few redirects, sends neither cookies nor where it comes from, and takes no more than it was told to.
type Fetcher struct {
	client *http.Client
	slots  chan struct{}
}

const (
	fetchAtOnce    = 8
	fetchWithin    = 10 * time.Second
	fetchRedirects = 3
)

// NewFetcher makes a Fetcher. allow says which addresses may be reached; nil: public ones (tests have none).
func NewFetcher(allow func(netip.AddrPort) bool) *Fetcher {
	if allow == nil {
		allow = public
	}
	dialer := &net.Dialer{Timeout: fetchWithin, Control: func(_, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil || !allow(netip.AddrPortFrom(to.Addr().Unmap(), to.Port())) {
			return fmt.Errorf("%s is not reached from here", address)
		}
		return nil
	}}
	return &Fetcher{slots: make(chan struct{}, fetchAtOnce), client: &http.Client{
		Timeout:   fetchWithin,
		Transport: &http.Transport{DialContext: dialer.DialContext, Proxy: nil, DisableKeepAlives: true, ResponseHeaderTimeout: fetchWithin, MaxResponseHeaderBytes: 64 << 10},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) > fetchRedirects || r.URL.Scheme != "http" && r.URL.Scheme != "https" || r.URL.User != nil {
				return errors.New("redirected too often, or elsewhere than to the web")
			}
			r.Header.Del("Referer")
			return nil
		},
	}}
}

// public tells whether an address is one of the open internet, at a port where web pages are.
func public(to netip.AddrPort) bool {
	a := to.Addr()
	if to.Port() != 80 && to.Port() != 443 || !a.IsGlobalUnicast() || a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsMulticast() || a.IsUnspecified() {
		return false
	}
	for _, s := range []string{ // IANA's special-purpose registries, beyond those that netip knows
		"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
		"64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "5f00::/16", "fec0::/10",
	} {
		if netip.MustParsePrefix(s).Contains(a) {
			return false
		}
	}
	return true
}

// Get fetches at most limit bytes. What can't be had is NotFound: why is nobody's business but the log's.
func (f *Fetcher) Get(ctx context.Context, address string, limit int64) ([]byte, error) {
	select {
	case f.slots <- struct{}{}:
		defer func() { <-f.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	missing := func(err error) error {
		return &desk.Error{Kind: desk.NotFound, Text: "the picture can't be had", Err: err}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil || req.URL.User != nil {
		return nil, missing(err)
	}
	req.Header.Set("User-Agent", "Mozilla/5.0 (compatible; Postern)")
	req.Header.Set("Accept", "image/png, image/jpeg, image/gif, image/webp")
	resp, err := f.client.Do(req)
	if err != nil {
		return nil, missing(err)
	}
	defer resp.Body.Close() //nolint:errcheck // it was only read
	if resp.StatusCode != http.StatusOK {
		return nil, missing(fmt.Errorf("it answers %d", resp.StatusCode))
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil || int64(len(b)) > limit {
		return nil, missing(errors.Join(err, errors.New("too large, or broken off")))
	}
	return b, nil
}
