package mailmsg

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxFileName is the longest name of a file, in bytes: what common file systems allow, with room for a suffix.
const maxFileName = 200

// SafeFileName gives a base name that is safe to show and to save under: no folder, no control, bidirectional or
// invisible characters, nothing that Windows reserves, never empty, never starting with a dot (REQUIREMENTS P15).
func SafeFileName(name string) string {
	name = strings.ToValidUTF8(name, "_")
	name = strings.Map(func(r rune) rune {
		switch {
		case r == '\t' || r == '\n' || r == '\r' || unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r), unicode.In(r, unicode.Cf, unicode.Co, unicode.Cs, unicode.Zl, unicode.Zp), invisible(r):
			return -1
		case strings.ContainsRune(`<>:"|?*`, r):
			return '_'
		}
		return r
	}, name)
	if i := strings.LastIndexAny(name, `/\`); i >= 0 {
		name = name[i+1:]
	}
	name = strings.Join(strings.Fields(name), " ")
	name = strings.TrimRight(strings.TrimLeft(name, ". "), ". ")
	if len(name) > maxFileName {
		name = shorten(name)
	}
	if base, _, _ := strings.Cut(name, "."); reservedName(strings.TrimSpace(base)) {
		name = "_" + name
	}
	if name == "" {
		return "attachment"
	}
	return name
}

// shorten keeps the suffix of a long name.
func shorten(name string) string {
	suffix := ""
	if i := strings.LastIndexByte(name, '.'); i > 0 && len(name)-i <= 20 {
		name, suffix = name[:i], name[i:]
	}
	cut := maxFileName - len(suffix)
	if cut > len(name) {
		cut = len(name)
	}
	for cut > 0 && cut < len(name) && !utf8.RuneStart(name[cut]) {
		cut--
	}
	return strings.TrimRight(name[:cut], ". ") + suffix
}

// invisible covers what shows nothing without being a format character: Hangul fillers, variation selectors, and the
// combining grapheme joiner.
func invisible(r rune) bool {
	switch r {
	case '\u034F', '\u115F', '\u1160', '\u17B4', '\u17B5', '\u3164', '\uFFA0':
		return true
	}
	return r >= 0xFE00 && r <= 0xFE0F || r >= 0xE0100 && r <= 0xE01EF
}

// reservedName tells whether Windows keeps a name for a device.
func reservedName(base string) bool {
	base = strings.ToUpper(base)
	switch base {
	case "CON", "PRN", "AUX", "NUL":
		return true
	}
	return len(base) == 4 && (strings.HasPrefix(base, "COM") || strings.HasPrefix(base, "LPT")) && base[3] >= '0' && base[3] <= '9'
}
