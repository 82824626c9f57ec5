package directory

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/agent/check/checktest"
	shape "github.com/caisey/caisey/sessionlog/check"
)

// TestController asks everything of one Samba domain controller, on it.
func TestController(t *testing.T) {
	if part, ok := parts[os.Getenv(insideMark)]; ok {
		part(t)
		return
	}
	needSamba(t)
	one := newDC(t, 1)
	one.run("ip", "link", "add", "net0", "type", "veth", "peer", "name", "net1")
	one.run("ip", "addr", "add", "10.98.0.1/24", "dev", "net0")
	one.run("ip", "link", "set", "net0", "up")
	one.run("ip", "link", "set", "net1", "up")
	one.provision()
	one.start()
	one.ready()
	one.test("onController")
	one.stop()
	one.test("controllerDown")
}

// secrets makes a directory with one secret of that name.
func secrets(t *testing.T, name, text string) check.Secrets {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return check.Secrets{Dir: dir}
}

func onController(t *testing.T) {
	const host = "dc1.cx.test"

	checktest.Ask(t, rootDSE(), "dc", host).Fine(t)
	a := checktest.Ask(t, kdc(), "realm", "cx.test", "kdc", host)
	a.Fine(t)
	checktest.Ask(t, kdc(), "realm", "cx.test", "kdc", host, "user", "administrator").Fine(t)

	t.Run("repl", func(t *testing.T) { // one alone has no partner
		a := checktest.Ask(t, replication(sambaNeighbours))
		a.Fine(t)
		if a.End.Rows != 0 {
			t.Errorf("rows %v", a.Tables[0].Rows)
		}
	})
	t.Run("channel", func(t *testing.T) {
		a := checktest.Ask(t, channel())
		a.Fine(t)
		if dc := a.Column(t, "", "dc")[0]; !strings.EqualFold(dc, host) {
			t.Errorf("rows %v", a.Tables[0].Rows)
		}
	})
	t.Run("health", func(t *testing.T) {
		a := checktest.Ask(t, health())
		a.Fine(t)
		tests := a.Column(t, "", "test")
		for _, want := range []string{"ldap", "share sysvol", "share netlogon", "PdcEmulationMasterRole", "dbcheck"} {
			if !slices.Contains(tests, want) {
				t.Errorf("no %s in %v", want, tests)
			}
		}
	})
	t.Run("share", shareOnController)
	t.Run("srv", srvOnController)
	t.Run("ticket", func(t *testing.T) {
		s := secrets(t, "admin", "PRINCIPAL=administrator@CX.TEST\nPASSWORD="+adPassword+"\n")
		checktest.AskWith(t, t.Context(), s, ticket(), "spn", "ldap/"+host, "secret", "admin", "kdc", host).Fine(t)
	})
	t.Run("bind", bindOnController)
	t.Run("fix", func(t *testing.T) {
		until(t, "the controller has time for it", func() bool { return checktest.Ask(t, consistency()).End.Verdict == shape.Fine })
	})
}

func srvOnController(t *testing.T) {
	a := checktest.Ask(t, srvRecords(), "domain", "cx.test", "known", "dc1.cx.test")
	a.Fine(t)
	if len(a.Edges) != 3 || a.Edges[0].Kind != shape.LogonServer {
		t.Errorf("edges %+v", a.Edges)
	}
	f := checktest.Ask(t, srvRecords(), "domain", "cx.test", "known", "dc9.cx.test").Finding(t, "known")
	if f.Text != "_ldap._tcp.dc._msdcs.cx.test does not name the controller dc9.cx.test" {
		t.Errorf("finding %s", f.Text)
	}
	f = checktest.Ask(t, srvRecords(), "domain", "none.cx.test").Finding(t, "crit")
	if f.Text != "_ldap._tcp.dc._msdcs.none.cx.test does not exist" {
		t.Errorf("finding %s", f.Text)
	}
}

