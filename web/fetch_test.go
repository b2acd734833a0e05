package web

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"postern/desk"
)

// TestP13_OnlyPublicAddressesAreReached: by address, whatever the name was that led there.
func TestP13_OnlyPublicAddressesAreReached(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"8.8.8.8:443": true, "8.8.8.8:80": true, "[2606:4700::1]:443": true, "8.8.8.8:22": false, "127.0.0.1:80": false, "127.8.8.8:80": false, "10.0.0.1:80": false, "172.16.0.1:80": false, "192.168.1.1:443": false,
		"169.254.169.254:80": false, "100.64.0.1:80": false, "0.0.0.0:80": false, "0.1.2.3:80": false, "224.0.0.1:80": false, "255.255.255.255:80": false, "198.18.0.1:80": false, "192.0.2.1:80": false, "[::1]:80": false,
		"[::]:80": false, "[fe80::1]:80": false, "[fc00::1]:80": false, "[64:ff9b::a9fe:a9fe]:80": false, "[2002:7f00:1::]:80": false, "[2001:db8::1]:80": false,
	} {
		if got := public(netip.MustParseAddrPort(address)); got != want {
			t.Errorf("%s: %t, want %t", address, got, want)
		}
	}
	hits := 0
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits++ }))
	defer server.Close()
	if _, err := NewFetcher(nil).Get(t.Context(), server.URL, 100); desk.KindOf(err) != desk.NotFound || hits != 0 {
		t.Errorf("this machine was asked %d times: %v", hits, err)
	}
}

func TestP13_AFetchIsBounded(t *testing.T) {
	t.Parallel()
	var other *httptest.Server
	seen := http.Header{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = r.Header
		switch r.URL.Path {
		case "/small":
			_, _ = w.Write([]byte("small"))
		case "/large":
			_, _ = w.Write(bytes.Repeat([]byte("x"), 2000))
		case "/there":
			http.Redirect(w, r, other.URL+"/small", http.StatusFound)
		case "/round":
			http.Redirect(w, r, "/round", http.StatusFound)
		case "/file":
			http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
		default:
			http.NotFound(w, r)
		}
	}))
	defer server.Close()
	other = httptest.NewServer(server.Config.Handler)
	defer other.Close()
	here := netip.MustParseAddrPort(server.Listener.Addr().String())
	f := NewFetcher(func(to netip.AddrPort) bool { return to == here })
	if b, err := f.Get(t.Context(), server.URL+"/small", 1000); err != nil || string(b) != "small" {
		t.Errorf("%q, %v", b, err)
	}
	if seen.Get("Referer")+seen.Get("Cookie") != "" {
		t.Errorf("it tells %v", seen)
	}
	for _, path := range []string{"/large", "/there", "/round", "/file", "/nothing"} {
		if _, err := f.Get(t.Context(), server.URL+path, 1000); desk.KindOf(err) != desk.NotFound {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := f.Get(t.Context(), "file:///etc/passwd", 1000); err == nil || errors.Is(err, nil) {
		t.Error("a file was read")
	}
}
