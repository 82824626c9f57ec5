// Package transcript renders a record: as text, Markdown, HTML or asciicast for
// people, and as one JSON object a line for programs. Every form is written
// event by event; none holds more of a record than a bounded piece of output
// and what it must know of the steps that run.
//
// Whatever came from an endpoint, and every name, passes the sanitiser of
// package vt on its way into all but JSON. JSON carries output unchanged, but
// escapes every character that could act on a terminal.
package transcript
