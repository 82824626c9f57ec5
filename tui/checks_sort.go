package tui

import (
	"cmp"
	"encoding/json"
	"strings"
	"time"

	"github.com/caisey/caisey/sessionlog/check"
)

// A sortKey is a cell by which rows are sorted.
type sortKey struct {
	known  bool // the cell is not null
	number float64
	text   string
}

func newSortKey(c check.Column, cell any) sortKey {
	k := sortKey{known: cell != nil}
	switch v := cell.(type) {
	case json.Number:
		k.number, _ = v.Float64()
	case bool:
		if v {
			k.number = 1
		}
	case string:
		k.text = strings.ToLower(v)
		if t, err := time.Parse(time.RFC3339Nano, v); c.Type == check.Time && err == nil {
			k.text = t.UTC().Format("2006-01-02T15:04:05.000000000")
		}
	}
	return k
}

// compare says which comes first, down the larger one. What is not known is last in
// either direction.
func (k sortKey) compare(o sortKey, down bool) int {
	if k.known != o.known {
		if k.known {
			return -1
		}
		return 1
	}
	c := cmp.Or(cmp.Compare(k.number, o.number), cmp.Compare(k.text, o.text))
	if down {
		return -c
	}
	return c
}
