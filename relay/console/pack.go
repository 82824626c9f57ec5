package console

import "time"

// A Pack is a text that says what a team asks first: a pack of checks, a symptom over
// the roles of a client, or thresholds (package pack).
type Pack struct {
	Name string `json:"name"`
	// Client is whose it is; empty means that it is for every client.
	Client string `json:"client,omitempty"`
	Text   string `json:"text"`
	// By and At say who saved it and when.
	By string    `json:"by"`
	At time.Time `json:"at"`
}

// SavePack makes a text the pack of that name, for a client or for all. An empty text
// takes it away.
type SavePack struct {
	Name   string
	Client string
	Text   string
}

func (SavePack) intent() {}
