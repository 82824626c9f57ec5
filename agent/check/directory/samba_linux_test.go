package directory

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// until waits until ok holds.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	end := time.NewTimer(60 * time.Second)
	defer end.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-end.C:
			t.Fatalf("%s does not come true", what)
		}
	}
}

const (
	insideMark = "CAISEY_TEST_INSIDE"
	adPassword = "Passw0rd.caisey"
)

// A dc is a machine of its own, as far as Samba can tell: namespaces for its network,
// its mounts and its processes, which all end with the one that holds it.
type dc struct {
	t         *testing.T
	name, dir string
	pid       string // of its first process
	hold      *exec.Cmd
	samba     *exec.Cmd
}

// needSamba skips the test unless two controllers can be made here.
func needSamba(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root may make namespaces")
	}
	if err := exec.Command("unshare", "-n", "-m", "-u", "-p", "--fork", "true").Run(); err != nil {
		t.Skip("this machine does not let root make namespaces")
	}
	for _, path := range []string{"/usr/sbin/samba", "/usr/share/samba/setup/ad-schema", "/usr/bin/smbclient", "/usr/bin/wbinfo"} {
		if _, err := os.Stat(path); err != nil {
			t.Skip("Samba is missing: install samba, samba-ad-dc, samba-ad-provision, smbclient and winbind")
		}
	}
}

