package mailmsg

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// cpuTime is what this process has used, in all its threads: the work of the collector counts too.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkParseRate compares Parse with go-message, which reads all parts of the same mails and makes nothing of them, in
// mails per second of CPU time.
func BenchmarkParseRate(b *testing.B) {
	for _, c := range []struct {
		name string
		raw  []byte
	}{
		{"text4K", sampleMail(4<<10, false)},
		{"text100K", sampleMail(100<<10, false)},
		{"html10K", sampleMail(10<<10, true)},
		{"html1M", sampleMail(1<<20, true)},
	} {
		b.Run(c.name, func(b *testing.B) {
			const batch = 20 // of each in turn, so that both see the same machine
			var ours, theirs time.Duration
			for b.Loop() {
				start := cpuTime(b)
				for range batch {
					if _, err := Parse(bytes.NewReader(c.raw), ParseOptions{}); err != nil {
						b.Fatal(err)
					}
				}
				between := cpuTime(b)
				for range batch {
					if err := readAll(bytes.NewReader(c.raw)); err != nil {
						b.Fatal(err)
					}
				}
				ours += between - start
				theirs += cpuTime(b) - between
			}
			mails := float64(batch * b.N)
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(mails/ours.Seconds(), "mails/cpu-s")
			b.ReportMetric(mails/theirs.Seconds(), "go-message/cpu-s")
			b.ReportMetric(theirs.Seconds()/ours.Seconds(), "ratio")
		})
	}
}

// maxPeak is what a process may have resident that does nothing but read a mail of 100 MB.
const maxPeak = 40 << 20

// BenchmarkPeakMemory reads a mail of 100 MB in a process of its own, its file streamed to a disk, and takes the most that was
// resident then (VmHWM), the test binary itself included.
func BenchmarkPeakMemory(b *testing.B) {
	for kind := range bigMails() {
		b.Run(kind, func(b *testing.B) {
			var most int64
			for b.Loop() {
				child := exec.CommandContext(b.Context(), os.Args[0])
				child.Env = append(os.Environ(), "POSTERN_BIG_MAIL="+kind)
				out, err := child.CombinedOutput()
				if err != nil {
					b.Fatalf("%v\n%s", err, out)
				}
				found := regexp.MustCompile(`peak (\d+) kB`).FindSubmatch(out)
				if found == nil {
					b.Fatalf("it says no peak:\n%s", out)
				}
				kB, err := strconv.ParseInt(string(found[1]), 10, 64)
				if err != nil {
					b.Fatal(err)
				}
				most = max(most, kB<<10)
			}
			b.ReportMetric(float64(most)/(1<<20), "peak-MB")
			if most > maxPeak {
				b.Errorf("%d MB were resident", most>>20)
			}
		})
	}
}

// bigMails gives mails of 100 MB: with one file, and with a TNEF file that just may be opened and one that may not.
func bigMails() map[string]func() io.Reader {
	part := func(mediaType string, head []byte, size int) io.Reader {
		line := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{'x'}, 57)) + "\r\n"
		first := base64.StdEncoding.EncodeToString(append(head, make([]byte, 57*10-len(head))...)) + "\r\n"
		return io.MultiReader(
			strings.NewReader("--b\r\nContent-Type: "+mediaType+"\r\nContent-Transfer-Encoding: base64\r\n\r\n"+first),
			&repeated{line: line, times: size / len(line)},
		)
	}
	const head = "From: ann@example.net\r\nSubject: big\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nSee the file.\r\n"
	tnefHead := func(size int) []byte {
		w := newTNEF()
		w.Write(append([]byte{2, 0x0f, 0x80, 6, 0}, le32(uint32(size))...))
		return w.Bytes()
	}
	return map[string]func() io.Reader{
		"file": func() io.Reader {
			return io.MultiReader(strings.NewReader(head), part("application/zip", nil, 100<<20), strings.NewReader("--b--\r\n"))
		},
		"tnef": func() io.Reader {
			return io.MultiReader(strings.NewReader(head), part("application/ms-tnef", tnefHead(15<<20), 21<<20), part("application/zip", nil, 79<<20), strings.NewReader("--b--\r\n"))
		},
		"hugeTNEF": func() io.Reader {
			return io.MultiReader(strings.NewReader(head), part("application/ms-tnef", tnefHead(70<<20), 100<<20), strings.NewReader("--b--\r\n"))
		},
	}
}

// repeated gives a line many times.
type repeated struct {
	line  string
	times int
	rest  string
}

// Read gives what is left.
func (r *repeated) Read(b []byte) (int, error) {
	if r.rest == "" {
		if r.times == 0 {
			return 0, io.EOF
		}
		r.times--
		r.rest = r.line
	}
	n := copy(b, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// TestMain is also the other process of BenchmarkPeakMemory.
func TestMain(m *testing.M) {
	kind := os.Getenv("POSTERN_BIG_MAIL")
	if kind == "" {
		os.Exit(m.Run())
	}
	if err := readBigMail(bigMails()[kind]()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// readBigMail reads a mail with its files streamed to a folder, and prints the most memory that was resident.
func readBigMail(mail io.Reader) (err error) {
	dir, err := os.MkdirTemp("", "postern-big-mail-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	var kept int64
	m, err := Parse(mail, ParseOptions{Attach: func(r io.Reader) (string, int64, error) {
		f, err := os.Create(filepath.Join(dir, strconv.FormatInt(kept, 10)))
		if err != nil {
			return "", 0, err
		}
		sum, n, err := hashOnly(io.TeeReader(r, f))
		kept += n
		return sum, n, errors.Join(err, f.Close())
	}})
	if err != nil {
		return err
	}
	if kept < 70<<20 || m.Text != "See the file." {
		return fmt.Errorf("%d bytes are kept, text %q", kept, m.Text)
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	found := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status)
	if found == nil {
		return fmt.Errorf("no VmHWM in %s", status)
	}
	fmt.Printf("peak %s kB, %d files, %q\n", found[1], len(m.Attachments), m.Defects)
	return nil
}
