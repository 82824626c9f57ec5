// Package cmd_test holds the rules that no single package can: who may import
// whom, what stays out of the agent, and what stands at the top of the tree.
package cmd_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/caisey/caisey"

// systems are the values of GOOS for which the rules are checked.
var systems = []string{"linux", "windows", "darwin"}

// A row says what of ours a package may import, and why no more.
type row struct {
	// may holds package paths within the module; "x/*" is everything below x.
	may []string
	// only says that may is all: not even what is open to everyone.
	only bool
	why  string
}

// open is what every package may import unless its row says only.
var open = []string{"sessionlog", "tui/vt"}

// oneFamily is why the families of checks are apart.
const oneFamily = "checks of one family share what they read from; those of two share nothing"

// rows is the import map. A package without a row fails, and so does a row
// without a package: the map changes in the commit that changes the packages.
var rows = map[string]row{
	"sessionlog":                    {only: true, why: "the record is the model: it stands under everything and knows nothing of it"},
	"sessionlog/sqlitefile":         {may: []string{"sessionlog/sqlitefile/journal"}, why: "a record outlives the relay that wrote it, so what keeps it knows only events"},
	"sessionlog/foreign":            {may: []string{"sessionlog/sqlitefile"}, why: "it lends sqlitefile a process to die in, and knows nothing of what a record is read for"},
	"sessionlog/transcript":         {may: []string{"sessionlog/check"}, why: "a record reads the same for everybody, whoever serves it"},
	"sessionlog/sqlitefile/journal": {why: "it keeps rows of many records and knows neither files nor SQLite"},
	"sessionlog/sqlitefile/losefs":  {only: true, why: "it knows disks and no records"},
	"sessionlog/check":              {why: "the endpoint, the relay and the screens share its shapes, so it knows none of them"},
	"sessionlog/statement":          {only: true, why: "the agent signs it and a verifier reads it: neither may drag in the other"},
	"sessionlog/verify":             {may: []string{"sessionlog/statement"}, why: "a proof holds for any record, so what checks it knows no store"},
	"sessionlog/search":             {why: "an index is derived from events, so it knows no store and no relay"},
	"sessionlog/logtest":            {why: "the contract of a Log holds for any Log, so its suite knows none of them"},

	"relay/console": {may: []string{"sessionlog/check"}, why: "every door talks to this interface, so it knows no door and no relay"},
	"relay/wire":    {only: true, why: "the agent imports it, and what crosses the wire is decided by the wire alone"},
	"relay":         {may: []string{"relay/console", "relay/fleet", "relay/pack", "relay/policy", "sessionlog/check", "sessionlog/search", "sessionlog/statement", "sessionlog/verify"}, why: "live sessions know neither transports nor doors: those come and go"},
	"relay/fleet":   {may: []string{"relay/console"}, why: "the catalogue is a fold over a log; roles are named by the console"},
	"relay/policy":  {may: []string{"relay/console"}, why: "it decides on what it is told, so it knows no fleet and no session"},
	"relay/pack":    {may: []string{"sessionlog/check"}, why: "it reads texts and plans, and asks nobody"},
	"relay/penalty": {only: true, why: "it knows addresses and who failed there; what they failed at is the doors' affair"},
	"relay/quicrelay": {
		may: []string{"relay", "relay/console", "relay/wire", "relay/fleet", "relay/penalty", "sessionlog/check"},
		why: "it turns frames into the relay's links and nothing more",
	},
	"relay/verb": {
		may: []string{"relay/console", "relay/pack", "sessionlog/check", "sessionlog/transcript", "sessionlog/verify"},
		why: "one grammar for all doors: it asks a Backend, never a relay",
	},
	"relay/sshd": {
		may: []string{"relay/console", "relay/penalty", "relay/verb", "tui", "tui/*"},
		why: "a door hands a proved technician to a Backend and must not reach around it",
	},

	"agent": {
		may: []string{"agent/*", "relay/wire", "sessionlog", "sessionlog/check", "sessionlog/statement"}, only: true,
		why: "the agent runs on machines of others: as little as possible goes there",
	},
	"agent/policy": {only: true, why: "what a machine's owner forbids must not hang on anything of ours"},
	"agent/proc":   {only: true, why: "starting and ending a process needs nothing of the rest"},
	"agent/spool":  {only: true, why: "keeping bytes until they are acknowledged needs nothing of the rest"},

	"agent/check":           {may: []string{"sessionlog", "sessionlog/check"}, only: true, why: "a check looks at its machine: who asked, and over what, is nothing to it"},
	"agent/check/checktest": {may: []string{"agent/check", "sessionlog", "sessionlog/check"}, only: true, why: "it asks a check as the agent does, and no agent"},
	"agent/check/catalogue": {may: []string{"agent/check/*", "agent/check"}, only: true, why: "it is the one place where the families meet"},
	"agent/check/journal":   {may: []string{"agent/check"}, only: true, why: "it reads records, and what they mean is the families' affair"},
	"agent/check/host":      {may: []string{"agent/check", "agent/check/journal", "sessionlog", "sessionlog/check"}, only: true, why: oneFamily},
	"agent/check/disk":      {may: []string{"agent/check", "agent/check/journal", "sessionlog", "sessionlog/check"}, only: true, why: oneFamily},
	"agent/check/network":   {may: []string{"agent/check", "sessionlog", "sessionlog/check"}, only: true, why: oneFamily},
	"agent/check/service":   {may: []string{"agent/check", "sessionlog", "sessionlog/check"}, only: true, why: oneFamily},
	"agent/check/directory": {may: []string{"agent/check", "sessionlog", "sessionlog/check"}, only: true, why: oneFamily},
	"agent/check/database":  {may: []string{"agent/check", "sessionlog", "sessionlog/check"}, only: true, why: oneFamily},

	"tui": {
		may: []string{"relay/console", "sessionlog/check", "sessionlog/transcript", "tui/*"},
		why: "a screen is a fold over events, whoever serves them",
	},
	"tui/vt":     {only: true, why: "the sanitiser is open to everyone, so it may depend on nobody"},
	"tui/replay": {may: []string{"relay/console", "sessionlog/check"}, why: "a replay is one more Backend, over records instead of a relay"},

	"cmd/caisey": {
		may: []string{"sessionlog/*", "relay", "relay/*", "agent", "agent/*", "tui", "tui/*"},
		why: "the main wires everything and decides nothing",
	},
	"cmd/caisey-agent": {
		may: []string{"agent", "agent/*", "relay/wire"}, only: true,
		why: "what the agent's main imports is on every endpoint",
	},
}

