//go:build ignore

// Testlog reads what `go test -json` writes and prints what plain `go test`
// would have printed. It fails if a test failed or was skipped, and names those
// that were skipped.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
)

// event is one line of go test -json.
type event struct {
	Action     string
	Package    string
	ImportPath string
	Test       string
	Output     string
}

// summary is what is known so far.
type summary struct {
	out     io.Writer
	held    map[string][]string // output of packages that have not ended
	passed  int
	failed  int
	broken  int // packages that failed
	skipped []string
}

func main() {
	s := &summary{out: os.Stdout, held: map[string][]string{}}
	in := bufio.NewReader(os.Stdin)
	for {
		line, err := in.ReadBytes('\n')
		var ev event
		if len(line) > 0 && json.Unmarshal(line, &ev) == nil && ev.Action != "" {
			s.add(ev)
		} else {
			os.Stdout.Write(line)
		}
		if err != nil {
			break
		}
	}
	os.Exit(s.end())
}

func (s *summary) add(ev event) {
	switch ev.Action {
	case "build-output":
		fmt.Fprint(s.out, ev.Output)
	case "output":
		s.held[ev.Package] = append(s.held[ev.Package], ev.Output)
	case "pass":
		if ev.Test != "" {
			s.passed++
		} else {
			s.flush(ev.Package, isResult)
		}
	case "skip":
		if ev.Test != "" {
			s.skipped = append(s.skipped, ev.Package+" "+ev.Test)
		} else {
			s.flush(ev.Package, isResult) // a package without tests
		}
	case "fail":
		if ev.Test != "" {
			s.failed++
		} else {
			s.broken++
			s.flush(ev.Package, isTold)
		}
	}
}

// flush prints what a package that has ended had to say, as far as want holds.
func (s *summary) flush(pkg string, want func(string) bool) {
	for _, line := range s.held[pkg] {
		if want(line) {
			fmt.Fprint(s.out, line)
		}
	}
	delete(s.held, pkg)
}

// isResult holds for the line that go test prints of a package that passed.
func isResult(line string) bool {
	return strings.HasPrefix(line, "ok  \t") || strings.HasPrefix(line, "?   \t") || strings.Contains(line, "[no test files]")
}

// isTold holds for what go test prints of a package that failed.
func isTold(line string) bool {
	trimmed := strings.TrimLeft(line, " ")
	return !strings.HasPrefix(line, "=== ") && !strings.HasPrefix(trimmed, "--- PASS")
}

// end prints what must not be overlooked and returns the exit code.
func (s *summary) end() int {
	for pkg := range s.held { // go test itself was ended
		s.flush(pkg, isTold)
		s.broken++
	}
	for _, name := range s.skipped {
		fmt.Fprintln(s.out, "SKIPPED", name)
	}
	fmt.Fprintf(s.out, "%d tests passed, %d failed, %d skipped; %d packages failed\n", s.passed, s.failed, len(s.skipped), s.broken)
	if s.failed+s.broken > 0 || len(s.skipped) > 0 || s.passed == 0 {
		return 1
	}
	return 0
}
