package check

import (
	"encoding/json"
	"fmt"
)

// A Line is one line of the stream "rows": exactly one of its fields is set.
type Line struct {
	// Table begins a table; the rows after it are its.
	Table *Table `json:"table,omitempty"`
	// Row has a cell for each column: a string, a number, true, false or null.
	Row     []any    `json:"row,omitempty"`
	Finding *Finding `json:"finding,omitempty"`
	Edge    *Edge    `json:"edge,omitempty"`
	// End is the last line.
	End *End `json:"end,omitempty"`
}

// MaxLine is the most bytes of a line, with its LF.
const MaxLine = 32 << 10

// Append returns b with the line added as JSON and LF.
func (l Line) Append(b []byte) ([]byte, error) {
	text, err := json.Marshal(l)
	if err != nil {
		return b, fmt.Errorf("encode row: %w", err)
	}
	if len(text) >= MaxLine {
		return b, fmt.Errorf("row of %d bytes is over the limit of %d", len(text), MaxLine)
	}
	return append(append(b, text...), '\n'), nil
}

// Severity says how bad a finding is.
type Severity string

// The severities.
const (
	Info Severity = "info" // worth knowing
	Warn Severity = "warn"
	Crit Severity = "crit"
)

// Rank returns 1, 2 or 3 from Info to Crit, and 0 for anything else.
func (s Severity) Rank() int { return map[Severity]int{Info: 1, Warn: 2, Crit: 3}[s] }

// A Finding is something that a threshold, or a person, says is wrong.
type Finding struct {
	Severity Severity `json:"severity"`
	// Text is one sentence without a full stop: what is wrong, with its number.
	Text string `json:"text"`
	// Value is what was measured and Threshold what it was held against; both may be
	// null. Param is the threshold's parameter and Unit counts both.
	Value     any    `json:"value,omitempty"`
	Threshold any    `json:"threshold,omitempty"`
	Param     string `json:"param,omitempty"`
	Unit      string `json:"unit,omitempty"`
	// Table and Rows say which rows prove it: indices from 0.
	Table string `json:"table,omitempty"`
	Rows  []int  `json:"rows,omitempty"`
}

// An Edge says that one thing depends on, or speaks to, another.
type Edge struct {
	// Kind is one of the kinds below.
	Kind EdgeKind `json:"kind"`
	// From and To are hosts, HOST:PORT, services or other names, as the endpoint
	// knows them. An empty From is the endpoint itself.
	From string `json:"from,omitempty"`
	To   string `json:"to"`
	// Label says what is between them: a realm, a naming context, a database.
	Label string `json:"label,omitempty"`
	// Table and Row say which row told it.
	Table string `json:"table,omitempty"`
	Row   int    `json:"row"`
}

// EdgeKind says what an Edge is.
type EdgeKind string

// The kinds of edges.
const (
	ConnectsTo   EdgeKind = "connects_to"   // a configured or live connection
	Listens      EdgeKind = "listens"       // a service on a port
	ResolvesTo   EdgeKind = "resolves_to"   // a name to an address
	LogonServer  EdgeKind = "logon_server"  // the domain controller or KDC it uses
	ReplicatesBy EdgeKind = "replicates_by" // a replication partner
	Blocks       EdgeKind = "blocks"        // a session that waits for another
	SyncsTime    EdgeKind = "syncs_time"    // a source of time
	RunsOn       EdgeKind = "runs_on"       // a service in a container, a volume on a device
)

// Verdict says what came of a check.
type Verdict string

// The verdicts.
const (
	Fine       Verdict = "ok"          // it looked, and found nothing wrong
	Found      Verdict = "finding"     // there are findings
	CannotTell Verdict = "cannot_tell" // it could not look: a right or a software is missing
)

// An End is the end of an answer.
type End struct {
	Verdict Verdict `json:"verdict"`
	// Why says what is missing, in one line, where it cannot tell. It may also stand
	// beside findings: what was seen before that holds.
	Why string `json:"why,omitempty"`
	// Rows counts the rows, and LeftOut those over the check's limit.
	Rows    int `json:"rows"`
	LeftOut int `json:"left_out,omitempty"`
	// Used are the thresholds that decided, by parameter.
	Used map[string]string `json:"used,omitempty"`
}
