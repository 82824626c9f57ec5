// Package vt turns bytes from outside into text that a terminal can be trusted
// with.
//
// Whatever an endpoint sends may be an attack on the terminal of whoever looks
// at it. [Clean] keeps an allow-list: printable text, TAB, LF and well-formed
// SGR (colour and weight). [Plain] keeps one line of text and no SGR, for names,
// titles, commands and errors. [Cleaner] is Clean for a stream. [Lines] makes
// display lines of a stream and [Line.Wrap] fits them into a pane.
//
// The bytes themselves stay in the record as they came; only what is drawn,
// exported or logged passes here.
package vt
