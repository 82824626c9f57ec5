// Package sqlitefile keeps one session in one SQLite file.
//
// A [Dir] is the directory of a relay's records; it creates and opens a File for
// each session. A File has one writer goroutine and any number of readers. Its
// Commits resolve only after the events are on disk; a reader never sees an event
// earlier. Closing a session seals its file: one self-contained, read-only SQLite
// file without journal. [OpenFile] reads a record from anywhere and trusts nothing
// in it. The format is described in docs/record.md.
//
// On disk means one of two things. Small batches go to the journal that all records
// of a Dir share and flush together (package journal); a filler, one goroutine for
// all, moves them into the record's file within a second, and readers find them in
// memory meanwhile. Large batches, and the end of a session, are committed in the
// file itself (WAL, synchronous=FULL) with what is pending before them, while the
// writer encodes the next. OpenDir puts what a process that died left in the journal
// into the records.
//
// The package uses the driver below database/sql: there is one connection for
// one goroutine, and nothing to pool.
//
// POSIX drops all of a process's locks on a file when it closes any descriptor
// of it. Nothing in a process that has a record open through a Dir may therefore
// open and close that file on its own while it is live.
package sqlitefile