// A pkg is what go list says of a package.
type pkg struct {
	ImportPath   string
	Doc          string
	Standard     bool
	GoFiles      []string
	CgoFiles     []string
	Imports      []string
	TestImports  []string
	XTestImports []string
}

// name returns the path within the module.
func (p pkg) name() string { return strings.TrimPrefix(p.ImportPath, module+"/") }

// imports returns all that the package or its tests import.
func (p pkg) imports() []string { return slices.Concat(p.Imports, p.TestImports, p.XTestImports) }

// list runs go list at the top of the module for one system. Cgo is on, so that
// no file hides behind a build tag that only cgo sets.
func list(t *testing.T, goos string, args ...string) []pkg {
	t.Helper()
	fields := "-json=ImportPath,Doc,Standard,GoFiles,CgoFiles,Imports,TestImports,XTestImports"
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"list", "-e", fields}, args...)...)
	cmd.Dir = ".."
	cmd.Env = append(os.Environ(), "GOOS="+goos, "CGO_ENABLED=1", "GOFLAGS=")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list for %s: %v\n%s", goos, err, stderr.Bytes())
	}
	var pkgs []pkg
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs
		} else if err != nil {
			t.Fatalf("go list for %s: %v", goos, err)
		}
		pkgs = append(pkgs, p)
	}
}

// ours returns the packages of this module that hold more than tests.
func ours(t *testing.T, goos string) []pkg {
	t.Helper()
	return slices.DeleteFunc(list(t, goos, "./..."), func(p pkg) bool {
		return len(p.GoFiles)+len(p.CgoFiles) == 0
	})
}

// allows reports whether the row lets its package import name.
func (r row) allows(name string) bool {
	may := r.may
	if !r.only {
		may = slices.Concat(may, open)
	}
	return slices.ContainsFunc(may, func(m string) bool {
		below, deep := strings.CutSuffix(m, "*")
		return m == name || deep && strings.HasPrefix(name, below)
	})
}

func TestImportMap(t *testing.T) {
	found := map[string]bool{}
	for _, goos := range systems {
		for _, p := range ours(t, goos) {
			found[p.name()] = true
			r, ok := rows[p.name()]
			if !ok {
				t.Errorf("%s has no row in the import map: say what of ours it may import, and why", p.name())
				continue
			}
			for _, imp := range p.Imports {
				name, is := strings.CutPrefix(imp, module+"/")
				if is && !r.allows(name) {
					t.Errorf("%s (%s) imports %s: %s", p.name(), goos, name, r.why)
				}
			}
		}
	}
	for name := range rows {
		if !found[name] {
			t.Errorf("the import map has a row for %s, which is not there", name)
		}
	}
}

func TestPackageComments(t *testing.T) {
	for _, p := range ours(t, "linux") {
		if p.Doc == "" {
			t.Errorf("%s has no package comment", p.name())
		}
	}
}

