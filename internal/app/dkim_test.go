package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"postern/mailmsg"
)

// TestO7_DKIMIsOnOnceItsRecordIsInDNS: a key that receivers can't find would only harm.
func TestO7_DKIMIsOnOnceItsRecordIsInDNS(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	records := map[string]string{}
	var away error
	dkim := func(status int, args ...string) (l dkimLine, told string) {
		t.Helper()
		var out, stderr bytes.Buffer
		env := Env{Environ: b.env, Stdin: strings.NewReader(""), Stdout: &out, Stderr: &stderr, LookupTXT: func(_ context.Context, name string) ([]string, error) {
			if r, ok := records[name]; ok && away == nil {
				return []string{"another", r}, nil
			}
			if away != nil {
				return nil, away
			}
			return nil, &net.DNSError{Name: name, IsNotFound: true}
		}}
		if code := Gateway(t.Context(), append([]string{"mailbox", "dkim", "support@acme.example", "--json"}, args...), env, nil); code != status {
			t.Fatalf("%q: exit status %d, %s%s", args, code, out.String(), stderr.String())
		}
		if status == 0 {
			if err := json.Unmarshal(out.Bytes(), &l); err != nil {
				t.Fatal(err)
			}
		}
		return l, stderr.String()
	}
	first, _ := dkim(0)
	if first.On || first.Name != "postern._domainkey.acme.example" || !strings.HasPrefix(first.Record, "v=DKIM1; k=rsa; p=") || !strings.Contains(first.Text, "Nothing is signed yet") {
		t.Errorf("%+v", first)
	}
	if again, _ := dkim(0); again != first {
		t.Errorf("called again without the record: %+v", again)
	}
	away = errors.New("no answer")
	if l, _ := dkim(0); l.On || !strings.Contains(l.Text, "no answer") || b.mailbox().Signing.On {
		t.Errorf("with DNS away: %+v", l)
	}
	away, records[first.Name] = nil, first.Record
	if l, _ := dkim(0); !l.On || !l.InDNS || !b.mailbox().Signing.On {
		t.Errorf("with the record: %+v", l)
	}
	away = errors.New("no answer")
	if l, _ := dkim(0); !l.On {
		t.Errorf("what is signed must not end because DNS is away: %+v", l)
	}
	away = nil
	delete(records, first.Name)
	if l, _ := dkim(0); !l.On || !strings.Contains(l.Text, "proves nothing") {
		t.Errorf("with the record gone: %+v", l)
	}
	records[first.Name] = first.Record
	if l, _ := dkim(0, "--off"); l.On || b.mailbox().Signing.On || b.mailbox().Secrets.DKIMKey == "" {
		t.Errorf("off: %+v", l)
	}
	if l, _ := dkim(0); !l.On || l.Record != first.Record {
		t.Errorf("on again, with the same key: %+v", l)
	}
	for _, wrong := range [][]string{{"--new-key"}, {"--selector", "other"}, {"--selector", "no name!"}, {"--selector", "x..y"}, {"--off", "--selector", "postern"}, {"--off", "--no-check"}} {
		if _, told := dkim(2, wrong...); told == "" {
			t.Errorf("%q says nothing", wrong)
		}
	}
	second, _ := dkim(0, "--new-key", "--selector", "postern2")
	if !second.On || second.InDNS || second.Record == first.Record || second.Name != "postern2._domainkey.acme.example" || !strings.Contains(second.Text, "signed as postern._domainkey") || b.mailbox().Signing.Selector != "postern" {
		t.Errorf("another key: %+v", second)
	}
	if l, _ := dkim(0); l != second {
		t.Errorf("called again without its record: %+v", l)
	}
	if l, _ := dkim(0, "--selector", "postern"); !l.On || l.Record != first.Record || !l.InDNS || b.mailbox().Signing.Next != "" {
		t.Errorf("back to the first one: %+v", l)
	}
	second, _ = dkim(0, "--new-key", "--selector", "postern2")
	records[second.Name] = second.Record
	if l, _ := dkim(0); !l.On || l.Record != second.Record || b.mailbox().Signing.Selector != "postern2" || b.mailbox().Secrets.NextDKIMKey != "" {
		t.Errorf("with its record: %+v", l)
	}
	text, err := mailmsg.NewDKIMKey()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if l, _ := dkim(0, "--key-file", file, "--selector", "given", "--no-check"); !l.On || l.InDNS || b.mailbox().Secrets.DKIMKey != strings.TrimRight(text, "\n") {
		t.Errorf("a key of one's own, not looked for: %+v", l)
	}
	if _, told := dkim(1, "--selector", "missing", "--key-file", file+"x"); !strings.Contains(told, "--key-file") {
		t.Errorf("a file that is not there: %s", told)
	}
}

// TestDKIMPrintsAZoneFileLine: a record is longer than a string of a TXT record may be.
func TestDKIMPrintsAZoneFileLine(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	out, _ := b.gateway(0, "mailbox", "dkim", "support@acme.example", "--no-check")
	line := out[strings.Index(out, "\n")+1:]
	parts := strings.Split(line, `"`)
	if !strings.Contains(line, `postern._domainkey.acme.example. TXT ( "v=DKIM1;`) || len(parts) != 5 || len(parts[1]) != 255 {
		t.Errorf("%s", out)
	}
}
