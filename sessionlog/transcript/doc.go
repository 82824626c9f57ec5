// Package transcript renders a record: as text for people, and as one JSON
// object a line for programs.
//
// Whatever came from an endpoint, and every name, passes the sanitiser of
// package vt on its way into text. JSON carries output unchanged, but escapes
// every character that could act on a terminal.
package transcript
