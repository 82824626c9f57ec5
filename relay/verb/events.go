package verb

import (
	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/transcript"
)

// dataWriter writes to an output's stdout.
type dataWriter struct{ *output }

func (w dataWriter) Write(p []byte) (int, error) {
	w.data(p)
	return len(p), nil // if nobody reads, output ends the verb
}

// resultJSON is the last line of --json for each target of a run.
type resultJSON struct {
	Kind     string                `json:"kind"` // "result"
	Session  sessionlog.SessionID  `json:"session,omitempty"`
	Endpoint sessionlog.EndpointID `json:"endpoint"`
	Client   string                `json:"client"`
	Name     string                `json:"name"`
	Step     sessionlog.StepID     `json:"step"`
	By       string                `json:"by"`
	State    sessionlog.Outcome    `json:"state"`
	Exit     int                   `json:"exit"`
	Why      string                `json:"why,omitempty"`
}

func (r *running) resultJSON(res result) resultJSON {
	return resultJSON{
		Kind: "result", Session: res.session, Endpoint: res.ep.ID, Client: res.ep.Client,
		Name: res.ep.Name, Step: res.step, By: r.call.Backend.Self().Name, State: res.state, Exit: res.exit, Why: res.why,
	}
}

// encoder returns what prints the events of res's step as JSON.
func (r *running) encoder(res result) *transcript.Encoder {
	return transcript.NewEncoder(dataWriter{r.out}, sessionlog.Opened{
		Session: res.session, Client: res.ep.Client, Endpoint: res.ep.ID, Name: res.ep.Name,
	})
}

// A recordPrinter prints the events of a session one after the other.
type recordPrinter interface {
	Print(sessionlog.Event) error
	Flush() error
}

// jsonPrinter is a recordPrinter for programs.
type jsonPrinter struct{ *transcript.Encoder }

func (p jsonPrinter) Print(ev sessionlog.Event) error { return p.Encode(ev) }
func (p jsonPrinter) Flush() error                    { return nil }

func (e *env) recordPrinter(s console.Session, json bool) recordPrinter {
	w := dataWriter{e.out}
	opened := sessionlog.Opened{Session: s.ID, Client: s.Client, Endpoint: s.Endpoint, Name: s.Name, Technician: s.Technician}
	if json {
		return jsonPrinter{transcript.NewEncoder(w, opened)}
	}
	return transcript.NewPrinter(w, transcript.Options{Color: e.call.TTY && !e.call.NoColor, Opened: opened})
}
