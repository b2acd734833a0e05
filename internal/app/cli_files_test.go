package app

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"postern/desk"
	"postern/tickets"
)

// TestFilesOfATicketAreWritten under safe names, and overwrite nothing.
func TestFilesOfATicketAreWritten(t *testing.T) {
	t.Parallel()
	d := newDesktop(t)
	var number string
	d.with(func(p *parts) {
		c, _, err := p.desk.AddContact(t.Context(), tickets.NewContact{Name: "Ann", Addresses: []string{"ann@customer.example"}})
		d.ok(err)
		var files []desk.Attachment
		for _, f := range [][2]string{{"plan.txt", "one"}, {"plan.txt", "two"}, {"../../etc/evil", "three"}} {
			sum, n, err := p.blobs.Put(t.Context(), strings.NewReader(f[1]))
			d.ok(err)
			files = append(files, desk.Attachment{Name: f[0], Type: "text/plain", Size: n, SHA256: sum})
		}
		ticket, err := p.desk.OpenByCustomer(t.Context(), tickets.CustomerTicket{Contact: c, Subject: "Plan", Text: "see there", Files: files})
		d.ok(err)
		number = strconv.FormatInt(ticket.Number, 10)
	})
	to := filepath.Join(t.TempDir(), "new", "files")
	d.ok(os.MkdirAll(to, 0o700))
	d.ok(os.Symlink(filepath.Join(filepath.Dir(to), "elsewhere"), filepath.Join(to, "evil")))
	gateway := func(args ...string) (string, error) {
		t.Helper()
		var out strings.Builder
		code := Gateway(t.Context(), args, Env{Environ: []string{"POSTERN_DATA=" + d.cfg.Data}, Stdin: strings.NewReader(""), Stdout: &out, Stderr: &out}, nil)
		if code != 0 {
			return out.String(), errors.New(out.String())
		}
		return out.String(), nil
	}
	for range 2 {
		_, err := gateway("ticket", "files", number, "--to", to)
		d.ok(err)
	}
	want := map[string]string{"plan.txt": "one", "plan (2).txt": "two", "plan (3).txt": "one", "plan (4).txt": "two", "evil (2)": "three", "evil (3)": "three"}
	found, err := os.ReadDir(to)
	d.ok(err)
	if len(found) != len(want)+1 {
		t.Errorf("%d files: %v", len(found), found)
	}
	for name, content := range want {
		if got, err := os.ReadFile(filepath.Join(to, name)); err != nil || string(got) != content { //nolint:gosec // a test's own folder
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(to), "elsewhere")); err == nil {
		t.Error("a link was followed")
	}
	if _, err := gateway("ticket", "files", number); err == nil || !strings.Contains(err.Error(), "--to") && !strings.Contains(err.Error(), `"to"`) {
		t.Errorf("without a folder: %v", err)
	}
}

func TestSizes(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]int64{"20MB": 20 << 20, "1 gb": 1 << 30, "500kb": 500 << 10, "20": 0, "0MB": 0, "-1MB": 0, "MB": 0, "99999999999GB": 0} {
		if got, err := parseSize(s); got != want || (err == nil) != (want > 0) {
			t.Errorf("%q: %d, %v", s, got, err)
		}
	}
}
