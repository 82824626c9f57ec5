package host

import (
	"strings"
	"testing"

	"github.com/caisey/caisey/agent/check/checktest"
)

func TestReboot(t *testing.T) {
	s := rooted(t, map[string]string{
		"run/reboot-required":        "*** System restart required ***\n",
		"run/reboot-required.pkgs":   "libc6\nlinux-image\nlibc6\n",
		"boot/vmlinuz-6.1.0-9-amd64": "", "boot/vmlinuz-6.1.0-10-amd64": "", "boot/vmlinuz-6.1.0-11-rt-amd64": "",
	})
	s.release = "6.1.0-9-amd64"
	a := checktest.Ask(t, rebootPending(s.rebootReasons))
	got := strings.Join(a.Column(t, "", "reason"), "; ")
	if got != "packages ask for it: libc6, linux-image; kernel 6.1.0-10-amd64 is installed, 6.1.0-9-amd64 runs" || len(a.Findings) != 2 {
		t.Errorf("%q, %+v", got, a.Findings)
	}
	s = rooted(t, map[string]string{"boot/vmlinuz-6.1.0-10-amd64": ""})
	s.release = "6.1.0-10-amd64"
	checktest.Ask(t, rebootPending(s.rebootReasons)).Fine(t)
	s = rooted(t, map[string]string{"run/reboot-required/x": ""}) // a directory: it cannot be read
	checktest.Ask(t, rebootPending(s.rebootReasons)).CannotTell(t)
}

func FuzzVersions(f *testing.F) {
	f.Add("6.1.0-9-amd64", "6.1.0-10-amd64")
	f.Fuzz(func(t *testing.T, a, b string) {
		if compareVersions(a, b) != -compareVersions(b, a) {
			t.Errorf("%q and %q", a, b)
		}
		flavour(a)
	})
}
