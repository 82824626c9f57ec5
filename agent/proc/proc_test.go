//go:build unix

package proc

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A recorder is a sink that keeps all.
type recorder struct {
	mu  sync.Mutex
	out [3]bytes.Buffer
}

func (r *recorder) put(stream int, data []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.out[stream].Write(data)
	return nil
}

func (r *recorder) text(stream int) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.out[stream].String()
}

func start(t *testing.T, c Command, sink Sink) *Process {
	t.Helper()
	if c.Step == "" {
		c.Step = "step" + strconv.FormatInt(time.Now().UnixNano(), 36)
	}
	p, err := Start(c, sink)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func runLine(t *testing.T, line string) (*recorder, Result) {
	t.Helper()
	r := &recorder{}
	return r, start(t, Command{Line: line}, r.put).Wait()
}

// eventually polls what only the kernel knows.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(10 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("not within 10 s: " + what)
		}
	}
}

func dead(pid int) bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) || zombie(pid) }

// zombie: an orphan's new parent may be slow to reap it.
func zombie(pid int) bool {
	b, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return bytes.Contains(b, []byte(") Z "))
}

func pidIn(t *testing.T, file string) int {
	t.Helper()
	var pid int
	eventually(t, file+" has a pid", func() bool {
		b, _ := os.ReadFile(file)
		n, err := strconv.Atoi(strings.TrimSpace(string(b)))
		pid = n
		return err == nil && bytes.HasSuffix(b, []byte("\n"))
	})
	return pid
}

func TestEnds(t *testing.T) {
	for _, c := range []struct {
		line, stdout, stderr string
		state                State
		code                 int
		signal               string
	}{
		{line: "true", state: OK},
		{line: "echo out; echo err >&2; exit 3", stdout: "out\n", stderr: "err\n", state: Failed, code: 3},
		{line: "cat; echo after", stdout: "after\n", state: OK},
		{line: `printf '\000\377\033[31m'`, stdout: "\x00\xff\x1b[31m", state: OK},
		{line: "kill -9 $$", state: Failed, code: -1, signal: "SIGKILL"},
		{line: "exec >&- 2>&-; sleep 0.1; exit 4", state: Failed, code: 4},
		{line: "pwd", stdout: "/\n", state: OK},
	} {
		r, res := runLine(t, c.line)
		if res.State != c.state || res.Code != c.code || res.Signal != c.signal {
			t.Errorf("%s: %+v", c.line, res)
		}
		if r.text(Stdout) != c.stdout || r.text(Stderr) != c.stderr {
			t.Errorf("%s: stdout %q, stderr %q", c.line, r.text(Stdout), r.text(Stderr))
		}
	}
}

func TestNotFound(t *testing.T) {
	r, res := runLine(t, "no-such-command-here")
	if res.State != Failed || res.Code != 127 || !strings.Contains(r.text(Stderr), "not found") {
		t.Fatalf("%+v, stderr %q", res, r.text(Stderr))
	}
}

func TestNoShell(t *testing.T) {
	_, err := Start(Command{Line: "true\x00"}, (&recorder{}).put) // the kernel takes no such argument
	if err == nil || !strings.HasPrefix(err.Error(), "start shell: ") {
		t.Fatal(err)
	}
}

func TestEnvironment(t *testing.T) {
	t.Setenv("SECRET_OF_THE_AGENT", "x")
	r := &recorder{}
	start(t, Command{Line: "env", Step: "S1", Session: "N1", Technician: "ana"}, r.put).Wait()
	env := "\n" + r.text(Stdout)
	for _, want := range []string{"CAISEY_STEP=S1", "CAISEY_SESSION=N1", "CAISEY_TECHNICIAN=ana", "PATH="} {
		if !strings.Contains(env, "\n"+want) {
			t.Errorf("no %s in %s", want, env)
		}
	}
	if strings.Contains(env, "SECRET") {
		t.Error("the agent's environment leaks")
	}
}

