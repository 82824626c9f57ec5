//go:build unix

package proc

import (
	"os"
	"os/exec"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

func shell(line string) *exec.Cmd {
	return &exec.Cmd{
		Path:        "/bin/sh",
		Args:        []string{"/bin/sh", "-c", line},
		Dir:         "/",
		SysProcAttr: sysProcAttr(),
	}
}

// environ returns the environment of a command: what a shell needs to find its
// way, the agent's own language and time zone, and who asks.
func environ(c Command) []string {
	env := make([]string, 0, 16)
	path := false
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		switch name {
		case "PATH":
			path = true
			env = append(env, kv)
		case "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR":
			env = append(env, kv)
		default:
			if strings.HasPrefix(name, "LC_") {
				env = append(env, kv)
			}
		}
	}
	if !path {
		env = append(env, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
	}
	return append(env, "CAISEY_STEP="+c.Step, "CAISEY_SESSION="+c.Session, "CAISEY_TECHNICIAN="+c.Technician)
}

// A tree kills the process group of a command.
type tree struct{}

func (tree) start(p *Process) error { return p.cmd.Start() }

// terminate and kill are called with p.mu held and the command not reaped, so
// the group's id can not be another's by now.
func (tree) terminate(p *Process) { _ = unix.Kill(-p.cmd.Process.Pid, unix.SIGTERM) }

func (tree) kill(p *Process) { _ = unix.Kill(-p.cmd.Process.Pid, unix.SIGKILL) }

func (tree) close() {}

func signalOf(exit *exec.ExitError) string {
	if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return unix.SignalName(ws.Signal())
	}
	return ""
}

// readNow reads what is there; it returns 0 or less if there is nothing.
func readNow(r *os.File, buf []byte) (n int) {
	raw, err := r.SyscallConn()
	if err != nil {
		return 0
	}
	err = raw.Read(func(fd uintptr) bool {
		n, _ = unix.Read(int(fd), buf)
		return true
	})
	if err != nil {
		return 0
	}
	return n
}
