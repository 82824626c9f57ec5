package tui

import (
	"cmp"
	"slices"
	"strings"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/tui/vt"
)

// A fleet is the list of endpoints and what of it is in sight.
type fleet struct {
	list
	rows   []*endpointRow // by client and name
	byID   map[sessionlog.EndpointID]*endpointRow
	hits   []*endpointRow // what the filter lets through, best first
	online int            // of rows
	known  bool           // the roster has told of all endpoints
}

// An endpointRow is an endpoint with what drawing and finding it needs.
type endpointRow struct {
	console.Endpoint
	path   string // safe to draw
	lower  string // path in lower case
	hay    string // all that the filter looks at, in lower case
	marked bool
}

// endpoint returns what the roster says about an endpoint.
func (f *fleet) endpoint(id sessionlog.EndpointID) (console.Endpoint, bool) {
	if row := f.byID[id]; row != nil {
		return row.Endpoint, true
	}
	return console.Endpoint{}, false
}

// update takes what changed in the roster.
func (f *fleet) update(ch console.Changes) {
	if f.byID == nil {
		f.byID = map[sessionlog.EndpointID]*endpointRow{}
	}
	under := f.under()
	moved := false
	for _, ep := range ch.Endpoints {
		row := f.byID[ep.ID]
		if row == nil {
			row = &endpointRow{}
			f.byID[ep.ID] = row
			f.rows = append(f.rows, row)
		}
		before := row.path
		row.set(ep)
		moved = moved || before != row.path
	}
	for _, id := range ch.Gone {
		delete(f.byID, id)
	}
	if len(ch.Gone) > 0 {
		f.rows = slices.DeleteFunc(f.rows, func(r *endpointRow) bool { return f.byID[r.ID] != r })
	}
	if moved {
		slices.SortFunc(f.rows, func(a, b *endpointRow) int { return cmp.Compare(a.path, b.path) })
	}
	f.online = 0
	for _, row := range f.rows {
		if row.Online {
			f.online++
		}
	}
	f.known = true
	f.find()
	f.goTo(under)
}

// goTo puts the cursor on row, if it is among the hits.
func (f *fleet) goTo(row *endpointRow) {
	if i := slices.Index(f.hits, row); i >= 0 {
		f.cursor = i
	}
}

func (r *endpointRow) set(ep console.Endpoint) {
	r.Endpoint = ep
	r.path = vt.Plain(ep.Path())
	r.lower = strings.ToLower(r.path)
	var hay strings.Builder
	hay.WriteString(r.lower)
	state := "offline"
	if ep.Online {
		state = "online"
	}
	for _, s := range []string{ep.OS, ep.Arch, ep.Host, state, labels(ep)} {
		hay.WriteByte(' ')
		hay.WriteString(strings.ToLower(vt.Plain(s)))
	}
	r.hay = hay.String()
}

// labels returns an endpoint's labels as KEY=VALUE, in order.
func labels(ep console.Endpoint) string {
	parts := make([]string, 0, len(ep.Labels))
	for k, v := range ep.Labels {
		parts = append(parts, k+"="+v)
	}
	slices.Sort(parts)
	return strings.Join(parts, " ")
}

// find works out the hits.
func (f *fleet) find() {
	f.hits = fitting(f.rows, f.filter.String(), func(r *endpointRow) string { return r.lower }, func(r *endpointRow) string { return r.hay })
	f.move(0, len(f.hits))
}

// under returns the endpoint under the cursor, or nil.
func (f *fleet) under() *endpointRow {
	if f.cursor < len(f.hits) {
		return f.hits[f.cursor]
	}
	return nil
}

// marked returns the endpoints that are marked, in or out of sight.
func (f *fleet) marked() []*endpointRow {
	var out []*endpointRow
	for _, row := range f.rows {
		if row.marked {
			out = append(out, row)
		}
	}
	return out
}

// chosen returns the marked endpoints, or else the one under the cursor, and
// takes the marks away.
func (f *fleet) chosen() []console.Endpoint {
	rows := f.marked()
	if row := f.under(); len(rows) == 0 && row != nil {
		rows = []*endpointRow{row}
	}
	eps := make([]console.Endpoint, len(rows))
	for i, row := range rows {
		eps[i], row.marked = row.Endpoint, false
	}
	return eps
}

// endpoints returns all endpoints.
func (f *fleet) endpoints() []console.Endpoint {
	eps := make([]console.Endpoint, len(f.rows))
	for i, row := range f.rows {
		eps[i] = row.Endpoint
	}
	return eps
}
