package main

import (
	"time"

	"github.com/alecthomas/kong"

	"github.com/caisey/caisey/relay"
	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/relay/fleet"
)

// keepFlags say what becomes of the records of closed sessions.
type keepFlags struct {
	ArchiveAfter span            `help:"How long after it was closed a session's record is compressed; 0 is never. Default: 30d." default:"30d" placeholder:"DURATION"`
	Keep         span            `help:"How long after it was closed a session's record is removed for good; 0 is never." default:"0" placeholder:"DURATION"`
	KeepClient   map[string]span `help:"The same for one client, instead of --keep." placeholder:"CLIENT=DURATION"`
}

// policy returns what the flags ask for.
func (k keepFlags) policy() (relay.KeepPolicy, error) {
	p := relay.KeepPolicy{ArchiveAfter: time.Duration(k.ArchiveAfter), Keep: time.Duration(k.Keep), Clients: map[string]time.Duration{}}
	for client, d := range k.KeepClient {
		if err := fleet.CheckName("a client", client); err != nil {
			return p, usageError("--keep-client: " + err.Error())
		}
		p.Clients[client] = time.Duration(d)
	}
	return p, nil
}

// A span is a length of time on the line: 90s, 2h, 1h30m, 3d, or 0.
type span time.Duration

// Decode reads the next word.
func (d *span) Decode(ctx *kong.DecodeContext) error {
	var word string
	if err := ctx.Scan.PopValueInto("duration", &word); err != nil {
		return err
	}
	v, err := console.ParseDuration(word)
	*d = span(v)
	return err
}
