package mailmsg

import (
	"net/netip"
	"strings"
)

// peers gives, for each Received field from the top, the address of the machine that the mail came from: what the server that
// wrote the field saw itself. Invalid where it wrote none that can be read (RFC 5321 section 4.4).
func peers(received []string) []netip.Addr {
	out := make([]netip.Addr, len(received))
	for i, field := range received {
		out[i] = peer(clipValue(field))
	}
	return out
}

// peer reads the clause "from NAME (RDNS [ADDRESS])" as servers write it. The name is what the peer called itself, so an address
// there, or behind "helo", counts only where none is seen elsewhere.
func peer(field string) (addr netip.Addr) {
	// No comma parts words: a peer may put one into its name, and servers let it.
	words := strings.FieldsFunc(field, func(r rune) bool { return r <= ' ' || r == '(' || r == ')' })
	if len(words) == 0 || !strings.EqualFold(words[0], "from") {
		return addr
	}
	var claimed netip.Addr
	for i, word := range words[1:] {
		before := strings.ToLower(words[i])
		switch strings.ToLower(word) {
		case "by":
			if addr.IsValid() {
				return addr
			}
			return claimed
		case "helo", "ehlo":
			continue
		}
		word, named := cutHelo(word)
		a, err := netip.ParseAddr(strings.TrimPrefix(strings.ToLower(strings.Trim(word, "[]")), "ipv6:"))
		switch {
		case err != nil:
		case i == 0 || named || before == "helo" || before == "ehlo":
			if !claimed.IsValid() {
				claimed = a.Unmap().WithZone("")
			}
		case !addr.IsValid():
			addr = a.Unmap().WithZone("")
		}
	}
	return netip.Addr{} // without "by" it is no field of a server's
}

// cutHelo takes "helo=" off a word, as Exim writes it.
func cutHelo(word string) (string, bool) {
	if len(word) > 5 && strings.EqualFold(word[:5], "helo=") {
		return word[5:], true
	}
	return word, false
}
