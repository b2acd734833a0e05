package ingest

import (
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"postern/desk"
)

func read(contentType, body string) (Post, error) {
	return ReadPost(contentType, strings.NewReader(body), nil)
}

func TestW8_ReadPost(t *testing.T) {
	t.Parallel()
	const form, js = "application/x-www-form-urlencoded", "application/json"
	deep := strings.Repeat(`{"a":`, maxPostDepth+1) + "1" + strings.Repeat("}", maxPostDepth+1)
	for name, c := range map[string]struct {
		contentType, body string
		want              []string // path=value
		kind              desk.Kind
	}{
		"fields in their order":     {form, "b=1&a=2&b=3&&c", []string{"b=1", "a=2", "b=3", "c="}, 0},
		"names as PHP has them":     {form, "a[b][c]=1&d%5B%5D=2", []string{"a[b][c]=1", "d[]=2"}, 0},
		"plus and percent":          {form + "; charset=utf-8", "a=x+y%20z%2B", []string{"a=x y z+"}, 0},
		"bytes that are no UTF-8":   {form, "a=%ff%00b", []string{"a=\uFFFDb"}, 0},
		"a broken escape":           {form, "a=%zz", nil, desk.Invalid},
		"an empty body":             {form, "", nil, desk.Invalid},
		"too many fields":           {form, strings.Repeat("a=1&", maxPostFields+1), nil, desk.TooLarge},
		"as many fields as may be":  {form, strings.Repeat("a=1&", maxPostFields), slices.Repeat([]string{"a=1"}, maxPostFields), 0},
		"too much text":             {form, "a=" + strings.Repeat("x", MaxPostText), nil, desk.TooLarge},
		"JSON":                      {js, `{"b":{"c":[1,true,null,"x"]},"a":1.50}`, []string{"b.c.0=1", "b.c.1=true", "b.c.3=x", "a=1.50"}, 0},
		"JSON of another name":      {"application/ld+json", `{"a":1}`, []string{"a=1"}, 0},
		"JSON without a type":       {"", `{"a":1}`, []string{"a=1"}, 0},
		"a bare value":              {js, `"x"`, []string{"=x"}, 0},
		"big numbers stay as sent":  {js, `{"a":12345678901234567890}`, []string{"a=12345678901234567890"}, 0},
		"an empty object":           {js, `{}`, nil, desk.Invalid},
		"JSON cut short":            {js, `{"a":`, nil, desk.Invalid},
		"more behind the JSON":      {js, `{"a":1} {"b":2}`, nil, desk.Invalid},
		"JSON that is no UTF-8":     {js, "{\"a\":\"\xff\"}", nil, desk.Invalid},
		"JSON with NUL":             {js, `{"a":"x\u0000y"}`, []string{"a=xy"}, 0},
		"JSON too deep":             {js, deep, nil, desk.TooLarge},
		"JSON with too many fields": {js, "[" + strings.Repeat("1,", maxPostFields) + "1]", nil, desk.TooLarge},
		"a long name many times":    {js, `{"` + strings.Repeat("n", 10_000) + `":[` + strings.Repeat("1,", 200) + "1]}", nil, desk.TooLarge},
		"too many empty files":      {"multipart/form-data; boundary=b", strings.Repeat("--b\r\nContent-Disposition: form-data; name=f; filename=f\r\n\r\n\r\n", maxPostParts+1) + "--b--\r\n", nil, desk.TooLarge},
		"names without an end":      {"multipart/form-data; boundary=b", strings.Repeat("--b\r\nContent-Disposition: form-data; name="+strings.Repeat("n", 8000)+"\r\n\r\nx\r\n", 200) + "--b--\r\n", nil, desk.TooLarge},
		"no boundary":               {"multipart/form-data", "x", nil, desk.Invalid},
		"multipart cut short":       {"multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=a\r\n\r\nx", nil, desk.Invalid},
		"multipart with no part":    {"multipart/form-data; boundary=b", "--b--\r\n", nil, desk.Invalid},
		"multipart":                 {"multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n--b--\r\n", []string{"a=x"}, 0},
		"a type that is unreadable": {"a/b/c;;", "x", nil, desk.Invalid},
		"a type nobody knows":       {"text/xml", "<a/>", nil, desk.Invalid},
		"a type in capital letters": {"Application/JSON; Charset=UTF-8", `{"a":1}`, []string{"a=1"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := read(c.contentType, c.body)
			if (err != nil) != (c.kind != 0) || desk.KindOf(err) != c.kind {
				t.Fatalf("error %v, want %s", err, c.kind)
			}
			var got []string
			for _, f := range p.Fields {
				got = append(got, f.Path+"="+f.Value)
			}
			if err == nil && !slices.Equal(got, c.want) {
				t.Errorf("fields %q, want %q", got, c.want)
			}
		})
	}
}

