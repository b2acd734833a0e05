package desk

import (
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// acePrefix begins a label of a domain that stands for letters beyond ASCII (RFC 5890 section 2.3.2.1).
const acePrefix = "xn--"

// asciiDomain gives a domain, in lower case, as it goes over the network. What has more than one form in Unicode is none:
// "ü" may also be written as "u" and a mark above it.
func asciiDomain(domain string) (string, bool) {
	if isASCII(domain) {
		return domain, true
	}
	labels := strings.Split(domain, ".")
	for i, label := range labels {
		if isASCII(label) {
			continue
		}
		if strings.ContainsFunc(label, func(r rune) bool { return r >= 0x300 && r < 0x370 }) || strings.HasPrefix(label, acePrefix) {
			return "", false
		}
		labels[i] = acePrefix + punycode(label)
		if len(labels[i]) > 63 {
			return "", false
		}
	}
	domain = strings.Join(labels, ".")
	return domain, len(domain) <= 253
}

// readableDomain gives a domain with the Latin letters that it stands for. Those of other scripts look like them, so there it stays.
func readableDomain(domain string) string {
	if !strings.Contains(domain, acePrefix) {
		return domain
	}
	labels := strings.Split(domain, ".")
	for i, label := range labels {
		if code, ok := strings.CutPrefix(label, acePrefix); ok {
			if letters, ok := fromPunycode(code); ok && !isASCII(letters) && latin(letters) && acePrefix+punycode(letters) == label {
				labels[i] = letters
			}
		}
	}
	return strings.Join(labels, ".")
}

// latin tells whether all letters are such as no others look like: ASCII's, and those with marks of Western and Central Europe.
func latin(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 0xDF || r > 0x17E || r == '÷' || r == 'ı' || r == 'ĸ')
	}) && strings.ToLower(s) == s
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// The numbers of punycode (RFC 3492 section 5).
const (
	punyBase  = 36
	punyMin   = 1
	punyMax   = 26
	punySkew  = 38
	punyDamp  = 700
	punyBias  = 72
	punyFirst = 128
	punyDigit = "abcdefghijklmnopqrstuvwxyz0123456789"
)

// punycode writes a label that has other letters than ASCII's (RFC 3492 section 6.3). It takes time in proportion to the square
// of its length, which is that of a label.
func punycode(label string) string {
	runes := []rune(label)
	var out []byte
	for _, r := range runes {
		if r < utf8.RuneSelf {
			out = append(out, byte(r)) //nolint:gosec // ASCII
		}
	}
	basic := len(out)
	if basic > 0 {
		out = append(out, '-')
	}
	n, delta, bias := rune(punyFirst), 0, punyBias
	for done := basic; done < len(runes); {
		next := rune(math.MaxInt32)
		for _, r := range runes {
			if r >= n {
				next = min(next, r)
			}
		}
		delta += int(next-n) * (done + 1)
		n = next
		for _, r := range runes {
			if r < n {
				delta++
			}
			if r != n {
				continue
			}
			q := delta
			for k := punyBase; ; k += punyBase {
				t := min(max(k-bias, punyMin), punyMax)
				if q < t {
					break
				}
				out = append(out, punyDigit[t+(q-t)%(punyBase-t)])
				q = (q - t) / (punyBase - t)
			}
			out = append(out, punyDigit[q])
			bias = punyAdapt(delta, done+1, done == basic)
			delta = 0
			done++
		}
		delta++
		n++
	}
	return string(out)
}

// fromPunycode reads what punycode writes (RFC 3492 section 6.2).
func fromPunycode(s string) (string, bool) {
	if len(s) > 63 {
		return "", false
	}
	var out []rune
	if i := strings.LastIndexByte(s, '-'); i > 0 {
		out, s = []rune(s[:i]), s[i+1:]
	}
	n, at, bias := punyFirst, 0, punyBias
	for s != "" {
		before := at
		for w, k := 1, punyBase; ; k += punyBase {
			if s == "" || w > math.MaxInt32 {
				return "", false
			}
			digit := strings.IndexByte(punyDigit, s[0])
			s = s[1:]
			if digit < 0 {
				return "", false
			}
			at += digit * w
			t := min(max(k-bias, punyMin), punyMax)
			if digit < t {
				break
			}
			w *= punyBase - t
		}
		bias = punyAdapt(at-before, len(out)+1, before == 0)
		n += at / (len(out) + 1)
		at %= len(out) + 1
		if n > utf8.MaxRune {
			return "", false
		}
		out = slices.Insert(out, at, rune(n)) //nolint:gosec // not above MaxRune
		at++
	}
	return string(out), true
}

func punyAdapt(delta, points int, first bool) int {
	if first {
		delta /= punyDamp
	} else {
		delta /= 2
	}
	delta += delta / points
	k := 0
	for ; delta > (punyBase-punyMin)*punyMax/2; k += punyBase {
		delta /= punyBase - punyMin
	}
	return k + (punyBase-punyMin+1)*delta/(delta+punySkew)
}
