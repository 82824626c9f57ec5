package host

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/caisey/caisey/agent/check/checktest"
)

func TestChanges(t *testing.T) {
	s := rooted(t, map[string]string{
		"etc/app.conf": "", "etc/old.conf": "", "etc/systemd/system/app.service": "",
		"var/log/dpkg.log": dpkgLog(2*time.Hour, "libx"),
	})
	old := time.Now().Add(-100 * time.Hour)
	if err := os.Chtimes(s.path("etc/old.conf"), old, old); err != nil {
		t.Fatal(err)
	}
	s = s.journaled(t, func([]string) string {
		us := time.Now().Add(-time.Hour).UnixMicro()
		return fmt.Sprintf(`{"__REALTIME_TIMESTAMP":"%[1]d","SYSLOG_IDENTIFIER":"sudo","MESSAGE":"     ana : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/usr/bin/mysql -phunter2"}
{"__REALTIME_TIMESTAMP":"%[1]d","SYSLOG_IDENTIFIER":"sudo","MESSAGE":"pam_unix(sudo:session): session opened for user root"}
{"__REALTIME_TIMESTAMP":"%[1]d","SYSLOG_IDENTIFIER":"useradd","MESSAGE":"new user: name=eve, UID=1002"}`, us)
	})
	a := checktest.Ask(t, changeRecent(s))
	if f := a.Finding(t, "since"); f.Text != "5 changes in the last 24h0m0s: 1 account, 1 file, 1 package, 1 sudo, 1 unit" {
		t.Errorf("%+v", f)
	}
	what := strings.Join(a.Column(t, "", "what"), "; ")
	if !strings.Contains(what, "/usr/bin/mysql;") || strings.Contains(what, "old.conf") || !strings.Contains(what, "name=eve") {
		t.Errorf("what %q", what)
	}
	if strings.Contains(what, "hunter2") || bytes.Contains(a.Raw, []byte("hunter2")) {
		t.Error("an argument of a program is among rows or evidence")
	}
}

func TestChangesNone(t *testing.T) {
	s := rooted(t, map[string]string{"var/log/dpkg.log": dpkgLog(100*time.Hour, "libx")})
	checktest.Ask(t, changeRecent(s)).Fine(t)
	checktest.Ask(t, changeRecent(rooted(t, nil))).CannotTell(t)
}

func FuzzAccountChange(f *testing.F) {
	f.Add("sudo", "ana : TTY=pts/0 ; COMMAND=/bin/ls -l")
	f.Fuzz(func(t *testing.T, source, message string) {
		if c, ok := accountChange(source, message); ok && c.kind == "sudo" && strings.Contains(c.what, " ") {
			t.Errorf("%q", c.what)
		}
	})
}
