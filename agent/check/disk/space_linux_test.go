package disk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/agent/check/checktest"
	"golang.org/x/sys/unix"
)

// mountLoop returns where a new ext4 file system of 64 MiB is mounted.
func mountLoop(t *testing.T, options ...string) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root can mount")
	}
	if _, err := exec.LookPath("mkfs.ext4"); err != nil {
		t.Skip("there is no mkfs.ext4: it is in the package e2fsprogs")
	}
	dir := t.TempDir()
	image, mnt := filepath.Join(dir, "image"), filepath.Join(dir, "a volume")
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Truncate(image, 64<<20), os.Mkdir(mnt, 0o700)); err != nil {
		t.Fatal(err)
	}
	run(t, "mkfs.ext4", append(append([]string{"-q", "-F", "-m", "0"}, options...), image)...)
	if text, err := exec.CommandContext(t.Context(), "mount", "-o", "loop", image, mnt).CombinedOutput(); err != nil {
		t.Skipf("this machine has no loop devices: %s", text)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if text, err := exec.CommandContext(ctx, "umount", mnt).CombinedOutput(); err != nil {
			t.Errorf("umount: %v: %s", err, text)
		}
	})
	return mnt
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	if text, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", name, err, text)
	}
}

// fill writes until nothing more fits.
func fill(t *testing.T, name string) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	block := make([]byte, 1<<20)
	for err == nil {
		_, err = f.Write(block)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
}

func TestSpace(t *testing.T) {
	mnt := mountLoop(t)
	a := checktest.Ask(t, diskSpace(readVolumes), "volume", mnt)
	a.Fine(t)
	if fs := a.Column(t, "", "fs"); len(fs) != 1 || fs[0] != "ext4" || len(a.Raw) == 0 {
		t.Errorf("%v, %d bytes of evidence", fs, len(a.Raw))
	}
	fill(t, filepath.Join(mnt, "full"))
	a = checktest.Ask(t, diskSpace(readVolumes), "volume", mnt)
	if f := a.Finding(t, "crit"); !strings.HasPrefix(f.Text, mnt+" has 0.") || !strings.HasSuffix(f.Text, " % free, under 5 %") || len(f.Rows) != 1 || f.Unit != "%" {
		t.Errorf("%+v", f)
	}
}

func TestInodes(t *testing.T) {
	mnt := mountLoop(t, "-N", "32")
	var err error
	for i := 0; err == nil; i++ {
		err = os.Mkdir(filepath.Join(mnt, fmt.Sprint(i)), 0o700)
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
	a := checktest.Ask(t, diskSpace(readVolumes), "volume", mnt)
	if f := a.Finding(t, "inodes"); !strings.Contains(f.Text, "has 0.0 % of its inodes free") || len(a.Findings) != 1 {
		t.Errorf("%+v", a.Findings)
	}
}

func TestReadOnly(t *testing.T) {
	mnt := mountLoop(t)
	fstab := filepath.Join(t.TempDir(), "fstab")
	table := func(options string) checktest.Answer {
		line := "/dev/x " + strings.ReplaceAll(mnt, " ", `\040`) + " ext4 " + options + " 0 2\n"
		if err := os.WriteFile(fstab, []byte("# the table\n"+line), 0o600); err != nil {
			t.Fatal(err)
		}
		return checktest.Ask(t, diskSpace(system{fstab: fstab}.volumes), "volume", mnt)
	}
	a := table("rw")
	a.Fine(t)
	run(t, "mount", "-o", "remount,ro", mnt)
	if f := table("defaults,noatime").Finding(t, "crit"); !strings.Contains(f.Text, "is read-only") {
		t.Errorf("%+v", f)
	}
	a = table("noatime,ro")
	a.Fine(t) // as it should be
	checktest.Ask(t, diskSpace(system{fstab: os.DevNull}.volumes), "volume", mnt).Finding(t, "warn")
}

func TestSpaceCannotTell(t *testing.T) {
	why := checktest.Ask(t, diskSpace(readVolumes), "volume", "/no/such").CannotTell(t)
	if why != "no volume is mounted at /no/such" {
		t.Error(why)
	}
}

// TestSpaceOf holds what counts against sizes that no test can mount.
func TestSpaceOf(t *testing.T) {
	for want, v := range map[string]volume{
		"/big has 0.50 GiB free, under 1 GiB":             {name: "/big", size: 1 << 40, free: 1 << 29, freePart: 50},
		"/warn has 10.0 % free, under 15 %":               {name: "/warn", size: 1 << 40, free: 1 << 39, freePart: 10},
		"/hung does not answer: its server or disk hangs": {name: "/hung"},
	} {
		v.answers = v.size > 0
		a := checktest.Ask(t, diskSpace(func(context.Context, *check.Out) ([]volume, error) { return []volume{v}, nil }))
		if len(a.Findings) != 1 || a.Findings[0].Text != want {
			t.Errorf("%+v, not %s", a.Findings, want)
		}
	}
	small := volume{name: "/boot", answers: true, size: 512 << 20, free: 400 << 20, freePart: 80}
	iso := volume{name: "/iso", fs: "iso9660", answers: true, size: 1 << 32}
	a := checktest.Ask(t, diskSpace(func(context.Context, *check.Out) ([]volume, error) { return []volume{small, iso}, nil }))
	a.Fine(t)
}

func FuzzTable(f *testing.F) {
	f.Add(`/dev/x /a\040b ext4 rw,noatime 0 2`)
	f.Add(`\04 \ x \0 \777`)
	f.Fuzz(func(_ *testing.T, text string) { parseTable(text) })
}
