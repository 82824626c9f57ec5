package verb

import (
	"context"
	"strings"
	"testing"

	"github.com/caisey/caisey/relay/console"
)

const testKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIbwr1oGFyLwsDCPg4XGM3j0A8fTzDkUZoP2A2gC3C5m bob@laptop"

// Every way to be wrong is one line that says what, on what, and what to do.
func TestErrors(t *testing.T) {
	for _, tt := range []struct {
		line string
		code int
		want string
	}{
		{"", 2, "there is no verb on the line; see `help`"},
		{"lss", 2, `unexpected argument lss, did you mean one of "ls", "log"?; see ` + "`help`"},
		{"ls --nope", 2, "ls: unknown flag --nope; see `help ls`"},
		{"ls -l role", 2, `label "role" is not a condition; write KEY=VALUE or KEY!=VALUE, with commas between`},
		{"ls acme/zz", 4, "no endpoint matches \"acme/zz\"; see `ls` for what there is"},
		{"ls -l role=none", 4, "no endpoint has those labels; see `ls` for what there is"},
		{`ls "acme`, 2, "the line has a quote or a backslash without its other half; close it, or put a backslash before it"},
		{"ls 'acme/['", 2, `target "acme/[" is malformed; a target is CLIENT/ENDPOINT with * and ?`},
		{"run acme/db01", 2, "run acme/db01: there is no command; write it after the targets: run acme/db01 -- uptime"},
		{"run acme/db01 -- ", 2, "run acme/db01: there is no command; write it after the targets: run acme/db01 -- uptime"},
		{"run acme/db01 --", 2, "run acme/db01: there is no command; write it after the targets: run acme/db01 -- uptime"},
		{"run acme/db01\t--\tid", 2, "the command cannot be told from the words before it; write one space on each side of --"},
		{"run -- id", 2, "run: expected \"<target> ...\"; see `help run`"},
		{"run acme/zz -- id", 4, "no endpoint matches \"acme/zz\"; see `ls` for what there is"},
		{"run acme/db01 --timeout soon -- id", 2, "run: --timeout: \"soon\" is not a duration like 90s, 2h or 3d; see `help run`"},
		{"run acme/db01 -- \xff", 2, "the line is not valid UTF-8 text; send such bytes as a file or with printf on the endpoint"},
		{"open acme/db01", 2, "open acme/db01: there is no terminal; ask for one with `ssh -t`, or use `run`"},
		{"log", 2, "log: expected \"<id>\"; see `help log`"},
		{"log 01ZZ", 2, "there is no session 01ZZ; see `sessions`"},
		{"log '../x'", 2, "\"../x\" is not the id of a session; see `sessions`"},
		{"log 01", 2, "more than one session begins with 01; write more of it"},
		{"replay 01 --speed 0", 2, "replay: speed 0 is not possible; give a number from 0.25 to 64"},
		{"note 01", 2, "note: expected \"<text> ...\"; see `help note`"},
		{"token", 2, "token: expected one of \"new\", \"ls\", \"revoke\"; see `help token`"},
		{"token new", 2, "token: missing flags: --client=CLIENT; see `help token`"},
		{"token new --client acme --uses 0", 2, "token new: a token of no use; leave out --uses and --ttl for one endpoint within the hour"},
		{"tech add bob --role boss --key -", 2, `tech: --role must be one of "viewer","technician","lead","admin" but got "boss"; see ` + "`help tech`"},
		{"tech add bob --role lead --key bob.pub", 2, "tech add: the relay cannot read your file \"bob.pub\"; send it with --key - < FILE"},
		{"tech add bob --role lead --key -", 2, "tech add: that is no public SSH key; it looks like: ssh-ed25519 AAAA… NAME"},
		{"tech add bob --role lead --key - more", 2, "tech add: unexpected argument more; see `help tech`"},
		{"help lsx", 2, "there is no verb \"lsx\"; see `help`"},
		{"ls \x1b]0;x\x07", 4, "no endpoint matches \"\\x1b]0;x\\a\"; see `ls` for what there is"},
		{"\x1b]0;x\x07", 2, "unexpected argument ; see `help`"},
	} {
		t.Run(tt.line, func(t *testing.T) {
			w := newWorld(t, "acme/db01", "acme/web01")
			w.open(w.eps[0].ID)
			w.open(w.eps[1].ID)
			got := w.say(t, tt.line)
			if want := "caisey: " + tt.want + "\n"; got.err != want || got.code != tt.code || got.out != "" {
				t.Errorf("%q: exit %d, stdout %q, stderr\n%swant exit %d, stderr\n%s", tt.line, got.code, got.out, got.err, tt.code, want)
			}
		})
	}
}

