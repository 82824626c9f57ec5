package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caisey/caisey/agent"
	"github.com/caisey/caisey/relay/wire"
)

// enrolled makes the data directory of an agent whose relay does not answer.
func enrolled(t *testing.T) string {
	t.Helper()
	data := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	nobody, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nobody.Close() })
	const text = `{"endpoint": "E1", "client": "acme", "name": "db01", "addr": "ADDR",
		"relay_key": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}`
	text2 := strings.Replace(text, "ADDR", nobody.LocalAddr().String(), 1)
	if err := os.WriteFile(filepath.Join(data, "agent.json"), []byte(text2), 0o600); err != nil {
		t.Fatal(err)
	}
	const resume = "resume1  9e78b114742d6e1a\n" // what an agent has that never connected
	if err := os.WriteFile(filepath.Join(data, "resume"), []byte(resume), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := wire.LoadIdentity(filepath.Join(data, "agent.key")); err != nil {
		t.Fatal(err)
	}
	return data
}

// intoRoot returns a manager for a root that is put together in a directory.
func intoRoot(t *testing.T) systemd {
	t.Helper()
	temp, err := filepath.EvalSymlinks(os.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return systemd{root: t.TempDir(), below: temp}
}

// say runs a command line and returns all that it prints.
func say(t *testing.T, m manager, args ...string) (code int, out, errOut string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(t.Context(), m, args, &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

// systemctl works on a root that is put together in a directory as it does on a
// machine.
func TestInstallIntoARoot(t *testing.T) {
	if _, err := exec.LookPath("systemctl"); err != nil {
		t.Skip("no systemctl here, which is in Debian's package systemd")
	}
	m, data := intoRoot(t), enrolled(t)
	file := filepath.Join(m.root, "etc/systemd/system/caisey-agent.service")
	wanted := filepath.Join(m.root, "etc/systemd/system/multi-user.target.wants/caisey-agent.service")

	code, out, errOut := say(t, m, "install", "--data", data)
	if code != 0 || !strings.Contains(out, "wrote "+file+"\nenabled caisey-agent.service\npolicy: no "+data+"/policy, so the relay may do everything\n") {
		t.Fatal(code, out, errOut)
	}
	text, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(text), "run --data "+data+"\n") {
		t.Fatalf("%v\n%s", err, text)
	}
	if info, err := os.Stat(file); err != nil || info.Mode() != 0o644 {
		t.Error(info.Mode(), err)
	}
	if _, err := os.Lstat(wanted); err != nil {
		t.Error(err)
	}
	if code, out, _ := say(t, m, "install", "--data", data); code != 0 || !strings.HasPrefix(out, file+" is there already\n") {
		t.Error("installed twice: ", code, out)
	}
	if code, out, _ := say(t, m, "status", "--data", data); code != exitError || !strings.HasPrefix(out, "service:    enabled\n") {
		t.Error(code, out)
	}

	code, out, errOut = say(t, m, "uninstall", "--data", data)
	if code != 0 || !strings.Contains(out, "removed "+file) || !strings.Contains(out, data+" stays") {
		t.Error(code, out, errOut)
	}
	for _, path := range []string{file, wanted} {
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("%s is still there", path)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(file), ".*")); len(left) > 0 {
		t.Error("left over: ", left)
	}
	if code, out, errOut := say(t, m, "uninstall", "--data", data); code != exitError || out != "" || !strings.Contains(errOut, "there is no "+file) {
		t.Error("uninstalled twice: ", code, out, errOut)
	}
}

// The service of a directory that is not root's runs as its owner.
func TestInstallForAUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root gives directories away")
	}
	data := enrolled(t)
	if err := os.Chown(data, 54321, -1); err != nil {
		t.Fatal(err)
	}
	m := intoRoot(t)
	_, out, errOut := say(t, m, "install", "--data", data)
	text, err := os.ReadFile(m.unitFile())
	if err != nil || !strings.Contains(string(text), "\nUser=54321\n") {
		t.Errorf("%v %s %s\n%s", err, out, errOut, text)
	}
}

