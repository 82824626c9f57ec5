package verb

import (
	"context"
	"io"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/transcript"
)

// The forms that a record is exported in.
const (
	asText     = "text" // and what is not named below
	asMarkdown = "md"
	asHTML     = "html"
	asJSON     = "json"
	asCast     = "cast"
	asSQLite   = "sqlite"
)

type exportVerb struct {
	ID          string `arg:"" help:"The session, or how its id begins."`
	As          string `enum:"text,md,html,json,cast,sqlite" default:"text" placeholder:"FORM" help:"The form: text, md (Markdown), html, json (one event a line), cast (asciicast) or sqlite (the record itself)."`
	CastVersion int    `enum:"2,3" default:"2" placeholder:"2" help:"The version of asciicast: 2 or 3."`
}

func (v *exportVerb) run(ctx context.Context, e *env) error {
	s, err := e.session(ctx, v.ID)
	if err != nil {
		return err
	}
	if v.As == asSQLite {
		return e.sendRecord(ctx, s.ID)
	}
	return v.render(ctx, e, s)
}

// render prints the events of s in the form that was asked for. If it fails, the
// document has no end.
func (v *exportVerb) render(ctx context.Context, e *env, s console.Session) error {
	p := v.printer(e, s)
	if err := e.read(ctx, s, false, p.Print); err != nil {
		return err
	}
	return p.Flush()
}

func (v *exportVerb) printer(e *env, s console.Session) recordPrinter {
	w := dataWriter{e.out}
	opts := transcript.Options{
		Color:  !e.call.NoColor,
		Opened: sessionlog.Opened{Session: s.ID, Client: s.Client, Endpoint: s.Endpoint, Name: s.Name, Technician: s.Technician},
	}
	switch v.As {
	case asMarkdown:
		return transcript.NewMarkdown(w, opts)
	case asHTML:
		return transcript.NewHTML(w, opts)
	case asCast:
		return transcript.NewCast(w, opts, v.CastVersion)
	}
	return e.recordPrinter(s, v.As == asJSON)
}

// sendRecord prints the record's file itself.
func (e *env) sendRecord(ctx context.Context, id sessionlog.SessionID) error {
	if e.call.TTY {
		return console.Errorf(console.CodeUsage, "write it to a file with >", "a SQLite file is not for a terminal")
	}
	r, err := e.call.Backend.Record(ctx, id)
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = io.Copy(dataWriter{e.out}, r)
	return err
}
