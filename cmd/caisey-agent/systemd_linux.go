package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

func newManager() manager { return systemd{} }

// serve runs the agent until ctx ends, which is when systemd sends SIGTERM.
func serve(ctx context.Context, log io.Writer, run func(context.Context, io.Writer) error) error {
	return run(ctx, log)
}

// unitName is that of the unit file, and of the service.
const unitName = serviceName + ".service"

// systemd is the service manager of a Linux machine.
type systemd struct {
	root  string // the top of its file system; "" is the machine at hand
	below string // of its guard
}

func (m systemd) unitFile() string { return filepath.Join(m.root+"/etc/systemd/system", unitName) }

// live reports whether it is the machine that runs, and not one that is put together.
func (m systemd) live() bool { return m.root == "" }

// guard implements manager. The service runs as the owner of its data.
func (m systemd) guard(s setup) error {
	uid, err := uidOf(s.data)
	if err != nil {
		return err
	}
	return guard{user: uid, below: m.below}.check(s)
}

// install implements manager.
func (m systemd) install(ctx context.Context, s setup) (did []string, err error) {
	if err := m.ready(); err != nil {
		return nil, err
	}
	owner, err := ownerOf(s.data)
	if err != nil {
		return nil, err
	}
	text, err := unit(s, owner)
	if err != nil {
		return nil, err
	}
	old, err := os.ReadFile(m.unitFile())
	switch {
	case err == nil && string(old) == text:
		did = append(did, m.unitFile()+" is there already")
	default:
		if err := writeWhole(m.unitFile(), text); err != nil {
			return nil, err
		}
		did = append(did, "wrote "+m.unitFile())
	}
	if !m.live() {
		if _, err := m.ctl(ctx, "enable", unitName); err != nil {
			return did, err
		}
		return append(did, "enabled "+unitName), nil
	}
	_, ran, _ := m.state(ctx)
	for _, args := range [][]string{{"daemon-reload"}, {"enable", "--now", unitName}} {
		if _, err := m.ctl(ctx, args...); err != nil {
			return did, err
		}
	}
	did = append(did, "enabled and started "+unitName)
	if ran && string(old) != text {
		did = append(did, "it ran already, and goes on as it was until: systemctl restart "+unitName)
	}
	return did, nil
}

// uninstall implements manager.
func (m systemd) uninstall(ctx context.Context) (did []string, err error) {
	if err := m.ready(); err != nil {
		return nil, err
	}
	if _, err := os.Lstat(m.unitFile()); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no %s", m.unitFile())
	}
	args := []string{"disable", unitName}
	if m.live() {
		args = []string{"disable", "--now", unitName}
	}
	if _, err := m.ctl(ctx, args...); err != nil {
		return nil, err
	}
	did = append(did, "stopped and disabled "+unitName)
	if err := os.Remove(m.unitFile()); err != nil {
		return did, err
	}
	did = append(did, "removed "+m.unitFile())
	if m.live() {
		_, err = m.ctl(ctx, "daemon-reload")
	}
	return did, err
}

// state implements manager.
func (m systemd) state(ctx context.Context) (string, bool, error) {
	if _, err := os.Lstat(m.unitFile()); err != nil {
		return "not installed", false, nil
	}
	enabled, _ := m.ctl(ctx, "is-enabled", unitName) // says so in its exit code, too
	if !m.live() {
		return enabled, false, nil
	}
	active, _ := m.ctl(ctx, "is-active", unitName)
	if active == "" {
		return "", false, errors.New("systemd does not run here")
	}
	return active + ", " + enabled, active == "active", nil
}

// ready returns why services can not be changed here.
func (m systemd) ready() error {
	if !m.live() {
		return nil
	}
	if os.Geteuid() != 0 {
		return errors.New("only root may do that")
	}
	if _, err := os.Stat("/run/systemd/system"); err != nil {
		return errors.New("systemd does not run here; have whatever starts services run `caisey-agent run`")
	}
	return nil
}

// ctl runs systemctl and returns the line that it prints.
func (m systemd) ctl(ctx context.Context, args ...string) (string, error) {
	if m.root != "" {
		args = append([]string{"--root=" + m.root}, args...)
	}
	cmd := exec.CommandContext(ctx, "systemctl", append([]string{"--no-ask-password"}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("systemctl %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(stderr.Bytes()))
	}
	return strings.TrimSpace(string(out)), err
}

// uidOf returns the user whose directory it is.
func uidOf(dir string) (uint32, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return 0, err
	}
	return info.Sys().(*syscall.Stat_t).Uid, nil
}

// ownerOf returns the name of the user whose directory it is, and "" for root.
func ownerOf(dir string) (string, error) {
	uid, err := uidOf(dir)
	if err != nil || uid == 0 {
		return "", err
	}
	id := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(id); err == nil {
		return u.Username, nil
	}
	return id, nil
}

// writeWhole writes a file, whole or not at all.
func writeWhole(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+unitName+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // unless it is in its place
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
