package mailmsg

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
)

// tnefWriter writes TNEF files as MS-OXTNEF describes them.
type tnefWriter struct{ bytes.Buffer }

func newTNEF() *tnefWriter {
	w := &tnefWriter{}
	w.Write([]byte{0x78, 0x9f, 0x3e, 0x22, 1, 0})
	w.attribute(1, 0x00089006, []byte{0, 0, 1, 0})
	w.attribute(1, tnefOEMCodepage, []byte{0xe4, 4, 0, 0, 0, 0, 0, 0}) // 1252
	return w
}

func (w *tnefWriter) attribute(level byte, id uint32, data []byte) {
	w.WriteByte(level)
	w.Write(le32(id))
	w.Write(le32(uint32(len(data))))
	w.Write(data)
	w.Write(binary.LittleEndian.AppendUint16(nil, checksum(data)))
}

// file writes an attached file with its 8.3 name and what else is known of it.
func (w *tnefWriter) file(title string, data []byte, props ...[]byte) {
	w.attribute(2, tnefAttachRendData, make([]byte, 14))
	if data != nil {
		w.attribute(2, tnefAttachData, data)
	}
	w.attribute(2, tnefAttachTitle, []byte(title+"\x00"))
	if len(props) > 0 {
		w.attribute(2, tnefAttachment, propList(props...))
	}
}

func le32(n uint32) []byte { return binary.LittleEndian.AppendUint32(nil, n) }

func propList(props ...[]byte) []byte {
	return append(le32(uint32(len(props))), slices.Concat(props...)...)
}

// prop writes a property that tells its length.
func prop(typ, id uint16, value []byte) []byte {
	out := slices.Concat(binary.LittleEndian.AppendUint16(nil, typ), binary.LittleEndian.AppendUint16(nil, id), le32(1), le32(uint32(len(value))), value)
	return append(out, make([]byte, -len(value)&3)...)
}

func wideProp(id uint16, s string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s + "\x00")) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return prop(mapiUnicode, id, b)
}

// numberProp writes a property of four bytes.
func numberProp(id uint16, n uint32) []byte {
	return slices.Concat([]byte{mapiInt32, 0}, binary.LittleEndian.AppendUint16(nil, id), le32(n))
}

// namedProps are properties that are not read, of every form a reader has to get past.
func namedProps() [][]byte {
	guid := make([]byte, 16)
	return [][]byte{
		slices.Concat([]byte{mapiInt16, 0, 0x17, 0, 1, 0, 0, 0}),
		slices.Concat([]byte{0x40, 0, 0x39, 0}, make([]byte, 8)),
		slices.Concat([]byte{mapiBoolean, 0, 1, 0x80}, guid, le32(0), le32(7), []byte{1, 0, 0, 0}),
		slices.Concat([]byte{mapiString8, 0, 2, 0x80}, guid, le32(1), le32(6), []byte("a\x00b\x00\x00\x00\x00\x00"), le32(1), le32(3), []byte("ab\x00\x00")),
		slices.Concat([]byte{mapiString8, 0x10, 3, 0}, le32(2), le32(2), []byte("x\x00\x00\x00"), le32(5), []byte("yyyy\x00\x00\x00\x00")),
		slices.Concat([]byte{mapiInt32, 0x10, 4, 0}, le32(2), le32(1), le32(2)),
	}
}

// helloRTF is the first example of MS-OXRTFCP section 4.
const helloRTF = "-\x00\x00\x00+\x00\x00\x00LZFu\xf1\xc5\xc7\xa7\x03\x00\n\x00rcpg125B2\n\xf3 hel\t\x00 bw\x05\xb0ld}\n\x80\x0f\xa0"

// tnefMail gives a mail with a TNEF file in it, and text before that if there is some.
func tnefMail(text string, raw []byte) string {
	return "From: ann@example.net\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\n" + text +
		"\n--b\nContent-Type: application/ms-tnef; name=\"winmail.dat\"\nContent-Transfer-Encoding: base64\n\n" +
		base64.StdEncoding.EncodeToString(raw) + "\n--b--\n"
}

