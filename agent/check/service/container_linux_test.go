package service

import (
	"bytes"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
)

// units are what the tests' systemd runs.
var units = map[string]string{
	"good.service":              "[Unit]\nDescription=One that runs\n[Service]\nExecStart=/bin/sleep infinity\nUser=nobody\n",
	"bad.service":               "[Unit]\nDescription=One that fails\n[Service]\nType=oneshot\nExecStart=/bin/sh -c 'exit 3'\n",
	"once.service":              "[Service]\nType=oneshot\nExecStart=/bin/true\n",
	"down.service":              "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=test.target\n",
	"flap.service":              "[Unit]\nStartLimitIntervalSec=0\n[Service]\nExecStart=/bin/false\nRestart=always\nRestartSec=100ms\n",
	"masked.service":            "",
	"brittle.service":           "[Service]\nExecStart=/bin/sh -c 'test ! -e /run/broken && exec sleep infinity; exit 7'\n",
	"job.service":               "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'exit 4'\n",
	"job.timer":                 "[Timer]\nOnActiveSec=100ms\nAccuracySec=1ms\nOnCalendar=daily\nUnit=job.service\n",
	"systemd-timesyncd.service": "[Service]\nExecStart=/bin/sleep infinity\n",
	"mono.timer":                "[Timer]\nOnActiveSec=2h\nUnit=once.service\n",
	"test.target": "[Unit]\nWants=good.service bad.service once.service down.service flap.service brittle.service job.timer mono.timer dbus.service\n" +
		"After=bad.service down.service good.service dbus.service\n",
}

// A container is a real systemd with a journal and a bus, on the programs of the
// machine that tests.
type container struct {
	root string
	init int // process
	said *syncBuffer
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// boot boots a container and waits until its target is reached.
func boot(t *testing.T) container {
	t.Helper()
	if _, err := exec.LookPath("systemd-nspawn"); err != nil {
		t.Skip("systemd-nspawn is not there: install the package systemd-container")
	}
	if os.Getuid() != 0 {
		t.Skip("a container with a systemd of its own needs root")
	}
	c := container{root: t.TempDir(), said: new(syncBuffer)}
	c.fill(t)
	groups := ownGroups(t)
	script := `for g in ` + strings.Join(groups, " ") + `; do echo $$ > $g/cgroup.procs || exit 1; done; exec systemd-nspawn "$@"`
	cmd := exec.Command("/bin/sh", "-c", script, "sh", "-D", c.root, "--bind-ro=/usr", "--register=no", "--keep-unit", "--private-network",
		"--console=pipe", "-M", fmt.Sprintf("caisey-%d", os.Getpid()), "--boot", "systemd.unit=test.target")
	cmd.Stdout, cmd.Stderr = c.said, c.said
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // systemd shuts down
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			_ = cmd.Process.Kill()
			<-ended
		}
	})
	c.init = c.waitInit(t, cmd.Process.Pid, ended)
	return c
}

// ownGroups makes control groups for a container alone: two systemds in one group would
// end each other's processes. They are removed when the test ends.
func ownGroups(t *testing.T) (dirs []string) {
	t.Helper()
	for _, root := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified"} {
		if _, err := os.Stat(root + "/cgroup.procs"); err != nil {
			continue
		}
		dir := fmt.Sprintf("%s/caisey-test-%d", root, os.Getpid())
		must(t, os.MkdirAll(dir, 0o755))
		dirs = append(dirs, dir)
		t.Cleanup(func() {
			var all []string
			_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
				if err == nil && d.IsDir() {
					all = append(all, path)
				}
				return nil
			})
			for _, path := range slices.Backward(all) {
				_ = syscall.Rmdir(path)
			}
		})
		if root == "/sys/fs/cgroup" {
			break // the others are groups of its tree
		}
	}
	return dirs
}

// fill makes the root.
func (c container) fill(t *testing.T) {
	t.Helper()
	for _, dir := range []string{"etc/systemd/system", "run", "var/log/journal", "var/lib", "tmp", "proc", "sys", "dev", "root", "usr"} {
		must(t, os.MkdirAll(filepath.Join(c.root, dir), 0o755))
	}
	must(t, os.Chmod(c.root, 0o755))
	must(t, os.MkdirAll(filepath.Join(c.root, "etc/ssl/private"), 0o755))
	must(t, os.Chmod(filepath.Join(c.root, "etc/ssl/private"), 0o700))
	for _, dir := range []string{"bin", "sbin", "lib", "lib64"} {
		must(t, os.Symlink("usr/"+dir, filepath.Join(c.root, dir)))
	}
	for _, name := range []string{"os-release", "passwd", "group", "nsswitch.conf"} {
		b, err := os.ReadFile("/etc/" + name)
		must(t, err)
		c.write(t, "etc/"+name, string(b))
	}
	c.write(t, "etc/machine-id", "")
	for name, text := range units {
		c.write(t, "etc/systemd/system/"+name, text)
	}
	must(t, os.Remove(filepath.Join(c.root, "etc/systemd/system/masked.service")))
	must(t, os.Symlink("/dev/null", filepath.Join(c.root, "etc/systemd/system/masked.service")))
	must(t, os.MkdirAll(filepath.Join(c.root, "etc/systemd/system/test.target.wants"), 0o755))
	must(t, os.Symlink("../down.service", filepath.Join(c.root, "etc/systemd/system/test.target.wants/down.service")))
}

func (c container) write(t *testing.T, name, text string) {
	t.Helper()
	must(t, os.WriteFile(filepath.Join(c.root, name), []byte(text), 0o644))
}

// inside returns the path of a file as the container sees it, from outside.
func (c container) inside(path string) string { return fmt.Sprintf("/proc/%d/root%s", c.init, path) }

// bus asks over the container's system bus, from outside.
func (c container) bus() machine {
	return machine{bus: "unix:path=" + c.inside("/run/dbus/system_bus_socket"), journal: filepath.Join(c.root, "var/log/journal")}
}

// waitInit returns the container's first process once its target is reached.
func (c container) waitInit(t *testing.T, spawner int, ended chan error) int {
	t.Helper()
	pid := 0
	poll(t, 60*time.Second, func() (bool, string) {
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("systemd-nspawn cannot boot here: %v\n%s", err, c.said)
		default:
		}
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", spawner, spawner))
		for _, f := range strings.Fields(string(b)) {
			pid, _ = strconv.Atoi(f)
			c.init = pid
			if reached(c.bus()) {
				return true, ""
			}
		}
		return false, c.said.String()
	})
	return pid
}

// reached reports whether the target of the tests is.
func reached(m machine) bool {
	path := strings.TrimPrefix(m.bus, "unix:path=")
	probe, err := net.Dial("unix", path)
	if err != nil {
		return false
	}
	_ = probe.Close()
	bus, err := dbus.Connect(m.bus)
	if err != nil {
		return false
	}
	defer bus.Close()
	v, err := bus.Object("org.freedesktop.systemd1", "/org/freedesktop/systemd1/unit/test_2etarget").GetProperty("org.freedesktop.systemd1.Unit.ActiveState")
	return err == nil && v.Value() == "active"
}

// poll asks until done says so.
func poll(t *testing.T, most time.Duration, done func() (bool, string)) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	end := time.After(most)
	for {
		ok, state := done()
		if ok {
			return
		}
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("still not so after %v: %s", most, state)
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
