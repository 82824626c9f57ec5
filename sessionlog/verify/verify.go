// Package verify checks a record against its proofs: that every event and every
// byte of output is what the relay's key signed and what the endpoints stated,
// and if not, which is not.
//
// It reads a record once, from the first event to the last, and holds as much of
// it as lies between two checkpoints. docs/record.md says what is proved by what.
package verify

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/note"

	"github.com/caisey/caisey/sessionlog"
)

// A Source is a record to be checked. It reads without judging.
type Source interface {
	// Head returns the last event of the record.
	Head() sessionlog.Head
	// Rows returns events from seq on, in order, at most limit of them; none
	// after the last.
	Rows(ctx context.Context, from sessionlog.Seq, limit int) ([]sessionlog.Row, error)
	// Marks returns checkpoints of more than after events, in order, at most
	// limit of them.
	Marks(ctx context.Context, after sessionlog.Seq, limit int) ([]sessionlog.Mark, error)
	// Outline is that of sessionlog.Reader.
	Outline(ctx context.Context, from sessionlog.Seq, limit int) ([]sessionlog.Event, error)
}

// Options say what to hold a record against. The zero value is good.
type Options struct {
	// Trust is the relay's key. If nil, the key that the record itself names:
	// then a whole forgery looks as good as the truth.
	Trust note.Verifier
	// Session is whose record it must be. If empty, any.
	Session sessionlog.SessionID
	// Against is a signed checkpoint that was kept elsewhere: its events must
	// still be the record's first.
	Against string
}

// A Problem is something in the record that is not as it was.
type Problem struct {
	// Seq is the event; where From is set, one of From to Seq.
	Seq  sessionlog.Seq `json:"seq"`
	From sessionlog.Seq `json:"from,omitempty"`
	What string         `json:"what"`
}

// String says what is wrong in one line.
func (p Problem) String() string {
	switch {
	case p.From > 0 && p.From < p.Seq:
		return fmt.Sprintf("events %d to %d: %s", p.From, p.Seq, p.What)
	case p.Seq == 0:
		return p.What
	}
	return fmt.Sprintf("event %d: %s", p.Seq, p.What)
}

// maxProblems is how many problems a Report names; it counts all.
const maxProblems = 100

// A Report says what a record proves.
type Report struct {
	Session sessionlog.SessionID `json:"id"`
	Events  sessionlog.Seq       `json:"events"`
	Sealed  bool                 `json:"sealed"`
	// Key names the key that signed; Trusted says that it is the one given.
	Key     string `json:"key,omitempty"`
	Trusted bool   `json:"trusted"`
	// Signed is how many events, from the first on, the newest good checkpoint
	// signs; what follows is the unsigned tail.
	Signed      sessionlog.Seq `json:"signed"`
	Checkpoints int            `json:"checkpoints"`
	// Output counts bytes of output that are recorded, Left those in Gaps.
	Output int64 `json:"output"`
	Gaps   int   `json:"gaps"`
	Left   int64 `json:"left"`
	// Ended counts steps that ran, and those that were lost with output; Stated
	// those of which the endpoint's signature vouches for the output. Of a stream
	// with gaps it vouches for the length alone.
	Ended  int `json:"ended"`
	Stated int `json:"stated"`
	// Wrong counts problems; Problems has the first of them.
	Wrong    int       `json:"wrong"`
	Problems []Problem `json:"problems,omitempty"`
	// Checkpoint is the newest good one, as signed.
	Checkpoint string `json:"checkpoint,omitempty"`
}

func (r *Report) problem(p Problem) {
	if r.Wrong++; len(r.Problems) < maxProblems {
		r.Problems = append(r.Problems, p)
	}
}

func (r *Report) wrong(seq sessionlog.Seq, format string, args ...any) {
	r.problem(Problem{Seq: seq, What: fmt.Sprintf(format, args...)})
}

// Record checks a record. What is wrong with it is in the Report; an error means
// that it could not be read to its end, and then the Report covers what was read.
func Record(ctx context.Context, src Source, opt Options) (*Report, error) {
	head := src.Head()
	r := &Report{Events: head.Seq, Sealed: head.Sealed}
	if head.Seq == 0 {
		r.wrong(0, "the record has no event")
		return r, nil
	}
	c := &checker{src: src, report: r, opt: opt, steps: newSteps(r)}
	if err := c.against(); err != nil {
		return r, err
	}
	if err := c.run(ctx); err != nil {
		return r, err
	}
	return r, c.outline(ctx)
}

// against reads the checkpoint that was kept.
func (c *checker) against() error {
	if c.opt.Against == "" {
		return nil
	}
	kept, err := parse(c.opt.Against, c.opt.Trust)
	if err != nil {
		return fmt.Errorf("read the kept checkpoint: %w", err)
	}
	c.kept = &kept
	if kept.Size > c.report.Events {
		c.report.wrong(0, "the record has %d events, the kept checkpoint is of %d: it was cut off", c.report.Events, kept.Size)
	}
	return nil
}

// parse reads a signed checkpoint; without a key it takes the text on trust.
func parse(signed string, key note.Verifier) (sessionlog.Checkpoint, error) {
	if key != nil {
		return sessionlog.OpenCheckpoint(signed, note.VerifierList(key))
	}
	_, err := note.Open([]byte(signed), note.VerifierList())
	var unverified *note.UnverifiedNoteError
	if !errors.As(err, &unverified) {
		return sessionlog.Checkpoint{}, err
	}
	return sessionlog.ParseCheckpoint(unverified.Note.Text)
}
