package policy

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// A File is a policy where it is written. Its fields do not change; its methods may
// be called concurrently. It is read anew every time that it is asked, so what it
// says now is what holds; nothing of it is ever written.
type File struct {
	// Path is the file.
	Path string
	// Required says that a file that is not there refuses everything. If false, it
	// allows everything.
	Required bool
	// Now tells the time, in the endpoint's own zone. If nil, time.Now.
	Now func() time.Time
}

// Check returns why a step of that effect and command may not begin now: a *Refusal.
func (f *File) Check(effect, command string) error {
	p, err := f.Read()
	if err != nil {
		return &Refusal{Text: fmt.Sprintf("it cannot be used, so everything is refused: %v", err)}
	}
	now := time.Now
	if f.Now != nil {
		now = f.Now
	}
	return p.Check(effect, command, now())
}

// Effects returns the effects that are allowed, whatever the hour; [None] alone if
// there is none.
func (f *File) Effects() []string {
	p, err := f.Read()
	if err != nil {
		return []string{None}
	}
	return p.Effects()
}

// Read returns what the file says now. A file that others could have written is an
// error, too.
func (f *File) Read() (*Policy, error) {
	file, err := openFile(f.Path)
	if errors.Is(err, fs.ErrNotExist) && !f.Required {
		if _, err := os.Lstat(f.Path); errors.Is(err, fs.ErrNotExist) { // it is not a link to nowhere
			return &Policy{}, nil
		}
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if err := guarded(file, filepath.Dir(f.Path)); err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return nil, err
	}
	return Parse(string(text))
}

// Guarded returns an error if others than root and this user can change what is at
// path, or put something else in its place. On Windows it looks at nothing.
func Guarded(path string) error {
	file, err := openFile(path)
	if err != nil {
		return err
	}
	defer file.Close()
	return guarded(file, filepath.Dir(path))
}

// guarded returns why what is in an open file is not surely its administrator's.
func guarded(file *os.File, dir string) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a file", file.Name())
	}
	if err := ownerOnly(file.Name(), info); err != nil {
		return err
	}
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return err
	}
	if info, err = os.Stat(real); err != nil {
		return err
	}
	return ownerOnly(real, info)
}
