package policy

import (
	"testing"
	"time"
)

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Skipf("no time zones here, as in Debian's package tzdata: %v", err)
	}
	return loc
}

func TestHours(t *testing.T) {
	for _, c := range []struct {
		hours, at string // 2026-11-23 is a Monday
		want      bool
	}{
		{"mon-fri 08:00-18:00", "2026-11-23 08:00:00", true},
		{"mon-fri 08:00-18:00", "2026-11-23 07:59:59", false},
		{"mon-fri 08:00-18:00", "2026-11-23 17:59:59", true},
		{"mon-fri 08:00-18:00", "2026-11-23 18:00:00", false},
		{"mon-fri 08:00-18:00", "2026-11-28 12:00:00", false},
		{"00:00-24:00", "2026-11-28 00:00:00", true},
		{"00:00-24:00", "2026-11-28 23:59:59", true},
		{"sat,sun 00:00-24:00", "2026-11-27 23:59:59", false},
		{"sat,sun 00:00-24:00", "2026-11-29 23:59:59", true},
		{"sat,sun 00:00-24:00", "2026-11-30 00:00:00", false},
		{"fri-mon 10:00-11:00", "2026-11-29 10:30:00", true},
		{"fri-mon 10:00-11:00", "2026-11-26 10:30:00", false},
		// Over midnight: the morning belongs to the evening before it.
		{"fri 22:00-06:00", "2026-11-27 21:59:59", false},
		{"fri 22:00-06:00", "2026-11-27 22:00:00", true},
		{"fri 22:00-06:00", "2026-11-28 05:59:59", true},
		{"fri 22:00-06:00", "2026-11-28 06:00:00", false},
		{"fri 22:00-06:00", "2026-11-27 05:00:00", false},
		{"fri 22:00-06:00", "2026-11-28 22:00:00", false},
		{"sat 22:00-06:00", "2026-11-29 01:00:00", true},
		{"22:00-06:00", "2026-11-25 12:00:00", false},
		{"mon 18:00-00:00", "2026-11-23 23:59:59", true},
		{"mon 18:00-00:00", "2026-11-24 00:00:00", false},
	} {
		h, err := parseHours(c.hours)
		if err != nil {
			t.Errorf("%s: %v", c.hours, err)
			continue
		}
		at, err := time.Parse(time.DateTime, c.at)
		if err != nil {
			t.Fatal(err)
		}
		if got := h.contain(at); got != c.want {
			t.Errorf("%s at %s: %t", c.hours, c.at, got)
		}
	}
}

// The clock on the wall counts: on the last Sunday of March 02:00 becomes 03:00, and
// on that of October 03:00 becomes 02:00.
func TestHoursWhenTheClockIsChanged(t *testing.T) {
	berlin := zone(t, "Europe/Berlin")
	for _, c := range []struct {
		hours string
		day   time.Time
		want  time.Duration // how long they are, in that night
	}{
		{"sun 01:00-04:00", time.Date(2026, 3, 29, 0, 0, 0, 0, berlin), 2 * time.Hour},
		{"sun 01:00-04:00", time.Date(2026, 10, 25, 0, 0, 0, 0, berlin), 4 * time.Hour},
		{"sun 01:00-04:00", time.Date(2026, 11, 1, 0, 0, 0, 0, berlin), 3 * time.Hour},
		{"sun 02:00-03:00", time.Date(2026, 3, 29, 0, 0, 0, 0, berlin), 0},
		{"sun 02:00-03:00", time.Date(2026, 10, 25, 0, 0, 0, 0, berlin), 2 * time.Hour},
		{"sat 22:00-03:30", time.Date(2026, 3, 28, 20, 0, 0, 0, berlin), 4*time.Hour + 30*time.Minute},
		{"sat 22:00-03:30", time.Date(2026, 10, 24, 20, 0, 0, 0, berlin), 6*time.Hour + 30*time.Minute},
		{"sun 00:00-24:00", time.Date(2026, 10, 24, 20, 0, 0, 0, berlin), 25 * time.Hour},
	} {
		h, err := parseHours(c.hours)
		if err != nil {
			t.Fatal(err)
		}
		var open time.Duration
		const step = 15 * time.Minute
		for at := c.day; at.Before(c.day.Add(36 * time.Hour)); at = at.Add(step) {
			if h.contain(at) {
				open += step
			}
		}
		if open != c.want {
			t.Errorf("%s from %s on: %v, not %v", c.hours, c.day, open, c.want)
		}
	}
}