// An executable that others can change is not installed: they would be root.
func TestInstallOfAnExecutableOfOthers(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(exe, 0o777); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.Chmod(exe, 0o755) }()
	m := intoRoot(t)
	code, _, errOut := say(t, m, "install", "--data", enrolled(t))
	if _, err := os.Lstat(m.unitFile()); err == nil || code != exitError || !strings.Contains(errOut, "can be written by others (mode 0777); chmod go-w "+exe) {
		t.Error(code, errOut)
	}
}

// Nor is anything that stands in a directory where everybody writes.
func TestInstallInADirectoryOfAll(t *testing.T) {
	if info, err := os.Stat(os.TempDir()); err != nil || info.Mode().Perm()&0o022 == 0 {
		t.Skipf("%s is not for everybody: %v", os.TempDir(), err)
	}
	m := systemd{root: t.TempDir()}
	code, out, errOut := say(t, m, "install", "--data", enrolled(t))
	want := os.TempDir() + " is for everybody to write in"
	if _, err := os.Lstat(m.unitFile()); err == nil || code != exitError || out != "" || !strings.Contains(errOut, want) || strings.Count(errOut, "\n") != 1 {
		t.Error(code, out, errOut)
	}
}

// A link to the data is followed once, when it is installed.
func TestInstallBehindALink(t *testing.T) {
	data, link := enrolled(t), filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(data, link); err != nil {
		t.Fatal(err)
	}
	got, err := (&installCmd{Data: link}).setup()
	if real, _ := filepath.EvalSymlinks(data); err != nil || got.data != real {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestStatusOfNothing(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	code, out, errOut := say(t, systemd{root: t.TempDir()}, "status", "--data", data)
	want := "service:    not installed\nenrolment:  none in " + data + "; make one with caisey-agent enroll TOKEN\n" +
		"connection: no agent runs on that directory, or it may not be read\npolicy:     no " + data + "/policy, so the relay may do everything\n"
	if code != exitError || out != want || errOut != "" {
		t.Errorf("%d %q\n%s", code, errOut, out)
	}
	if _, err := os.Lstat(data); err == nil {
		t.Error("status made the directory")
	}
}

// awaitAgent polls until a real agent has noted its status.
func awaitAgent(t *testing.T, data string) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for {
		if _, err := agent.ReadStatus(data); err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("no agent within 20 s")
		}
	}
}

// Status says what the agent that runs is about, also without a service.
func TestStatusOfAnAgent(t *testing.T) {
	data, file := enrolled(t), filepath.Join(t.TempDir(), "own")
	if err := os.WriteFile(file, []byte("read-only\nnever *rm*\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var log bytes.Buffer
	done := make(chan int, 1)
	go func() {
		done <- run(ctx, systemd{}, []string{"run", "--data", data, "--policy", file}, io.Discard, &log)
	}()
	awaitAgent(t, data)
	m := systemd{root: t.TempDir()}
	code, out, _ := say(t, m, "status", "--data", data)
	if code != 0 {
		t.Error(code)
	}
	for _, want := range []string{
		"service:    not installed\n", "enrolment:  acme/db01, in " + data + "\n",
		"key 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n",
		"connection: not connected to 127.0.0.1:", "policy:     " + file + ": effects read probe; never *rm*\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	key, err := wire.LoadIdentity(filepath.Join(data, "agent.key"))
	if err != nil {
		t.Fatal(err)
	}
	if want := "key:        " + hex.EncodeToString(key.Public()) + "\n"; !strings.Contains(out, want) {
		t.Errorf("no %q in\n%s", want, out)
	}
	if err := os.WriteFile(file, []byte("read-olny\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	code, out, _ = say(t, m, "status", "--data", data)
	if code != exitError || !strings.Contains(out, file+" can not be used, so everything is refused: line 1: ") {
		t.Error(code, out)
	}
	if err := os.WriteFile(file, []byte("read-only\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(data, "resume"), 5); err != nil {
		t.Fatal(err)
	}
	code, out, _ = say(t, m, "status", "--data", data)
	if code != exitError || !strings.Contains(out, "\nresume:     "+data+"/resume: it is damaged") || !strings.Contains(out, "endpoint clear") {
		t.Error(code, out)
	}
	stop()
	if code := <-done; code != 0 {
		t.Error(code, log.String())
	}
}
