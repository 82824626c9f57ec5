package agent

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/caisey/caisey/relay/wire"
)

// The files of a resume: the one that is shown, and the one before it, which stays
// good until the relay hears that the other is on disk.
const (
	resumeFile = "resume"
	resumeOld  = "resume.old"
)

// A resume is what an agent shows its relay to prove that it is the one that was
// there last, and no copy of it: what the newest Welcome gave that is on disk. What
// is not on disk is not shown, or an agent that forgot it would look like a copy of
// itself. It is owned by redial.
//
// Whatever is wrong with the files, the agent goes on with what it has. If that is
// less than it has shown, its relay takes it for a copy and says so.
type resume struct {
	dir   *dataDir
	it    []byte
	fault string // what is wrong with the files; "" is nothing
}

// openResume reads what is on disk, and logs what is wrong with that.
func openResume(d *dataDir, log *slog.Logger) *resume {
	r := &resume{dir: d}
	r.it, r.fault = readResume(d.path)
	if r.fault != "" {
		log.Error("what shows the relay that this is the endpoint is damaged or lost", "dir", d.path, "fault", r.fault, "if_refused", mendResume)
	}
	return r
}

// mendResume says what helps where a relay takes an agent for a copy.
const mendResume = "an admin of the relay has to see that there is no copy of this machine, and say `endpoint clear`; " +
	"the agent then comes back within 5 minutes, or at once if it is restarted"

// ResumeFault returns what is wrong with the files by which an agent shows that it is
// no copy, and what to do about it. It is "" if all is well.
func ResumeFault(data string) string {
	if _, fault := readResume(data); fault != "" {
		return fault + "; if the relay refuses this agent, " + mendResume
	}
	return ""
}

// readResume returns what is to be shown and what is wrong.
func readResume(dir string) (it []byte, fault string) {
	it, err := readResumeFile(filepath.Join(dir, resumeFile))
	if err == nil {
		return it, ""
	}
	it, errOld := readResumeFile(filepath.Join(dir, resumeOld))
	if errOld == nil {
		return it, fmt.Sprintf("%v; the one before it is used", err)
	}
	if !errors.Is(errOld, fs.ErrNotExist) {
		err = fmt.Errorf("%w; %w", err, errOld)
	}
	return nil, err.Error()
}

// keep writes down what a Welcome gave, whole or not at all. If it fails, what was
// shown before goes on to be shown.
func (r *resume) keep(it []byte) error {
	if len(it) > wire.MaxResume {
		return fmt.Errorf("keep resume: %d bytes are over the limit of %d", len(it), wire.MaxResume)
	}
	for _, file := range []struct {
		name string
		it   []byte
	}{{resumeOld, r.it}, {resumeFile, it}} {
		if err := r.dir.write(file.name, formatResume(file.it)); err != nil {
			return fmt.Errorf("keep resume: %w", err)
		}
	}
	r.it, r.fault = bytes.Clone(it), ""
	return nil
}

// formatResume returns the content of a file: one line of what is to be shown and a
// checksum of it.
func formatResume(it []byte) []byte {
	return fmt.Appendf(nil, "resume1 %x %x\n", it, resumeSum(it))
}

func resumeSum(it []byte) []byte {
	sum := sha256.Sum256(append([]byte("caisey-resume-v1\x00"), it...))
	return sum[:8]
}

// oldResume is how long the file was before it had a checksum.
const oldResume = 24

// readResumeFile reads what formatResume wrote, or an older agent.
func readResumeFile(path string) ([]byte, error) {
	b, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s: %w", path, fs.ErrNotExist)
	case err != nil:
		return nil, fmt.Errorf("it can not be read: %w", err)
	}
	if len(b) == oldResume && !bytes.HasPrefix(b, []byte("resume1 ")) && !bytes.Equal(b[8:], make([]byte, oldResume-8)) {
		return b, nil
	}
	words := strings.Split(string(b), " ")
	if len(words) == 3 {
		it, err := hex.DecodeString(words[1])
		if err == nil && len(it) <= wire.MaxResume && string(formatResume(it)) == string(b) {
			return it, nil
		}
	}
	return nil, fmt.Errorf("%s: it is damaged", path)
}
