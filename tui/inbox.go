package tui

import (
	"context"
	"errors"
	"sync"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/tui/vt"
)

// An inbox follows what waits for an answer in a goroutine of its own, and keeps
// what the screen has not yet taken: the newest list.
type inbox struct {
	// Static.
	backend console.Backend
	wake    func()

	mu      sync.Mutex // guards what follows
	list    []console.Approval
	told    bool   // list is what the Backend told
	fresh   bool   // list or trouble was not taken yet
	trouble string // what is wrong with the connection, or ""
}

// run follows until ctx ends, or the Backend says that it has no approvals.
func (in *inbox) run(ctx context.Context) {
	retry := firstRetry
	for ctx.Err() == nil {
		told, err := in.follow(ctx)
		var no *console.Error
		if ctx.Err() != nil {
			return
		}
		if errors.As(err, &no) && no.Code == console.CodeUsage {
			in.say(vt.Plain(err.Error()))
			return
		}
		in.say("APPROVALS LOST, trying again: " + vt.Plain(err.Error()))
		if told {
			retry = firstRetry
		}
		if !sleep(ctx, retry) {
			return
		}
		retry = min(2*retry, lastRetry)
	}
}

// follow reports whether the inbox told anything before it failed.
func (in *inbox) follow(ctx context.Context) (told bool, err error) {
	box, err := in.backend.Inbox(ctx)
	if err != nil {
		return false, err
	}
	defer box.Close()
	for {
		list, err := box.Next(ctx)
		if err != nil {
			return told, err
		}
		in.take(list)
		told = true
	}
}

func (in *inbox) take(list []console.Approval) {
	in.mu.Lock()
	quiet := len(list) == 0 && len(in.list) == 0 && in.trouble == "" && in.told
	in.list, in.told, in.trouble = list, true, ""
	in.fresh = in.fresh || !quiet
	in.mu.Unlock()
	if !quiet {
		in.wake()
	}
}

func (in *inbox) say(trouble string) {
	in.mu.Lock()
	same := in.trouble == trouble
	in.trouble = trouble
	in.fresh = in.fresh || !same
	in.mu.Unlock()
	if !same {
		in.wake()
	}
}

// news is what an inbox has to tell.
type news struct {
	list    []console.Approval
	known   bool // list is what the Backend told
	trouble string
}

// drain returns how things stand, and false if that was taken already.
func (in *inbox) drain() (n news, ok bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	ok, in.fresh = in.fresh, false
	return news{in.list, in.told, in.trouble}, ok
}
