package verb

import (
	"fmt"
	"time"

	"github.com/alecthomas/kong"

	"github.com/caisey/caisey/relay/console"
)

// A duration is a length of time on the line: 90s, 2h, 1h30m, 3d, or 0.
type duration time.Duration

// Decode reads the next word.
func (d *duration) Decode(ctx *kong.DecodeContext) error {
	var word string
	if err := ctx.Scan.PopValueInto("duration", &word); err != nil {
		return err
	}
	v, err := console.ParseDuration(word)
	*d = duration(v)
	return err
}

// ago returns how long before now t was, in one unit.
func ago(now, t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return short(max(now.Sub(t), 0))
}

// short returns d in its largest unit.
func short(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", d/time.Hour)
	}
	return fmt.Sprintf("%dd", d/(24*time.Hour))
}
