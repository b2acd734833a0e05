// Package mailtest starts real servers for tests: Dovecot, Postfix, PostgreSQL, Redis and an SMTP sink. Each listens on a free
// port of the loopback interface, is ready when the constructor returns, and is stopped with the test. A program that is
// missing fails the test; script/setup installs all of them.
//
// Dovecot, Postfix, SMTP, Redis and PostgresProcess belong to one test. Postgres gives a fresh database of a server that the
// whole test binary shares; it needs
//
//	func TestMain(m *testing.M) { os.Exit(mailtest.Main(m)) }
//
// As root the programs run as the user nobody, because PostgreSQL refuses root; else as whoever runs the test.
package mailtest

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long a server may take to start or to stop on a busy machine.
const patience = 60 * time.Second

// identity is the user that servers run as.
type identity struct {
	name, group string
	uid, gid    int
	credential  *syscall.Credential // nil: whoever we are
}

func unprivileged() (identity, error) {
	if os.Getuid() != 0 {
		u, err := user.Current()
		if err != nil {
			return identity{}, err
		}
		g, err := user.LookupGroupId(u.Gid)
		if err != nil {
			return identity{}, err
		}
		return identity{name: u.Username, group: g.Name, uid: os.Getuid(), gid: os.Getgid()}, nil
	}
	u, err := user.Lookup("nobody")
	if err != nil {
		return identity{}, err
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return identity{}, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return identity{}, err
	}
	g, err := user.LookupGroupId(u.Gid)
	if err != nil {
		return identity{}, err
	}
	return identity{
		name: u.Username, group: g.Name, uid: int(uid), gid: int(gid),
		credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)},
	}, nil
}

// own gives everything below dir to the user that servers run as.
func (id identity) own(dir string) error {
	if id.credential == nil {
		return nil
	}
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, id.uid, id.gid)
	})
}

// scratch makes a folder directly below the system's temporary one: the path of a Unix socket may not be longer than
// 107 bytes, and that of t.TempDir contains the test's name.
func scratch(t testing.TB, prefix string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", prefix)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("remove %s: %v", dir, err)
		}
	})
	return dir
}

// findProgram looks where Debian installs servers, which need not be on the PATH of an ordinary user.
func findProgram(name string, patterns ...string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	for _, p := range append(patterns, "/usr/sbin/", "/usr/local/sbin/") {
		found, err := filepath.Glob(p + name)
		if err == nil && len(found) > 0 {
			return found[len(found)-1], nil
		}
	}
	return "", fmt.Errorf("%s is not installed: run script/setup", name)
}

// process is a server program that can be killed and started again.
type process struct {
	path   string
	args   []string
	env    []string // beside the usual
	dir    string
	id     identity
	dead   syscall.Signal // ends it at once, its children included
	output *lockedBuffer

	mu   sync.Mutex // guards what follows
	cmd  *exec.Cmd
	done chan struct{} // closed when cmd has ended
}

// start runs the program and waits until ready answers nil. It answers early if the program ends.
func (p *process) start(ready func() error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	cmd := exec.Command(p.path, p.args...)
	cmd.Dir = p.dir
	cmd.Stdout, cmd.Stderr = p.output, p.output
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + p.dir, "LC_ALL=C.UTF-8", "TMPDIR=" + os.TempDir()}
	cmd.Env = append(cmd.Env, p.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: p.id.credential, Pdeathsig: p.dead}
	if err := cmd.Start(); err != nil {
		return err
	}
	done := make(chan struct{})
	go func() {
		_ = cmd.Wait() // how it ended shows in its output
		close(done)
	}()
	p.cmd, p.done = cmd, done
	deadline := time.Now().Add(patience)
	for {
		err := ready()
		if err == nil {
			return nil
		}
		select {
		case <-done:
			p.cmd = nil
			return fmt.Errorf("%s ended before it was ready: %w\n%s", filepath.Base(p.path), err, p.output)
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s is not ready: %w\n%s", filepath.Base(p.path), err, p.output)
		}
	}
}

// startAgain starts a program that was killed: its children may hold the ports for a moment.
func (p *process) startAgain(ready func() error) (err error) {
	for range 50 {
		if err = p.start(ready); err == nil {
			return nil
		}
	}
	return err
}

// stop sends sig to the program's process group and waits until the program has ended.
func (p *process) stop(sig syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return nil
	}
	if err := syscall.Kill(-p.cmd.Process.Pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	select {
	case <-p.done:
	case <-time.After(patience):
		return fmt.Errorf("%s (process %d) does not stop", filepath.Base(p.path), p.cmd.Process.Pid)
	}
	p.cmd = nil
	return nil
}

// freePort names a port that nobody listens on at the moment. Somebody may take it before the caller does, so callers
// try again with another one.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// retryPorts calls start with n free ports, and again with others if it fails.
func retryPorts(n int, start func(ports []int) error) error {
	var err error
	for range 5 {
		ports := make([]int, n)
		for i := range ports {
			if ports[i], err = freePort(); err != nil {
				return err
			}
		}
		if err = start(ports); err == nil {
			return nil
		}
	}
	return err
}

// lockedBuffer collects what a program prints.
type lockedBuffer struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

// Write appends to the buffer.
func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

// String gives all that was written so far.
func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