func TestLs(t *testing.T) {
	w := newWorld(t, "acme/db01", "acme/web01", "beta/db01")
	w.eps[1].Online = false
	w.eps[2].Labels["note"] = "\x1b]0;owned\x07red\x1b[31m"
	got := w.say(t, "ls 'acme/*'")
	want := "acme/db01   online   2h  linux/amd64  0  -  role=db\nacme/web01  offline  2h  linux/amd64  0  -  role=web\n"
	if got.code != 0 || got.out != want || got.err != "" {
		t.Errorf("ls: exit %d, stderr %q\n%s", got.code, got.err, got.out)
	}
	got = w.say(t, "ls -l role=db,client!=x", func(c *Call) { c.TTY, c.Width = true, 30 })
	lines := strings.Split(got.out, "\n")
	if len(lines) != 4 || !strings.HasPrefix(lines[0], "ENDPOINT") || !strings.HasSuffix(lines[1], "…") {
		t.Errorf("ls on a terminal of 30 columns:\n%s", got.out)
	}
	if strings.Contains(w.say(t, "ls").out+w.say(t, "ls --json").out, "\x1b") {
		t.Error("a label of an endpoint reached the terminal raw")
	}
	if got := w.say(t, "ls 'beta/*' --json"); strings.Count(got.out, "\n") != 1 {
		t.Errorf("ls --json: %q", got.out)
	}
	w.eps[0].Effects, w.eps[1].Effects, w.eps[2].Effects = []string{"read", "probe"}, []string{"none"}, []string{"read", "change"}
	want = "acme/db01   online,READ-ONLY     2h  linux/amd64  0  -  role=db\nacme/web01  offline,REFUSES-ALL  2h  linux/amd64  0  -  role=web\n"
	if got := w.say(t, "ls 'acme/*'"); got.out != want {
		t.Errorf("ls of endpoints with a policy:\n%s", got.out)
	}
	if got := w.say(t, "ls 'beta/*'"); strings.Contains(got.out, "READ") {
		t.Errorf("ls of an endpoint that can be changed:\n%s", got.out)
	}
	if got := w.say(t, "ls acme/db01 --json"); !strings.Contains(got.out, `"effects":["read","probe"]`) {
		t.Errorf("ls --json: %q", got.out)
	}
	if got := newWorld(t).say(t, "ls"); got.code != 0 || got.out != "" || !strings.Contains(got.err, "token new") {
		t.Errorf("ls of an empty fleet: %+v", got)
	}
}

func TestHelpAndVersion(t *testing.T) {
	w := newWorld(t)
	for _, line := range []string{"help", "--help", "help run", "run --help", "run -h", "token new --help", "help token new", "help token"} {
		got := w.say(t, line, func(c *Call) { c.Backend = nil })
		if got.code != 0 || got.err != "" || !strings.Contains(got.out, "Usage: caisey") {
			t.Errorf("%s: exit %d, stderr %q, stdout\n%s", line, got.code, got.err, got.out)
		}
	}
	if a, b := w.say(t, "help token new").out, w.say(t, "token new -h").out; a != b || !strings.Contains(a, "--ttl") {
		t.Errorf("help token new and token new -h differ:\n%s\n%s", a, b)
	}
	if got := w.say(t, "version", func(c *Call) { c.Version = "1.2.3" }); got.out != "caisey 1.2.3\n" {
		t.Errorf("version: %q", got.out)
	}
	if got := w.say(t, "ls", func(c *Call) { c.Backend = nil }); got.code != ExitUsage {
		t.Errorf("ls without a relay: %+v", got)
	}
}