func TestBulk(t *testing.T) {
	const size = 20 << 20
	var n, calls int
	p := start(t, Command{Line: "head -c 20971520 /dev/zero"}, func(_ int, data []byte) error {
		n, calls = n+len(data), calls+1
		return nil
	})
	if res := p.Wait(); res.State != OK || n != size {
		t.Fatalf("%+v, %d bytes", res, n)
	}
	t.Logf("%d bytes a read", n/calls)
}

// A sink that blocks makes the command wait, and loses nothing.
func TestBackPressure(t *testing.T) {
	mark := filepath.Join(t.TempDir(), "written")
	gate := make(chan struct{})
	var n int
	p := start(t, Command{Line: "head -c 1000000 /dev/zero; echo > " + mark}, func(_ int, data []byte) error {
		<-gate
		n += len(data)
		return nil
	})
	select {
	case <-p.exited:
		t.Fatal("the command did not wait for its reader")
	case <-time.After(200 * time.Millisecond):
	}
	if _, err := os.Stat(mark); err == nil {
		t.Fatal("the command went on")
	}
	close(gate)
	if res := p.Wait(); res.State != OK || n != 1000000 {
		t.Fatalf("%+v, %d bytes", res, n)
	}
}

func TestSinkFails(t *testing.T) {
	p := start(t, Command{Line: "yes"}, func(int, []byte) error { return errors.New("no space") })
	res := p.Wait()
	if res.State != Failed || !strings.Contains(res.Why, "no space") {
		t.Fatalf("%+v", res)
	}
}

func TestTimeout(t *testing.T) {
	r := &recorder{}
	begin := time.Now()
	res := start(t, Command{Line: "echo begun; sleep 60", Timeout: 100 * time.Millisecond}, r.put).Wait()
	if res.State != TimedOut || r.text(Stdout) != "begun\n" || !strings.Contains(res.Why, "100ms") {
		t.Fatalf("%+v", res)
	}
	if d := time.Since(begin); d > termGrace {
		t.Fatalf("took %v although it obeys SIGTERM", d)
	}
}

func TestIgnoresTerm(t *testing.T) {
	r := &recorder{}
	res := start(t, Command{Line: "trap '' TERM; while :; do sleep 0.1; done", Timeout: 100 * time.Millisecond}, r.put).Wait()
	if res.State != TimedOut || res.Signal != "SIGKILL" || res.Duration < termGrace {
		t.Fatalf("%+v", res)
	}
}

func TestCancel(t *testing.T) {
	got := make(chan struct{}, 1)
	p := start(t, Command{Line: "echo; sleep 60 & sleep 60", Timeout: time.Hour}, func(int, []byte) error {
		got <- struct{}{}
		return nil
	})
	<-got
	p.Stop("by ana")
	p.Stop("by ben")
	if res := p.Wait(); res.State != Cancelled || res.Why != "by ana" {
		t.Fatalf("%+v", res)
	}
	p.Stop("late") // does nothing, and signals nobody
}

// Children in the background do not hold the pipes, many as they are.
func TestBackground(t *testing.T) {
	begin := time.Now()
	r, res := runLine(t, `i=0; while [ $i -lt 50 ]; do sleep 60 & echo $!; i=$((i+1)); done`)
	if res.State != OK || time.Since(begin) > 10*time.Second {
		t.Fatalf("%+v in %v", res, time.Since(begin))
	}
	pids := strings.Fields(r.text(Stdout))
	if len(pids) != 50 {
		t.Fatalf("%d children", len(pids))
	}
	for _, s := range pids {
		pid, _ := strconv.Atoi(s)
		eventually(t, "child "+s+" is dead", func() bool { return dead(pid) })
	}
}

// Children that fork as fast as they can do not get away.
func TestForkBomb(t *testing.T) {
	const line = `f() { f & sleep 0.01; f; }; f & sleep 0.2; exit 7`
	p := start(t, Command{Line: "ulimit -u 20000; " + line, Step: "bomb"}, (&recorder{}).put)
	res := p.Wait()
	if res.Code != 7 {
		t.Fatalf("%+v", res)
	}
	eventually(t, "the group is gone", func() bool {
		return errors.Is(syscall.Kill(-p.Ident().Pid, 0), syscall.ESRCH)
	})
}

