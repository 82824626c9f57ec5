// Package foreign reads a record that nobody vouches for.
//
// A record from elsewhere is a SQLite file that somebody else made, and SQLite is
// a large program in C. [Open] therefore has it read by a child process, which has
// limits on memory, processor time and files where the system knows such limits:
// whatever the file does to its reader, it does to that child. The child is this
// same program, started with a word that only [Serve] knows, so a main that calls
// Open calls Serve first of all.
//
// The two speak net/rpc over the child's stdin and stdout. A child that was taken
// over can answer with false events, as the file could; it cannot make its parent
// hold more memory than a few answers take, nor wait for longer than a deadline.
package foreign
