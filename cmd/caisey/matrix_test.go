package main

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
)

// A matrix is what testdata/matrix.txt says.
type matrix struct {
	people []string // names, in the order of the columns
	grants map[string][]string
	asks   []matrixRow
	gates  []matrixRow
}

// A matrixRow is what each person gets who asks for the same.
type matrixRow struct {
	line    int
	cells   string // one sign a person
	ask     string
	effects []string
}

// readMatrix reads the table.
func readMatrix(t testing.TB) matrix {
	t.Helper()
	text, err := os.ReadFile("testdata/matrix.txt")
	if err != nil {
		t.Fatal(err)
	}
	m := matrix{grants: map[string][]string{}}
	section := ""
	for i, line := range lines(string(text)) {
		switch line {
		case "people", "asks", "gates":
			section = line
			continue
		}
		if section == "" || !strings.HasPrefix(line, "  ") {
			continue
		}
		if section == "people" {
			words := strings.Fields(line)
			m.people, m.grants[words[0]] = append(m.people, words[0]), words[1:]
			continue
		}
		parts := strings.Split(line, " | ")
		row := matrixRow{line: i + 1, cells: strings.ReplaceAll(parts[0], " ", "")}
		if len(parts) > 1 {
			row.ask = strings.TrimSpace(parts[1])
		}
		if len(parts) > 2 {
			row.effects = strings.Split(parts[2], ", ")
		}
		if row.ask == "" {
			if section == "gates" && !strings.Contains(line, "|") {
				continue // what the signs mean
			}
			t.Fatalf("testdata/matrix.txt:%d: a row is CELLS | ASK | EFFECTS", i+1)
		}
		if section == "asks" {
			m.asks = append(m.asks, row)
		} else {
			m.gates = append(m.gates, row)
		}
	}
	return m
}

// TestAuthorizationMatrix asks every cell of testdata/matrix.txt.
func TestAuthorizationMatrix(t *testing.T) {
	m := readMatrix(t)
	w := newMatrixWorld(t, time.Hour, "acme/db01", "acme/gate01", "acme/gate02", "borealis/db01", "borealis/gate01")
	w.admit(m)
	w.staff()
	cells := w.doors(m)
	x := &matrixRun{world: w, secrets: map[string]string{}}
	for _, row := range m.asks {
		if len(row.cells) != len(m.people) {
			t.Fatalf("testdata/matrix.txt:%d: there are %d cells for %d people", row.line, len(row.cells), len(m.people))
		}
		for i, name := range m.people {
			if row.cells[i] != '.' {
				x.cell(t, row, w.people[name], row.cells[i])
				cells++
			}
		}
	}
	cells += w.gates(t, m)
	t.Logf("%d cells", cells)
	stated := statedCells(t)
	if stated != cells {
		t.Errorf("docs/security.md says that the authorization matrix has %d cells; it has %d", stated, cells)
	}
}

// approvers are those who answer steps that wait, and makers those who make things
// for the cells.
var (
	approvers = map[string]string{"viewer-x": "*=viewer", "tech-x": "*=technician", "lead1-x": "*=lead", "lead2-x": "*=lead", "admin-x": "*=admin", "far-b": "borealis=admin"}
	makers    = map[string]string{"carl-x": "*=technician", "bob-x": "*=technician", "hal-x": "*=technician"}
)

// admit lets in the people of the table, and the others that it takes.
func (w *matrixWorld) admit(m matrix) {
	for _, others := range []map[string]string{approvers, makers} {
		for name, grant := range others {
			w.person(name, grant)
		}
	}
	for _, name := range m.people {
		w.person(name, m.grants[name]...)
	}
}

// staff makes what the searches of the table look for.
func (w *matrixWorld) staff() {
	zebra := func(client string) { w.thing(w.root, "sealed", client, "") }
	zebra("acme")
	zebra("borealis")
	for _, client := range []string{"acme", "borealis"} {
		w.do(w.root, console.SavePack{Name: "first-" + client, Client: client, Text: "# of " + client + "\ntls.store paths=/etc/hostname\n"})
		w.do(w.root, console.SavePack{Name: "lost-" + client, Client: client, Text: "db: @first-" + client + "\n"})
	}
	eventually(w.t, "the index has read the records", func() bool {
		found, err := w.root.backend.Find(w.t.Context(), console.TextQuery{Text: "zebra"})
		return err == nil && len(found.Hits) >= 2 && found.Behind == 0
	})
}