func needLinux(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("needs /proc")
	}
	if _, err := os.Stat("/usr/bin/setsid"); err != nil {
		t.Skip("needs setsid of the Debian package util-linux")
	}
}

// A process that left the group and holds the pipes is killed.
func TestHolder(t *testing.T) {
	needLinux(t)
	file := filepath.Join(t.TempDir(), "pid")
	_, res := runLine(t, "setsid sh -c 'echo $$ > "+file+"; exec sleep 60' & while [ ! -s "+file+" ]; do sleep 0.01; done")
	if res.State != OK {
		t.Fatalf("%+v", res)
	}
	pid := pidIn(t, file)
	eventually(t, "the holder is dead", func() bool { return dead(pid) })
}

// One that can not be known as the step's is let go of, and lives; what the
// command wrote before is all there.
func TestUnknownHolder(t *testing.T) {
	needLinux(t)
	file := filepath.Join(t.TempDir(), "pid")
	r, res := runLine(t, "echo out; env -i setsid sh -c 'echo $$ > "+file+"; exec /bin/sleep 60' & "+
		"while [ ! -s "+file+" ]; do sleep 0.01; done")
	pid := pidIn(t, file)
	defer syscall.Kill(pid, syscall.SIGKILL)
	if res.State != OK || r.text(Stdout) != "out\n" {
		t.Fatalf("%+v, %q", res, r.text(Stdout))
	}
	if dead(pid) {
		t.Fatal("somebody else's process was killed")
	}
}

// A daemon that let go of the pipes lives on.
func TestDaemon(t *testing.T) {
	needLinux(t)
	file := filepath.Join(t.TempDir(), "pid")
	_, res := runLine(t, "setsid sh -c 'echo $$ > "+file+"; exec sleep 60' </dev/null >/dev/null 2>&1 & "+
		"while [ ! -s "+file+" ]; do sleep 0.01; done")
	pid := pidIn(t, file)
	defer syscall.Kill(pid, syscall.SIGKILL)
	if res.State != OK || dead(pid) {
		t.Fatalf("%+v, dead: %v", res, dead(pid))
	}
}

// KillOrphans knows a group by its leader's start.
func TestKillOrphans(t *testing.T) {
	needLinux(t)
	r := &recorder{}
	p := start(t, Command{Line: "echo up; sleep 60 & sleep 60", Step: "orphan1"}, r.put)
	eventually(t, "it runs", func() bool { return r.text(Stdout) == "up\n" })
	other := p.Ident()
	other.Started, other.Step = "another boot/1", "orphan2"
	KillOrphans(other)
	select {
	case <-p.exited:
		t.Fatal("killed a process that is not the one")
	case <-time.After(100 * time.Millisecond):
	}
	KillOrphans(p.Ident())
	if res := p.Wait(); res.Signal != "SIGKILL" {
		t.Fatalf("%+v", res)
	}
}

// When the leader is dead already, the rest of its group is known by the step.
func TestKillOrphansOfDeadLeader(t *testing.T) {
	needLinux(t)
	r := &recorder{}
	p := start(t, Command{Line: "echo $$; sleep 60", Step: "orphan3"}, r.put)
	eventually(t, "it runs", func() bool { return r.text(Stdout) != "" })
	id := p.Ident()
	id.Started = "" // as if its leader were another process by now
	KillOrphans(id)
	if res := p.Wait(); res.Signal != "SIGKILL" {
		t.Fatalf("%+v", res)
	}
}

func BenchmarkTrue(b *testing.B) {
	for b.Loop() {
		p, err := Start(Command{Line: "true"}, func(int, []byte) error { return nil })
		if err != nil {
			b.Fatal(err)
		}
		p.Wait()
	}
}

// BenchmarkExec is what BenchmarkTrue can not be faster than.
func BenchmarkExec(b *testing.B) {
	for b.Loop() {
		if out, err := exec.Command("/bin/sh", "-c", "true").CombinedOutput(); err != nil {
			b.Fatal(err, out)
		}
	}
}
