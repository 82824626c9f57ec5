// Package check says what a check is and what it found: its declaration, the line
// that asks for it, and the rows, findings and edges that it answers with.
//
// A check is a typed question to an endpoint. A [Spec] declares it, an [Ask] asks
// it, and a [Result] is the answer, folded from the JSON lines of the step's stream
// "rows". The agent, the relay, the record and the screens use the same types.
package check