func shareOnController(t *testing.T) {
	a := checktest.Ask(t, share(), "server", "dc1.cx.test")
	if a.Column(t, "", "code")[0] != "NT_STATUS_OK" {
		t.Errorf("rows %v", a.Tables[0].Rows)
	}
	f := checktest.Ask(t, share(), "server", "dc1.cx.test", "share", "sysvol").Finding(t, "crit")
	if f.Value != "NT_STATUS_ACCESS_DENIED" {
		t.Errorf("nobody: %+v", f)
	}
	s := secrets(t, "admin", "USER=administrator\nPASSWORD="+adPassword+"\nDOMAIN=CX\n")
	a = checktest.AskWith(t, t.Context(), s, share(), "server", "dc1.cx.test", "share", "sysvol", "secret", "admin", "slow", "1m")
	a.Fine(t)
	s = secrets(t, "admin", "USER=administrator\nPASSWORD=wrong\nDOMAIN=CX\n")
	f = checktest.AskWith(t, t.Context(), s, share(), "server", "dc1.cx.test", "share", "sysvol", "secret", "admin").Finding(t, "crit")
	if f.Value != "NT_STATUS_LOGON_FAILURE" {
		t.Errorf("wrong password: %+v", f)
	}
	checktest.Ask(t, share(), "server", "dc1.cx.test", "share", "sysvol", "secret", "none").CannotTell(t)
}

func bindOnController(t *testing.T) {
	ca := caOf(t)
	ask := func(password string, args ...string) checktest.Answer {
		s := secrets(t, "admin", "USER=administrator@cx.test\nPASSWORD="+password+"\n")
		return checktest.AskWith(t, t.Context(), s, bind(), append([]string{"auth", "simple", "secret", "admin", "slow", "1m", "dc", "dc1.cx.test", "ca", ca}, args...)...)
	}
	for _, how := range []string{"ldaps", "starttls"} {
		a := ask(adPassword, "how", how)
		a.Fine(t)
		if strings.Contains(string(a.Raw), adPassword) {
			t.Error("the password is in the raw evidence")
		}
	}
	a := ask("wrong", "how", "starttls")
	if f := a.Finding(t, "crit"); f.Text != "the bind to dc1.cx.test:389 fails: the password is wrong" {
		t.Errorf("finding %s: %v", f.Text, a.Tables[0].Rows)
	}
	if why := ask(adPassword).CannotTell(t); !strings.Contains(why, "in clear") {
		t.Errorf("in clear: %s", why)
	}
	s := secrets(t, "admin", "PRINCIPAL=administrator@CX.TEST\nPASSWORD="+adPassword+"\n")
	kerberos := []string{"auth", "kerberos", "secret", "admin", "dc", "dc1.cx.test", "kdc", "dc1.cx.test", "ca", ca}
	checktest.AskWith(t, t.Context(), s, bind(), append(kerberos, "slow", "1m", "how", "ldaps")...).Fine(t)
	if f := checktest.AskWith(t, t.Context(), s, bind(), kerberos...).Finding(t, "crit"); !strings.Contains(f.Text, "Strong Auth Required") {
		t.Errorf("kerberos in clear: %s", f.Text)
	}
	// Samba does not build the attribute that Windows has.
	why := checktest.AskWith(t, t.Context(), s, replication(nil), append(kerberos, "how", "ldaps")...).CannotTell(t)
	if !strings.Contains(why, "msDS-NCReplInboundNeighbors") {
		t.Errorf("neighbours over LDAP: %s", why)
	}
}

// caOf is the file of the authority that Samba made for itself.
func caOf(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("/etc/samba/smb.conf")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(b), "\n") {
		if key, dir, ok := strings.Cut(line, "="); ok && strings.TrimSpace(key) == "private dir" {
			return filepath.Join(strings.TrimSpace(dir), "tls/ca.pem")
		}
	}
	t.Fatal("smb.conf has no private dir")
	return ""
}

// controllerDown: Samba has ended.
func controllerDown(t *testing.T) {
	checktest.Ask(t, replication(sambaNeighbours)).CannotTell(t)
	checktest.Ask(t, replication(nil)).CannotTell(t)
	checktest.Ask(t, channel()).CannotTell(t)
	checktest.Ask(t, syncAll()).CannotTell(t)
	checktest.Ask(t, rootDSE(), "dc", "127.0.0.1").Finding(t, "crit")
	a := checktest.Ask(t, health(), "dc", "127.0.0.1", "dbcheck", "no")
	if i := slices.Index(a.Column(t, "", "test"), "ldap"); i < 0 || a.Column(t, "", "ok")[i] != "no" {
		t.Errorf("health %v", a.Tables[0].Rows)
	}
	checktest.Ask(t, share(), "server", "127.0.0.1").Finding(t, "crit")
}
