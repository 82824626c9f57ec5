// Package check asks this machine typed questions: parameters in, rows, findings and
// raw evidence out.
//
// A [Check] is a declaration and a function; each stands in a file of its own in the
// packages beside this one, by family, and package catalogue has all of them. What a
// check cannot see, because a right or a software is missing, is an answer and not an
// error: see [Unknown]. docs/checks.md says how to add one.
package check