// TestImportersOfSQLite holds for tests too: a test that wants to look into a
// record runs sqlite3, as a person would, or asks sqlitefile. The second importer
// keeps an index in a file of its own, which is derived and not a record.
func TestImportersOfSQLite(t *testing.T) {
	const driver = "github.com/mattn/go-sqlite3"
	may := []string{"sessionlog/sqlitefile", "sessionlog/search"}
	for _, goos := range systems {
		for _, p := range list(t, goos, "./...") {
			if !slices.Contains(may, p.name()) && slices.Contains(p.imports(), driver) {
				t.Errorf("%s (%s) imports %s: only sessionlog/sqlitefile may, so that every record is opened with the same care, and sessionlog/search, whose index is no record", p.name(), goos, driver)
			}
		}
	}
}

func TestNoHTTP3(t *testing.T) {
	for _, p := range list(t, "linux", "-deps", "-test", "./...") {
		if strings.HasPrefix(p.ImportPath, "github.com/quic-go/quic-go/http3") {
			t.Errorf("%s is in the build: streams carry our own frames, and HTTP/3 is a large attack surface for nothing", p.ImportPath)
		}
	}
}

func TestAgentIsPureGo(t *testing.T) {
	for _, goos := range systems {
		closure := list(t, goos, "-deps", "./cmd/caisey-agent")
		if len(closure) < 2 {
			t.Fatalf("go list found nothing that the agent imports on %s", goos)
		}
		for _, p := range closure {
			cgo := len(p.CgoFiles) > 0 || slices.Contains(p.Imports, "C")
			if cgo && !p.Standard {
				t.Errorf("%s is in the agent for %s and needs cgo: one agent binary must run on any machine of its system", p.ImportPath, goos)
			}
		}
	}
}

// TestTopLevel keeps the top of the tree short. What .gitignore names is built
// and not part of it.
func TestTopLevel(t *testing.T) {
	allowed := []string{
		"cmd", "tui", "relay", "agent", "sessionlog", "docs",
		"go.mod", "go.sum", "Taskfile.yml", "README.md", "LICENSE", ".*",
	}
	ignore, err := os.ReadFile("../.gitignore")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	for _, line := range strings.Fields(string(ignore)) {
		allowed = append(allowed, strings.Trim(line, "/"))
	}
	entries, err := os.ReadDir("..")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !slices.ContainsFunc(allowed, func(p string) bool { ok, _ := path.Match(p, e.Name()); return ok }) {
			t.Errorf("%s does not belong at the top of the tree: find it a place in one of the houses there", e.Name())
		}
	}
}

func TestNobodySleeps(t *testing.T) {
	fset := token.NewFileSet()
	files := 0
	err := filepath.WalkDir("..", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != ".." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata"):
			return fs.SkipDir
		case d.IsDir() || filepath.Ext(name) != ".go":
			return nil
		}
		files++
		f, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			return fmt.Errorf("parse: %w", err)
		}
		for _, pos := range sleeps(f) {
			t.Errorf("%s: time.Sleep: wait for what you wait for; in tests use channels or synctest", fset.Position(pos))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files == 0 {
		t.Fatal("no Go file found")
	}
}

// sleeps returns where f mentions time.Sleep, under whatever name it imports
// package time.
func sleeps(f *ast.File) (at []token.Pos) {
	local := ""
	for _, imp := range f.Imports {
		if imported, _ := strconv.Unquote(imp.Path.Value); imported != "time" {
			continue
		}
		local = "time"
		if imp.Name != nil {
			local = imp.Name.Name
		}
	}
	if local == "" {
		return nil
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && x.Name == local && n.Sel.Name == "Sleep" {
				at = append(at, n.Pos())
			}
		case *ast.Ident:
			if local == "." && n.Name == "Sleep" {
				at = append(at, n.Pos())
			}
		}
		return true
	})
	return at
}

func TestSleepsFindsThem(t *testing.T) {
	for src, want := range map[string]int{
		`import "time"; func f() { time.Sleep(1) }`:                                1,
		`import clock "time"; var nap = clock.Sleep`:                               1,
		`import . "time"; func f() { Sleep(1) }`:                                   1,
		`import "time"; func f() { _ = time.Now() }`:                               0,
		`import time "math"; func f() { time.Sleep(1) }`:                           0,
		`type s struct{}; func (s) Sleep(int) {}; func f() { var t s; t.Sleep(1)}`: 0,
	} {
		f, err := parser.ParseFile(token.NewFileSet(), "x.go", "package x; "+src, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if got := len(sleeps(f)); got != want {
			t.Errorf("%s: found %d, want %d", src, got, want)
		}
	}
}

func TestRowsAllow(t *testing.T) {
	r := row{may: []string{"agent/*", "relay"}}
	for name, want := range map[string]bool{
		"agent/proc": true, "agent": false, "relay": true, "relay/wire": false, "sessionlog": true, "tui/vt": true, "tui": false,
	} {
		if r.allows(name) != want {
			t.Errorf("allows(%s) = %t, want %t", name, !want, want)
		}
	}
	if (row{only: true}).allows("sessionlog") {
		t.Error("a row that says only allows what is open to everyone")
	}
}
