package database

import (
	"math"
	"strconv"
	"time"
)

// cell returns the cell of a value that may be null.
func cell[T any](p *T) any {
	if p == nil {
		return nil
	}
	return *p
}

// span returns the cell of a number of seconds that may be null.
func span(p *float64) any {
	if p == nil {
		return nil
	}
	return seconds(*p)
}

// seconds returns s as a duration, and the longest there is for one that is longer.
func seconds(s float64) time.Duration {
	if s >= math.MaxInt64/float64(time.Second) {
		return math.MaxInt64
	}
	return time.Duration(s * float64(time.Second))
}

// text returns what p points to, or "-".
func text(p *string) string {
	if p == nil || *p == "" {
		return "-"
	}
	return *p
}

// value returns what p points to, or zero.
func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// plural returns "1 session" or "3 sessions".
func plural(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + one + "s"
}
