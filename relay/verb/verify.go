package verb

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/verify"
	"github.com/caisey/caisey/tui/vt"
)

// A RecordFile is a record's file, open to be verified.
type RecordFile interface {
	verify.Source
	io.Closer
}

type verifyVerb struct {
	ID         string `arg:"" help:"The session, or how its id begins; on your own machine also a record's file."`
	Trust      string `placeholder:"KEY" help:"The relay's key, as it prints it: NAME+HASH+KEY."`
	Against    string `placeholder:"CHECKPOINT" help:"A checkpoint that was kept elsewhere: its file, or - for stdin."`
	Checkpoint bool   `help:"Print the newest checkpoint, to be kept elsewhere, and nothing else."`
	JSON       bool   `name:"json" help:"Print the findings as one JSON object."`
}

// offline says that a file can be verified without a relay.
func (*verifyVerb) offline() {}

func (v *verifyVerb) run(ctx context.Context, e *env) error {
	opt, err := v.options(e)
	if err != nil {
		return err
	}
	rec, release, err := v.open(ctx, e, &opt)
	if err != nil {
		return err
	}
	defer release()
	r, err := verify.Record(ctx, rec, opt)
	if r != nil {
		if perr := v.print(e, r); err == nil {
			err = perr
		}
	}
	if err != nil {
		return console.Errorf(console.CodeFailed, "", "verify: %v", err)
	}
	if r.Wrong > 0 {
		return exitError(ExitFailed)
	}
	return nil
}

func (v *verifyVerb) options(e *env) (opt verify.Options, err error) {
	key := v.Trust
	if key == "" {
		key = e.call.RelayKey
	}
	if key != "" {
		if opt.Trust, err = note.NewVerifier(key); err != nil {
			return opt, console.Errorf(console.CodeUsage, "give the line from the relay's file relay.pub", "verify: %.200q is not a relay's key", key)
		}
	}
	if v.Against == "" {
		return opt, nil
	}
	opt.Against, err = e.text(v.Against)
	return opt, err
}

// maxText is the most bytes read of a text that is named on the line.
const maxText = 64 << 10

// text returns what stdin, or a file of this machine, has.
func (e *env) text(name string) (string, error) {
	if name == "-" {
		b, err := io.ReadAll(io.LimitReader(e.call.Stdin, maxText))
		return string(b), err
	}
	if !e.call.Files {
		return "", console.Errorf(console.CodeUsage, "give it on stdin, as -", "the file %.200q is not on this machine", name)
	}
	b, err := os.ReadFile(name)
	if err != nil {
		return "", console.Errorf(console.CodeUsage, "", "%v", err)
	}
	return string(b), nil
}

// open opens what is to be verified: a file of this machine, or a copy of the
// relay's.
func (v *verifyVerb) open(ctx context.Context, e *env, opt *verify.Options) (RecordFile, func(), error) {
	switch {
	case e.call.OpenRecord == nil:
		return nil, nil, console.Errorf(console.CodeFailed, "", "records cannot be opened here")
	case e.call.Files && isFile(v.ID):
		rec, err := e.call.OpenRecord(ctx, v.ID)
		if err != nil {
			return nil, nil, err
		}
		return rec, func() { rec.Close() }, nil
	case e.call.Backend == nil:
		return nil, nil, console.Errorf(console.CodeUsage, "write `ssh RELAY verify "+v.ID+"`, or name a file", "there is no relay here to ask")
	}
	s, err := e.session(ctx, v.ID)
	if err != nil {
		return nil, nil, err
	}
	opt.Session = s.ID
	return e.openCopy(ctx, s.ID)
}

// isFile reports whether a word names a file rather than a session.
func isFile(word string) bool {
	_, err := os.Stat(word)
	return err == nil || strings.ContainsAny(word, "./"+string(filepath.Separator))
}

// openCopy opens a copy of a record of the relay, which goes when it is released.
func (e *env) openCopy(ctx context.Context, id sessionlog.SessionID) (RecordFile, func(), error) {
	dir, err := os.MkdirTemp("", "caisey-verify-")
	if err != nil {
		return nil, nil, err
	}
	remove := func() { os.RemoveAll(dir) }
	path := filepath.Join(dir, string(id)+".caisey")
	if err := e.copyRecord(ctx, id, path); err != nil {
		remove()
		return nil, nil, err
	}
	rec, err := e.call.OpenRecord(ctx, path)
	if err != nil {
		remove()
		return nil, nil, err
	}
	return rec, func() { rec.Close(); remove() }, nil
}

func (e *env) copyRecord(ctx context.Context, id sessionlog.SessionID, path string) error {
	from, err := e.call.Backend.Record(ctx, id)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	if cerr := to.Close(); err == nil {
		err = cerr
	}
	return err
}

func (v *verifyVerb) print(e *env, r *verify.Report) error {
	switch {
	case v.JSON:
		return e.out.json(r)
	case v.Checkpoint:
		if r.Checkpoint == "" {
			return fmt.Errorf("no checkpoint in the record is good")
		}
		e.out.data([]byte(r.Checkpoint))
		for _, p := range r.Problems {
			e.out.sayf("%s", vt.Plain(p.String()))
		}
	default:
		e.out.data([]byte(findings(r)))
	}
	return nil
}

// findings says what a record proves, for people.
func findings(r *verify.Report) string {
	var b strings.Builder
	state := "open"
	if r.Sealed {
		state = "sealed"
	}
	fmt.Fprintf(&b, "record      %s, %s, %d events, %d bytes of output\n", r.Session, state, r.Events, r.Output)
	switch {
	case r.Key == "":
		b.WriteString("signed      nothing: it names no key, and none was given\n")
	case r.Trusted:
		fmt.Fprintf(&b, "signed      events 1 to %d, by %s, the key that was given\n", r.Signed, r.Key)
	default:
		fmt.Fprintf(&b, "signed      events 1 to %d, by %s, a key that only the record names; give --trust\n", r.Signed, r.Key)
	}
	if tail := r.Events - r.Signed; tail > 0 {
		fmt.Fprintf(&b, "unsigned    the last %d events\n", tail)
	}
	fmt.Fprintf(&b, "statements  of %d of %d steps the endpoint vouches for the output\n", r.Stated, r.Ended)
	if r.Gaps > 0 {
		fmt.Fprintf(&b, "gaps        %d, %d bytes of output not recorded\n", r.Gaps, r.Left)
	}
	for _, p := range r.Problems {
		fmt.Fprintf(&b, "WRONG       %s\n", vt.Plain(p.String()))
	}
	if more := r.Wrong - len(r.Problems); more > 0 {
		fmt.Fprintf(&b, "WRONG       and %d more\n", more)
	}
	switch tail := r.Events - r.Signed; {
	case r.Wrong > 0:
		b.WriteString("NOT what was recorded\n")
	case tail > 0:
		fmt.Fprintf(&b, "events 1 to %d are whole and unchanged; the last %d are signed by nobody\n", r.Signed, tail)
	default:
		b.WriteString("whole and unchanged\n")
	}
	return b.String()
}
