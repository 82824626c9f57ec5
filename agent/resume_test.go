package agent

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// given is what a relay gives, the nth time.
func given(n byte) []byte {
	return append(bytes.Repeat([]byte{0}, 7), append([]byte{n}, bytes.Repeat([]byte{'r'}, 16)...)...)
}

// withResumes returns a directory of an agent that was given something twice.
func withResumes(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	r := openResume(&dataDir{path: dir}, slog.New(slog.DiscardHandler))
	for n := range byte(2) {
		if err := r.keep(given(n + 1)); err != nil {
			t.Fatal(err)
		}
	}
	if it, fault := readResume(dir); !bytes.Equal(it, given(2)) || fault != "" {
		t.Fatalf("kept %x, %q", it, fault)
	}
	return dir
}

// Whatever becomes of the file, it is noticed, and the one before it is shown: cut at
// any length, any bit turned, zeroes, more than it should be, no file at all.
func TestDamagedResumeIsNoticed(t *testing.T) {
	dir := withResumes(t)
	file := filepath.Join(dir, resumeFile)
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	damaged := map[string][]byte{
		"zeroes": make([]byte, len(whole)), "zeroes of the older length": make([]byte, oldResume),
		"longer": append(bytes.Clone(whole), '\n'), "twice": append(bytes.Clone(whole), whole...), "huge": make([]byte, 1<<20),
	}
	for i := range whole {
		damaged["cut to "+string(whole[:i])] = whole[:i]
		for bit := range 8 {
			b := bytes.Clone(whole)
			b[i] ^= 1 << bit
			damaged["turned to "+string(b)] = b
		}
	}
	for name, b := range damaged {
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		it, fault := readResume(dir)
		if !bytes.Equal(it, given(1)) || !strings.Contains(fault, "resume: it is damaged; the one before it is used") {
			t.Errorf("%.60q: shows %x, says %q", name, it, fault)
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if it, fault := readResume(dir); !bytes.Equal(it, given(1)) || !strings.Contains(fault, "not exist; the one before it is used") {
		t.Errorf("without it: shows %x, says %q", it, fault)
	}
	if err := os.Mkdir(file, 0o700); err != nil { // root can read any file
		t.Fatal(err)
	}
	if it, fault := readResume(dir); !bytes.Equal(it, given(1)) || !strings.Contains(fault, "it can not be read: ") {
		t.Errorf("unreadable: shows %x, says %q", it, fault)
	}
}

// Where both files are of no use, nothing is shown, and it is said what to do.
func TestLostResume(t *testing.T) {
	dir := withResumes(t)
	for _, name := range []string{resumeFile, resumeOld} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("torn"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var log bytes.Buffer
	r := openResume(&dataDir{path: dir}, slog.New(slog.NewTextHandler(&log, nil)))
	if r.it != nil || !strings.Contains(log.String(), "level=ERROR") || !strings.Contains(log.String(), "endpoint clear") {
		t.Errorf("shows %x, logs %q", r.it, log.String())
	}
	if says := ResumeFault(dir); !strings.Contains(says, "is damaged") || !strings.Contains(says, "endpoint clear") || strings.Contains(says, "\n") {
		t.Errorf("says %q", says)
	}
	if err := r.keep(given(1)); err != nil || r.fault != "" || ResumeFault(dir) != "" {
		t.Errorf("after it was given another: %v, %q, %q", err, r.fault, ResumeFault(dir))
	}
}

// What cannot be written down is not shown, and what was shown before goes on to be.
func TestResumeThatIsNotKept(t *testing.T) {
	dir := withResumes(t)
	r := openResume(&dataDir{path: dir}, slog.New(slog.DiscardHandler))
	if err := os.Mkdir(filepath.Join(dir, resumeFile+".new"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := r.keep(given(3)); err == nil || !bytes.Equal(r.it, given(2)) {
		t.Errorf("%v, shows %x", err, r.it)
	}
	if it, fault := readResume(dir); !bytes.Equal(it, given(2)) || fault != "" {
		t.Errorf("on disk %x, %q", it, fault)
	}
	if err := r.keep(make([]byte, 65)); err == nil {
		t.Error("it keeps more than the limit")
	}
}

// An older agent wrote the bare bytes, and an agent that has just enrolled has none.
func TestResumeOfOthers(t *testing.T) {
	d := &dataDir{path: t.TempDir()}
	if err := os.WriteFile(d.file(resumeFile), given(9), 0o600); err != nil {
		t.Fatal(err)
	}
	if it, fault := readResume(d.path); !bytes.Equal(it, given(9)) || fault != "" {
		t.Errorf("of an older agent: %x, %q", it, fault)
	}
	if err := d.writeEnrolment(Enrolment{}); err != nil {
		t.Fatal(err)
	}
	if it, fault := readResume(d.path); len(it) != 0 || fault != "" {
		t.Errorf("after enrolment: %x, %q", it, fault)
	}
	if err := os.Remove(d.file(resumeFile)); err != nil {
		t.Fatal(err)
	}
	if _, err := readResumeFile(d.file(resumeFile)); !errors.Is(err, fs.ErrNotExist) || ResumeFault(d.path) == "" {
		t.Errorf("it is not missed: %v", err)
	}
}
