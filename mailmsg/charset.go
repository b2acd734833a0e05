package mailmsg

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"io"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/emersion/go-message/charset"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/unicode"
)

// decodeText makes valid UTF-8 without NUL of bytes in a declared charset. If that is unknown or can't be true, the bytes
// are UTF-8 if they can be, else windows-1252, which every byte is a character of.
func decodeText(b []byte, declared string) string {
	name := charsetName(declared)
	if ascii(b) && !stateful(name) {
		if bytes.IndexByte(b, 0) < 0 {
			return string(b)
		}
		if name == "" && len(b) > 3 {
			if s, ok := decodeWide(b); ok {
				return s
			}
		}
		return stripNUL(string(b))
	}
	s := decodeBytes(b, name)
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	return stripNUL(s)
}

func decodeBytes(b []byte, name string) string {
	switch {
	case bytes.HasPrefix(b, []byte(byteOrderMark)):
		b = b[len(byteOrderMark):]
		name = "utf-8"
	case bytes.HasPrefix(b, []byte("\xFF\xFE")), bytes.HasPrefix(b, []byte("\xFE\xFF")):
		return decodeWith(unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), b)
	}
	if name == "utf-7" || name == "unicode-1-1-utf-7" {
		return decodeUTF7(b)
	}
	valid := utf8.Valid(b)
	switch name {
	case "", "utf-8", "us-ascii", "iso-8859-1", "windows-1252":
		// What is valid UTF-8 with characters beyond ASCII is hardly ever meant as Latin-1.
		if valid {
			if shifted, ok := iso2022(b); ok {
				return decodeISO2022(b, shifted)
			}
			if bytes.Contains(b, []byte("\x1b$")) || bytes.Contains(b, []byte("\x1b(")) {
				return decodeWith(japanese.ISO2022JP, b)
			}
			return string(b)
		}
		return decodeWith(charmap.Windows1252, b)
	case "iso-2022-kr":
		return decodeISO2022(b, ksx1001)
	case "iso-2022-cn", "iso-2022-cn-ext":
		return decodeISO2022(b, gb2312)
	}
	if enc, err := htmlindex.Get(name); err == nil && enc != encoding.Replacement {
		return likelier(decodeWith(enc, b), b, valid)
	}
	if r, err := charset.Reader(name, bytes.NewReader(b)); err == nil {
		if out, err := io.ReadAll(r); err == nil {
			return likelier(string(out), b, valid)
		}
	}
	if valid {
		return string(b)
	}
	return decodeWith(charmap.Windows1252, b)
}

// likelier gives what a charset made of b, or b itself if that has characters which don't exist and b is UTF-8.
func likelier(decoded string, b []byte, valid bool) string {
	if valid && strings.ContainsRune(decoded, utf8.RuneError) && !ascii(b) {
		return string(b)
	}
	return decoded
}

func decodeWith(enc encoding.Encoding, b []byte) string {
	out, err := enc.NewDecoder().Bytes(b)
	if err != nil && len(out) == 0 {
		return string(b)
	}
	return string(out)
}

// charsetName gives the name under which a charset is known, from what mailers write.
func charsetName(s string) string {
	s = firstToken(s)
	s = strings.TrimSuffix(strings.TrimPrefix(s, "charset="), "http-equiv")
	switch s {
	case "utf8", "utf-8n", "unicode", "x-utf-8", "utf_8", "cp65001", "65001":
		return "utf-8"
	case "ascii", "us_ascii", "ansi_x3.4-1968", "7bit", "8bit", "default", "unknown", "x-unknown", "unknown-8bit", "binary", "none":
		return ""
	case "latin1", "latin-1", "iso8859-1", "iso_8859-1", "iso-8859", "iso8859", "8859-1", "ansi", "cp1252", "cp-1252", "1252", "windows1252":
		return "windows-1252"
	case "iso-8859-8-i", "iso-8859-8-e":
		return "iso-8859-8"
	case "gb2312", "gbk", "cp936", "ms936", "936", "x-gbk", "gb_2312-80", "hz-gb-2312":
		if s == "hz-gb-2312" {
			return s
		}
		return "gb18030"
	case "ks_c_5601-1987", "ksc5601", "ks_c_5601", "cp949", "949", "korean", "uhc":
		return "euc-kr"
	case "iso-2022-jp-1", "iso-2022-jp-2", "iso-2022-jp-3", "iso-2022-jp-2004", "iso-2022-jp-ms", "cp50220", "cp50221", "cp50222", "csiso2022jp", "csiso2022jp2":
		return "iso-2022-jp" // with more characters, which hardly anybody uses
	case "csiso2022kr":
		return "iso-2022-kr"
	case "csiso2022cn":
		return "iso-2022-cn"
	case "sjis", "x-sjis", "shift-jis", "cp932", "ms932", "windows-31j":
		return "shift_jis"
	case "big5-hkscs", "cp950", "x-big5":
		return "big5"
	case "cp-850":
		return "cp850"
	}
	if rest, ok := strings.CutPrefix(s, "cp125"); ok && len(rest) == 1 {
		return "windows-125" + rest
	}
	if rest, ok := strings.CutPrefix(s, "iso8859-"); ok {
		return "iso-8859-" + rest
	}
	return s
}