func names(t *testing.T, raw string) (list []string, files []string) {
	t.Helper()
	m, files := parseKeeping(t, raw, Limits{})
	checkMail(t, "mail", m)
	for _, a := range m.Attachments {
		list = append(list, strings.TrimSuffix(fmt.Sprintf("%s|%s|%s", a.Name, a.Type, a.ContentID), "|"))
	}
	return list, files
}

func TestM8_FilesInTNEF(t *testing.T) {
	t.Parallel()
	w := newTNEF()
	w.attribute(1, tnefMsgProps, propList(append(namedProps(), prop(mapiBinary, mapiRTF, []byte(helloRTF)))...))
	w.file("BERICH~1.PDF", []byte("%PDF"), append(namedProps(), wideProp(mapiAttachLongName, "Übersicht für März.pdf"), wideProp(mapiAttachMIMETag, "application/pdf"))...)
	w.file("logo.png", []byte("png"), prop(mapiString8, mapiAttachMIMETag, []byte("image/png\x00")), wideProp(mapiAttachContentID, "logo@example.net"))
	w.file("B\xfcro.txt", []byte{})
	list, files := names(t, tnefMail("See below.", w.Bytes()))
	if got := fmt.Sprintf("%q %q", list, files); got != `["Übersicht für März.pdf|application/pdf" "logo.png|image/png|logo@example.net" "Büro.txt|application/octet-stream"] ["%PDF" "png" ""]` {
		t.Error(got)
	}
	if m := parse(t, tnefMail("See below.", w.Bytes())); m.Text != "See below." || len(m.Defects) > 0 || m.Truncated || !m.Attachments[1].Inline || m.Attachments[0].Inline {
		t.Errorf("text %q, defects %q, %+v", m.Text, m.Defects, m.Attachments)
	}
}

func TestM8_LargeTNEF(t *testing.T) {
	t.Parallel()
	for _, size := range []int{smallTNEF - 200, smallTNEF, 3 * smallTNEF} {
		w := newTNEF()
		data := strings.Repeat("x", size)
		w.file("a.bin", []byte(data))
		if list, files := names(t, tnefMail("x", w.Bytes())); len(list) != 1 || files[0] != data {
			t.Errorf("%d bytes: %q", size, list)
		}
	}
}

func TestM8_TextInTNEFIsShownWhereThereIsNoOther(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		props []byte
		text  string
		html  string
	}{
		"rtf":         {propList(prop(mapiBinary, mapiRTF, []byte(helloRTF))), "hello world", "<p>hello world</p>"},
		"text":        {propList(wideProp(mapiBody, "Grüße\r\nAnn"), prop(mapiBinary, mapiRTF, []byte(helloRTF))), "Grüße\nAnn", "<p>Grüße<br>\nAnn</p>"},
		"8-bit text":  {propList(prop(mapiString8, mapiBody, []byte("Gr\xfc\xdfe\x00"))), "Grüße", "<p>Grüße</p>"},
		"html":        {propList(wideProp(mapiBody, "x"), prop(mapiBinary, mapiHTML, []byte("<p>Gr\xc3\xbc\xc3\x9fe <b>Ann</b></p>")), numberProp(mapiInternetCodepage, 65001)), "Grüße Ann", "<p>Grüße <b>Ann</b></p>"},
		"html in koi": {propList(prop(mapiBinary, mapiHTML, []byte("<p>\xf0\xd2\xc9\xd7\xc5\xd4</p>")), numberProp(mapiInternetCodepage, 20866)), "Привет", "<p>Привет</p>"},
	} {
		w := newTNEF()
		w.attribute(1, tnefMsgProps, c.props)
		m := parse(t, tnefMail(" ", w.Bytes()))
		if m.Text != c.text || m.HTML != c.html || len(m.Attachments) != 0 || len(m.Defects) > 0 {
			t.Errorf("%s: text %q, html %q, files %v, defects %q", name, m.Text, m.HTML, m.Attachments, m.Defects)
		}
		if m := parse(t, tnefMail("Own text", w.Bytes())); m.Text != "Own text" {
			t.Errorf("%s: text %q", name, m.Text)
		}
	}
}

