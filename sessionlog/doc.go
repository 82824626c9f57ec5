// Package sessionlog says what happened in a session, in what order, and folds
// it into what is true now.
//
// An [Event] is one thing that happened; a [Log] keeps a session's events in
// order, durable before anyone sees them; a [State] is the fold of a log's
// events, and the model of every screen. The package is pure: it holds no file,
// no socket and no goroutine. Package sqlitefile keeps a Log on disk, package
// logtest checks that any Log keeps the contract.
package sessionlog