func TestTokenNew(t *testing.T) {
	w := newWorld(t)
	got := w.say(t, "token new --client acme --label role=db --label site=a,b;c --uses 3 --ttl 2d")
	if got.code != 0 || got.out != "caisey-token-secret\n" || !strings.Contains(got.err, "\ncaisey-agent enroll caisey-token-secret\n") ||
		!strings.Contains(got.err, "3 endpoints of acme for 2d") && !strings.Contains(got.err, "3 endpoints of acme for 48h") {
		t.Errorf("token new: %+v", got)
	}
	in := w.intents[0].(console.NewToken)
	if in.Client != "acme" || in.Uses != 3 || in.TTL.Hours() != 48 || len(in.Labels) != 2 || in.Labels["site"] != "a,b;c" {
		t.Errorf("intent: %+v", in)
	}
}

func TestTechAdd(t *testing.T) {
	for name, line := range map[string]string{
		"quoted":   `tech add bob --role technician --client acme --key "` + testKey + `"`,
		"unquoted": `tech add bob --role technician --client acme --key ` + testKey,
		"stdin":    `tech add bob --role technician --client acme --key -`,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			got := w.say(t, line, func(c *Call) { c.Stdin = strings.NewReader(testKey + "\n") })
			if got.code != 0 || got.out != "P1\n" {
				t.Fatalf("%+v", got)
			}
			in := w.intents[0].(console.AddTechnician)
			if in.Name != "bob" || in.Role != console.RoleTechnician || in.Key != testKey || in.Clients[0] != "acme" {
				t.Errorf("intent: %+v", in)
			}
		})
	}
}

func TestTechAddKeys(t *testing.T) {
	for text, want := range map[string]string{
		"-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n": "private key",
		testKey + "\n" + testKey + "\n":               "more than one key",
		"ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQDTKPeDnCVJ3fkMHAVvgJ5/8iBbLRrSKcuRIyUTyKpEvyJHIFMcFLTXLvTZtIFsC1tcpMVOAsrcVU+ZfIVmTLqk1BBOlPtTbOPpVHFeuTJEzzXZFDZCxjSlYF1MYc4rz0HT5YQQCmlBKdpwOI96HE5GP1LVm5fsLn6VTqJXNSF3HQ==": "ssh-rsa are not taken",
	} {
		w := newWorld(t)
		got := w.say(t, "tech add bob --role lead --key -", func(c *Call) { c.Stdin = strings.NewReader(text) })
		if got.code != ExitUsage || !strings.Contains(got.err, want) || len(w.intents) != 0 {
			t.Errorf("key %.20q: %+v", text, got)
		}
	}
}

func TestRefusedByRelay(t *testing.T) {
	w := newWorld(t)
	w.refuse = func(console.Intent) error {
		return console.Errorf(console.CodeRefused, "ask an admin of acme", "ana is not admin for acme\x1b[2J")
	}
	got := w.say(t, "token new --client acme")
	if got.code != ExitRefused || got.err != "caisey: ana is not admin for acme; ask an admin of acme\n" {
		t.Errorf("%+v", got)
	}
}

func TestOpen(t *testing.T) {
	w := newWorld(t, "acme/db01")
	var opened []string
	open := func(c *Call) {
		c.Open = func(_ context.Context, targets []string) int { opened = targets; return 0 }
	}
	if got := w.say(t, "open acme/*", open); got.code != 0 || len(opened) != 1 || opened[0] != "acme/*" {
		t.Errorf("open: %+v %v", got, opened)
	}
	opened = nil
	if got := w.say(t, "open acme/zz", open); got.code != ExitOffline || opened != nil {
		t.Errorf("open of nothing: %+v %v", got, opened)
	}
}
