package mailmsg

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
)

const (
	escape   = 0x1b
	shiftOut = 0x0e
	shiftIn  = 0x0f
)

// rows94 is a set of characters with two bytes each, both of them between 0x21 and 0x7e.
type rows94 int

const (
	noRows rows94 = iota
	ksx1001
	gb2312
	cnsPlane1
	cnsPlane2
)

// designations tell which set an escape sequence makes the one behind "shift out" or, for the second plane, behind "ESC N".
var designations = map[string]rows94{
	"$)C": ksx1001, "$)A": gb2312, "$)E": gb2312, // ISO-IR-165 is GB 2312 and some more
	"$)G": cnsPlane1, "$*H": cnsPlane2,
	"$+I": noRows, "$+J": noRows, "$+K": noRows, "$+L": noRows, "$+M": noRows,
}

// decodeISO2022 reads ISO-2022-KR (RFC 1557) and ISO-2022-CN (RFC 1922), for which golang.org/x/text has no decoder. KS X 1001 is
// read by its EUC-KR, GB 2312 by its GBK, and the first two planes of CNS 11643 by way of Big5, which has the same characters in
// nearly the same order. The planes 3 to 7, which ISO-2022-CN-EXT adds, give U+FFFD.
func decodeISO2022(b []byte, shifted rows94) string {
	var out strings.Builder
	out.Grow(len(b))
	d := rowsDecoder{out: &out}
	second := noRows
	on := false
	for i := 0; i < len(b); i++ {
		c := b[i]
		switch {
		case c == escape && i+3 < len(b) && isDesignation(b[i+1:i+4]):
			switch set := designations[string(b[i+1:i+4])]; b[i+2] {
			case ')':
				shifted = set
			case '*':
				second = set
			}
			i += 3
		case c == escape && i+3 < len(b) && (b[i+1] == 'N' || b[i+1] == 'O') && inRows(b[i+2]) && inRows(b[i+3]):
			if b[i+1] == 'N' {
				d.put(second, b[i+2], b[i+3])
			} else {
				d.put(noRows, 0, 0)
			}
			i += 3
		case c == shiftOut || c == shiftIn:
			on = c == shiftOut
		case c == '\n': // each line begins with ASCII, whatever the last one was
			on = false
			d.ascii(c)
		case on && i+1 < len(b) && inRows(c) && inRows(b[i+1]):
			d.put(shifted, c, b[i+1])
			i++
		default:
			d.ascii(c)
		}
	}
	d.flush()
	return out.String()
}

func isDesignation(three []byte) bool {
	_, ok := designations[string(three)]
	return ok
}

// iso2022 tells which of its kinds a text is written in that says nothing about itself.
func iso2022(b []byte) (shifted rows94, ok bool) {
	if bytes.IndexByte(b, shiftOut) < 0 {
		return noRows, false
	}
	for _, sequence := range []string{"$)C", "$)A", "$)G", "$)E"} {
		if bytes.Contains(b, []byte("\x1b"+sequence)) {
			return designations[sequence], true
		}
	}
	return noRows, false
}

func inRows(c byte) bool { return c >= 0x21 && c <= 0x7e }

// rowsDecoder decodes characters of one set together.
type rowsDecoder struct {
	out *strings.Builder
	set rows94
	run []byte
}

// put adds a character.
func (d *rowsDecoder) put(set rows94, hi, lo byte) {
	if set != d.set {
		d.flush()
		d.set = set
	}
	switch set {
	case ksx1001, gb2312:
		d.run = append(d.run, hi|0x80, lo|0x80)
	case cnsPlane1, cnsPlane2:
		if code := big5(set, hi, lo); code != 0 {
			d.run = append(d.run, byte(code>>8), byte(code)) //nolint:gosec // two bytes
		} else {
			d.flush()
			d.out.WriteRune(utf8.RuneError)
		}
	default:
		d.out.WriteRune(utf8.RuneError)
	}
}

func (d *rowsDecoder) ascii(c byte) {
	d.flush()
	d.out.WriteByte(c)
}

func (d *rowsDecoder) flush() {
	if len(d.run) == 0 {
		return
	}
	var by encoding.Encoding
	switch d.set {
	case ksx1001:
		by = korean.EUCKR
	case gb2312:
		by = simplifiedchinese.GBK
	default:
		by = traditionalchinese.Big5
	}
	d.out.WriteString(decodeWith(by, d.run))
	d.run = d.run[:0]
}

// sameOrder is a run of characters that stand in a plane of CNS 11643 in the order they have in Big5.
type sameOrder struct{ first, last, big5 int }

