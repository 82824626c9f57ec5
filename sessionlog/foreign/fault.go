package foreign

import (
	"errors"
	"io/fs"
	"strings"
	"unicode"

	"github.com/caisey/caisey/sessionlog/sqlitefile"
)

// A fault is an error as it crosses the pipe.
type fault struct {
	Text   string
	Is     []string // names of known
	Format *sqlitefile.FormatError
}

// known are the errors that a caller may ask for with errors.Is.
var known = map[string]error{
	"not a record":  sqlitefile.ErrNotRecord,
	"not there":     fs.ErrNotExist,
	"not permitted": fs.ErrPermission,
}

func newFault(err error) *fault {
	f := &fault{Text: err.Error()}
	for name, e := range known {
		if errors.Is(err, e) {
			f.Is = append(f.Is, name)
		}
	}
	errors.As(err, &f.Format)
	return f
}

// maxFault is the most bytes of an error that are passed on.
const maxFault = 4 << 10

func (f *fault) err() error {
	e := &remoteError{text: clean(f.Text, maxFault)}
	if f.Format != nil {
		e.is = append(e.is, f.Format)
	}
	for _, name := range f.Is {
		if err := known[name]; err != nil && len(e.is) <= len(known) {
			e.is = append(e.is, err)
		}
	}
	return e
}

// A remoteError is an error of the child: its text, and what it is.
type remoteError struct {
	text string
	is   []error
}

func (e *remoteError) Error() string   { return e.text }
func (e *remoteError) Unwrap() []error { return e.is }

// clean makes one line that a terminal may show of at most n bytes of s.
func clean(s string, n int) string {
	s = strings.ToValidUTF8(s[:min(len(s), n)], "")
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return ' '
		case !unicode.IsPrint(r):
			return unicode.ReplacementChar
		}
		return r
	}, s)
}
