package service

import (
	"context"
	"fmt"
	"time"

	"github.com/caisey/caisey/agent/check"
)

// restartMessage is systemd's MESSAGE_ID of "Scheduled restart job".
const restartMessage = "5eb03494b6584870a536b337290809b3"

// failures is the failureLister of systemd.
func (m machine) failures(ctx context.Context, out *check.Out, since time.Time) ([]failure, error) {
	c, err := m.systemd(ctx)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	units, err := c.ListUnitsFilteredContext(ctx, []string{"failed"})
	if err != nil {
		return nil, fmt.Errorf("list failed units: %w", err)
	}
	restarts, noJournal := m.restarts(ctx)
	var all []failure
	for _, u := range units {
		p, err := unitFacts(ctx, c, u.Name)
		if err != nil {
			return all, err
		}
		rawUnit(out, p)
		s := stateOf(u.Name, p)
		if s.since.Before(since) {
			continue
		}
		all = append(all, failure{
			name: s.name, state: s.detail, result: s.result, exit: s.exit, restarts: restarts[s.name], last: s.since, failed: true,
		})
		delete(restarts, u.Name)
	}
	for name, n := range restarts {
		p, err := unitFacts(ctx, c, name)
		if err != nil {
			return all, err
		}
		s := stateOf(name, p)
		all = append(all, failure{name: name, state: s.detail, result: s.result, exit: s.exit, restarts: n, last: s.since})
	}
	return all, noJournal
}

// restarts counts by unit how often systemd started it again within restartWindow.
func (m machine) restarts(ctx context.Context) (map[string]int, error) {
	entries, err := m.read(ctx, nil, query{since: restartWindow, most: 5000, match: []string{"MESSAGE_ID=" + restartMessage}})
	if err != nil {
		return nil, check.Unknown("restarts are not counted: %v", err)
	}
	n := map[string]int{}
	for _, e := range entries {
		n[e.unit]++
	}
	return n, nil
}
