package policy

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// check says how a file answers to a shell command: "" is yes.
func check(f *File) string {
	if err := f.Check(Shell, "uptime"); err != nil {
		return err.Error()
	}
	return ""
}

// What the file says holds at once, also if neither its size nor its time changed.
func TestFileIsReadAnew(t *testing.T) {
	f := &File{Path: filepath.Join(t.TempDir(), "policy"), Now: noon}
	if got := check(f); got != "" {
		t.Fatal("no file: ", got)
	}
	for _, c := range []struct{ text, want string }{
		{"effects shell", ""},
		{"effects probe", "line 1: effects probe"},
		{"hours 13:00-14:00", "line 1: hours 13:00-14:00"},
		{"hours 12:00-14:00", ""},
		{"# half a fi", "cannot be used, so everything is refused: it says nothing"},
		{"read-only\nfoo", `cannot be used, so everything is refused: line 2: "foo" is not`},
		{strings.Repeat("never x\n", maxFile), "over the limit"},
	} {
		write(t, f.Path, c.text)
		if err := os.Chtimes(f.Path, noon(), noon()); err != nil {
			t.Fatal(err)
		}
		if got := check(f); !strings.Contains(got, c.want) || got != "" && c.want == "" {
			t.Errorf("%.40q: %q, not %q", c.text, got, c.want)
		}
	}
	if got := f.Effects(); len(got) != 1 || got[0] != None {
		t.Errorf("a broken file tells %v", got)
	}
	if err := os.Remove(f.Path); err != nil {
		t.Fatal(err)
	}
	if got := check(f); got != "" || len(f.Effects()) != 4 {
		t.Error("file removed: ", got, f.Effects())
	}
}

func TestFileThatIsRequired(t *testing.T) {
	f := &File{Path: filepath.Join(t.TempDir(), "policy"), Required: true}
	if got := check(f); !strings.Contains(got, "no such file") && !strings.Contains(got, "cannot find") {
		t.Errorf("%q", got)
	}
}

// The local zone is that of the endpoint.
func TestFileAsksTheLocalClock(t *testing.T) {
	berlin := zone(t, "Europe/Berlin")
	f := &File{Path: filepath.Join(t.TempDir(), "policy")}
	write(t, f.Path, "hours wed 12:30-13:30\n")
	f.Now = func() time.Time { return noon().In(berlin) } // 13:00 there
	if got := check(f); got != "" {
		t.Error(got)
	}
	f.Now = noon
	if got := check(f); got == "" {
		t.Error("the hours are those of UTC")
	}
}

// What a policy costs each step: the file is opened, looked at, read and understood.
func BenchmarkFileCheck(b *testing.B) {
	f := &File{Path: filepath.Join(b.TempDir(), "policy"), Now: noon}
	text := "effects read shell\nhours mon-fri 08:00-18:00\n" + strings.Repeat("never *mkfs*/dev/*\n", 20)
	if err := os.WriteFile(f.Path, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	command := strings.Repeat("grep -c error /var/log/syslog; ", 30)
	for b.Loop() {
		if err := f.Check(Shell, command); err != nil {
			b.Fatal(err)
		}
	}
}
