package check

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Secrets are the named secrets that an endpoint holds: a directory with a file for
// each, which only the agent's own user may read. The relay knows their names only
// if somebody asks with one.
type Secrets struct {
	// Dir is the directory. If empty, there are no secrets.
	Dir string
}

// A Secret is what a file holds: lines KEY=VALUE.
type Secret map[string]string

// maxSecret is the most bytes of a secret's file.
const maxSecret = 64 << 10

// Get returns the secret of that name. One that is not there, or that others may
// read, is an UnknownError.
func (s Secrets) Get(name string) (Secret, error) {
	if s.Dir == "" {
		return nil, Unknown("this endpoint holds no secrets")
	}
	if name == "" || name != filepath.Base(name) || strings.HasPrefix(name, ".") {
		return nil, Unknown("%q is not the name of a secret", name)
	}
	path := filepath.Join(s.Dir, name)
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, Unknown("this endpoint holds no secret %q: put it into %s", name, path)
	case err != nil:
		return nil, fmt.Errorf("read secret %q: %w", name, err)
	case !info.Mode().IsRegular() || info.Size() > maxSecret:
		return nil, Unknown("secret %q is not a small file", name)
	}
	if err := private(info); err != nil {
		return nil, Unknown("secret %q %v: chmod 600 %s", name, err, path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read secret %q: %w", name, err)
	}
	return parseSecret(string(text)), nil
}

func parseSecret(text string) Secret {
	s := Secret{}
	for _, l := range strings.Split(text, "\n") {
		l = strings.TrimSuffix(l, "\r")
		if k, v, ok := strings.Cut(l, "="); ok && !strings.HasPrefix(l, "#") {
			s[strings.TrimSpace(k)] = v
		}
	}
	return s
}
