package agent

import (
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// An Enrolment is what an agent knows of its place: the content of agent.json.
type Enrolment struct {
	Endpoint string            `json:"endpoint"`
	Client   string            `json:"client"`
	Name     string            `json:"name"`
	RelayKey ed25519.PublicKey `json:"relay_key"`
	Addr     string            `json:"addr"`
}

// ErrNotEnrolled says that a data directory has no enrolment.
var ErrNotEnrolled = errors.New("this machine is not enrolled")

// ReadEnrolment reads the enrolment in a data directory. It returns ErrNotEnrolled if
// there is none.
func ReadEnrolment(path string) (Enrolment, error) { return (&dataDir{path: path}).enrolment() }

// Enrolled reports whether a data directory has an enrolment.
func Enrolled(path string) bool {
	_, err := ReadEnrolment(path)
	return err == nil
}

// A dataDir is the agent's directory, locked.
type dataDir struct {
	path string
	lock *os.File
}

// openData makes the directory if it has to, and locks it.
func openData(path string) (*dataDir, error) {
	if path == "" {
		return nil, errors.New("open data directory: none is named")
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("make data directory: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(path, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open data directory: %w", err)
	}
	if err := lockFile(f); err != nil {
		_ = f.Close()
		if errors.Is(err, errLocked) {
			return nil, fmt.Errorf("open data directory %s: another agent uses it", path)
		}
		return nil, fmt.Errorf("lock data directory %s: %w", path, err)
	}
	return &dataDir{path: path, lock: f}, nil
}

// errLocked says that another process has the lock.
var errLocked = errors.New("locked")

func (d *dataDir) close() { _ = d.lock.Close() } // and unlocks it

func (d *dataDir) file(name string) string { return filepath.Join(d.path, name) }

// enrolment reads agent.json.
func (d *dataDir) enrolment() (Enrolment, error) {
	var e Enrolment
	b, err := os.ReadFile(d.file("agent.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return e, fmt.Errorf("read enrolment in %s: %w", d.path, ErrNotEnrolled)
	}
	if err != nil {
		return e, fmt.Errorf("read enrolment: %w", err)
	}
	if err := json.Unmarshal(b, &e); err != nil {
		return e, fmt.Errorf("read enrolment %s: %w", d.file("agent.json"), err)
	}
	if len(e.RelayKey) != ed25519.PublicKeySize || e.Addr == "" {
		return e, fmt.Errorf("read enrolment %s: it names no relay", d.file("agent.json"))
	}
	return e, nil
}

// writeEnrolment writes agent.json, whole or not at all.
func (d *dataDir) writeEnrolment(e Enrolment) error {
	b, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		return fmt.Errorf("encode enrolment: %w", err)
	}
	if err := d.write(resumeFile, formatResume(nil)); err != nil { // so that it is missed when it is lost
		return fmt.Errorf("write enrolment: %w", err)
	}
	if err := d.write("agent.json", append(b, '\n')); err != nil {
		return fmt.Errorf("write enrolment: %w", err)
	}
	return nil
}

// write makes b the content of a file, whole or not at all, and on disk.
func (d *dataDir) write(name string, b []byte) error {
	temp := d.file(name + ".new")
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(temp, d.file(name)); err != nil {
		return err
	}
	return syncDir(d.path)
}