// newDC makes the machine: DC1 has 10.98.0.1 and is the name server of both.
func newDC(t *testing.T, n int) *dc {
	t.Helper()
	d := &dc{t: t, name: "dc" + strconv.Itoa(n), dir: t.TempDir()}
	files := map[string]string{
		"resolv.conf": "nameserver 10.98.0.1\nsearch cx.test\n",
		"krb5.conf":   "[libdefaults]\ndefault_realm = CX.TEST\ndns_lookup_kdc = true\ndns_lookup_realm = false\n",
		"hosts":       fmt.Sprintf("127.0.0.1 localhost\n10.98.0.%d %s.cx.test %s\n", n, d.name, d.name),
		"smb.conf":    "",
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(d.dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	script := `set -e; D=$1; read pid rest < /proc/self/stat; mount --make-rprivate /; mount -t proc proc /proc; ip link set lo up
touch /etc/krb5.conf; for f in resolv.conf krb5.conf hosts; do mount --bind $D/$f /etc/$f; done
for d in /run/samba /var/log/samba /var/lib/samba /var/cache/samba; do mkdir -p $d; mount -t tmpfs none $d; done
mkdir -p /var/lib/samba/private /etc/samba; hostname ` + d.name + `; echo $pid; read end`
	d.hold = exec.Command("unshare", "-n", "-m", "-u", "-p", "--fork", "--kill-child", "sh", "-c", script, "sh", d.dir)
	in, _ := d.hold.StdinPipe()
	out, _ := d.hold.StdoutPipe()
	d.hold.Stderr = os.Stderr
	if err := d.hold.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if d.pid = strings.TrimSpace(line); err != nil || d.pid == "" {
		t.Fatalf("namespaces of %s: %q, %v", d.name, line, err)
	}
	t.Cleanup(func() {
		d.stop()
		in.Close()
		_ = d.hold.Wait()
	})
	return d
}

// in makes a command of the machine.
func (d *dc) in(name string, args ...string) *exec.Cmd {
	return exec.Command("nsenter", append([]string{"-t", d.pid, "-n", "-m", "-u", "-p", name}, args...)...)
}

// run runs a program on the machine.
func (d *dc) run(name string, args ...string) string {
	d.t.Helper()
	b, err := d.in(name, args...).CombinedOutput()
	if err != nil {
		d.t.Fatalf("%s: %s %s: %v\n%s", d.name, name, strings.Join(args, " "), err, b)
	}
	return string(b)
}

// wire lays a cable between net0 of both. Only outside do both have numbers.
func (d *dc) wire(other *dc) {
	d.t.Helper()
	cmd := exec.Command("nsenter", "-t", d.pid, "-n", "ip", "link", "add", "net0", "type", "veth", "peer", "name", "net0", "netns", other.pid)
	if b, err := cmd.CombinedOutput(); err != nil {
		d.t.Fatalf("wire %s and %s: %v\n%s", d.name, other.name, err, b)
	}
}

// start starts Samba and waits until it answers.
func (d *dc) start() {
	d.t.Helper()
	d.run("mount", "--bind", filepath.Join(d.dir, "samba/etc/smb.conf"), "/etc/samba/smb.conf")
	d.samba = d.in("samba", "-i", "-M", "prefork", "--debug-stdout")
	log, err := os.Create(filepath.Join(d.dir, "log"))
	if err != nil {
		d.t.Fatal(err)
	}
	defer log.Close()
	d.samba.Stdout, d.samba.Stderr = log, log
	if err := d.samba.Start(); err != nil {
		d.t.Fatal(err)
	}
	begun := time.Now()
	defer func() { d.t.Logf("%s took %v to start", d.name, time.Since(begun).Round(time.Second)) }()
	until(d.t, d.name+" answers", func() bool {
		return d.in("smbclient", "-N", "-g", "-L", d.name+".cx.test").Run() == nil &&
			d.in("samba-tool", "drs", "showrepl", "--json", "-P").Run() == nil && d.in("wbinfo", "-t").Run() == nil
	})
}

// stop ends Samba and its helpers, which outlive it for a while, and waits for all.
func (d *dc) stop() {
	if d.samba == nil {
		return
	}
	_ = d.in("sh", "-c", "for f in /run/samba/*.pid; do kill $(cat $f); done").Run() // some have gone by then
	_ = d.samba.Wait()
	d.samba = nil
	until(d.t, "Samba has ended on "+d.name, func() bool {
		return d.in("sh", "-c", "for p in /proc/[0-9]*; do case $(readlink $p/exe) in */samba/*|*/samba|*/smbd|*/winbindd) kill ${p#/proc/}; exit 1;; esac; done").Run() == nil
	})
}

// provision makes the first controller of the domain.
func (d *dc) provision() {
	d.t.Helper()
	d.run("samba-tool", "domain", "provision", "--targetdir="+d.dir+"/samba", "--realm=CX.TEST", "--domain=CX", "--adminpass="+adPassword,
		"--server-role=dc", "--dns-backend=SAMBA_INTERNAL", "--host-name="+d.name, "--host-ip=10.98.0.1",
		"--option=ldap server require strong auth=allow_sasl_over_tls") // LDAP signing is more than go-ldap can
	d.certify()
}

// certify gives the controller a certificate: that which Samba makes for itself has
// its name in the subject alone, and takes long to make.
func (d *dc) certify() {
	d.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		d.t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{d.name + ".cx.test"}, NotBefore: time.Now().AddDate(0, -1, 0), NotAfter: time.Now().AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		d.t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		d.t.Fatal(err)
	}
	dir := filepath.Join(d.dir, "samba/private/tls")
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	err = errors.Join(os.MkdirAll(dir, 0o700),
		os.WriteFile(dir+"/ca.pem", cert, 0o600), os.WriteFile(dir+"/cert.pem", cert, 0o600),
		os.WriteFile(dir+"/key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
	if err != nil {
		d.t.Fatal(err)
	}
}

// join makes a further controller.
func (d *dc) join() {
	d.t.Helper()
	d.run("samba-tool", "domain", "join", "cx.test", "DC", "--targetdir="+d.dir+"/samba", "-U", "administrator%"+adPassword,
		"--dns-backend=SAMBA_INTERNAL", "--option=netbios name="+d.name)
	d.certify()
}

// ready waits until the controller works out its partners when it is asked: just after
// its start it may be too busy to answer.
func (d *dc) ready() {
	d.t.Helper()
	until(d.t, d.name+" works out its partners", func() bool { return d.in("samba-tool", "drs", "kcc", "-P").Run() == nil })
}

// test runs one of parts on the machine. It passes there as it has to.
func (d *dc) test(name string) {
	d.t.Helper()
	cmd := d.in(os.Args[0], "-test.run=^TestController$", "-test.v")
	cmd.Env = append(os.Environ(), insideMark+"="+name)
	b, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(b), "--- PASS: TestController ") {
		d.t.Fatalf("%s on %s: %v\n%s", name, d.name, err, b)
	}
	d.t.Logf("%s on %s:\n%s", name, d.name, b)
}

// parts are what is asked on a machine, by name: what TestController does where it is
// run with that name in its environment.
var parts = map[string]func(*testing.T){
	"onController": onController, "controllerDown": controllerDown,
	"syncedAll": syncedAll, "replicates": replicates, "broken": broken,
}
