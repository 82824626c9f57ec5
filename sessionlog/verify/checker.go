package verify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/caisey/caisey/sessionlog"
)

// A checker goes through a record once.
type checker struct {
	src    Source
	opt    Options
	report *Report
	steps  *steps
	kept   *sessionlog.Checkpoint

	key    note.Verifier // that signs the checkpoints; nil if none is known
	origin string        // of the record's checkpoints

	next    sessionlog.Seq    // event that must come
	missing sessionlog.Seq    // events that did not come
	whole   sessionlog.Tree   // of the events as they are, from the first
	good    sessionlog.Tree   // of what the newest good checkpoint signs
	have    []byte            // leaf hashes of the events after good
	claims  []byte            // leaf hashes that checkpoints kept of the same events
	marks   []sessionlog.Mark // that are read and not yet reached
	read    sessionlog.Seq    // size of the newest mark read
	end     bool              // there is no mark after those

	outlined outline
}

// take checks the next row.
func (c *checker) take(ctx context.Context, it *item) error {
	seq := it.row.Seq
	if c.next == 0 {
		c.next = 1
		c.open(it)
	}
	if err := c.hole(seq); err != nil {
		return err
	}
	for ; c.next < seq; c.next++ { // nothing has the hash that is taken
		if err := c.add(ctx, sessionlog.Hash{}); err != nil {
			return err
		}
	}
	c.next = seq + 1
	if it.err != nil {
		c.report.wrong(seq, "%v", it.err)
	} else {
		c.steps.take(it.ev)
		if it.ev.Kind != sessionlog.StepOutput {
			c.outlined.add(seq)
		}
	}
	return c.add(ctx, it.hash)
}

// maxHole is how many missing events a checker goes on after.
const maxHole = 1 << 20

// hole tells of events that are missing before seq.
func (c *checker) hole(seq sessionlog.Seq) error {
	switch {
	case seq == c.next:
		return nil
	case seq == c.next+1:
		c.missing++
		c.report.wrong(c.next, "it is missing")
		return nil
	}
	c.report.problem(Problem{From: c.next, Seq: seq - 1, What: "they are missing"})
	if c.missing += seq - c.next; c.missing > maxHole {
		return fmt.Errorf("verify record: after event %d there is none up to %d", c.next-1, seq)
	}
	return nil
}

// open learns from the first event whose record this is.
func (c *checker) open(it *item) {
	var opened sessionlog.Opened
	if it.row.Seq == 1 && it.err == nil && it.ev.Kind == sessionlog.SessionOpened && it.ev.Decode(&opened) == nil {
		c.report.Session = opened.Session
	}
	if c.report.Session != "" && sessionlog.CheckID(string(c.report.Session)) != nil {
		c.report.Session = ""
		c.report.wrong(1, "what it calls the session is no ID")
	}
	if want := c.opt.Session; want != "" && c.report.Session != want {
		c.report.wrong(0, "this is not the record of session %s", want)
	}
	c.key = c.opt.Trust
	if c.key == nil && opened.RelayKey != "" {
		c.key, _ = note.NewVerifier(opened.RelayKey) // a key that is none signs nothing
		if c.key != nil && strings.ContainsFunc(c.key.Name(), func(r rune) bool { return r <= ' ' || r > '~' }) {
			c.key = nil
		}
	}
	if c.key != nil {
		c.report.Key, c.report.Trusted = c.key.Name(), c.opt.Trust != nil
		c.origin = sessionlog.Origin(c.key.Name(), opened.Session)
	}
	c.steps.agentKey = opened.AgentKey
	if c.kept != nil && c.origin != "" && c.kept.Origin != c.origin && c.report.Session != "" {
		c.report.wrong(0, "the kept checkpoint is of %q, this record of %q", c.kept.Origin, c.origin)
		c.kept = nil
	}
}

// add takes the leaf hash of the next event as it is.
func (c *checker) add(ctx context.Context, h sessionlog.Hash) error {
	c.whole.Add(h)
	c.have = append(c.have, h[:]...)
	size := c.whole.Size()
	if c.kept != nil && c.kept.Size == size && c.kept.Root != c.whole.Root() {
		c.report.wrong(0, "the first %d events are not those of the kept checkpoint", size)
	}
	if err := c.readMarks(ctx); err != nil {
		return err
	}
	for len(c.marks) > 0 && c.marks[0].Size <= size {
		m := c.marks[0]
		c.marks = c.marks[1:]
		c.mark(m, size)
	}
	return nil
}

// readMarks makes sure that the next mark is at hand, if there is one.
func (c *checker) readMarks(ctx context.Context) error {
	if len(c.marks) > 0 || c.end {
		return nil
	}
	marks, err := c.src.Marks(ctx, c.read, 16)
	if err != nil {
		return err
	}
	c.marks, c.end = marks, len(marks) == 0
	if !c.end {
		c.read = marks[len(marks)-1].Size
	}
	return nil
}

