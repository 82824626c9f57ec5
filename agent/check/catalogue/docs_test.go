package catalogue

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/caisey/caisey/agent/check"
)

var update = flag.Bool("update", false, "write the declarations into docs/checks.md")

// TestDocs holds docs/checks.md against what is declared on the system that CI has.
func TestDocs(t *testing.T) {
	const path, mark = "../../../docs/checks.md", "<!-- what follows is generated"
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	written, rest, ok := strings.Cut(string(page), mark)
	line, _, _ := strings.Cut(rest, "\n")
	if !ok {
		t.Fatalf("%s has no line %q", path, mark)
	}
	want := written + mark + line + "\n" + declared(All())
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(page) != want {
		t.Errorf("%s is not what is declared: go test ./agent/check/catalogue -update", path)
	}
}

func declared(checks []check.Check) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n## The %d checks of Linux\n\n| check | effect | for | tells |\n| --- | --- | --- | --- |\n", len(checks))
	for _, c := range checks {
		roles := strings.Join(c.Roles, ", ")
		if roles == "" {
			roles = "any"
		}
		fmt.Fprintf(&b, "| [%s](#%s) | %s | %s | %s |\n", c.Name, strings.ReplaceAll(c.Name, ".", ""), c.Effect, roles, cell(c.Summary))
	}
	for _, c := range checks {
		one(&b, c)
	}
	return b.String()
}

func one(b *strings.Builder, c check.Check) {
	fmt.Fprintf(b, "\n### %s\n\n%s. Effect `%s`, at most %g s", c.Name, cell(c.Summary), c.Effect, c.Timeout)
	if c.Samples > 0 {
		fmt.Fprintf(b, ", watches for %g s", c.Samples)
	}
	fmt.Fprintf(b, ". Source: %s.\n", cell(c.Source))
	if c.Undo != "" {
		fmt.Fprintf(b, "\nUndo: %s.\n", cell(c.Undo))
	}
	if len(c.Params) > 0 {
		b.WriteString("\n| parameter | type | default | is |\n| --- | --- | --- | --- |\n")
	}
	for _, p := range c.Params {
		value, kind := p.Default, string(p.Type)
		switch {
		case p.Required:
			value = "required"
		case value != "":
			value = "`" + strings.TrimSpace(value+" "+p.Unit) + "`"
		}
		if p.Threshold {
			kind += ", threshold"
		}
		if len(p.Values) > 0 {
			kind = strings.Join(p.Values, ", ")
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", p.Name, cell(kind), cell(value), cell(p.Summary))
	}
	for _, t := range c.Tables {
		names := make([]string, len(t.Columns))
		for i, col := range t.Columns {
			names[i] = fmt.Sprintf("%s (%s)", col.Name, strings.TrimSpace(string(col.Type)+" "+col.Unit))
		}
		fmt.Fprintf(b, "\nRows%s: %s.\n", strings.TrimRight(" "+t.Name, " "), strings.Join(names, ", "))
	}
}

func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
