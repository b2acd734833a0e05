package app

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// instance is the place of one running program in a data folder. The operating system gives the place back when the
// process ends, however it ends, so the next one may go on at once with what the former left.
type instance struct {
	owner string   // names this process in leases and claims: "instance/process"
	lock  *os.File // nil: a place of no name
}

// errTaken says that the same program runs with this data folder already.
var errTaken = errors.New("another one runs with this data folder")

// takeInstance takes the place of a program in the data folder; its name is kept in a file there. Where machines share the
// folder each has a place of its own: a lock may not reach from one to the other.
func takeInstance(data, program string, shared bool) (*instance, error) {
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, err
	}
	if shared {
		host, err := os.Hostname()
		if err != nil {
			return nil, err
		}
		program += "." + url.PathEscape(host)
	}
	path := filepath.Join(data, program+".instance")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("take the place of the %s: %w", program, err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = errTaken
		}
		return nil, errors.Join(err, f.Close())
	}
	name, err := instanceName(f)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), f.Close())
	}
	return &instance{owner: name + "/" + newName(), lock: f}, nil
}

func instanceName(f *os.File) (string, error) {
	b, err := io.ReadAll(io.LimitReader(f, 64))
	if err != nil {
		return "", err
	}
	if name := strings.TrimSpace(string(b)); name != "" && !strings.Contains(name, "/") {
		return name, nil
	}
	name := newName()
	if err := f.Truncate(0); err != nil {
		return "", err
	}
	_, err = f.WriteAt([]byte(name+"\n"), 0)
	return name, errors.Join(err, f.Sync())
}

func newName() string { return strings.ToLower(rand.Text()[:16]) }

func (i *instance) close() error {
	if i.lock == nil {
		return nil
	}
	return i.lock.Close()
}
