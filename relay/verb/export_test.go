package verb

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/caisey/caisey/sessionlog"
)

// exported returns a world with one session in which two commands ran.
func exported(t *testing.T) (w *world, id string) {
	w = newWorld(t, "acme/db01")
	w.act = func(s *step) {
		s.out(sessionlog.Stdout, "up <b>3</b> days\x1b]0;x\x07 \x1b[31mred\x1b[m\n")
		s.exit(0)
	}
	w.say(t, "run db01 -- uptime")
	w.say(t, "run db01 -- echo done")
	return w, string(w.order[0])
}

func TestExport(t *testing.T) {
	w, id := exported(t)
	for form, wants := range map[string][]string{
		"":                            {"acme/db01 > uptime\n", "  up <b>3</b> days red\n"},
		" --as text":                  {"acme/db01 > uptime\n", "  up <b>3</b> days red\n"},
		" --as md":                    {"# acme/db01: session of ana\n", "## Step 2: ana at 2026-11-24 ", "```text\nup <b>3</b> days red\n```\n", "up to its event 7"},
		" --as html":                  {"<!DOCTYPE html>", "up &lt;b&gt;3&lt;/b&gt; days red\n</pre>", `id="step-2"`, "up to its event 7", "</html>\n"},
		" --as=cast":                  {`{"version":2,"width":120,`, `, "m", "ana: uptime"]`, `up <b>3</b> days \u001b[31mred\u001b[m`},
		" --as cast --cast-version 3": {`{"version":3,"term":{"cols":120,`, `, "m", "ana: echo done"]`},
	} {
		for _, ref := range []string{id, strings.ToLower(id[:6])} {
			got := w.say(t, "export "+ref+form)
			if got.code != 0 || got.err != "" || strings.ContainsAny(got.out, "\x1b\x07") {
				t.Errorf("export %s: %+v", form, got)
			}
			for _, want := range wants {
				if !strings.Contains(got.out, want) {
					t.Errorf("export%s has no %q:\n%s", form, want, got.out)
				}
			}
		}
	}
}

// What log prints for programs is one of the forms.
func TestExportJSON(t *testing.T) {
	w, id := exported(t)
	log, export := w.say(t, "log "+id+" --json"), w.say(t, "export "+id+" --as json")
	if export != log || strings.Count(log.out, "\n") != 7 {
		t.Errorf("export: %+v\nlog: %+v", export, log)
	}
	for line := range strings.Lines(export.out) {
		if !json.Valid([]byte(line)) {
			t.Errorf("not JSON: %s", line)
		}
	}
}

func TestExportClosed(t *testing.T) {
	w, id := exported(t)
	w.say(t, "close "+id)
	for _, form := range []string{"md", "html"} {
		if got := w.say(t, "export "+id+" --as "+form); !strings.Contains(got.out, "Session closed by ") || strings.Contains(got.out, "was open") {
			t.Errorf("%s of a closed session:\n%s", form, got.out)
		}
	}
}

func TestExportUsage(t *testing.T) {
	w, id := exported(t)
	for line, want := range map[string]string{
		"export":                                  "export: expected \"<id>\"",
		"export " + id + " --as pdf":              "--as must be one of",
		"export " + id + " --cast-version 4":      "--cast-version must be one of",
		"export 7ZZZZZZZZZZZZZZZZZZZZZZZZZ":       "there is no session",
		"export " + id + " --as cast --follow":    "unknown flag --follow",
		"export " + id + " --as html --as-of now": "unknown flag --as-of",
	} {
		if got := w.say(t, line); got.code != ExitUsage || got.out != "" || !strings.Contains(got.err, want) {
			t.Errorf("%s: %+v", line, got)
		}
	}
}

// With NO_COLOR a cast has no colours either.
func TestExportNoColor(t *testing.T) {
	w, id := exported(t)
	if got := w.say(t, "export "+id+" --as cast", func(c *Call) { c.NoColor = true }); got.code != 0 || strings.Contains(got.out, `\u001b`) {
		t.Errorf("%+v", got)
	}
}
