package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A record is the same in every form whether a relay serves it or its file is
// read with no relay.
func TestExportHereAndThere(t *testing.T) {
	d := deploy(t)
	d.enroll("acme", "db01")
	d.admin.must("run", "acme/db01", "--", "echo '<b>hello</b>'; echo no >&2")
	session := d.onlySession()
	d.admin.must("close", session)
	file := filepath.Join(d.data, "sessions", "acme", session+".caisey")
	for form, want := range map[string]string{
		"text": "  <b>hello</b>\n", "md": "```text\n<b>hello</b>\n```\n", "html": "&lt;b&gt;hello&lt;/b&gt;\n</pre>",
		"json": `"text":"<b>hello</b>\n"`, "cast": `  <b>hello</b>\r\n`,
	} {
		there := d.admin.must("export", session, "--as", form)
		if !strings.Contains(there, want) {
			t.Errorf("%s has no %q:\n%s", form, want, there)
		}
		cmd := exec.Command(binary(t, "caisey"), "export", "--as", form, file)
		cmd.Dir = t.TempDir()
		if err := os.Mkdir(filepath.Join(cmd.Dir, form), 0o700); err != nil { // not to be taken for the record
			t.Fatal(err)
		}
		here, err := cmd.Output()
		if err != nil || string(here) != there {
			t.Errorf("%s of the file: %v\n%s\nof the relay:\n%s", form, err, here, there)
		}
	}
}