// metaCharset gives the charset that HTML declares for itself in its first 1,024 bytes, as browsers look for it (HTML, section
// 13.2.3.2); "" if it declares none.
func metaCharset(b []byte) string {
	rest := strings.ToLower(string(b[:min(len(b), 1024)]))
	for {
		_, tag, ok := strings.Cut(rest, "<meta")
		if !ok {
			return ""
		}
		tag, rest, _ = strings.Cut(tag, ">")
		_, name, ok := strings.Cut(tag, "charset")
		if name = strings.TrimSpace(name); !ok || !strings.HasPrefix(name, "=") {
			continue
		}
		name = strings.TrimLeft(name[1:], " \t\r\n\"'")
		if end := strings.IndexAny(name, " \t\r\n\"';/"); end >= 0 {
			name = name[:end]
		}
		return name
	}
}

// stateful tells whether a charset writes other characters with ASCII bytes.
func stateful(name string) bool {
	switch name {
	case "", "us-ascii", "utf-8", "windows-1252", "iso-8859-1":
		return false
	}
	return strings.HasPrefix(name, "iso-2022") || strings.HasPrefix(name, "utf-16") || strings.HasPrefix(name, "utf-32") ||
		strings.HasSuffix(name, "utf-7") || name == "hz-gb-2312" || strings.HasPrefix(name, "ibm") || strings.HasPrefix(name, "cp0")
}

func ascii(b []byte) bool {
	if bytes.IndexByte(b, 0x1b) >= 0 {
		return false
	}
	for len(b) >= 8 {
		if binary.NativeEndian.Uint64(b)&0x8080808080808080 != 0 {
			return false
		}
		b = b[8:]
	}
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func stripNUL(s string) string {
	if strings.IndexByte(s, 0) < 0 {
		return s
	}
	return strings.ReplaceAll(s, "\x00", "")
}

// decodeWide reads UTF-16 that says nothing about itself: every other byte is zero.
func decodeWide(b []byte) (string, bool) {
	var even, odd int
	for i, c := range b[:min(len(b), 512)] {
		if c == 0 {
			if i%2 == 0 {
				even++
			} else {
				odd++
			}
		}
	}
	n := min(len(b), 512) / 2
	switch {
	case odd > n*9/10 && even == 0:
		return decodeWith(unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM), b), true
	case even > n*9/10 && odd == 0:
		return decodeWith(unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM), b), true
	}
	return "", false
}

// decodeUTF7 reads RFC 2152, which old Exchange servers still write.
func decodeUTF7(b []byte) string {
	var out strings.Builder
	for i := 0; i < len(b); i++ {
		if b[i] != '+' {
			out.WriteByte(b[i])
			continue
		}
		end := i + 1
		for end < len(b) && isBase64(b[end]) {
			end++
		}
		run := b[i+1 : end]
		if len(run) == 0 {
			out.WriteByte('+')
		} else if raw, err := base64.RawStdEncoding.DecodeString(string(run[:len(run)-badTail(len(run))])); err == nil {
			units := make([]uint16, 0, len(raw)/2)
			for k := 0; k+1 < len(raw); k += 2 {
				units = append(units, uint16(raw[k])<<8|uint16(raw[k+1]))
			}
			out.WriteString(string(utf16.Decode(units)))
		}
		i = end - 1
		if end < len(b) && b[end] == '-' {
			i = end
		}
	}
	return out.String()
}

// badTail is 1 where a run of base64 has a single character too many.
func badTail(n int) int {
	if n%4 == 1 {
		return 1
	}
	return 0
}

func isBase64(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' || c == '+' || c == '/'
}
