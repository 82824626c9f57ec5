package directory

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caisey/caisey/agent/check/checktest"
)

// freePort is a port on which nobody listens yet, over TCP and UDP.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// slapd starts OpenLDAP's server and returns its port.
func slapd(t *testing.T) string {
	t.Helper()
	const path = "/usr/sbin/slapd"
	if _, err := os.Stat(path); err != nil {
		t.Skip("slapd is missing: install slapd")
	}
	dir, port := t.TempDir(), freePort(t)
	conf := filepath.Join(dir, "slapd.conf")
	text := `include /etc/ldap/schema/core.schema
pidfile ` + dir + `/pid
modulepath /usr/lib/ldap
moduleload back_mdb
database mdb
suffix "dc=cx,dc=test"
rootdn "cn=admin,dc=cx,dc=test"
rootpw right
directory ` + dir + "\n"
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "-d", "0", "-f", conf, "-h", "ldap://127.0.0.1:"+port)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	until(t, "slapd answers", func() bool {
		c, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err != nil {
			return false
		}
		c.Close()
		return true
	})
	return port
}

func TestSlapd(t *testing.T) {
	port := slapd(t)
	at := []string{"dc", "127.0.0.1", "port", port, "slow", "1m"}
	a := checktest.Ask(t, rootDSE(), at[:4]...)
	a.Fine(t)
	if nc := a.Column(t, "", "naming_context")[0]; nc != "dc=cx,dc=test" {
		t.Errorf("naming context %s", nc)
	}
	checktest.Ask(t, bind(), at...).Fine(t)
	good := secrets(t, "admin", "USER=cn=admin,dc=cx,dc=test\nPASSWORD=right\n")
	a = checktest.AskWith(t, t.Context(), good, bind(), append(at, "auth", "simple", "secret", "admin")...)
	a.Fine(t)
	bad := secrets(t, "admin", "USER=cn=admin,dc=cx,dc=test\nPASSWORD=sesame\n")
	a = checktest.AskWith(t, t.Context(), bad, bind(), append(at, "auth", "simple", "secret", "admin")...)
	if f := a.Finding(t, "crit"); !strings.Contains(f.Text, "Invalid Credentials") || a.Column(t, "", "code")[0] != "49" {
		t.Errorf("wrong password: %s, %v", f.Text, a.Tables[0].Rows)
	}
	if f := checktest.Ask(t, bind(), append(at, "how", "starttls")...).Finding(t, "crit"); !strings.Contains(f.Text, "unsupported extended operation") {
		t.Errorf("no TLS: %s", f.Text)
	}
	checktest.Ask(t, bind(), append(at, "auth", "simple", "secret", "none")...).CannotTell(t)
	checktest.AskWith(t, t.Context(), secrets(t, "half", "USER=me\n"), bind(), append(at, "auth", "simple", "secret", "half")...).CannotTell(t)
	if why := checktest.Ask(t, rootDSE(), append(at[:4], "ca", "/nowhere/ca.pem")...).CannotTell(t); !strings.Contains(why, "/nowhere") {
		t.Errorf("why %s", why)
	}
	dead := checktest.Ask(t, rootDSE(), "dc", "127.0.0.1", "port", freePort(t))
	if f := dead.Finding(t, "crit"); !strings.Contains(f.Text, "connection refused") {
		t.Errorf("dead: %s", f.Text)
	}
}

func TestSubCode(t *testing.T) {
	const message = "80090308: LdapErr: DSID-0C09056D, comment: AcceptSecurityContext error, data %, v4f7c\x00"
	for code, want := range map[string]string{"52e": "the password is wrong", "533": "the account is disabled", "775": "the account is locked", "999": ""} {
		if got := subCode(strings.Replace(message, "%", code, 1)); got != want {
			t.Errorf("data %s: %q, not %q", code, got, want)
		}
	}
}
