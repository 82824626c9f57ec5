package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/relay/verb"
	"github.com/caisey/caisey/sessionlog"
)

// An answer is what comes back to whoever asked.
type answer struct {
	out, err string
	code     int
}

// ask asks one thing: a line through SSH, or something of the person's Backend. It
// returns the answer, and what was asked for. A terminal is looked at until shown.
func (p *matrixPerson) ask(words string, resolve func(string) string, shown func(string) bool) (answer, string) {
	p.w.t.Helper()
	p.w.snap = nil
	if words[0] >= 'A' && words[0] <= 'Z' {
		fields := strings.Fields(words)
		for i := range fields {
			fields[i] = resolve(fields[i]) // after they were split: a key has spaces
		}
		return p.askBackend(fields), strings.Join(fields, " ")
	}
	if words, ok := strings.CutPrefix(words, "-t"); ok {
		line := strings.TrimSpace(resolve(words))
		return p.askTerminal(line, shown), line
	}
	line, stdin, _ := strings.Cut(words, " < ")
	line, stdin = resolve(line), resolve(stdin)
	return p.askSSH(line, stdin), line + "\n" + stdin
}

// askSSH runs a line.
func (p *matrixPerson) askSSH(line, stdin string) answer {
	p.w.t.Helper()
	sess := p.session()
	defer sess.Close()
	var out, errs bytes.Buffer
	sess.Stdin, sess.Stdout, sess.Stderr = strings.NewReader(stdin), &out, &errs
	err := sess.Run(line)
	var exit *ssh.ExitError
	if err != nil && !errors.As(err, &exit) {
		p.w.t.Fatalf("%s: %s: %v", p.name, line, err)
	}
	a := answer{out: out.String(), err: errs.String()}
	if exit != nil {
		a.code = exit.ExitStatus()
	}
	return a
}

// askTerminal runs a line, or the interface, on a terminal, and closes it once what it
// shows is shown, unless it ends earlier.
func (p *matrixPerson) askTerminal(line string, shown func(string) bool) answer {
	p.w.t.Helper()
	sess := p.session()
	defer sess.Close()
	out := new(said)
	sess.Stdout, sess.Stderr = out, out
	err := sess.RequestPty("xterm-256color", 40, 160, ssh.TerminalModes{})
	if err == nil && line == "" {
		err = sess.Shell()
	} else if err == nil {
		err = sess.Start(line)
	}
	if err != nil {
		p.w.t.Fatalf("%s: %q on a terminal: %v", p.name, line, err)
	}
	ended := make(chan int, 1)
	go func() {
		var exit *ssh.ExitError
		if err := sess.Wait(); errors.As(err, &exit) {
			ended <- exit.ExitStatus()
			return
		}
		ended <- verb.ExitOK // or closed by us
	}()
	var code int
	over := false
	eventually(p.w.t, p.name+" sees what "+line+" shows", func() bool {
		select {
		case code = <-ended:
			over = true
		default:
		}
		return over || shown(out.String())
	})
	return answer{out: out.String(), code: code}
}

// askBackend calls a method of the Backend.
func (p *matrixPerson) askBackend(words []string) answer {
	p.w.t.Helper()
	var out bytes.Buffer
	err := p.call(p.w.t.Context(), words, &out)
	a := answer{out: out.String()}
	if err == nil {
		return a
	}
	a.err, a.code = err.Error(), verb.ExitRelay
	var ce *console.Error
	if errors.As(err, &ce) {
		a.code = map[console.Code]int{
			console.CodeUsage: verb.ExitUsage, console.CodeRefused: verb.ExitRefused, console.CodeNotFound: verb.ExitOffline,
			console.CodeOffline: verb.ExitOffline, console.CodeFailed: verb.ExitRelay,
		}[ce.Code]
	}
	return a
}

// call calls a method of the Backend and writes what it returns.
func (p *matrixPerson) call(ctx context.Context, words []string, out *bytes.Buffer) error {
	b, arg := p.backend, ""
	if len(words) > 1 {
		arg = words[1]
	}
	switch words[0] {
	case "Do":
		in, err := intent(arg, words[2:])
		if err != nil {
			p.w.t.Fatal(err)
		}
		got, err := b.Do(ctx, in)
		return tell(out, []console.Receipt{got}, err)
	case "Self":
		return tell(out, []console.Self{b.Self()}, nil)
	case "Search":
		var q console.Query
		p.fill(&q, words[1:])
		got, err := b.Search(ctx, q)
		return tell(out, got, err)
	case "Find":
		var q console.TextQuery
		p.fill(&q, words[1:])
		got, err := b.Find(ctx, q)
		return tell(out, got.Hits, err)
	case "Technicians":
		got, err := b.Technicians(ctx)
		return tell(out, got, err)
	case "Checks":
		got, err := b.Checks(ctx, sessionlog.EndpointID(arg))
		return tell(out, got, err)
	case "Packs":
		got, err := b.Packs(ctx)
		return tell(out, got, err)
	case "Incidents":
		got, err := b.Incidents(ctx)
		return tell(out, got, err)
	case "Tokens":
		got, err := b.Tokens(ctx)
		return tell(out, got, err)
	case "Policy":
		got, err := b.Policy(ctx)
		return tell(out, []string{got.Text}, err)
	}
	return p.read(ctx, words[0], sessionlog.SessionID(arg), out)
}

