package service

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caisey/caisey/agent/check/checktest"
)

// putList copies a list of testdata, which the product itself wrote, into dir.
func putList(t *testing.T, dir, name string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// age is longer than the lists are old.
const age = "1000000h"

func TestBackupLists(t *testing.T) {
	for name, want := range map[string]struct {
		jobs  []string
		count []string
		last  string
	}{
		"restic.json":     {[]string{"db-01:/srv/data", "web-01:/etc/web"}, []string{"2", "1"}, "2026-11-24 16:53:02"},
		"borg.json":       {[]string{"ssh://borg:***@vault.example.com/./db-01"}, []string{"1"}, ""},
		"pgbackrest.json": {[]string{"main"}, []string{"1"}, "2026-11-24 16:54:01"},
	} {
		dir := t.TempDir()
		putList(t, dir, name)
		a := checktest.Ask(t, backupLast(), "path", dir, "age", age)
		if got := a.Column(t, "", "job"); !slices.Equal(got, want.jobs) {
			t.Errorf("%s: jobs %q", name, got)
		}
		if got := a.Column(t, "", "backups"); !slices.Equal(got, want.count) {
			t.Errorf("%s: backups %q", name, got)
		}
		if got := a.Column(t, "", "last"); want.last != "" && got[0] != want.last {
			t.Errorf("%s: last %q", name, got)
		}
		if product := strings.TrimSuffix(name, ".json"); a.Column(t, "", "product")[0] != product {
			t.Errorf("%s: product %q", name, a.Column(t, "", "product"))
		}
		if strings.Contains(string(a.Raw), "sesame") || len(a.Raw) == 0 {
			t.Errorf("%s: raw %s", name, a.Raw)
		}
	}
}

func TestBackupOfNothing(t *testing.T) {
	dir := t.TempDir()
	a := checktest.Ask(t, backupLast(), "path", dir)
	if f := a.Finding(t, "crit"); !strings.HasPrefix(f.Text, "there is no backup in ") {
		t.Errorf("finding %q", f.Text)
	}
	putList(t, dir, "pgbackrest_none.json")
	a = checktest.Ask(t, backupLast(), "path", dir)
	if f := a.Findings[0]; f.Text != "pgbackrest has no backup of main" {
		t.Errorf("finding %q", f.Text)
	}
	if f := a.Findings[1]; f.Text != "pgbackrest says of main: missing stanza path" {
		t.Errorf("finding %q", f.Text)
	}
	checktest.Ask(t, backupLast(), "path", filepath.Join(dir, "none")).CannotTell(t)
}

// TestBackupFiles: where nobody wrote a list, the newest file is the backup.
func TestBackupFiles(t *testing.T) {
	dir := t.TempDir()
	sub := filepath.Join(dir, "2026")
	if err := os.Mkdir(sub, 0o700); err != nil {
		t.Fatal(err)
	}
	put := func(name string, old time.Duration) {
		t.Helper()
		if err := os.WriteFile(name, []byte(`{"no": "list"}`), 0o600); err != nil {
			t.Fatal(err)
		}
		at := time.Now().Add(-old)
		if err := os.Chtimes(name, at, at); err != nil {
			t.Fatal(err)
		}
	}
	put(filepath.Join(dir, "old.json"), 100*time.Hour)
	put(filepath.Join(sub, "db.dump"), 30*time.Hour)
	a := checktest.Ask(t, backupLast(), "path", dir)
	f := a.Finding(t, "age")
	if !strings.HasSuffix(f.Text, " is 30 h old, over 26 h") || f.Unit != "s" {
		t.Errorf("finding %+v", f)
	}
	if got := a.Column(t, "", "file"); got[0] != filepath.Join(sub, "db.dump") {
		t.Errorf("file %v", got)
	}
	put(filepath.Join(sub, "new.dump"), time.Hour)
	checktest.Ask(t, backupLast(), "path", dir).Fine(t)
	put(filepath.Join(sub, "odd.dump"), -3*time.Hour)
	if f := checktest.Ask(t, backupLast(), "path", dir).Finding(t, "warn"); !strings.Contains(f.Text, "from the future") {
		t.Errorf("finding %q", f.Text)
	}
}
