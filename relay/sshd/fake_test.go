package sshd

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/check"
	"github.com/caisey/caisey/tui"
)

// A show is the model that stands in for the interface: it shows its size, who
// is there and what it was asked to open, and does what its keys say.
type show struct {
	b      console.Backend
	open   []string
	size   tea.WindowSizeMsg
	env    []string
	flood  bool
	frames int
	keys   int
}

type frame struct{}

func newShow(cfg tui.Config) tea.Model { return &show{b: cfg.Backend, open: cfg.Open} }

func (m *show) Init() tea.Cmd { return nil }

func (m *show) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.size = msg
	case tea.EnvMsg:
		m.env = msg
	case frame:
		m.frames++
		return m, tea.Tick(10*time.Millisecond, func(time.Time) tea.Msg { return frame{} })
	case tea.KeyPressMsg:
		m.keys++
		switch msg.String() {
		case "q":
			return m, tea.Quit
		case "p":
			panic("of the test")
		case "c":
			return m, func() tea.Msg { panic("of a command") }
		case "z":
			return m, tea.Suspend
		case "w": // more than a client takes that does not read, less than may wait
			return m, tea.Raw(strings.Repeat("x", 3<<20))
		case "t", "f":
			m.flood = msg.String() == "f"
			return m, func() tea.Msg { return frame{} }
		}
	}
	return m, nil
}

func (m *show) View() tea.View {
	var s strings.Builder
	fmt.Fprintf(&s, "[%s %dx%d open=%s env=%d keys=%s]\n", m.b.Self().Name, m.size.Width, m.size.Height, strings.Join(m.open, ","), len(m.env), strings.Repeat("<k>", m.keys))
	if m.frames > 0 {
		fmt.Fprintf(&s, "frame %d\n", m.frames)
	}
	if m.flood { // every cell differs from the one before
		for y := range m.size.Height - 3 {
			for x := range m.size.Width {
				s.WriteByte(byte('A' + (x*7+y*13+m.frames*11)%26))
			}
			s.WriteByte('\n')
		}
	}
	v := tea.NewView(s.String())
	v.AltScreen = true
	return v
}

// A backend is a relay with one endpoint, acme/db01. Its commands print who asked;
// "block" goes on until it is cancelled.
type backend struct {
	self      console.Self
	steps     chan string
	cancelled chan struct{}
	run       console.Run
}

func (b *backend) Self() console.Self { return b.self }

type oneEndpoint struct{ told bool }

func (r *oneEndpoint) Next(ctx context.Context) (console.Changes, error) {
	if r.told {
		<-ctx.Done()
		return console.Changes{}, context.Cause(ctx)
	}
	r.told = true
	return console.Changes{Endpoints: []console.Endpoint{{ID: "E1", Client: "acme", Name: "db01", Online: true}}}, nil
}
func (*oneEndpoint) Close() error { return nil }

func (b *backend) Directory(context.Context) (console.Roster, error) { return new(oneEndpoint), nil }

func (b *backend) Look(context.Context, sessionlog.SessionID) (console.Reader, error) {
	return nil, console.Errorf(console.CodeFailed, "", "no records here")
}

func (b *backend) Find(context.Context, console.TextQuery) (console.Found, error) {
	return console.Found{}, console.Errorf(console.CodeFailed, "", "no index here")
}

func (b *backend) Technicians(context.Context) ([]console.Technician, error) { return nil, nil }

func (b *backend) Tokens(context.Context) ([]console.Token, error) { return nil, nil }

func (b *backend) Inbox(context.Context) (console.Inbox, error) {
	return nil, console.Errorf(console.CodeFailed, "", "no approvals here")
}

func (b *backend) Packs(context.Context) ([]console.Pack, error) { return nil, nil }

func (b *backend) Checks(context.Context, sessionlog.EndpointID) ([]check.Spec, error) {
	return nil, nil
}

func (b *backend) Incidents(context.Context) ([]console.Incident, error) { return nil, nil }

func (b *backend) Policy(context.Context) (console.Policy, error) { return console.Policy{}, nil }

func (b *backend) Record(context.Context, sessionlog.SessionID) (io.ReadCloser, error) {
	return nil, console.Errorf(console.CodeFailed, "", "no records here")
}

func (b *backend) Search(context.Context, console.Query) ([]console.Session, error) {
	panic("search is not part of this test")
}

func (b *backend) Do(_ context.Context, in console.Intent) (console.Receipt, error) {
	switch in := in.(type) {
	case console.Run:
		b.run = in
		b.steps <- in.Command
	case console.Cancel:
		close(b.cancelled)
	}
	return console.Receipt{Session: "S1", Seq: 2}, nil
}

func (b *backend) Watch(context.Context, sessionlog.SessionID, sessionlog.Seq) (console.Feed, error) {
	return &answer{b: b}, nil
}

type answer struct {
	b    *backend
	said bool
}

func (a *answer) Next(ctx context.Context) ([]sessionlog.Event, error) {
	id, who := a.b.run.Step, sessionlog.Agent("acme/db01")
	if !a.said && id != "" {
		a.said = true
		return []sessionlog.Event{sessionlog.NewOutput(who, id, sessionlog.Chunk{Stream: sessionlog.Stdout, Data: []byte("account " + a.b.self.Name + "\n")})}, nil
	}
	end := sessionlog.Ended{State: sessionlog.OK}
	if a.b.run.Command == "block" || id == "" {
		select { // for a session that is only looked at, there is nothing to tell
		case <-a.b.cancelled:
			end = sessionlog.Ended{State: sessionlog.Cancelled, Exit: -1}
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	if a.b.run.Command == "fail" {
		end = sessionlog.Ended{State: sessionlog.Failed, Exit: 42}
	}
	return []sessionlog.Event{sessionlog.New(sessionlog.StepEnded, who, id, end)}, nil
}

func (a *answer) Close() error { return nil }
