package service

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/caisey/caisey/agent/check"
	shape "github.com/caisey/caisey/sessionlog/check"
)

// logSource says where the records come from, in one line.
const logSource = "the Windows event log through wevtapi: EvtQuery, EvtRender, EvtFormatMessage; messages are in the machine's language"

// logParams are the parameters that say which records.
func logParams() []check.Param {
	return []check.Param{
		{Name: "channel", Summary: "channels of the event log", Type: shape.AList, Default: "System,Application"},
		{Name: "provider", Summary: "records of this provider only", Type: shape.AText, Complete: "log.errors:source"},
		{Name: "level", Summary: "the least level", Type: shape.AnEnum, Values: []string{"crit", "error", "warning", "info"}, Default: "error"},
	}
}

// maxCounted is the most records of a channel that are counted: each is formatted.
const maxCounted = 1000

// eventErrors is the ledger of the event log.
func eventErrors(ctx context.Context, in check.Input, out *check.Out) (*tally, error) {
	w, err := newWevt()
	if err != nil {
		return nil, err
	}
	t := newTally(time.Now(), in.Duration("since"))
	xpath := eventQuery(in.Text("level"), in.Text("provider"), in.Duration("since"))
	var all []event
	var missing error
	for _, channel := range in.List("channel") {
		events, err := w.read(ctx, out, channel, xpath, maxCounted)
		t.capped = t.capped || len(events) == maxCounted
		missing = errors.Join(missing, err)
		all = append(all, events...)
	}
	slices.SortStableFunc(all, func(a, b event) int {
		return cmp.Or(b.time().Compare(a.time()), cmp.Compare(b.System.EventRecordID, a.System.EventRecordID))
	})
	tellEvents(all, in.Int("n"), t, out)
	return t, missing
}
