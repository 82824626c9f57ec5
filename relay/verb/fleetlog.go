package verb

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/transcript"
	"github.com/caisey/caisey/tui/vt"
)

// fleet prints the fleet's own log.
func (v *logVerb) fleet(ctx context.Context, e *env) error {
	look, err := e.call.Backend.Look(ctx, console.FleetLog)
	if err != nil {
		return err
	}
	last := look.Head().Seq
	feed := console.Follow(look, 1)
	defer feed.Close()
	show := e.printFleet
	if v.JSON {
		show = transcript.NewEncoder(dataWriter{e.out}, sessionlog.Opened{}).Encode
	}
	return drain(ctx, feed, last, v.Follow, show)
}

// printFleet prints an event as one line: when, who, what, and what its body says.
func (e *env) printFleet(ev sessionlog.Event) error {
	var body map[string]any
	if len(ev.Body) > 0 {
		if err := ev.Decode(&body); err != nil {
			return err
		}
	}
	line := fmt.Sprintf("%s  %-24s %-20s", ev.Time.UTC().Format(time.RFC3339), ev.Actor, ev.Kind)
	for _, key := range slices.Sorted(maps.Keys(body)) {
		line += " " + key + "=" + fieldText(body[key])
	}
	e.out.data([]byte(vt.Plain(strings.TrimRight(line, " ")) + "\n"))
	return nil
}

// fieldText writes a value in one line: text in quotes where it has spaces.
func fieldText(v any) string {
	s, ok := v.(string)
	if !ok {
		b, err := json.Marshal(v)
		if err != nil {
			return "?"
		}
		return string(b)
	}
	if s == "" || strings.ContainsAny(s, " \t\r\n\"=") {
		return fmt.Sprintf("%q", s)
	}
	return s
}
