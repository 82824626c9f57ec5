package disk

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/caisey/caisey/agent/check"
	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// answerWithin is how long a volume may take to tell its size: one whose server is
// gone never does.
const answerWithin = 3 * time.Second

// readVolumes returns the volumes of this machine.
func readVolumes(ctx context.Context, out *check.Out) ([]volume, error) {
	return system{}.volumes(ctx, out)
}

// volumes returns the file systems that hold data, each once, at its shortest mount
// point.
func (s system) volumes(ctx context.Context, out *check.Out) ([]volume, error) {
	mounts, err := s.mounts()
	if err != nil {
		return nil, err
	}
	if raw, err := os.ReadFile(filepath.Join(s.procfs(), "self/mountinfo")); err == nil {
		out.Raw(raw[:min(len(raw), 256<<10)])
	}
	table := s.table()
	var all []volume
	for _, m := range mounts {
		v := volume{name: m.MountPoint, fs: m.FSType, device: m.Source}
		_, v.readOnly = m.SuperOptions["ro"]
		v.writableByType = slices.Contains([]string{"ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "jfs", "reiserfs"}, m.FSType)
		if options, ok := table[m.MountPoint]; ok {
			v.shouldBeRW = v.readOnly && !slices.Contains(options, "ro")
			v.writableByType = v.writableByType && !slices.Contains(options, "ro")
		}
		if err := v.ask(ctx); err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}

// mounts returns the mounts of file systems that hold data, by mount point.
func (s system) mounts() ([]*procfs.MountInfo, error) {
	fs, err := procfs.NewFS(s.procfs())
	if err != nil {
		return nil, fmt.Errorf("open procfs: %w", err)
	}
	all, err := fs.GetMounts()
	if err != nil {
		return nil, fmt.Errorf("read mounts: %w", err)
	}
	best := map[string]*procfs.MountInfo{}
	for _, m := range all {
		m.MountPoint = unescape(m.MountPoint)
		if old := best[m.MajorMinorVer]; holdsData(m) && (old == nil || len(m.MountPoint) < len(old.MountPoint)) {
			best[m.MajorMinorVer] = m
		}
	}
	mounts := make([]*procfs.MountInfo, 0, len(best))
	for _, m := range best {
		mounts = append(mounts, m)
	}
	slices.SortFunc(mounts, func(a, b *procfs.MountInfo) int { return strings.Compare(a.MountPoint, b.MountPoint) })
	return mounts, nil
}

func holdsData(m *procfs.MountInfo) bool {
	switch m.FSType {
	case "nfs", "nfs4", "cifs", "smb3", "ceph", "glusterfs", "lustre", "9p", "virtiofs", "zfs", "tmpfs", "btrfs", "fuse.sshfs":
		return true
	case "overlay":
		return m.MountPoint == "/"
	case "squashfs":
		return false
	}
	return strings.HasPrefix(m.Source, "/dev/") && m.FSType != "devtmpfs"
}

// ask fills in the sizes. A volume that hangs keeps one goroutine until it answers.
func (v *volume) ask(ctx context.Context) error {
	type answer struct {
		unix.Statfs_t
		err error
	}
	got := make(chan answer, 1)
	go func() {
		var a answer
		a.err = unix.Statfs(v.name, &a.Statfs_t)
		got <- a
	}()
	late := time.NewTimer(answerWithin)
	defer late.Stop()
	select {
	case a := <-got:
		if a.err == nil {
			v.fill(a.Statfs_t)
		}
		return nil
	case <-late.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// fill takes the sizes as df counts them: what root alone may use is not free.
func (v *volume) fill(s unix.Statfs_t) {
	unit := uint64(s.Frsize) // its type differs by architecture
	v.answers, v.size, v.free = true, s.Blocks*unit, s.Bavail*unit
	if used := s.Blocks - s.Bfree; used+s.Bavail > 0 {
		v.freePart = 100 * float64(s.Bavail) / float64(used+s.Bavail)
	}
	if s.Files > 0 {
		left := 100 * float64(s.Ffree) / float64(s.Files)
		v.inodesFree = &left
	}
}

// table returns the options of fstab by mount point.
func (s system) table() map[string][]string {
	name := s.fstab
	if name == "" {
		name = "/etc/fstab"
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil
	}
	return parseTable(string(text))
}

func parseTable(text string) map[string][]string {
	all := map[string][]string{}
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) >= 4 && !strings.HasPrefix(f[0], "#") {
			all[unescape(f[1])] = strings.Split(f[3], ",")
		}
	}
	return all
}

// unescape undoes \040 and its like, which mountinfo and fstab have for blanks.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) && octal(s[i+1]) && octal(s[i+2]) && octal(s[i+3]) {
			b = append(b, (s[i+1]-'0')<<6|(s[i+2]-'0')<<3|(s[i+3]-'0'))
			i += 3
			continue
		}
		b = append(b, s[i])
	}
	return string(b)
}

func octal(c byte) bool { return c >= '0' && c <= '7' }
