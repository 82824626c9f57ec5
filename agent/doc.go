// Package agent is the side of Caisey that runs on an endpoint: it dials out to
// its relay, runs what it is asked to, at most once each, and keeps the output
// until the relay has recorded it.
//
// All it knows is in one directory, readable by its user only:
//
//	agent.key        its Ed25519 key, which never leaves the machine
//	agent.json       what enrolment told it: its name, its relay and that one's key
//	lock             held while an agent uses the directory
//	policy           the endpoint's own policy, if its administrator wrote one
//	status.json      whether it is connected (Status), for people on the machine
//	ran              the ids of the steps that were started (spool.Journal)
//	spool/STEP/      what a step wrote (spool.Spool), and in proc.json its process
//
// A step outlives its stream and its connection: it goes on, fills its spool, and
// the relay takes up again where its record ends. It does not outlive the agent:
// the next agent reports it as lost.
package agent
