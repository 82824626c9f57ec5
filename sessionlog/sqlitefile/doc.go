// Package sqlitefile keeps one session in one SQLite file.
//
// A [Dir] is the directory of a relay's records; it creates and opens a File for
// each session. A File has one writer goroutine and any number of readers. Its
// Commits resolve only after the events are on disk (WAL, synchronous=FULL); a
// reader never sees an event earlier. Closing a session seals its file: one
// self-contained, read-only SQLite file without journal. [OpenFile] reads a
// record from anywhere and trusts nothing in it. The format is described in
// docs/record.md.
//
// The package uses the driver below database/sql: there is one connection for
// one goroutine, and nothing to pool.
//
// POSIX drops all of a process's locks on a file when it closes any descriptor
// of it. Nothing in a process that has a record open through a Dir may therefore
// open and close that file on its own while it is live.
package sqlitefile
