package host

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/caisey/caisey/agent/check"
	"golang.org/x/sys/unix"
)

// rebootReasons asks the packages' note, the kernels that are installed, and RPM.
func (s system) rebootReasons(ctx context.Context, out *check.Out) ([]reason, error) {
	var all []reason
	note := s.path("run/reboot-required")
	if text, err := os.ReadFile(note); err == nil {
		out.Raw(text[:min(len(text), 64<<10)])
		pkgs, _ := os.ReadFile(note + ".pkgs")
		names := unique(strings.Fields(string(pkgs[:min(len(pkgs), 64<<10)])))
		why := "packages ask for it"
		if len(names) > 0 {
			why = "packages ask for it: " + strings.Join(names, ", ")
		}
		all = append(all, reason{why, note})
	} else if !os.IsNotExist(err) {
		return all, fmt.Errorf("read %s: %w", note, err)
	}
	if r, ok := s.newerKernel(); ok {
		all = append(all, r)
	}
	if s.root == "" {
		var failed *check.ToolError
		if _, err := check.Tool(ctx, out, "needs-restarting", "-r"); errors.As(err, &failed) && exitCode(failed) == 1 {
			all = append(all, reason{"core packages were updated since the last start", "needs-restarting -r"})
		}
	}
	return all, ctx.Err()
}

func exitCode(err error) int {
	var exit interface{ ExitCode() int }
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	return -1
}

// newerKernel tells of an installed kernel that is newer than the running one, of the
// same flavour. Machines whose kernel is not theirs, as containers, have none.
func (s system) newerKernel() (reason, bool) {
	running := s.release
	if running == "" {
		var u unix.Utsname
		if unix.Uname(&u) != nil {
			return reason{}, false
		}
		running = unix.ByteSliceToString(u.Release[:])
	}
	files, _ := filepath.Glob(s.path("boot/vmlinuz-*"))
	best := running
	for _, f := range files {
		v := strings.TrimPrefix(filepath.Base(f), "vmlinuz-")
		if flavour(v) == flavour(running) && compareVersions(v, best) > 0 {
			best = v
		}
	}
	if best == running {
		return reason{}, false
	}
	return reason{fmt.Sprintf("kernel %s is installed, %s runs", best, running), s.path("boot")}, true
}

// flavour is the last part of a kernel's release: amd64, generic.
func flavour(release string) string {
	_, after, _ := strings.Cut(release, "-")
	return strings.TrimLeft(after, "0123456789.-+~")
}

// compareVersions compares numbers as numbers and the rest as text.
func compareVersions(a, b string) int {
	for a != "" && b != "" {
		na, nb := digits(a), digits(b)
		if na > 0 && nb > 0 {
			x, y := strings.TrimLeft(a[:na], "0"), strings.TrimLeft(b[:nb], "0")
			if c := cmp.Or(cmp.Compare(len(x), len(y)), cmp.Compare(x, y)); c != 0 {
				return c
			}
			a, b = a[na:], b[nb:]
			continue
		}
		if a[0] != b[0] {
			return cmp.Compare(a[0], b[0])
		}
		a, b = a[1:], b[1:]
	}
	return cmp.Compare(len(a), len(b))
}

// digits returns how many digits s begins with.
func digits(s string) int { return len(s) - len(strings.TrimLeft(s, "0123456789")) }

func unique(words []string) []string {
	seen := map[string]bool{}
	var out []string
	for _, w := range words {
		if !seen[w] {
			seen[w], out = true, append(out, w)
		}
	}
	return out
}
