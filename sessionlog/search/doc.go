// Package search finds words in many session records.
//
// An Index is one SQLite file that is derived from records and from nothing
// else: it can be deleted at any time and filled again. It never slows whoever
// writes a record: somebody reads the record and gives its events to Add, and the
// index is behind the record by as much as that reader is.
//
// What is indexed is cut into blocks of at most 64 KiB: a command, a note, or
// consecutive output of one stream of one step. A block ends at the end of a
// line, and a line that has not ended yet is kept until it has, so no word lies
// in two blocks. Of a block only its words are in the index, not its text: Find
// looks up the blocks that hold the words of a query in their order, reads each
// from its record, and looks for the query as it was typed. So what it returns
// stands in the record, at the event that it names.
//
// A word is a run of letters and digits of any script, and upper case is lower
// case. Terminal escape sequences are passed over. In scripts that write no
// blanks, a word is all that stands between two marks.
package search
