package proc

import (
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

func sysProcAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// awaitExit waits until process ended and leaves it to be reaped.
func awaitExit(process *os.Process) {
	kq, err := unix.Kqueue()
	if err != nil {
		return
	}
	defer unix.Close(kq)
	exit := unix.Kevent_t{
		Ident: uint64(process.Pid), Filter: unix.EVFILT_PROC,
		Flags: unix.EV_ADD | unix.EV_ONESHOT, Fflags: unix.NOTE_EXIT,
	}
	for {
		n, err := unix.Kevent(kq, []unix.Kevent_t{exit}, make([]unix.Kevent_t, 1), nil)
		if n > 0 || err != unix.EINTR {
			return
		}
	}
}

func identify(p *Process) Ident {
	return Ident{Step: p.command.Step, Pid: p.cmd.Process.Pid, Started: startOf(p.cmd.Process.Pid)}
}

func startOf(pid int) string {
	info, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil {
		return ""
	}
	t := info.Proc.P_starttime
	return strconv.FormatInt(t.Sec, 10) + "." + strconv.FormatInt(int64(t.Usec), 10)
}

// KillOrphans kills the group of a command whose agent died, if it is still the
// same.
func KillOrphans(id Ident) {
	if started := startOf(id.Pid); id.Pid > 1 && started != "" && started == id.Started {
		_ = unix.Kill(-id.Pid, unix.SIGKILL)
	}
}

// killHolders does nothing: nobody can be found by an open pipe here.
func killHolders(Ident) {}
