package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// A Status is what an agent notes of its connection: the content of status.json.
// There is none while no agent runs, unless one was killed: see Alive.
type Status struct {
	PID       int       `json:"pid"`
	Connected bool      `json:"connected"`
	Since     time.Time `json:"since"`            // of Connected
	Relay     string    `json:"relay"`            // where it is looked for
	Policy    string    `json:"policy,omitempty"` // Config.Policy
	Why       string    `json:"why,omitempty"`    // it is not connected
}

// ReadStatus reads what the agent of a data directory noted. It returns an error that
// is fs.ErrNotExist if none runs.
func ReadStatus(data string) (Status, error) {
	var st Status
	b, err := os.ReadFile(filepath.Join(data, "status.json"))
	if err != nil {
		return st, fmt.Errorf("read status: %w", err)
	}
	if err := json.Unmarshal(b, &st); err != nil {
		return st, fmt.Errorf("read status: %w", err)
	}
	return st, nil
}

// Alive reports whether there still is a process of the agent's id. One that was
// killed long ago may have left its id to another.
func (st Status) Alive() bool {
	p, err := os.FindProcess(st.PID)
	if err != nil || st.PID <= 0 {
		return false
	}
	defer func() { _ = p.Release() }()
	if runtime.GOOS == "windows" { // it was found
		return true
	}
	err = p.Signal(syscall.Signal(0))
	return err == nil || errors.Is(err, fs.ErrPermission)
}

// noteStatus writes status.json. Nothing hangs on it, so it is not synced.
func (d *dataDir) noteStatus(st Status) error {
	st.PID, st.Since = os.Getpid(), st.Since.UTC().Round(0)
	b, err := json.MarshalIndent(st, "", "  ")
	if err != nil {
		return fmt.Errorf("encode status: %w", err)
	}
	temp := d.file("status.json.new")
	if err := os.WriteFile(temp, append(b, '\n'), 0o600); err != nil {
		return fmt.Errorf("write status: %w", err)
	}
	if err := os.Rename(temp, d.file("status.json")); err != nil {
		return fmt.Errorf("write status: %w", err)
	}
	return nil
}

func (d *dataDir) forgetStatus() { _ = os.Remove(d.file("status.json")) } // there may be none