var cns1 = []sameOrder{
	{0x2121, 0x2135, 0xA140}, {0x2136, 0x2137, 0xA157}, {0x2139, 0x2139, 0xA156}, {0x213A, 0x2169, 0xA159}, {0x216A, 0x216A, 0xA1AC}, {0x216B, 0x216B, 0xA1AB}, {0x216C, 0x2241, 0xA1AD}, {0x2242, 0x2242, 0xA1E2}, {0x2243, 0x2243, 0xA1E1}, {0x2244, 0x2256, 0xA1E3}, {0x2257, 0x2257, 0xA1F7}, {0x2258, 0x2258, 0xA1F6}, {0x2259, 0x234E, 0xA1F8},
	{0x2421, 0x2570, 0xA2AF}, {0x2621, 0x2634, 0xC7E9}, {0x4421, 0x5322, 0xA440}, {0x5323, 0x5752, 0xAD40}, {0x5753, 0x5753, 0xACFE}, {0x5754, 0x6B4F, 0xAFD0}, {0x6B50, 0x6B50, 0xBE52}, {0x6B51, 0x6F5B, 0xBBC8},
	{0x6F5C, 0x7534, 0xBE53}, {0x7535, 0x7535, 0xC2CB}, {0x7536, 0x7736, 0xC1AB}, {0x7737, 0x782C, 0xC2CC}, {0x782D, 0x782D, 0xC456}, {0x782E, 0x7863, 0xC361}, {0x7864, 0x7864, 0xC3BA},
	{0x7865, 0x7865, 0xC3B9}, {0x7866, 0x7961, 0xC3BB}, {0x7962, 0x7D4B, 0xC457},
}

var cns2 = []sameOrder{
	{0x2121, 0x212A, 0xC940}, {0x212B, 0x214B, 0xC94B}, {0x214C, 0x214C, 0xC9BE}, {0x214D, 0x217C, 0xC96C}, {0x217D, 0x224C, 0xC9BF}, {0x224D, 0x224D, 0xCAF7}, {0x224E, 0x2438, 0xC9ED},
	{0x2439, 0x376E, 0xCAF8}, {0x376F, 0x376F, 0xDADF}, {0x3770, 0x387D, 0xD6CD}, {0x387E, 0x3E62, 0xD77B}, {0x3E63, 0x3E63, 0xD6CC}, {0x3E64, 0x3F69, 0xDAE0}, {0x3F6A, 0x3F6A, 0xD77A},
	{0x3F6B, 0x4423, 0xDBA7}, {0x4424, 0x554A, 0xDDFD}, {0x554B, 0x554B, 0xEBF1}, {0x554C, 0x5721, 0xE8A3}, {0x5722, 0x5722, 0xECDE}, {0x5723, 0x5A27, 0xE976}, {0x5A28, 0x5A28, 0xF0CB},
	{0x5A29, 0x5B3E, 0xEB5B}, {0x5B3F, 0x5C69, 0xEBF2}, {0x5C6A, 0x5D73, 0xECDF}, {0x5D74, 0x5D74, 0xF056}, {0x5D75, 0x6038, 0xEDAA}, {0x6039, 0x6242, 0xEEEC}, {0x6243, 0x6336, 0xF057},
	{0x6337, 0x642E, 0xF0CC}, {0x642F, 0x642F, 0xEEEB}, {0x6430, 0x6437, 0xF163}, {0x6438, 0x6572, 0xF16C}, {0x6573, 0x664C, 0xF269}, {0x664D, 0x664D, 0xF4B5}, {0x664E, 0x6760, 0xF2C3},
	{0x6761, 0x6761, 0xF16B}, {0x6762, 0x6933, 0xF375}, {0x6934, 0x6934, 0xF268}, {0x6935, 0x6961, 0xF466}, {0x6962, 0x6A4A, 0xF4B6}, {0x6A4B, 0x6A4B, 0xF663}, {0x6A4C, 0x6C51, 0xF4FD},
	{0x6C52, 0x7165, 0xF664}, {0x7166, 0x7166, 0xF9C4}, {0x7167, 0x7233, 0xF977}, {0x7234, 0x7234, 0xF9C5}, {0x7235, 0x723F, 0xF9C7}, {0x7240, 0x7240, 0xF9C6}, {0x7241, 0x7244, 0xF9D2},
}

// big5 gives the code that a character of CNS 11643 has in Big5, or 0.
func big5(plane rows94, hi, lo byte) int {
	runs := cns1
	if plane == cnsPlane2 {
		runs = cns2
	}
	code := int(hi)<<8 | int(lo)
	for _, r := range runs {
		if code < r.first || code > r.last {
			continue
		}
		// Rows have 94 characters here and 157 there, the first 63 of which end at 0x7e.
		n := (code>>8-r.first>>8)*94 + code&0xff - r.first&0xff
		at := r.big5 & 0xff
		if at -= 0x40; at >= 63 {
			at -= 0xa1 - 0x40 - 63
		}
		n += at
		row, at := r.big5>>8+n/157, n%157
		if at < 63 {
			return row<<8 | (at + 0x40)
		}
		return row<<8 | (at - 63 + 0xa1)
	}
	return 0
}
