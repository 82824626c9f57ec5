package check

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Cell returns a cell of column c for people: 1.2 GiB, 3.4 %, 5 min. Text from
// outside is in it as it came: it has to pass the sanitiser.
func (c Column) Cell(v any) string {
	switch v := v.(type) {
	case nil:
		return "-"
	case bool:
		if v {
			return "yes"
		}
		return "no"
	case string:
		return c.textCell(v)
	case json.Number:
		return c.numberCell(v)
	}
	return fmt.Sprint(v)
}

func (c Column) textCell(v string) string {
	if c.Type == Time {
		if t, err := time.Parse(time.RFC3339Nano, v); err == nil {
			return t.UTC().Format("2006-01-02 15:04:05")
		}
	}
	return v
}

func (c Column) numberCell(v json.Number) string {
	f, err := v.Float64()
	if err != nil {
		return v.String()
	}
	switch c.Type {
	case Bytes:
		return Size(f)
	case Percent:
		return short(f) + " %"
	case Duration:
		return Span(f)
	case Int:
		return withUnit(v.String(), c.Unit)
	}
	return withUnit(short(f), c.Unit)
}

func withUnit(s, unit string) string {
	if unit == "" {
		return s
	}
	return s + " " + unit
}

// short returns f with at most three digits that matter after the point.
func short(f float64) string {
	places := 0
	for a := math.Abs(f); a < 100 && places < 2; a *= 10 {
		places++
	}
	s := strconv.FormatFloat(f, 'f', places, 64)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

// Size returns a number of bytes in binary units: "1.2 GiB".
func Size(f float64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}
	i := 0
	for math.Abs(f) >= 1024 && i < len(units)-1 {
		f /= 1024
		i++
	}
	return short(f) + " " + units[i]
}

// Span returns a number of seconds in the unit that suits it: "12 ms", "4.5 s",
// "3 min", "2 h", "5 d".
func Span(s float64) string {
	switch a := math.Abs(s); {
	case a == 0:
		return "0 s"
	case a < 1:
		return short(s*1000) + " ms"
	case a < 120:
		return short(s) + " s"
	case a < 2*3600:
		return short(s/60) + " min"
	case a < 48*3600:
		return short(s/3600) + " h"
	}
	return short(s/86400) + " d"
}
