package quicrelay

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"github.com/caisey/caisey/sessionlog"
)

// resumeSize is how long what a Welcome gives an agent to show next time is.
const resumeSize = 24

// errCloned says that an agent showed what another holder of its key has left behind.
var errCloned = errors.New("two machines use the key of this endpoint, or one was put back to an older state; " +
	"an admin has to look, and say `endpoint clear` or `endpoint revoke`")

// resumes knows how far each agent has come. A Welcome gives the agent something new
// to show when it comes next: a number, one more than that of what it showed, and a
// random rest. An agent keeps it on disk before it shows it, so whoever shows less
// than was shown before, or as much and another, is not the one who showed that.
//
// An agent may show the same again: the new one got lost. It may show more than is
// known here: this relay has forgotten. So losing what is in dir costs an alarm, and
// never raises one.
type resumes struct {
	dir string // of a file for each endpoint; if empty, nothing is kept
	log *slog.Logger

	mu    sync.Mutex // guards what follows
	shown map[sessionlog.EndpointID][]byte
}

func newResumes(dir string, log *slog.Logger) (*resumes, error) {
	if dir != "" {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("make directory for agents' resumes: %w", err)
		}
	}
	return &resumes{dir: dir, log: log, shown: map[sessionlog.EndpointID][]byte{}}, nil
}

// show takes what an agent shows in its Hello, and returns what to give it. The
// error is errCloned, or that it is nothing that we gave anybody.
func (r *resumes) show(id sessionlog.EndpointID, it []byte) (next []byte, err error) {
	if len(it) != 0 && len(it) != resumeSize {
		return nil, invalid("hello resumes with %d bytes", len(it))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.advance(id, it) {
		return nil, errCloned
	}
	next = binary.BigEndian.AppendUint64(nil, number(it)+1)
	next = append(next, make([]byte, resumeSize-len(next))...)
	_, _ = rand.Read(next[8:]) // it cannot fail
	return next, nil
}

// kept says that an agent has on disk what it was given: it will not show less.
func (r *resumes) kept(id sessionlog.EndpointID, it []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(it) == resumeSize && number(it) > number(r.known(id)) {
		r.advance(id, it)
	}
}

// advance notes what was shown, and reports false if it is behind what is known.
func (r *resumes) advance(id sessionlog.EndpointID, it []byte) bool {
	known := r.known(id)
	if number(it) < number(known) || number(it) == number(known) && !bytes.Equal(it, known) {
		return false
	}
	if !bytes.Equal(it, known) {
		r.note(id, it)
	}
	return true
}

// forget lets an endpoint begin anew.
func (r *resumes) forget(id sessionlog.EndpointID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.note(id, nil)
}

// number is that of what an agent shows; of nothing it is 0.
func number(it []byte) uint64 {
	if len(it) != resumeSize {
		return 0
	}
	return binary.BigEndian.Uint64(it)
}

func (r *resumes) known(id sessionlog.EndpointID) []byte {
	if it, ok := r.shown[id]; ok || r.dir == "" {
		return it
	}
	it, err := os.ReadFile(r.file(id))
	if err != nil || len(it) != resumeSize {
		it = nil // there is none, or it was lost
	}
	r.shown[id] = it
	return it
}

func (r *resumes) file(id sessionlog.EndpointID) string { return filepath.Join(r.dir, string(id)) }

// note keeps what an agent showed. It is not synced: see resumes.
func (r *resumes) note(id sessionlog.EndpointID, it []byte) {
	r.shown[id] = it
	if r.dir == "" {
		return
	}
	var err error
	if it == nil {
		if err = os.Remove(r.file(id)); errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	} else if err = os.WriteFile(r.file(id)+".new", it, 0o600); err == nil {
		err = os.Rename(r.file(id)+".new", r.file(id))
	}
	if err != nil {
		r.log.Warn("what an agent showed is not kept", "endpoint", id, "err", err)
	}
}
