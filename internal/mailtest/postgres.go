package mailtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// PostgresServer is a PostgreSQL with fsync on.
type PostgresServer struct {
	proc *process
	dir  string
	port int
	next atomic.Int64 // counts the databases made
}

// shared is the server behind Postgres. Only Main can hand something to all tests of a binary, and it has no other way.
var shared struct {
	mu     sync.Mutex // guards what follows
	main   bool
	server *PostgresServer
	err    error
}

// Main runs the tests of a package whose tests call Postgres, and stops the server they share:
//
//	func TestMain(m *testing.M) { os.Exit(mailtest.Main(m)) }
func Main(m *testing.M) int {
	shared.mu.Lock()
	shared.main = true
	shared.mu.Unlock()
	code := m.Run()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.server == nil {
		return code
	}
	if err := shared.server.remove(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return max(code, 1)
	}
	return code
}

// Postgres gives the URL of a new, empty database on a server that all tests of this binary share. The package needs a
// TestMain that calls Main.
func Postgres(t testing.TB) string {
	t.Helper()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if !shared.main {
		t.Fatal("add func TestMain(m *testing.M) { os.Exit(mailtest.Main(m)) } to this package's tests")
	}
	if shared.server == nil && shared.err == nil {
		shared.server, shared.err = startPostgres()
	}
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.server.Database(t)
}

// PostgresProcess starts a server for one test, which may Kill it.
func PostgresProcess(t testing.TB) *PostgresServer {
	t.Helper()
	p, err := startPostgres()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.remove(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func startPostgres() (_ *PostgresServer, err error) {
	const debian = "/usr/lib/postgresql/*/bin/"
	server, err := findProgram("postgres", debian)
	if err != nil {
		return nil, err
	}
	initdb, err := findProgram("initdb", debian)
	if err != nil {
		return nil, err
	}
	id, err := unprivileged()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "postgres")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	if err := id.own(dir); err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	cmd := exec.Command(initdb, "--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C.UTF-8",
		"--locale-provider=icu", "--icu-locale=en-US", // as elsewhere, texts don't sort by their bytes
		"-D", data)
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: id.credential}
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w\n%s", err, out)
	}
	p := &PostgresServer{dir: dir}
	err = retryPorts(1, func(ports []int) error {
		p.port = ports[0]
		p.proc = &process{
			path: server, dir: dir, id: id, dead: syscall.SIGQUIT, output: new(lockedBuffer),
			args: []string{
				"-D", data, "-k", dir, "-p", fmt.Sprint(p.port), "-c", "listen_addresses=127.0.0.1", "-c", "fsync=on",
				"-c", "shared_buffers=64MB", "-c", "max_connections=200", "-c", "logging_collector=off",
			},
		}
		return p.proc.start(p.ready)
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

func (p *PostgresServer) url(database string) string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/%s?sslmode=disable", p.port, database)
}

// ready asks the server where its data lie: on a busy machine another server may have taken the port.
func (p *PostgresServer) ready() error {
	return p.admin(func(ctx context.Context, c *pgx.Conn) error {
		var data string
		if err := c.QueryRow(ctx, "SHOW data_directory").Scan(&data); err != nil {
			return err
		}
		if !strings.HasPrefix(data, p.dir) {
			return fmt.Errorf("port %d is taken by another server", p.port)
		}
		return nil
	})
}

func (p *PostgresServer) admin(f func(context.Context, *pgx.Conn) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	c, err := pgx.Connect(ctx, p.url("postgres"))
	if err != nil {
		return err
	}
	return errors.Join(f(ctx, c), c.Close(ctx))
}

// Database makes a new, empty database and gives its URL.
func (p *PostgresServer) Database(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("test%d", p.next.Add(1))
	err := p.admin(func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.Exec(ctx, "CREATE DATABASE "+name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return p.url(name)
}

// Kill ends the server as a crash does: no checkpoint, connections cut. What was committed stays.
func (p *PostgresServer) Kill(t testing.TB) {
	t.Helper()
	if err := p.proc.stop(syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
}

// Start starts the server again, on the same port.
func (p *PostgresServer) Start(t testing.TB) {
	t.Helper()
	if err := p.proc.start(p.ready); err != nil {
		t.Fatal(err)
	}
}

func (p *PostgresServer) remove() error {
	return errors.Join(p.proc.stop(syscall.SIGQUIT), os.RemoveAll(p.dir))
}
