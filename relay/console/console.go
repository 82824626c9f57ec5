// Package console states what a console may ask of a relay and what it is told.
//
// A console is one technician's live connection, through whichever door: the
// interface hosted over SSH, a verb, or the local client. Every door talks to a
// [Backend], and every Backend is bound to one proved technician: no method
// takes a name that it would have to believe.
package console

import (
	"context"
	"io"
	"slices"
	"time"

	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/check"
)

// A Backend is a relay as one technician sees it. Its methods may be called
// concurrently. Errors that a person should read are of type [*Error].
type Backend interface {
	// Self says whose Backend it is.
	Self() Self
	// Directory follows the endpoints that the technician may see.
	Directory(ctx context.Context) (Roster, error)
	// Watch follows the events of a session, beginning with from (1 is the
	// first). It serves live and sealed sessions alike.
	Watch(ctx context.Context, id sessionlog.SessionID, from sessionlog.Seq) (Feed, error)
	// Look opens the record of a session to be read anywhere in it: what replays
	// and what seeks. Like Watch, it serves live and sealed sessions alike.
	Look(ctx context.Context, id sessionlog.SessionID) (Reader, error)
	// Do asks for something to happen. It returns once the asking is on disk,
	// not once the thing is done: that is told by the session's events.
	Do(ctx context.Context, in Intent) (Receipt, error)
	// Search returns the sessions that match q, newest first.
	Search(ctx context.Context, q Query) ([]Session, error)
	// Find returns where a text stands in the records that the technician may
	// see: commands, output and notes.
	Find(ctx context.Context, q TextQuery) (Found, error)
	// Technicians returns the people whom the technician administers.
	Technicians(ctx context.Context) ([]Technician, error)
	// Tokens returns the enrolment tokens of the clients that the technician
	// administers, as far as they can still be used.
	Tokens(ctx context.Context) ([]Token, error)
	// Inbox follows the steps that wait for an answer, as far as the technician may
	// see them.
	Inbox(ctx context.Context) (Inbox, error)
	// Incidents returns the incidents of the clients that the technician may see,
	// newest first.
	Incidents(ctx context.Context) ([]Incident, error)
	// Checks returns what an endpoint can be asked, by name; with an empty id, what any
	// endpoint can that the technician may see.
	Checks(ctx context.Context, id sessionlog.EndpointID) ([]check.Spec, error)
	// Packs returns what the teams ask first, as far as the technician may see it.
	Packs(ctx context.Context) ([]Pack, error)
	// Policy returns the rules by which the relay decides.
	Policy(ctx context.Context) (Policy, error)
	// Record returns the file of a session's record as it is now: what can be
	// kept, and verified elsewhere.
	Record(ctx context.Context, id sessionlog.SessionID) (io.ReadCloser, error)
}

// FleetLog is what Look and Watch take for the fleet's own log, which is kept in the
// form of a session's record: who was let in, enrolled, moved, revoked; what policy
// was applied; what was approved and who looked at what. It is an admin's to read.
const FleetLog sessionlog.SessionID = "fleet"

// Self is the technician behind a console.
type Self struct {
	Name string `json:"name"`
	// Key is the fingerprint of the proved SSH key, "SHA256:…".
	Key string `json:"key"`
}

// A Feed hands out a session's events in order, each once. Viewers pull: a feed
// nobody reads costs nobody anything. It is used by one goroutine at a time.
type Feed interface {
	// Next waits for at least one event and returns all that are at hand, within
	// the bounds of sessionlog.Reader.Read. After the last event of a sealed
	// session it returns io.EOF.
	Next(ctx context.Context) ([]sessionlog.Event, error)
	// Close releases the feed; a Next that waits returns an error.
	Close() error
}

// A Reader reads one record anywhere. Its methods may be called concurrently.
type Reader interface {
	sessionlog.Reader
	// Close releases the record. Nothing is called after it.
	Close() error
}

