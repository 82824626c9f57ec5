package relay

import (
	"bytes"
	"slices"

	"github.com/oklog/ulid/v2"

	"github.com/caisey/caisey/sessionlog"
)

// A past is the steps of a session that have ended, and where each was asked for:
// whoever asks again is told that. It takes about 24 bytes a step.
type past struct {
	steps []pastStep // sorted
	odd   int        // steps whose IDs are none, so that nobody can ask for them again
}

type pastStep struct {
	id  ulid.ULID
	seq sessionlog.Seq
}

func (p *past) len() int { return len(p.steps) + p.odd }

// add adds a step, which is not there yet. Mostly it is the newest.
func (p *past) add(id sessionlog.StepID, seq sessionlog.Seq) {
	key, err := ulid.ParseStrict(string(id))
	if err != nil {
		p.odd++
		return
	}
	at, _ := p.search(key)
	p.steps = slices.Insert(p.steps, at, pastStep{key, seq})
}

// find returns where a step was asked for; 0 if it is not there.
func (p *past) find(id sessionlog.StepID) sessionlog.Seq {
	key, err := ulid.ParseStrict(string(id))
	if err != nil {
		return 0
	}
	if at, ok := p.search(key); ok {
		return p.steps[at].seq
	}
	return 0
}

func (p *past) search(key ulid.ULID) (int, bool) {
	return slices.BinarySearchFunc(p.steps, key, func(s pastStep, key ulid.ULID) int { return bytes.Compare(s.id[:], key[:]) })
}
