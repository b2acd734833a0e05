package mailtest

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"
)

// RedisServer is a Redis that keeps nothing on disk: what it held is lost when it is killed.
type RedisServer struct {
	t    testing.TB
	proc *process
	port int
}

// Redis starts a server. It is stopped with the test.
func Redis(t testing.TB) *RedisServer {
	t.Helper()
	path, err := findProgram("redis-server")
	if err != nil {
		t.Fatal(err)
	}
	id, err := unprivileged()
	if err != nil {
		t.Fatal(err)
	}
	r := &RedisServer{t: t}
	dir := scratch(t, "redis")
	if err := id.own(dir); err != nil {
		t.Fatal(err)
	}
	err = retryPorts(1, func(ports []int) error {
		r.port = ports[0]
		r.proc = &process{
			path: path, dir: dir, id: id, dead: syscall.SIGKILL, output: new(lockedBuffer),
			args: []string{"--bind", "127.0.0.1", "--port", fmt.Sprint(r.port), "--save", "", "--appendonly", "no", "--dir", dir, "--maxmemory-policy", "noeviction"},
		}
		return r.proc.start(r.ready)
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.proc.stop(syscall.SIGKILL); err != nil {
			t.Error(err)
		}
	})
	return r
}

// URL gives redis://127.0.0.1:port/0.
func (r *RedisServer) URL() string { return "redis://" + r.Addr() + "/0" }

// Addr is the server's host and port.
func (r *RedisServer) Addr() string { return fmt.Sprintf("127.0.0.1:%d", r.port) }

// ready asks the server for its directory: on a busy machine another server may have taken the port.
func (r *RedisServer) ready() error {
	reply, err := r.command("CONFIG GET dir", "$", "$", "$", "$")
	if err != nil {
		return err
	}
	if !strings.Contains(reply, r.proc.dir) {
		return fmt.Errorf("%s is taken by another server", r.Addr())
	}
	return nil
}

// command sends an inline command and reads as many further lines as there are marks.
func (r *RedisServer) command(line string, more ...string) (string, error) {
	conn, err := net.DialTimeout("tcp", r.Addr(), time.Second)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return "", err
	}
	if _, err := fmt.Fprintf(conn, "%s\r\n", line); err != nil {
		return "", err
	}
	in := bufio.NewReader(conn)
	reply, err := in.ReadString('\n')
	for range more {
		if err != nil {
			break
		}
		var s string
		s, err = in.ReadString('\n')
		reply += s
	}
	if err != nil {
		return "", err
	}
	if strings.HasPrefix(reply, "-") {
		return "", fmt.Errorf("redis: %s", strings.TrimSpace(reply[1:]))
	}
	return reply, nil
}

// FlushAll deletes everything.
func (r *RedisServer) FlushAll() {
	r.t.Helper()
	if _, err := r.command("FLUSHALL"); err != nil {
		r.t.Fatal(err)
	}
}

// Kill ends the server at once (SIGKILL), and with it all it held.
func (r *RedisServer) Kill() {
	r.t.Helper()
	if err := r.proc.stop(syscall.SIGKILL); err != nil {
		r.t.Fatal(err)
	}
}

// Start starts the server again, empty, on the same port.
func (r *RedisServer) Start() {
	r.t.Helper()
	if err := r.proc.start(r.ready); err != nil {
		r.t.Fatal(err)
	}
}
