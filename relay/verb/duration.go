package verb

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"
)

// maxDuration is the longest time a line can ask for: ten years.
const maxDuration = 3650 * 24 * time.Hour

// A duration is a length of time on the line: 90s, 2h, 1h30m, 3d, or 0.
type duration time.Duration

// Decode reads the next word.
func (d *duration) Decode(ctx *kong.DecodeContext) error {
	var word string
	if err := ctx.Scan.PopValueInto("duration", &word); err != nil {
		return err
	}
	v, err := parseDuration(word)
	*d = duration(v)
	return err
}

func parseDuration(s string) (time.Duration, error) {
	rest := s
	var days time.Duration
	if n, after, ok := strings.Cut(s, "d"); ok {
		v, err := strconv.ParseUint(n, 10, 16)
		if err != nil {
			return 0, badDuration(s)
		}
		days, rest = time.Duration(v)*24*time.Hour, after
	}
	var d time.Duration
	if rest != "" {
		var err error
		if d, err = time.ParseDuration(rest); err != nil {
			return 0, badDuration(s)
		}
	} else if s == "" {
		return 0, badDuration(s)
	}
	if d < 0 || days+d > maxDuration {
		return 0, badDuration(s)
	}
	return days + d, nil
}

func badDuration(s string) error {
	return fmt.Errorf("%q is not a duration like 90s, 2h or 3d", s)
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