// read calls a method of the Backend that opens something.
func (p *matrixPerson) read(ctx context.Context, method string, id sessionlog.SessionID, out *bytes.Buffer) error {
	switch method {
	case "Directory":
		r, err := p.backend.Directory(ctx)
		if err != nil {
			return err
		}
		defer r.Close()
		got, err := r.Next(ctx)
		return tell(out, got.Endpoints, err)
	case "Inbox":
		in, err := p.backend.Inbox(ctx)
		if err != nil {
			return err
		}
		defer in.Close()
		got, err := in.Next(ctx)
		return tell(out, got, err)
	case "Watch":
		feed, err := p.backend.Watch(ctx, id, 1)
		if err != nil {
			return err
		}
		defer feed.Close()
		got, err := feed.Next(ctx)
		return tell(out, plain(got), err)
	case "Look":
		rec, err := p.backend.Look(ctx, id)
		if err != nil {
			return err
		}
		defer rec.Close()
		got, err := rec.Read(ctx, 1, 100)
		return tell(out, plain(got), err)
	case "Record":
		r, err := p.backend.Record(ctx, id)
		if err != nil {
			return err
		}
		defer r.Close()
		_, err = io.Copy(out, r)
		return err
	}
	p.w.t.Fatalf("console.Backend has no method %s that this test knows; add it to call or read", method)
	return nil
}

// plain returns events as text, with their bodies and output readable.
func plain(evs []sessionlog.Event) []string {
	var out []string
	for _, ev := range evs {
		line := fmt.Sprintf("%s %s %s %s", ev.Kind, ev.Actor, ev.Step, ev.Body)
		if ev.Chunk != nil {
			line += " " + string(ev.Chunk.Data)
		}
		out = append(out, line)
	}
	return out
}

// tell writes what was returned, one a line.
func tell[T any](out *bytes.Buffer, got []T, err error) error {
	if err != nil {
		return err
	}
	for _, v := range got {
		if s, ok := any(v).(string); ok {
			fmt.Fprintln(out, s)
			continue
		}
		b, err := json.Marshal(v)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s\n", b)
	}
	return nil
}

// intents are the intents that there are, by name.
var intents = map[string]console.Intent{
	"Open": console.Open{}, "Run": console.Run{}, "Ask": console.Ask{}, "SavePack": console.SavePack{}, "Cancel": console.Cancel{}, "Note": console.Note{}, "Close": console.Close{},
	"Approve": console.Approve{}, "Deny": console.Deny{}, "Override": console.Override{}, "ApplyPolicy": console.ApplyPolicy{},
	"NewToken": console.NewToken{}, "RevokeToken": console.RevokeToken{}, "AddTechnician": console.AddTechnician{},
	"GrantRole": console.GrantRole{}, "AddKey": console.AddKey{}, "RemoveKey": console.RemoveKey{},
	"DisableTechnician": console.DisableTechnician{}, "EnableTechnician": console.EnableTechnician{},
	"LabelEndpoint": console.LabelEndpoint{}, "RenameEndpoint": console.RenameEndpoint{}, "MoveEndpoint": console.MoveEndpoint{},
	"ClearEndpoint": console.ClearEndpoint{}, "RevokeEndpoint": console.RevokeEndpoint{},
	"OpenIncident": console.OpenIncident{}, "JoinIncident": console.JoinIncident{}, "CloseIncident": console.CloseIncident{},
	"SetOnCall": console.SetOnCall{},
}

// intent returns an intent whose fields are given as FIELD=VALUE.
func intent(name string, fields []string) (console.Intent, error) {
	zero, ok := intents[name]
	if !ok {
		return nil, fmt.Errorf("there is no intent %s in the map intents of this test; add it", name)
	}
	v := reflect.New(reflect.TypeOf(zero))
	if err := set(v.Elem(), fields); err != nil {
		return nil, err
	}
	return v.Elem().Interface().(console.Intent), nil
}

func (p *matrixPerson) fill(q any, fields []string) {
	p.w.t.Helper()
	if err := set(reflect.ValueOf(q).Elem(), fields); err != nil {
		p.w.t.Fatal(err)
	}
}

// set sets fields of a struct. A list is separated by commas, a map is KEY:VALUE.
func set(v reflect.Value, fields []string) error {
	for _, f := range fields {
		name, value, _ := strings.Cut(f, "=")
		to := v.FieldByName(name)
		if !to.IsValid() {
			return fmt.Errorf("%s has no field %s", v.Type(), name)
		}
		switch to.Kind() {
		case reflect.String:
			to.SetString(value)
		case reflect.Bool:
			yes, err := strconv.ParseBool(value)
			if err != nil {
				return err
			}
			to.SetBool(yes)
		case reflect.Int64: // a time.Duration
			d, err := console.ParseDuration(value)
			if err != nil {
				return err
			}
			to.SetInt(int64(d))
		case reflect.Slice:
			to.Set(reflect.ValueOf(strings.Split(value, ",")))
		case reflect.Map:
			key, val, _ := strings.Cut(value, ":")
			to.Set(reflect.ValueOf(map[string]string{key: val}))
		default:
			return fmt.Errorf("field %s of %s: a %s cannot be written in the table", name, v.Type(), to.Kind())
		}
	}
	return nil
}