// statedCells returns how many cells docs/security.md says that there are.
func statedCells(t testing.TB) int {
	t.Helper()
	text, err := os.ReadFile("../../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`authorization\s+matrix\s+has\s+([0-9,]+)\s+cells`).FindSubmatch(text)
	if found == nil {
		t.Error("docs/security.md does not say how many cells the authorization matrix has")
		return 0
	}
	var n int
	if _, err := fmt.Sscan(strings.ReplaceAll(string(found[1]), ",", ""), &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// doors tries who may log in at all: everybody but a stranger and who is suspended.
// It returns how many tries it made.
func (w *matrixWorld) doors(m matrix) int {
	all := map[string]*matrixPerson{"a stranger": {w: w, name: "root", signer: newSigner(w.t)}}
	for _, name := range m.people {
		all[name] = w.people[name]
	}
	for name, p := range all {
		conn, err := p.dial()
		if err == nil {
			conn.Close()
		}
		if in := name != "a stranger" && name != "susi-s"; (err == nil) != in {
			w.t.Errorf("%s logs in: %v", name, err)
		}
	}
	return len(all)
}

// A matrixRun asks cells.
type matrixRun struct {
	world   *matrixWorld
	secrets map[string]string
}

// cell asks one cell and holds what comes of it against its sign.
func (x *matrixRun) cell(t *testing.T, row matrixRow, p *matrixPerson, sign byte) {
	t.Helper()
	w := x.world
	for _, client := range []string{"acme", "borealis"} { // so that every list has something of both
		w.thing(p, "held", client, "")
		w.thing(p, "token", client, "")
		w.thing(p, "incident", client, "")
	}
	fresh := w.fresh()
	values := map[string]string{}
	resolve := func(text string) string {
		return placeholder.ReplaceAllStringFunc(text, func(ph string) string {
			if values[ph] == "" {
				part := placeholder.FindStringSubmatch(ph)
				values[ph] = w.thing(p, part[1], part[2], fresh)
			}
			return values[ph]
		})
	}
	resolve(row.ask)
	before := w.state()
	c := &matrixCell{row: row, p: p, sign: sign, resolve: resolve}
	got, asked := p.ask(row.ask, resolve, c.shown)
	if strings.Contains(row.ask, "Do Cancel") && got.code == 0 {
		w.awaitEnd(values)
	}
	after := w.state()
	w.secrets(x.secrets, before)
	w.secrets(x.secrets, after)
	c.got, c.changed = got, changes(before, after)
	c.judge()
	c.walls(x.secrets, asked)
	if strings.IndexByte("-RU0", sign) >= 0 {
		c.compare(w, values)
	}
	if len(c.wrong) > 0 {
		t.Errorf("testdata/matrix.txt:%d: %s, cell %q: %s\n  %s\n  exit %d\n  stdout %.600q\n  stderr %.600q",
			row.line, p.name, sign, strings.Join(c.wrong, "; "), asked, got.code, got.out, got.err)
	}
}

// awaitEnd waits for the step that was cancelled.
func (w *matrixWorld) awaitEnd(values map[string]string) {
	for ph, session := range values {
		kind := placeholder.FindStringSubmatch(ph)
		if step := values["{"+kind[1]+"step:"+kind[2]+"}"]; step != "" {
			eventually(w.t, "a cancelled step ends", func() bool { return w.ended(sessionlog.SessionID(session), sessionlog.StepID(step)) })
		}
	}
}

// changes returns the keys in which two snapshots differ, sorted.
func changes(before, after map[string]string) []string {
	var out []string
	for key, was := range before {
		if is, ok := after[key]; !ok || is != was {
			out = append(out, key)
		}
	}
	for key := range after {
		if _, ok := before[key]; !ok {
			out = append(out, key)
		}
	}
	slices.Sort(out)
	return out
}
