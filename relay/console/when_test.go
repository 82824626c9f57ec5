package console

import (
	"testing"
	"time"
)

func TestParseTime(t *testing.T) {
	zone := time.FixedZone("x", 2*3600)
	noon := time.Date(2026, 11, 24, 12, 0, 30, 0, zone)
	for s, want := range map[string]time.Time{
		"14:52":                noon.Add(2*time.Hour + 51*time.Minute + 30*time.Second),
		"12:00:30":             noon,
		"12:00:29":             noon.Add(24*time.Hour - time.Second),
		"11:00":                noon.Add(23*time.Hour - 30*time.Second),
		"2026-11-24":           time.Date(2026, 11, 24, 0, 0, 0, 0, zone),
		"2026-11-24T14:52":     time.Date(2026, 11, 24, 14, 52, 0, 0, zone),
		"2026-11-24 14:52:10":  time.Date(2026, 11, 24, 14, 52, 10, 0, zone),
		"2026-11-24T14:52:10Z": time.Date(2026, 11, 24, 14, 52, 10, 0, time.UTC),
		"14:52:10.5":           time.Date(2026, 11, 24, 14, 52, 10, 5e8, zone),
	} {
		got, err := ParseTime(s, noon)
		if err != nil || !got.Equal(want) {
			t.Errorf("%s is %v, %v; want %v", s, got, err, want)
		}
	}
	for _, s := range []string{"", "noon", "25:00", "14", "2h", "2026-13-01", "+5"} {
		if got, err := ParseTime(s, noon); err == nil {
			t.Errorf("%q is %v", s, got)
		}
	}
}

// A time of day is that on the clock, on a day that has 23 or 25 hours too.
func TestParseTimeSummerTime(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip("the package tzdata is not installed")
	}
	got, err := ParseTime("09:00", time.Date(2026, 10, 24, 10, 0, 0, 0, zone))
	if want := time.Date(2026, 10, 25, 9, 0, 0, 0, zone); err != nil || !got.Equal(want) {
		t.Errorf("09:00 is %v, %v; want %v", got, err, want)
	}
}

func TestParseDuration(t *testing.T) {
	for s, want := range map[string]time.Duration{
		"90s": 90 * time.Second, "2h": 2 * time.Hour, "3d": 72 * time.Hour, "1d12h": 36 * time.Hour, "0": 0, "1h30m": 90 * time.Minute,
	} {
		if got, err := ParseDuration(s); err != nil || got != want {
			t.Errorf("ParseDuration(%q) = %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "d", "-1s", "1", "3dd", "-3d", "9999999d", "1e9h", "5d-1h", "2562047h"} {
		if got, err := ParseDuration(s); err == nil {
			t.Errorf("ParseDuration(%q) = %v; want an error", s, got)
		}
	}
}
