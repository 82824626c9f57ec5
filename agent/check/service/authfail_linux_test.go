package service

import (
	"encoding/binary"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caisey/caisey/agent/check/checktest"
)

// TestAttempts reads lines that are written as the sources of sshd and PAM have them.
func TestAttempts(t *testing.T) {
	for _, one := range []struct{ source, message, want string }{
		{"sshd", "Failed password for root from 192.0.2.7 port 5022 ssh2", "sshd root 192.0.2.7 password refused"},
		{"sshd", "Failed password for invalid user a b from 2001:db8::1 port 5022 ssh2", "sshd a b 2001:db8::1 no such user"},
		{"sshd-session", "Connection closed by authenticating user root 192.0.2.7 port 60266 [preauth]", "sshd-session root 192.0.2.7 gone before it was authenticated"},
		{"sshd", "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.7  user=root", ""},
		{"sshd", "Accepted password for root from 192.0.2.7 port 5022 ssh2", ""},
		{"sudo", "pam_unix(sudo:auth): authentication failure; logname=ann uid=1000 euid=0 tty=/dev/pts/0 ruser=ann rhost=  user=ann", "sudo ann  refused by pam_unix"},
		{"sssd_pam", "pam_sss(login:auth): authentication failure; logname= uid=0 euid=0 tty=tty1 ruser= rhost=192.0.2.9 user=ann", "login ann 192.0.2.9 refused by pam_sss"},
	} {
		a, ok := attemptOf(entry{source: one.source, message: one.message})
		got := ""
		if ok {
			got = strings.Join([]string{a.service, a.user, a.source, a.reason}, " ")
		}
		if got != one.want {
			t.Errorf("%s:\n got %q\nwant %q", one.message, got, one.want)
		}
	}
}

// TestAttemptsLogged reads what a krb5kdc and an sshd logged when they were asked with
// a wrong password, for a client that is not known, for one that has expired, with a
// key that is not known, with the right password, and for a service that is not known.
// What stands before the words was made for the test.
func TestAttemptsLogged(t *testing.T) {
	for file, want := range map[string][]string{
		"krb5kdc.log": {
			"krb5kdc ann@EXAMPLE.COM 127.0.0.1 preauth failed",
			"krb5kdc bob@EXAMPLE.COM 127.0.0.1 client not found",
			"krb5kdc old@EXAMPLE.COM 127.0.0.1 client expired",
		},
		"sshd.log": {
			"sshd root 127.0.0.1 password refused",
			"sshd root 127.0.0.1 password refused",
			"sshd nosuch 127.0.0.1 no such user",
			"sshd nosuch 127.0.0.1 no such user",
			"sshd root 127.0.0.1 gone before it was authenticated",
		},
	} {
		lines, err := lastLines("testdata/"+file, 100)
		must(t, err)
		var all []attempt
		for _, l := range lines {
			if a, ok := attemptOf(parseLine(string(l), time.Now())); ok {
				all = append(all, a)
			}
		}
		var got []string
		for _, a := range withoutEnds(all) {
			got = append(got, strings.Join([]string{a.service, a.user, a.source, a.reason}, " "))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q", file, got)
		}
	}
}

func TestBursts(t *testing.T) {
	now := time.Now()
	var all []attempt
	for i := range 30 { // one a minute is never more than six within five minutes
		all = append(all, attempt{time: now.Add(-time.Duration(i) * time.Minute), source: "slow"})
	}
	for i := range 7 {
		all = append(all, attempt{time: now.Add(-time.Duration(i) * time.Second), source: "fast"})
	}
	all = append(all, attempt{time: now})
	if got := bursts(all); !slices.Equal(got, []crowd{{"fast", 7}, {"slow", 6}}) {
		t.Errorf("%+v", got)
	}
}

// TestFaillock writes tallies, has faillock itself read them, and reads them too.
func TestFaillock(t *testing.T) {
	dir := t.TempDir()
	at := time.Now().Add(-time.Minute).Truncate(time.Second)
	var file []byte
	for i := range 4 {
		tally := make([]byte, tallySize)
		copy(tally, "192.0.2.7")
		binary.NativeEndian.PutUint16(tally[tallyStatus:], 2|tallyValid) // from a host
		if i == 3 {
			binary.NativeEndian.PutUint16(tally[tallyStatus:], 2) // not valid any more
		}
		binary.NativeEndian.PutUint64(tally[tallyTime:], uint64(at.Add(time.Duration(i)*time.Second).Unix()))
		file = append(file, tally...)
	}
	must(t, os.WriteFile(dir+"/nobody", append(file, 1, 2, 3), 0o600))
	if _, err := exec.LookPath("faillock"); err != nil {
		t.Skip("faillock is not there: install the package libpam-modules-bin")
	}
	out, err := exec.Command("faillock", "--dir", dir, "--user", "nobody").CombinedOutput()
	if err != nil || strings.Count(string(out), "192.0.2.7") != 4 || strings.Count(string(out), " V\n") != 3 {
		t.Fatalf("faillock reads the tallies otherwise: %v\n%s", err, out)
	}
	m := machine{tallies: dir, journal: t.TempDir()}
	a := checktest.Ask(t, m.authFail())
	if f := a.Finding(t, "deny"); f.Text != "nobody has failed 3 times: pam_faillock locks an account at 3" {
		t.Errorf("finding %q", f.Text)
	}
	if got := a.Column(t, "", "time"); got[0] != at.Add(2*time.Second).UTC().Format(time.DateTime) {
		t.Errorf("time %v", got)
	}
	checktest.Ask(t, m.authFail(), "deny", "4").Fine(t)
	checktest.Ask(t, m.authFail(), "user", "root").CannotTell(t) // no tallies of root, and no journal
}
