package database

import (
	"context"
	"errors"
	"fmt"
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

	"github.com/caisey/caisey/agent/check"
)

// started are the servers that tests share; TestMain ends them.
var started struct {
	sync.Mutex
	servers []*process
}

func TestMain(m *testing.M) {
	code := m.Run()
	for _, p := range started.servers {
		p.end()
		os.RemoveAll(p.dir)
	}
	os.Exit(code)
}

// A process is a server that a test started, in a directory of its own.
type process struct {
	dir  string
	port int
	sys  *syscall.SysProcAttr
	cmd  *exec.Cmd
}

// newProcess makes the directory of a server that will run as that user: PostgreSQL
// and MariaDB refuse to run as root.
func newProcess(name string) (*process, error) {
	dir, err := os.MkdirTemp("/tmp", "caisey-db")
	if err != nil {
		return nil, err
	}
	p := &process{dir: dir, sys: &syscall.SysProcAttr{}}
	if os.Getuid() == 0 {
		u, err := user.Lookup(name)
		if err != nil {
			return nil, err
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		p.sys.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		if err := os.Chown(dir, uid, gid); err != nil {
			return nil, err
		}
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer l.Close()
	p.port = l.Addr().(*net.TCPAddr).Port
	return p, nil
}

func (p *process) path(name string) string { return filepath.Join(p.dir, name) }

// run runs a program as the server's user until it ends.
func (p *process) run(path string, args ...string) error {
	cmd := exec.Command(path, args...)
	cmd.Dir, cmd.SysProcAttr = p.dir, p.sys
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", path, err, out)
	}
	return nil
}

// start starts the server, and returns once ready says that it answers.
func (p *process) start(ready func(context.Context) error, path string, args ...string) error {
	log, err := os.Create(p.path("log"))
	if err != nil {
		return err
	}
	defer log.Close()
	p.cmd = exec.Command(path, args...)
	p.cmd.Dir, p.cmd.SysProcAttr, p.cmd.Stdout, p.cmd.Stderr = p.dir, p.sys, log, log
	if err := p.cmd.Start(); err != nil {
		return err
	}
	started.Lock()
	started.servers = append(started.servers, p)
	started.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := poll(ctx, 20*time.Millisecond, ready); err != nil {
		text, _ := os.ReadFile(p.path("log"))
		return fmt.Errorf("%s does not answer: %w\n%s", path, err, text)
	}
	return nil
}

func (p *process) end() {
	p.cmd.Process.Signal(syscall.SIGINT) // PostgreSQL ends its clients; MariaDB takes no notice
	p.cmd.Process.Signal(syscall.SIGTERM)
	dead := time.AfterFunc(20*time.Second, func() { p.cmd.Process.Kill() })
	defer dead.Stop()
	p.cmd.Wait()
}

// poll asks until is says yes, and returns what it said last.
func poll(ctx context.Context, every time.Duration, is func(context.Context) error) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		err := is(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		}
	}
}

// pollEvery is more than the tenth of a second during which InnoDB shows transactions as
// they were when somebody looked last.
const pollEvery = 150 * time.Millisecond

// eventually fails the test unless is says yes within half a minute.
func eventually(t *testing.T, is func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := poll(ctx, pollEvery, is); err != nil {
		t.Fatal(err)
	}
}

// secret returns an endpoint's secrets with one of that name.
func secret(t *testing.T, name, text string) check.Secrets {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return check.Secrets{Dir: dir}
}
