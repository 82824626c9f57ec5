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
	// Static.
	dir string // of a file for each endpoint; if empty, nothing is kept
	log *slog.Logger

	mu     sync.Mutex // guards what follows
	tracks map[sessionlog.EndpointID]*track
}

// A track is how far one endpoint's agent has come. It has a lock of its own, which
// is held while its file is written: a slow disk is not everybody's.
type track struct {
	id sessionlog.EndpointID // static

	mu    sync.Mutex // guards what follows
	read  bool       // its file was read
	shown []byte
}

func newResumes(dir string, log *slog.Logger) (*resumes, error) {
	if dir != "" {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("make directory for agents' resumes: %w", err)
		}
	}
	return &resumes{dir: dir, log: log, tracks: map[sessionlog.EndpointID]*track{}}, nil
}

// lock returns an endpoint's track, locked and read.
func (r *resumes) lock(id sessionlog.EndpointID) *track {
	r.mu.Lock()
	t := r.tracks[id]
	if t == nil {
		t = &track{id: id, read: r.dir == ""}
		r.tracks[id] = t
	}
	r.mu.Unlock()
	t.mu.Lock()
	if !t.read {
		t.read = true
		if it, err := os.ReadFile(r.file(id)); err == nil && len(it) == resumeSize {
			t.shown = it // else there is none, or it was lost
		}
	}
	return t
}

// show takes what an agent shows in its Hello, and returns what to give it. The only
// error is errCloned: also for what we gave nobody, since whoever shows that has lost
// or damaged what it was given, and nobody can tell it from a copy.
func (r *resumes) show(id sessionlog.EndpointID, it []byte) (next []byte, err error) {
	t := r.lock(id)
	defer t.mu.Unlock()
	if !r.advance(t, it) {
		return nil, errCloned
	}
	next = binary.BigEndian.AppendUint64(nil, number(it)+1)
	next = append(next, make([]byte, resumeSize-len(next))...)
	_, _ = rand.Read(next[8:]) // it cannot fail
	return next, nil
}

// kept says that an agent has on disk what it was given: it will not show less.
func (r *resumes) kept(id sessionlog.EndpointID, it []byte) {
	t := r.lock(id)
	defer t.mu.Unlock()
	if number(it) > number(t.shown) {
		r.advance(t, it)
	}
}

// advance notes what was shown, and reports false if it is behind what is known. It
// runs with t locked.
func (r *resumes) advance(t *track, it []byte) bool {
	if number(it) < number(t.shown) || number(it) == number(t.shown) && !bytes.Equal(it, t.shown) {
		return false
	}
	if !bytes.Equal(it, t.shown) {
		r.note(t, it)
	}
	return true
}

// forget lets an endpoint begin anew.
func (r *resumes) forget(id sessionlog.EndpointID) {
	t := r.lock(id)
	defer t.mu.Unlock()
	r.note(t, nil)
}

// number is that of what an agent shows; of nothing, and of what nobody was given, it
// is 0.
func number(it []byte) uint64 {
	if len(it) != resumeSize {
		return 0
	}
	return binary.BigEndian.Uint64(it)
}

func (r *resumes) file(id sessionlog.EndpointID) string { return filepath.Join(r.dir, string(id)) }

// note keeps what an agent showed. It is not synced: see resumes. It runs with t
// locked.
func (r *resumes) note(t *track, it []byte) {
	t.shown = it
	if r.dir == "" {
		return
	}
	var err error
	if it == nil {
		if err = os.Remove(r.file(t.id)); errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	} else if err = os.WriteFile(r.file(t.id)+".new", it, 0o600); err == nil {
		err = os.Rename(r.file(t.id)+".new", r.file(t.id))
	}
	if err != nil {
		r.log.Warn("what an agent showed is not kept", "endpoint", t.id, "err", err)
	}
}