// A Roster hands out the state of the endpoints, then what changes in it.
// Changes are coalesced: only the newest state of an endpoint is told. It is
// used by one goroutine at a time.
type Roster interface {
	// Next returns all endpoints at the first call; later it waits for a change
	// and returns the endpoints that changed.
	Next(ctx context.Context) (Changes, error)
	// Close releases the roster; a Next that waits returns an error.
	Close() error
}

// Changes is what a Roster has to tell.
type Changes struct {
	Endpoints []Endpoint
	// Gone lists endpoints that are no longer there to be seen.
	Gone []sessionlog.EndpointID
}

// An Endpoint is an enrolled machine as the directory shows it.
type Endpoint struct {
	ID      sessionlog.EndpointID `json:"id"`
	Client  string                `json:"client"`
	Name    string                `json:"name"`
	Online  bool                  `json:"online"`
	Since   time.Time             `json:"since"` // of the newest change of Online
	OS      string                `json:"os"`    // as GOOS: linux, windows, darwin
	Arch    string                `json:"arch"`
	Host    string                `json:"host"` // what the machine calls itself
	Version string                `json:"version"`
	Labels  map[string]string     `json:"labels,omitempty"`
	// Transport is "quic" while online.
	Transport string `json:"transport,omitempty"`
	// ClockOffset is the endpoint's clock minus the relay's, in seconds.
	ClockOffset float64 `json:"clock_offset"`
	// Effects are those that the endpoint's own policy allows, whatever the relay's
	// says: read, probe, shell, change, or [NoEffect] alone. It is as its agent told
	// it last; empty if it has not since the relay started, or is older than this.
	Effects []string `json:"effects,omitempty"`
	// Quarantined says that the agent's key was found to have a second holder: nobody
	// is connected by it until an admin says so.
	Quarantined bool `json:"quarantined,omitempty"`
	// On lists the technicians who have a live session with a viewer on it.
	On []string `json:"on,omitempty"`
	// Running counts the steps that run on it now.
	Running int `json:"running"`
}

// NoEffect is in Endpoint.Effects, alone, where no effect is allowed.
const NoEffect = "none"

// ReadOnly reports whether the endpoint's own policy lets nothing through that could
// change it: neither shell nor change.
func (e Endpoint) ReadOnly() bool {
	return len(e.Effects) > 0 &&
		!slices.Contains(e.Effects, string(sessionlog.EffectShell)) && !slices.Contains(e.Effects, string(sessionlog.EffectChange))
}

// Path returns "client/name", the way people and targets name an endpoint.
func (e Endpoint) Path() string { return e.Client + "/" + e.Name }

// A Session is a record as a list shows it.
type Session struct {
	ID         sessionlog.SessionID  `json:"id"`
	Client     string                `json:"client"`
	Endpoint   sessionlog.EndpointID `json:"endpoint"`
	Name       string                `json:"name"` // of the endpoint
	Technician string                `json:"by"`
	Opened     time.Time             `json:"opened"`
	Closed     time.Time             `json:"closed,omitzero"` // zero while open
	Last       time.Time             `json:"last"`            // of the newest event
	Events     sessionlog.Seq        `json:"events"`
	Steps      int                   `json:"steps"`
	Running    int                   `json:"running"` // steps that have not ended
	// Incident is the one that the session belongs to; empty if there is none.
	Incident sessionlog.IncidentID `json:"incident,omitempty"`
}

// Path returns "client/name" of the session's endpoint.
func (s Session) Path() string { return s.Client + "/" + s.Name }

// A Query says which sessions to find. Zero fields do not narrow.
type Query struct {
	ID     sessionlog.SessionID // a whole ID, or how it begins
	Client string
	By     string // technician
	// Incident leaves out sessions that do not belong to it. It is a whole ID.
	Incident sessionlog.IncidentID
	// Since leaves out sessions whose newest event is older.
	Since time.Time
	// Limit is the most sessions to return. If zero, 1,000.
	Limit int
}
