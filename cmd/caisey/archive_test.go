package main

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// restart stops the relay, and starts it with other flags.
func (d *deployment) restart(flags ...string) {
	d.t.Helper()
	if err := d.relay.stop(); err != nil {
		d.t.Fatal(err)
	}
	d.flags = flags
	d.startRelay()
}

// isThere reports whether a file is.
func isThere(t *testing.T, path string) bool {
	t.Helper()
	_, err := os.Lstat(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return err == nil
}

// TestLifeCycle takes a session from its end through its archive to its removal. An
// archived one reads as before through every door; a removed one is gone from all
// but the fleet's log.
func TestLifeCycle(t *testing.T) {
	needs(t, "sqlite3", "sqlite3")
	d := deploy(t)
	ana := d.letIn("ana", "technician")
	for _, client := range []string{"acme", "zeta"} {
		d.enroll(client, "db01")
		ana.must("run", client+"/db01", "--", "echo 'replication to dc-02 failed'; seq 1000")
	}
	id, kept := d.sessionOn("acme/db01"), d.sessionOn("zeta/db01")
	ana.must("close", id)
	ana.must("close", kept)
	eventually(t, "the index to read the records", func() bool {
		out, stderr, _ := ana.ssh("", "search", "dc-02")
		return strings.Contains(out, id) && strings.Contains(out, kept) && !strings.Contains(stderr, "not read")
	})
	file := filepath.Join(d.data, "sessions", "acme", id+".caisey")
	verbs := [][]string{
		{"sessions", "--json"},
		{"log", id},
		{"log", id, "--json"},
		{"search", "dc-02"},
		{"verify", id},
		{"verify", id, "--checkpoint"},
		{"export", id, "--as", "html"},
		{"export", id, "--as", "sqlite"},
	}
	want := make([]string, len(verbs))
	for i, words := range verbs {
		want[i] = ana.must(words...)
	}
	same := func(when string) {
		t.Helper()
		for i, words := range verbs {
			if got := ana.must(words...); got != want[i] {
				t.Errorf("%s, %s prints\n%.500s, want\n%.500s", when, strings.Join(words, " "), got, want[i])
			}
		}
	}

	d.restart("--archive-after", "1ms")
	eventually(t, "the record is archived", func() bool { return !isThere(t, file) })
	if !isThere(t, file+".zst") {
		t.Fatal("there is neither the record nor its archive")
	}
	same("once it is archived")
	eventually(t, "what was unpacked is gone", func() bool {
		left, err := filepath.Glob(filepath.Join(d.data, "sessions", ".unpacked", "*", "*"))
		return err == nil && len(left) == 0
	})
	testOffline(t, d, file+".zst", id, want[1])

	if err := d.relay.stop(); err != nil {
		t.Fatal(err)
	}
	for _, derived := range []string{"sessions.index", "search.index"} {
		if err := os.Remove(filepath.Join(d.data, derived)); err != nil {
			t.Fatal(err)
		}
	}
	d.flags = nil
	d.startRelay()
	eventually(t, "the index is there again", func() bool {
		out, _, _ := ana.ssh("", "search", "dc-02")
		return strings.Contains(out, id) && strings.Contains(out, kept)
	})
	same("after what is derived was deleted")

	d.restart("--keep", "1ms", "--keep-client", "zeta=0")
	eventually(t, "the session is gone", func() bool { return d.sessionOn("zeta/db01") == d.onlyOf(ana) })
	if isThere(t, file) || isThere(t, file+".zst") {
		t.Error("its record is still there")
	}
	for _, words := range [][]string{{"log", id}, {"verify", id}} {
		if _, stderr, code := ana.ssh("", words...); code != 2 || !strings.Contains(stderr, "there is no session") {
			t.Errorf("%s: exit code %d, %s", words[0], code, stderr)
		}
	}
	if out := ana.must("search", "dc-02"); strings.Contains(out, id) || !strings.Contains(out, kept) {
		t.Errorf("search finds %q", out)
	}
	testRemoved(t, d, id, want[5])
}

// onlyOf returns the only session that somebody sees; "" if there are others.
func (d *deployment) onlyOf(p *technician) string {
	list := lines(p.must("sessions", "--json"))
	var s struct{ ID string }
	if len(list) != 1 || json.Unmarshal([]byte(list[0]), &s) != nil {
		return ""
	}
	return s.ID
}

// testOffline reads an archived record with no relay.
func testOffline(t *testing.T, d *deployment, file, id, log string) {
	t.Helper()
	caisey := func(args ...string) (string, int) {
		cmd := exec.Command(binary(t, "caisey"), args...)
		cmd.Env = append(os.Environ(), "TMPDIR="+d.dir)
		out, _ := cmd.CombinedOutput() // the exit code tells
		return string(out), cmd.ProcessState.ExitCode()
	}
	if out, code := caisey("log", file); code != 0 || out != log {
		t.Errorf("log: exit code %d\n%s, want\n%s", code, out, log)
	}
	if out, code := caisey("export", file, "--as", "json"); code != 0 || !strings.Contains(out, id) {
		t.Errorf("export: exit code %d\n%s", code, out)
	}
	if out, code := caisey("verify", file); code != 0 || !strings.Contains(out, "whole and unchanged") {
		t.Errorf("verify: exit code %d\n%s", code, out)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	damaged := filepath.Join(t.TempDir(), "x.caisey.zst")
	write(t, damaged, string(b))
	if out, code := caisey("verify", damaged); code == 0 || !strings.Contains(out, "archive is damaged") {
		t.Errorf("verify of a damaged archive: exit code %d\n%s", code, out)
	}
	if left, err := filepath.Glob(filepath.Join(d.dir, "caisey-unpack-*")); err != nil || len(left) > 0 {
		t.Errorf("it leaves %v, %v", left, err)
	}
}

// testRemoved reads what the fleet's log has of a removed record, past all of our
// code.
func testRemoved(t *testing.T, d *deployment, id, checkpoint string) {
	t.Helper()
	if err := d.relay.stop(); err != nil {
		t.Fatal(err)
	}
	logs, err := filepath.Glob(filepath.Join(d.data, "fleet", "fleet", "*.caisey"))
	if err != nil || len(logs) != 1 {
		t.Fatalf("the fleet's logs are %v, %v", logs, err)
	}
	out, err := exec.Command("sqlite3", logs[0], "SELECT leaf FROM event WHERE leaf ->> '$.kind' = 'record.removed'").Output()
	if err != nil {
		t.Fatal(err)
	}
	var ev struct {
		Actor string
		Body  struct {
			Session, Client, Name, Technician, Checkpoint, Unread string
			Events                                                int
		}
	}
	if list := lines(string(out)); len(list) != 1 || json.Unmarshal([]byte(list[0]), &ev) != nil {
		t.Fatalf("the fleet's log has %q", out)
	}
	if b := ev.Body; ev.Actor != "relay" || b.Session != id || b.Client != "acme" || b.Name != "db01" || b.Technician != "ana" ||
		b.Events == 0 || b.Checkpoint != checkpoint || b.Unread != "" {
		t.Errorf("it says %+v, want the checkpoint %q", ev, checkpoint)
	}
}

func TestKeepFlags(t *testing.T) {
	parse := func(words ...string) (keepFlags, error) {
		var c struct{ keepFlags }
		p, err := kong.New(&c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = p.Parse(words); err == nil {
			_, err = c.policy()
		}
		return c.keepFlags, err
	}
	k, err := parse("--keep", "90d", "--keep-client", "acme=3650d", "--keep-client", "zeta=0")
	if err != nil {
		t.Fatal(err)
	}
	p, err := k.policy()
	if err != nil || p.ArchiveAfter.Hours() != 30*24 || p.Keep.Hours() != 90*24 || len(p.Clients) != 2 || p.Clients["acme"].Hours() != 3650*24 || p.Clients["zeta"] != 0 {
		t.Errorf("%+v, %v", p, err)
	}
	for _, bad := range [][]string{{"--keep", "90"}, {"--keep", "-1h"}, {"--keep-client", "acme"}, {"--keep-client", "ACME=1d"}, {"--keep-client", "acme=soon"}} {
		if _, err := parse(bad...); err == nil {
			t.Errorf("%v is taken", bad)
		}
	}
}