func TestM8_MessageInTNEF(t *testing.T) {
	t.Parallel()
	inner := newTNEF()
	inner.attribute(1, tnefMsgProps, propList(wideProp(mapiSubject, "Broken: printer"), wideProp(mapiBody, "It blinks.")))
	inner.file("a.txt", []byte("a"))
	w := newTNEF()
	w.file("Broken printer", nil, prop(mapiObject, mapiAttachData, append(make([]byte, 16), inner.Bytes()...)))
	w.file("", nil, prop(mapiObject, mapiAttachData, append(make([]byte, 16), "OLE"...)))
	list, files := names(t, tnefMail("x", w.Bytes()))
	if got := fmt.Sprintf("%q %q", list, files); got != `["Broken_ printer.txt|text/plain" "a.txt|application/octet-stream" "attachment.bin|application/octet-stream"] ["It blinks." "a" "OLE"]` {
		t.Error(got)
	}
}

func TestI7_BrokenTNEFStaysAFile(t *testing.T) {
	t.Parallel()
	w := newTNEF()
	w.file("a.txt", []byte("first"))
	first := w.Len()
	w.file("b.txt", []byte("second"))
	whole := w.Bytes()
	wrongSum := bytes.Clone(whole)
	wrongSum[first-1]++
	for name, c := range map[string]struct {
		raw  []byte
		kept string
	}{
		"cut off":        {whole[:len(whole)-1], `["a.txt" "attachment.bin" "winmail.dat"]`},
		"cut in a file":  {whole[:first+40], `["a.txt" "winmail.dat"]`},
		"empty":          {nil, `["winmail.dat"]`},
		"something else": {[]byte("no TNEF at all"), `["winmail.dat"]`},
		"wrong checksum": {wrongSum, `["a.txt" "b.txt" "winmail.dat"]`},
		"great length":   {append(bytes.Clone(whole), 2, 0x0f, 0x80, 6, 0, 0xff, 0xff, 0xff, 0xff), `["a.txt" "b.txt" "winmail.dat"]`},
	} {
		m, files := parseKeeping(t, tnefMail("x", c.raw), Limits{})
		var list []string
		for _, a := range m.Attachments {
			list = append(list, a.Name)
		}
		if got := fmt.Sprintf("%q", list); got != c.kept || files[len(files)-1] != string(c.raw) || !slices.Contains(m.Defects, "a TNEF file is broken") {
			t.Errorf("%s: %s, defects %q", name, got, m.Defects)
		}
	}
	nothing := newTNEF().Bytes()
	if m, files := parseKeeping(t, tnefMail("x", nothing), Limits{}); len(files) != 1 || files[0] != string(nothing) || len(m.Defects) > 0 {
		t.Errorf("with nothing in it: %q, defects %q", files, m.Defects)
	}
	if m, files := parseKeeping(t, tnefMail("x", whole), Limits{Parts: 3}); !m.Truncated || len(files) != 2 || files[1] != string(whole) {
		t.Errorf("beyond the limit: truncated: %t, files %q", m.Truncated, files)
	}
	huge := newTNEF()
	huge.file("a.bin", make([]byte, maxTNEF))
	if m, files := parseKeeping(t, tnefMail("x", huge.Bytes()), Limits{}); len(files) != 1 || files[0] != huge.String() || len(m.Defects) != 1 {
		t.Errorf("too large: %d files, defects %q", len(files), m.Defects)
	}
}

func TestI7_TNEFTakesNoTimeBeyondItsSize(t *testing.T) {
	t.Parallel()
	many := newTNEF()
	for range 100_000 {
		many.file("", []byte{})
	}
	nested := newTNEF().Bytes()
	for range 200 {
		w := newTNEF()
		w.file("", nil, prop(mapiObject, mapiAttachData, append(make([]byte, 16), nested...)))
		nested = w.Bytes()
	}
	values := newTNEF()
	values.attribute(1, tnefMsgProps, slices.Concat(le32(1<<31), bytes.Repeat([]byte{mapiString8, 0x10, 0, 0x10, 0, 0, 0, 0}, 1<<18)))
	zeros := newTNEF()
	zeros.attribute(1, tnefMsgProps, slices.Concat(le32(1), []byte{mapiString8, 0x10, 0, 0x10}, le32(1<<32-1), make([]byte, 4<<20)))
	rtf := newTNEF()
	rtf.attribute(1, tnefMsgProps, propList(prop(mapiBinary, mapiRTF, append([]byte("----++++LZFu----"), bytes.Repeat([]byte{0xff, 0, 0x0f, 1, 0x0f}, 1<<20)...))))
	groups := newTNEF()
	groups.attribute(1, tnefMsgProps, propList(prop(mapiBinary, mapiRTF, append([]byte("----++++MELA----"), bytes.Repeat([]byte(`{\u1\'ff`), 100_000)...))))
	for name, raw := range map[string][]byte{"files": many.Bytes(), "nested": nested, "values": values.Bytes(), "empty values": zeros.Bytes(), "rtf": rtf.Bytes(), "groups": groups.Bytes()} {
		t.Run(name, func(t *testing.T) { readAtLast(t, tnefMail("", raw)) })
	}
}

