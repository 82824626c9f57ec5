package console

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// maxDuration is the longest time that a person can ask for: ten years.
const maxDuration = 3650 * 24 * time.Hour

// ParseDuration reads a length of time as people write it: 90s, 2h, 1h30m, 3d,
// or 0.
func ParseDuration(s string) (time.Duration, error) {
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

// The forms of a moment. Those without a zone are in that of the caller's day.
var (
	momentForms = []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04", time.DateOnly}
	dayForms    = []string{"15:04:05", "15:04"}
)

// ParseTime reads a moment as people write it: 14:52, 14:52:10, 2026-11-24,
// 2026-11-24T14:52, or RFC 3339. A time of day alone is the first one that is not
// before earliest, in whose zone everything without one is.
func ParseTime(s string, earliest time.Time) (time.Time, error) {
	for _, form := range momentForms {
		if t, err := time.ParseInLocation(form, s, earliest.Location()); err == nil {
			return t, nil
		}
	}
	for _, form := range dayForms {
		t, err := time.Parse(form, s)
		if err != nil {
			continue
		}
		year, month, day := earliest.Date()
		at := func(day int) time.Time {
			return time.Date(year, month, day, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), earliest.Location())
		}
		if first := at(day); !first.Before(earliest) {
			return first, nil
		}
		return at(day + 1), nil
	}
	return time.Time{}, fmt.Errorf("%q is not a time like 14:52, 14:52:10 or 2026-11-24T14:52", s)
}
