// Package spool keeps what a step wrote until the relay has recorded it.
//
// A Spool is a directory of segment files of about 4 MiB. A segment is a list of
// records, each
//
//	kind 1 byte, stream 1 byte, length 4, offset 8, time 8, CRC-32C 4, data
//
// with integers in little endian and the checksum over all of the record but
// itself. The first record of a segment is its head: how long each stream was when
// the segment was begun, and the state of its SHA-256, so that the hash of all of
// a stream is known even when its first segments are gone. Output records follow
// in the order of their writing, and one end record closes the spool. Where output
// was left out, a gap record has its length and the state of the SHA-256 after it.
//
// A record is written by one write and not synced: it survives the death of the
// agent, not that of the machine. Open drops a record that was cut short.
//
// A Journal is the list of the steps that were ever started. It is synced.
package spool
