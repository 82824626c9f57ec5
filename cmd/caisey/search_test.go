package main

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestSearch finds what was typed and printed, in live and sealed records, and
// only for those who may see it.
func TestSearch(t *testing.T) {
	d := deploy(t)
	ana := d.letIn("ana", "technician")
	d.enroll("acme", "db01")
	ana.must("run", "acme/db01", "--", `echo 'replication to dc-02 failed: 0x8007052E'; echo 'C:\Program Files\ERP' >&2`)
	id := d.onlySession()
	ana.must("note", id, "the KDC is 5 minutes ahead")
	eventually(t, "the index to read the record", func() bool {
		out, _, _ := ana.ssh("", "search", "KDC is 5 min")
		return strings.Contains(out, id)
	})
	ana.must("close", id)
	for text, want := range map[string]string{
		"dc-02":            "replication to dc-02 failed",
		"0x8007052e":       "0x8007052E",
		`'C:\Program Fil'`: `C:\Program Files\ERP`,
		"the kdc":          "5 minutes ahead",
		"dc-03":            "",
	} {
		if out := ana.must("search", text); !strings.Contains(out, want) || want == "" && out != "" {
			t.Errorf("search %s prints %q, want %q in it", text, out, want)
		}
	}
	var hit struct {
		Session, Line string
		Seq           int
	}
	if err := json.Unmarshal([]byte(ana.must("search", "--json", "KDC")), &hit); err != nil || hit.Session != id || hit.Seq == 0 {
		t.Errorf("as JSON: %+v, %v", hit, err)
	}
	if _, stderr, code := ana.ssh("", "search", "'--'"); code != 2 {
		t.Errorf("a text without a word: exit code %d, %s", code, stderr)
	}
	other := d.letIn("eve", "technician", "borealis")
	if out := other.must("search", "KDC"); out != "" {
		t.Errorf("somebody of another client finds %q", out)
	}
}
