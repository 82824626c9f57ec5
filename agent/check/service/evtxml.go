//go:build linux || windows

package service

import (
	"encoding/xml"
	"fmt"
	"strings"
	"time"

	"github.com/caisey/caisey/agent/check"
)

// An event is a record of Windows' event log as EvtRender and EvtFormatMessage have it.
// What RenderingInfo has is in the machine's language; nothing is decided by it.
type event struct {
	System struct {
		Provider struct {
			Name            string `xml:"Name,attr"`
			EventSourceName string `xml:"EventSourceName,attr"`
		}
		EventID     string
		Level       int
		TimeCreated struct {
			SystemTime string `xml:"SystemTime,attr"`
		}
		EventRecordID string
		Channel       string
		Computer      string
	}
	Data     []eventDatum `xml:"EventData>Data"`
	UserData struct {
		Inner string `xml:",innerxml"`
	}
	RenderingInfo struct{ Message string }
}

type eventDatum struct {
	Name  string `xml:"Name,attr"`
	Value string `xml:",chardata"`
}

// parseEvent reads one <Event>.
func parseEvent(text string) (event, error) {
	var e event
	if err := xml.Unmarshal([]byte(text), &e); err != nil {
		return e, fmt.Errorf("read event: %w", err)
	}
	if e.System.EventID == "" || e.time().IsZero() {
		return e, fmt.Errorf("read event: it has no number or no time")
	}
	return e, nil
}

func (e event) id() string { return strings.TrimSpace(e.System.EventID) }

func (e event) time() time.Time {
	t, err := time.Parse(time.RFC3339Nano, e.System.TimeCreated.SystemTime)
	if err != nil {
		return time.Time{}
	}
	return t
}

// record returns the event as a row has it.
func (e event) record() record {
	r := record{
		time: e.time(), source: e.System.Provider.Name, id: e.id(),
		message: strings.TrimSpace(e.RenderingInfo.Message), number: e.System.Channel + " " + e.System.EventRecordID,
	}
	switch e.System.Level {
	case 1:
		r.level = "crit"
	case 2:
		r.level = "error"
	case 3:
		r.level = "warning"
	default:
		r.level = "info"
	}
	if r.message == "" {
		r.message = e.values()
	}
	return r
}

// values are the event's data, where the publisher's words for it are not there.
func (e event) values() string {
	var all []string
	for _, d := range e.Data {
		v := strings.TrimSpace(d.Value)
		if d.Name != "" {
			v = d.Name + "=" + v
		}
		all = append(all, v)
	}
	return strings.Join(all, "; ")
}

// eventQuery is the XPath of the records of a channel of at least that level.
func eventQuery(level, provider string, since time.Duration) string {
	levels := "Level=1"
	for _, l := range []struct{ name, more string }{{"error", " or Level=2"}, {"warning", " or Level=3"}, {"info", " or Level=0 or Level=4"}} {
		if level == "crit" {
			break
		}
		levels += l.more
		if level == l.name {
			break
		}
	}
	who := ""
	if provider != "" {
		who = fmt.Sprintf("Provider[@Name=%s] and ", xpathString(provider))
	}
	return fmt.Sprintf("*[System[%s(%s) and TimeCreated[timediff(@SystemTime) <= %d]]]", who, levels, since.Milliseconds())
}

// xpathString quotes s. XPath has no escape: what has both quotes names nobody.
func xpathString(s string) string {
	if !strings.Contains(s, "'") {
		return "'" + s + "'"
	}
	return `"` + strings.ReplaceAll(s, `"`, "") + `"`
}

// tellEvents adds rows for the first n of the events, which are the newest, and counts
// all.
func tellEvents(events []event, n int, t *tally, out *check.Out) {
	for i, e := range events {
		row := -1
		if i < n {
			row = out.Row(e.record().row()...)
		}
		t.count(e.record(), row)
	}
}
