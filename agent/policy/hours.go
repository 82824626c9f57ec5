package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// hours are times of day on some weekdays. Where they end before they begin, they
// go on until the next morning and belong to the day on which they began.
//
// They are those of the clock on the wall: an hour that a change of the clock skips
// never comes, and one that it repeats comes twice.
type hours struct {
	days     [7]bool // by time.Weekday
	from, to int     // minutes since midnight; to is not part of it
}

// contain reports whether at is within the hours.
func (h hours) contain(at time.Time) bool {
	minute, today := at.Hour()*60+at.Minute(), at.Weekday()
	if h.from < h.to {
		return h.days[today] && h.from <= minute && minute < h.to
	}
	yesterday := (today + 6) % 7
	return h.days[today] && h.from <= minute || h.days[yesterday] && minute < h.to
}

// parseHours reads "mon-fri,sun 08:00-18:00"; without days it is every day.
func parseHours(s string) (h hours, err error) {
	words := strings.Fields(strings.ToLower(s))
	switch len(words) {
	case 1:
		h.days = [7]bool{true, true, true, true, true, true, true}
	case 2:
		if h.days, err = parseDays(words[0]); err != nil {
			return h, err
		}
	default:
		return h, errors.New("hours are written mon-fri 08:00-18:00")
	}
	from, to, ok := strings.Cut(words[len(words)-1], "-")
	if !ok {
		return h, fmt.Errorf("%.40q is no time to time, such as 08:00-18:00", words[len(words)-1])
	}
	if h.from, err = parseClock(from); err != nil {
		return h, err
	}
	if h.to, err = parseClock(to); err != nil {
		return h, err
	}
	if h.from == h.to || h.from == 24*60 {
		return h, fmt.Errorf("%.40q is no time at all; a whole day is 00:00-24:00", words[len(words)-1])
	}
	return h, nil
}

// parseDays reads "mon-fri,sun". A range may pass the end of the week.
func parseDays(s string) (days [7]bool, err error) {
	for part := range strings.SplitSeq(s, ",") {
		first, last, ranged := strings.Cut(part, "-")
		from, err := parseDay(first)
		if err != nil {
			return days, err
		}
		to := from
		if ranged {
			if to, err = parseDay(last); err != nil {
				return days, err
			}
		}
		for d := from; ; d = (d + 1) % 7 {
			days[d] = true
			if d == to {
				break
			}
		}
	}
	return days, nil
}

func parseDay(s string) (int, error) {
	d := slices.Index([]string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}, s)
	if d < 0 {
		return 0, fmt.Errorf("%.40q is not mon, tue, wed, thu, fri, sat or sun", s)
	}
	return d, nil
}

// parseClock reads "08:00" as minutes since midnight.
func parseClock(s string) (int, error) {
	digit := func(i int) int { return int(s[i] - '0') }
	if len(s) != 5 || s[2] != ':' || strings.Trim(s[:2]+s[3:], "0123456789") != "" {
		return 0, fmt.Errorf("%.40q is no time of day, such as 08:00", s)
	}
	hour, minute := digit(0)*10+digit(1), digit(3)*10+digit(4)
	if minute > 59 || hour > 24 || hour == 24 && minute > 0 {
		return 0, fmt.Errorf("%.40q is no time of day, such as 08:00", s)
	}
	return hour*60 + minute, nil
}