func TestRTF(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`{\rtf1\ansi\ansicpg1251{\fonttbl{\f0 Arial;}}{\*\generator x;}\pard \'cf\'f0\'e8\'e2\'e5\'f2\par b\{c\}\\\tab d}`:                   "Привет\nb{c}\\\td",
		`{\rtf1\uc1\u1055?\u1088\'3fx\u-10179?\u-8704? {\uc0\u228}\uc2\u252 ??!}`:                                                            "Прx😀 äü!",
		`{\rtf1\ansi\fromhtml1 {\*\htmltag64 <p>}\htmlrtf {\htmlrtf0 Hi {\*\htmltag84 <b>}Ann\htmlrtf\par}\htmlrtf0 {\*\htmltag72 </p>}you}`: "Hi Ann\nyou",
		`{\rtf1 a{\pict\bin5 }}}}}b}c`: "ac",
		`{\rtf1 cut \'`:                "cut ",
		`\`:                            "",
	} {
		if got := rtfText([]byte(in)); got != want {
			t.Errorf("%s\n got %q\nwant %q", in, got, want)
		}
	}
	out, over := decompressRTF([]byte("\x1a\x00\x00\x00\x1c\x00\x00\x00LZFu\xe2\xd4KQA\x00\x04 WXYZ\rn}\x01\x0e\xb0"), 100)
	if string(out) != `{\rtf1 WXYZWXYZWXYZWXYZWXYZ}` || over {
		t.Errorf("%q, %t", out, over)
	}
	if out, over = decompressRTF([]byte(helloRTF), 10); string(out) != `{\rtf1\ans` || !over {
		t.Errorf("%q, %t", out, over)
	}
}

// FuzzTNEF: any bytes give files and text within their bounds, all of it twice the same, or stay the file they are.
func FuzzTNEF(f *testing.F) {
	w := newTNEF()
	w.attribute(1, tnefMsgProps, propList(append(namedProps(), prop(mapiBinary, mapiRTF, []byte(helloRTF)))...))
	w.file("a.txt", []byte("a"), wideProp(mapiAttachLongName, "long name.txt"))
	inner := bytes.Clone(w.Bytes())
	w.file("b", nil, prop(mapiObject, mapiAttachData, append(make([]byte, 16), inner...)))
	f.Add(w.Bytes())
	f.Add(inner)
	f.Add([]byte(helloRTF))
	f.Fuzz(func(t *testing.T, raw []byte) {
		text, _ := decompressRTF(raw, 5000)
		if len(text) > 5000 {
			t.Errorf("%d bytes of RTF", len(text))
		}
		if got := rtfText(raw); len(got) > 3*len(raw) || strings.ContainsRune(got, 0) {
			t.Errorf("%q is read of %q", got, raw)
		}
		l := Limits{Parts: 8, Text: 3000}
		m, files := parseKeeping(t, tnefMail("", raw), l)
		checkMail(t, "fuzz", m)
		if len(files) > 2*l.Parts {
			t.Errorf("%d files", len(files))
		}
		whole := func(file string) bool { // or the message in it that is broken
			return file == string(raw) || strings.HasPrefix(file, "\x78\x9f\x3e\x22") && strings.Contains(string(raw), file)
		}
		if len(m.Defects) > 0 && !slices.ContainsFunc(files, whole) {
			t.Errorf("%q, and the file is gone", m.Defects)
		}
		if again, _ := parseKeeping(t, tnefMail("", raw), l); again.Fingerprint != m.Fingerprint {
			t.Error("read again it is another mail")
		}
	})
}
