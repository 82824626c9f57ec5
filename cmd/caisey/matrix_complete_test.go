package main

import (
	"bytes"
	"fmt"
	"go/ast"
	goparser "go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/caisey/caisey/relay/verb"
)

// TestMatrixIsComplete holds the table against what there is to ask: every verb of the
// grammar, every intent and every method of console.Backend has a row.
func TestMatrixIsComplete(t *testing.T) {
	m := readMatrix(t)
	rows := func(prefix string) (there, denied bool) {
		for _, row := range m.asks {
			ask := strings.TrimPrefix(row.ask, "-t ")
			if ask == prefix || strings.HasPrefix(ask, prefix+" ") {
				there, denied = true, denied || strings.ContainsAny(row.cells, "-rR0")
			}
		}
		return there, denied
	}
	methods, named := consoleNames(t)
	if len(methods) < 10 || len(named) < 20 {
		t.Fatalf("relay/console has only the methods %v and the intents %v: this test does not find them any more", methods, named)
	}
	for what, names := range map[string][]string{"verb": verbs(t), "method of console.Backend": methods, "intent": named} {
		for _, name := range names {
			prefix := name
			if what == "intent" {
				prefix = "Do " + name
				if intents[name] == nil {
					t.Errorf("console.%s is an intent; add it to the map intents of this test, so that rows can ask for it", name)
				}
			}
			there, denied := rows(prefix)
			switch {
			case !there:
				t.Errorf("the %s %s has no row in testdata/matrix.txt; add one that begins with %q and says what each person gets", what, name, prefix)
			case !denied && !forAll[name]:
				t.Errorf("every row of the %s %s says that everybody may; add one for what somebody may not", what, name)
			}
		}
	}
}

// forAll is what everybody may do.
var forAll = map[string]bool{"Self": true, "help": true, "version": true, "policy check": true}

// aVerb is a line of `help` that names a verb. What does not fit goes on below, more
// to the right.
var aVerb = regexp.MustCompile(`(?m)^  ([a-z]+(?: [a-z]+)*)(?:  .*)?$`)

// verbs returns the verbs of the grammar.
func verbs(t *testing.T) []string {
	t.Helper()
	var help bytes.Buffer
	if code := verb.Run(t.Context(), verb.Call{Line: "help", Stdout: &help}); code != 0 {
		t.Fatalf("help: exit %d", code)
	}
	var all []string
	for _, found := range aVerb.FindAllStringSubmatch(help.String(), -1) {
		all = append(all, found[1])
	}
	if len(all) < 30 || strings.Count(help.String(), "\n  ") < len(all) {
		t.Fatalf("help names only the verbs %v: this test does not find them any more", all)
	}
	return all
}

// consoleNames returns the methods of console.Backend, and the types that have a
// method intent.
func consoleNames(t *testing.T) (methods, named []string) {
	t.Helper()
	files, err := filepath.Glob("../../relay/console/*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("relay/console: %v, %v", files, err)
	}
	fset := token.NewFileSet()
	for _, file := range files {
		f, err := goparser.ParseFile(fset, file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if n.Name.Name == "intent" && n.Recv != nil {
					named = append(named, strings.TrimPrefix(fmt.Sprint(n.Recv.List[0].Type), "*"))
				}
			case *ast.TypeSpec:
				iface, ok := n.Type.(*ast.InterfaceType)
				if n.Name.Name != "Backend" || !ok {
					return true
				}
				for _, method := range iface.Methods.List {
					if len(method.Names) == 0 {
						t.Errorf("console.Backend embeds %v; this test has to find its methods", method.Type)
						continue
					}
					methods = append(methods, method.Names[0].Name)
				}
			}
			return true
		})
	}
	return methods, named
}
