package proc

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

func identify(p *Process) Ident {
	id := Ident{Step: p.command.Step, Pid: p.cmd.Process.Pid}
	_, id.Started = stat(id.Pid)
	for _, f := range p.pipes {
		if fi, err := f.Stat(); err == nil {
			id.Pipes = append(id.Pipes, fi.Sys().(*syscall.Stat_t).Ino)
		}
	}
	return id
}

// stat returns the group of a process and when it started: the boot and the
// clock ticks since then.
func stat(pid int) (group int, started string) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, ""
	}
	// The name of the program stands in parentheses and may have any in it.
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(fields) < 20 {
		return 0, ""
	}
	group, _ = strconv.Atoi(fields[2])
	return group, bootID() + "/" + fields[19]
}

// bootID names the time since the machine was started.
var bootID = sync.OnceValue(func() string {
	b, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(b))
})

// KillOrphans kills what is left of a command whose agent died: its group, if
// that is still the same, and processes that left the group with its pipes.
func KillOrphans(id Ident) {
	if _, started := stat(id.Pid); id.Pid > 1 && started != "" && started == id.Started {
		_ = unix.Kill(-id.Pid, unix.SIGKILL)
	}
	killMarked(id.Step, func(pid int) bool {
		group, _ := stat(pid)
		return id.Pid == 0 || group == id.Pid || holds(pid, id.Pipes)
	})
}

// killHolders kills the processes of a step that hold one of its pipes.
func killHolders(id Ident) {
	killMarked(id.Step, func(pid int) bool { return holds(pid, id.Pipes) })
}

// killMarked kills the processes that have the step in their environment and
// that match. It looks again as long as it finds any: they may be forking.
func killMarked(step string, match func(pid int) bool) {
	mark := []byte("\x00CAISEY_STEP=" + step + "\x00")
	self := os.Getpid()
	for range 10 {
		found := false
		for _, pid := range pids() {
			if pid == self || !marked(pid, mark) || !match(pid) {
				continue
			}
			found = unix.Kill(pid, unix.SIGKILL) == nil || found
		}
		if !found {
			return
		}
	}
}

func pids() []int {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	var pids []int
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

func marked(pid int, mark []byte) bool {
	env, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	if err != nil || len(env) == 0 {
		return false
	}
	return bytes.Contains(append(append([]byte{0}, env...), 0), mark)
}

// holds says whether a process has one of the pipes open.
func holds(pid int, pipes []uint64) bool {
	dir := "/proc/" + strconv.Itoa(pid) + "/fd/"
	fds, err := os.ReadDir(dir)
	if err != nil {
		return false
	}
	for _, fd := range fds {
		to, err := os.Readlink(dir + fd.Name())
		if err != nil {
			continue
		}
		for _, ino := range pipes {
			if to == "pipe:["+strconv.FormatUint(ino, 10)+"]" {
				return true
			}
		}
	}
	return false
}
