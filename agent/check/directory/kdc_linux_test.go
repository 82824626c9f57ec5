package directory

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caisey/caisey/agent/check/checktest"
	shape "github.com/caisey/caisey/sessionlog/check"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

// mitKDC starts MIT's KDC with a realm, and returns its address and a keytab.
func mitKDC(t *testing.T) (addr, keytab string) {
	t.Helper()
	for _, path := range []string{"/usr/sbin/krb5kdc", "/usr/sbin/kdb5_util", "/usr/sbin/kadmin.local"} {
		if _, err := os.Stat(path); err != nil {
			t.Skip("a KDC is missing: install krb5-kdc and krb5-admin-server")
		}
	}
	dir, port := t.TempDir(), freePort(t)
	keytab = filepath.Join(dir, "client.keytab")
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("krb5.conf", "[libdefaults]\n default_realm = CX.TEST\n dns_lookup_kdc = false\n[realms]\n CX.TEST = {\n  kdc = 127.0.0.1:"+port+"\n }\n")
	write("kdc.conf", "[kdcdefaults]\n kdc_listen = 127.0.0.1:"+port+"\n kdc_tcp_listen = 127.0.0.1:"+port+"\n[realms]\n CX.TEST = {\n  database_name = "+dir+
		"/db\n  key_stash_file = "+dir+"/stash\n  acl_file = "+dir+"/acl\n  supported_enctypes = aes256-cts:normal\n  default_principal_flags = +preauth\n }\n[logging]\n kdc = FILE:"+dir+"/log\n")
	env := append(os.Environ(), "KRB5_CONFIG="+dir+"/krb5.conf", "KRB5_KDC_PROFILE="+dir+"/kdc.conf")
	do := func(name string, args ...string) {
		t.Helper()
		cmd := exec.Command(name, args...)
		cmd.Env = env
		if b, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s %v: %v\n%s", name, args, err, b)
		}
	}
	do("/usr/sbin/kdb5_util", "create", "-s", "-P", "master", "-r", "CX.TEST")
	for _, q := range []string{"addprinc -randkey me", "addprinc -randkey HTTP/www.cx.test", "ktadd -k " + keytab + " me"} {
		do("/usr/sbin/kadmin.local", "-r", "CX.TEST", "-q", q)
	}
	serveKDC(t, env, "127.0.0.1:"+port)
	return "127.0.0.1:" + port, keytab
}

func serveKDC(t *testing.T, env []string, addr string) {
	t.Helper()
	cmd := exec.Command("/usr/sbin/krb5kdc", "-n", "-r", "CX.TEST")
	cmd.Env = env
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	until(t, "the KDC answers", func() bool {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			return false
		}
		c.Close()
		return true
	})
}

func TestKDC(t *testing.T) {
	at, keytab := mitKDC(t)
	a := checktest.Ask(t, kdc(), "realm", "cx.test", "kdc", at)
	a.Fine(t)
	if reply := a.Column(t, "", "reply"); len(reply) != 2 || !strings.Contains(reply[0], "KDC_ERR_C_PRINCIPAL_UNKNOWN") {
		t.Errorf("replies %v", reply)
	}
	a = checktest.Ask(t, kdc(), "realm", "cx.test", "kdc", at, "user", "me")
	a.Fine(t)
	if reply := a.Column(t, "", "reply")[1]; !strings.Contains(reply, "KDC_ERR_PREAUTH_REQUIRED") {
		t.Errorf("reply %s", reply)
	}
	if len(a.Edges) != 2 || a.Edges[0].Kind != shape.LogonServer || a.Edges[0].To != at {
		t.Errorf("edges %+v", a.Edges)
	}
	if f := checktest.Ask(t, kdc(), "realm", "cx.test", "kdc", at, "user", "nobody").Finding(t, "crit"); !strings.Contains(f.Text, "does not know nobody") {
		t.Errorf("finding %s", f.Text)
	}
	if f := checktest.Ask(t, kdc(), "realm", "cx.test", "kdc", "127.0.0.1:"+freePort(t), "timeout", "200ms").Finding(t, "crit"); !strings.Contains(f.Text, "does not answer") {
		t.Errorf("dead: %s", f.Text)
	}
	ticketFrom(t, at, keytab)
}

func ticketFrom(t *testing.T, at, keytab string) {
	s := secrets(t, "me", "PRINCIPAL=me\nREALM=CX.TEST\nKEYTAB="+keytab+"\n")
	a := checktest.AskWith(t, t.Context(), s, ticket(), "spn", "HTTP/www.cx.test", "secret", "me", "kdc", at)
	a.Fine(t)
	if e := a.Column(t, "", "etype")[0]; e != "aes256-cts-hmac-sha1-96" || a.Column(t, "", "kvno")[0] != "1" {
		t.Errorf("rows %v", a.Tables[0].Rows)
	}
	a = checktest.AskWith(t, t.Context(), s, ticket(), "spn", "HTTP/none.cx.test", "secret", "me", "kdc", at)
	if f := a.Finding(t, "crit"); f.Text != "no ticket for HTTP/none.cx.test: error 7: there is no such service principal, or it is there twice" {
		t.Errorf("finding %s", f.Text)
	}
	wrong := secrets(t, "me", "PRINCIPAL=me@CX.TEST\nPASSWORD=wrong\n")
	if f := checktest.AskWith(t, t.Context(), wrong, ticket(), "spn", "HTTP/www.cx.test", "secret", "me", "kdc", at).Finding(t, "crit"); !strings.Contains(f.Text, "wrong") {
		t.Errorf("wrong password: %s", f.Text)
	}
	checktest.AskWith(t, t.Context(), secrets(t, "me", "PRINCIPAL=me@CX.TEST\nKEYTAB=/nowhere\n"), ticket(), "spn", "a/b", "secret", "me").CannotTell(t)
}

// TestKDCClock: a KDC of the test's own whose clock is off by 312 s.
func TestKDCClock(t *testing.T) {
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", c.LocalAddr().String())
	if err != nil {
		t.Skip("the port is taken: ", strconv.Quote(err.Error()))
	}
	l.Close() // over TCP it does not answer
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 1<<16)
		for {
			_, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			e := messages.NewKRBError(types.NewPrincipalName(2, "krbtgt/CX.TEST"), "CX.TEST", 25, "")
			e.STime = e.STime.Add(312 * time.Second)
			reply, _ := e.Marshal()
			_, _ = c.WriteTo(reply, from)
		}
	}()
	a := checktest.Ask(t, kdc(), "realm", "cx.test", "kdc", c.LocalAddr().String())
	c.Close()
	<-done
	if f := a.Finding(t, "offset"); !strings.Contains(f.Text, "is 312 s off, over 5m0s") {
		t.Errorf("finding %s", f.Text)
	}
	if f := a.Finding(t, "crit"); f.Severity != "crit" {
		t.Errorf("finding %+v", f)
	}
}