// mark holds the events since the newest good checkpoint against the next one.
func (c *checker) mark(m sessionlog.Mark, size sessionlog.Seq) {
	cp, err := c.signed(m)
	if err == nil {
		err = c.claim(m)
	}
	switch {
	case err != nil:
		c.report.wrong(0, "checkpoint at %d: %v", m.Size, err)
		return
	case m.Size != size:
		c.report.wrong(0, "checkpoint at %d: there is no such event", m.Size)
		return
	}
	tree, ok := c.extend(c.claims, cp)
	switch {
	case ok:
		c.compare(c.claims)
	default: // what was kept is damaged too; perhaps the events are not
		if tree, ok = c.extend(c.have, cp); ok {
			c.report.wrong(0, "checkpoint at %d: the hashes kept with it are damaged", m.Size)
			break
		}
		c.report.problem(Problem{From: c.good.Size() + 1, Seq: m.Size, What: "at least one is not what was signed"})
		if tree, err = sessionlog.NewTree(m.Size, m.Edge); err != nil || tree.Root() != cp.Root {
			tree = c.whole // nothing better is known
		}
	}
	if edge := tree.Edge(); ok && !bytes.Equal(edge, m.Edge) {
		c.report.wrong(0, "checkpoint at %d: the edge kept with it is damaged", m.Size)
	}
	c.good, c.have, c.claims = tree, nil, nil
	c.report.Signed, c.report.Checkpoint = m.Size, m.Note
	c.report.Checkpoints++
}

// claim takes the hashes kept with a mark, unless they are more than its events.
func (c *checker) claim(m sessionlog.Mark) error {
	if uint64(len(c.claims)+len(m.Hashes))/sessionlog.HashSize > uint64(m.Size-c.good.Size()) {
		return errors.New("it has more hashes than events")
	}
	c.claims = append(c.claims, m.Hashes...)
	return nil
}

// signed returns the checkpoint of a mark, if it is signed and of this record.
func (c *checker) signed(m sessionlog.Mark) (sessionlog.Checkpoint, error) {
	if c.key == nil {
		return sessionlog.Checkpoint{}, errors.New("the record names no key, and none was given")
	}
	cp, err := sessionlog.OpenCheckpoint(m.Note, note.VerifierList(c.key))
	switch {
	case err != nil:
		return cp, err
	case cp.Size != m.Size:
		return cp, errors.New("it is of another size")
	case c.report.Session == "" && strings.HasPrefix(cp.Origin, c.key.Name()+"/session/"): // a record that is no session's
		c.origin, c.report.Session = cp.Origin, sessionlog.SessionID(strings.TrimPrefix(cp.Origin, c.key.Name()+"/session/"))
	}
	if cp.Origin != c.origin {
		return cp, errors.New("it is of another record")
	}
	return cp, nil
}

// extend returns the tree of the newest good checkpoint and hashes after it, and
// whether that is what cp signs.
func (c *checker) extend(hashes []byte, cp sessionlog.Checkpoint) (sessionlog.Tree, bool) {
	tree := c.good
	for ; len(hashes) >= sessionlog.HashSize; hashes = hashes[sessionlog.HashSize:] {
		tree.Add(sessionlog.Hash(hashes[:sessionlog.HashSize]))
	}
	return tree, len(hashes) == 0 && tree.Size() == cp.Size && tree.Root() == cp.Root
}

// compare says which events do not have the hash that was signed.
func (c *checker) compare(signed []byte) {
	if bytes.Equal(signed, c.have) {
		return
	}
	seq := c.good.Size()
	for at := 0; at < min(len(signed), len(c.have)); at += sessionlog.HashSize {
		seq++
		have := c.have[at : at+sessionlog.HashSize]
		if !bytes.Equal(have, signed[at:at+sessionlog.HashSize]) && !bytes.Equal(have, make([]byte, sessionlog.HashSize)) {
			c.report.wrong(seq, "it is not what was signed")
		}
	}
}

// maxTail is the longest unsigned tail: a batch short of a checkpoint, and one more.
const maxTail = 3 * 4096

// finish looks at how the record ends.
func (c *checker) finish(ctx context.Context) error {
	if err := c.readMarks(ctx); err != nil {
		return err
	}
	for _, m := range c.marks {
		c.report.wrong(0, "checkpoint at %d: the record ends before, at %d", m.Size, c.next-1)
		if cp, err := c.signed(m); err == nil && c.claim(m) == nil {
			if _, ok := c.extend(c.claims, cp); ok {
				c.compare(c.claims)
				break
			}
		}
	}
	if c.opt.Trust != nil && c.report.Signed == 0 {
		c.report.wrong(0, "nothing in the record is signed by the key that was given")
	}
	if c.next-1 != c.report.Events {
		c.report.wrong(0, "the record ends at %d, not at %d", c.next-1, c.report.Events)
	}
	if tail := c.report.Events - c.report.Signed; tail > maxTail {
		c.report.wrong(0, "the last %d events are signed by nobody: more than a relay leaves", tail)
	}
	if c.report.Sealed && c.report.Signed < c.report.Events {
		c.report.wrong(0, "the record is sealed, and only its first %d events are signed", c.report.Signed)
	}
	c.steps.finish()
	return nil
}

// outline holds the record's index of events without output against the events.
func (c *checker) outline(ctx context.Context) error {
	var found outline
	for from := sessionlog.Seq(1); ; {
		evs, err := c.src.Outline(ctx, from, batch)
		if err != nil {
			if c.report.Wrong > 0 {
				return nil // of an event that is told already
			}
			return err
		}
		if len(evs) == 0 {
			break
		}
		for _, ev := range evs {
			found.add(ev.Seq)
		}
		from = evs[len(evs)-1].Seq + 1
	}
	if c.report.Wrong == 0 && found != c.outlined {
		c.report.wrong(0, "the index of events without output is damaged")
	}
	return nil
}

// An outline stands for a list of numbers.
type outline struct{ n, sum uint64 }

func (o *outline) add(seq sessionlog.Seq) {
	o.n++
	o.sum = o.sum*0x9E3779B97F4A7C15 + uint64(seq)
}
