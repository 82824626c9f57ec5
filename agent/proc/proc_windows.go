package proc

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

func shell(line string) *exec.Cmd {
	dir, err := windows.GetSystemDirectory()
	if err != nil {
		dir = `C:\Windows\System32`
	}
	cmd := dir + `\cmd.exe`
	return &exec.Cmd{
		Path: cmd,
		Dir:  dir,
		SysProcAttr: &syscall.SysProcAttr{
			HideWindow:    true,
			CmdLine:       `"` + cmd + `" /D /S /C "` + line + `"`,
			CreationFlags: windows.CREATE_SUSPENDED | windows.CREATE_NEW_PROCESS_GROUP,
		},
	}
}

// environ returns the environment of a command: what programs of the system
// need, and who asks.
func environ(c Command) []string {
	const keep = " PATH PATHEXT SYSTEMROOT SYSTEMDRIVE WINDIR COMSPEC TEMP TMP OS USERNAME USERDOMAIN" +
		" USERPROFILE HOMEDRIVE HOMEPATH APPDATA LOCALAPPDATA PROGRAMDATA ALLUSERSPROFILE PUBLIC" +
		" PROGRAMFILES PROGRAMFILES(X86) PROGRAMW6432 COMMONPROGRAMFILES COMMONPROGRAMFILES(X86)" +
		" COMPUTERNAME NUMBER_OF_PROCESSORS PROCESSOR_ARCHITECTURE PSMODULEPATH "
	var env []string
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		if name != "" && strings.Contains(keep, " "+strings.ToUpper(name)+" ") {
			env = append(env, kv)
		}
	}
	return append(env, "CAISEY_STEP="+c.Step, "CAISEY_SESSION="+c.Session, "CAISEY_TECHNICIAN="+c.Technician)
}

// A tree is the job that a command and all it starts are in. The system kills
// what is in it when its handle is closed, also by the end of the agent.
type tree struct{ job windows.Handle }

// start starts the command suspended, so that it is in the job before it can
// start anything.
func (t *tree) start(p *Process) error {
	job, err := windows.CreateJobObject(nil, nil)
	if err != nil {
		return fmt.Errorf("make job: %w", err)
	}
	info := windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION{}
	info.BasicLimitInformation.LimitFlags = windows.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE
	_, err = windows.SetInformationJobObject(job, windows.JobObjectExtendedLimitInformation,
		uintptr(unsafe.Pointer(&info)), uint32(unsafe.Sizeof(info)))
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		_ = windows.CloseHandle(job)
		return err
	}
	t.job = job
	if err := adopt(job, uint32(p.cmd.Process.Pid)); err != nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
		t.close()
		return err
	}
	return nil
}

// adopt puts a suspended process into the job and lets it go.
func adopt(job windows.Handle, pid uint32) error {
	process, err := windows.OpenProcess(windows.PROCESS_SET_QUOTA|windows.PROCESS_TERMINATE, false, pid)
	if err != nil {
		return fmt.Errorf("open process: %w", err)
	}
	defer windows.CloseHandle(process)
	if err := windows.AssignProcessToJobObject(job, process); err != nil {
		return fmt.Errorf("assign process to job: %w", err)
	}
	return resume(pid)
}

// resume resumes the threads of a process: one, as it never ran.
func resume(pid uint32) error {
	snapshot, err := windows.CreateToolhelp32Snapshot(windows.TH32CS_SNAPTHREAD, 0)
	if err != nil {
		return fmt.Errorf("list threads: %w", err)
	}
	defer windows.CloseHandle(snapshot)
	entry := windows.ThreadEntry32{Size: uint32(unsafe.Sizeof(windows.ThreadEntry32{}))}
	for err = windows.Thread32First(snapshot, &entry); err == nil; err = windows.Thread32Next(snapshot, &entry) {
		if entry.OwnerProcessID != pid {
			continue
		}
		thread, err := windows.OpenThread(windows.THREAD_SUSPEND_RESUME, false, entry.ThreadID)
		if err != nil {
			return fmt.Errorf("open thread: %w", err)
		}
		_, err = windows.ResumeThread(thread)
		_ = windows.CloseHandle(thread)
		if err != nil {
			return fmt.Errorf("resume thread: %w", err)
		}
		return nil
	}
	return fmt.Errorf("find thread to resume: %w", err)
}

// terminate kills at once: there is no way to ask a tree of programs here.
func (t *tree) terminate(p *Process) { t.kill(p) }

func (t *tree) kill(*Process) { _ = windows.TerminateJobObject(t.job, 1) }

func (t *tree) close() { _ = windows.CloseHandle(t.job) }

// awaitExit waits until process ended; a handle to it stays open until Wait.
func awaitExit(process *os.Process) {
	h, err := windows.OpenProcess(windows.SYNCHRONIZE, false, uint32(process.Pid))
	if err != nil {
		return
	}
	defer windows.CloseHandle(h)
	_, _ = windows.WaitForSingleObject(h, windows.INFINITE)
}

func signalOf(*exec.ExitError) string { return "" }

func readNow(*os.File, []byte) int { return 0 }

func identify(p *Process) Ident {
	return Ident{Step: p.command.Step, Pid: p.cmd.Process.Pid}
}

// KillOrphans does nothing: a job dies with its agent.
func KillOrphans(Ident) {}

// killHolders does nothing: nobody leaves a job.
func killHolders(Ident) {}
