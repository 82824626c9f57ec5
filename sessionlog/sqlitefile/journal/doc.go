// Package journal keeps what many records were given until it is in their own
// files.
//
// A [Journal] is append-only. All who append at the same moment share one write
// and one flush: the flush before is the window in which a group gathers, and
// there is no timer. It lies in numbered segments. Whoever has made a record's
// own file durable says so with [Journal.Settled]; a segment in which nothing is
// outstanding any more is deleted. [Read] hands out what a process that died left.
//
// A frame that could not be written whole is cut off again before anything
// follows it. If that fails, or a flush does, nobody knows what is on the disk:
// the Journal then takes no more. The format is described in docs/record.md.
package journal