func TestW8_FilesOfAPost(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	w := multipart.NewWriter(&b)
	for i := range maxPostFiles + 1 {
		part, err := w.CreateFormFile("f", fmt.Sprint(i, ".txt"))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(part, "bytes")
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := read(w.FormDataContentType(), b.String()); desk.KindOf(err) != desk.TooLarge {
		t.Errorf("%d files: %v", maxPostFiles+1, err)
	}
	away := &desk.Error{Kind: desk.Unavailable}
	_, err := ReadPost(w.FormDataContentType(), strings.NewReader(b.String()), func(r io.Reader) (string, int64, error) { return "", 0, away })
	if !errors.Is(err, away) {
		t.Errorf("the place for files is away: %v", err)
	}
	half := b.String()[:200]
	_, err = ReadPost(w.FormDataContentType(), strings.NewReader(half), func(r io.Reader) (string, int64, error) {
		n, err := io.Copy(io.Discard, r)
		return "x", n, err
	})
	if desk.KindOf(err) != desk.Invalid {
		t.Errorf("a file cut short: %v", err)
	}
}

func TestAFileFieldLeftEmptyIsNoFile(t *testing.T) {
	t.Parallel()
	asked := 0
	p, err := ReadPost("multipart/form-data; boundary=b", strings.NewReader("--b\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n--b\r\nContent-Disposition: form-data; name=f; filename=\"\"\r\n\r\n\r\n--b\r\nContent-Disposition: form-data; name=f; filename=g.txt\r\n\r\n\r\n--b--\r\n"),
		func(io.Reader) (string, int64, error) { asked++; return "", 0, nil })
	if err != nil || len(p.Files) != 0 || asked != 0 {
		t.Errorf("%+v, %v, asked %d times", p, err, asked)
	}
}

func FuzzReadPost(f *testing.F) {
	for _, s := range []string{"application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b", ""} {
		f.Add(s, `{"a":[1,{"b":"c"}]}`)
		f.Add(s, "a=b&c[]=%ff")
		f.Add(s, "--b\r\nContent-Disposition: form-data; name=a; filename=x\r\n\r\nx\r\n--b--\r\n")
	}
	f.Fuzz(func(t *testing.T, contentType, body string) {
		p, err := read(contentType, body)
		if err != nil {
			if k := desk.KindOf(err); k != desk.Invalid && k != desk.TooLarge {
				t.Errorf("an error nobody can act on: %v", err)
			}
			return
		}
		if len(p.Fields) == 0 && len(p.Files) == 0 || len(p.Fields) > maxPostFields || len(p.Files) > maxPostFiles {
			t.Errorf("%d fields, %d files", len(p.Fields), len(p.Files))
		}
		for _, fd := range p.Fields {
			if !utf8.ValidString(fd.Path+fd.Value) || strings.ContainsRune(fd.Path+fd.Value, 0) {
				t.Errorf("field %q", fd)
			}
		}
		s, held := submission(desk.Form{Name: "f"}, p)
		if _, ok := desk.NormalizeEmail(s.Email); ok != (held == "") {
			t.Errorf("address %q, held %q", s.Email, held)
		}
	})
}
