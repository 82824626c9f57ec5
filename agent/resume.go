package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/caisey/caisey/relay/wire"
)

// A resume is what an agent shows its relay to prove that it is the one that was
// there last, and no copy of it: what the newest Welcome gave that is on disk. What
// is not on disk is not shown, or an agent that forgot it would look like a copy of
// itself. It is owned by redial.
type resume struct {
	dir *dataDir
	it  []byte
}

// openResume reads what is on disk.
func openResume(d *dataDir) (*resume, error) {
	it, err := os.ReadFile(d.file("resume"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read resume: %w", err)
	}
	return &resume{dir: d, it: it}, nil
}

// keep writes down what a Welcome gave, whole or not at all. If it fails, what was
// shown before goes on to be shown.
func (r *resume) keep(it []byte) error {
	if len(it) > wire.MaxResume {
		return fmt.Errorf("keep resume: %d bytes are over the limit of %d", len(it), wire.MaxResume)
	}
	if err := r.dir.write("resume", it); err != nil {
		return fmt.Errorf("keep resume: %w", err)
	}
	r.it = it
	return nil
}
