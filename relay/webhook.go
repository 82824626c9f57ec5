package relay

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/caisey/caisey/sessionlog"
)

// webhookTime is how long a webhook has to answer, and webhookQueue how many notices
// wait for it: beyond that they are dropped, as nobody's step may wait for it.
const (
	webhookTime  = 5 * time.Second
	webhookQueue = 64
	webhookShare = 8 // of one session: with a slow webhook it does not take the others' place
)

// A webhook tells an outside program that a step waits for an answer.
type webhook struct {
	url   string // static
	queue chan notice

	mu     sync.Mutex // guards what follows
	queued map[sessionlog.SessionID]int
}

// A notice is what a webhook is told: who waits and where, but not for what. The
// command is looked at in Caisey, by those who may.
type notice struct {
	Kind     sessionlog.Kind      `json:"kind"`
	Step     sessionlog.StepID    `json:"step"`
	Session  sessionlog.SessionID `json:"session"`
	Client   string               `json:"client"`
	Name     string               `json:"name"` // of the endpoint
	By       string               `json:"by"`
	Need     int                  `json:"need"`
	Rules    []string             `json:"rules"`
	Expires  time.Time            `json:"expires"`
	Approver string               `json:"command_line"` // what an approver may type
}

func newWebhook(url string) *webhook {
	return &webhook{url: url, queue: make(chan notice, webhookQueue), queued: map[sessionlog.SessionID]int{}}
}

// tell queues a notice about a step that waits.
func (h *webhook) tell(st *step) bool {
	s := st.session
	n := notice{
		Kind: sessionlog.ApprovalRequested, Step: st.id, Session: s.info.Session, Client: s.info.Client, Name: s.info.Name,
		By: s.info.Technician, Need: st.gate.hold.Need, Rules: st.gate.hold.Rules, Expires: st.gate.hold.Expires,
		Approver: "approve show " + string(st.id),
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.queued[n.Session] >= webhookShare {
		return false
	}
	select {
	case h.queue <- n:
		h.queued[n.Session]++
		return true
	default:
		return false
	}
}

// taken says that a notice of a session waits no longer.
func (h *webhook) taken(id sessionlog.SessionID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.queued[id]--; h.queued[id] <= 0 {
		delete(h.queued, id)
	}
}

// run sends what is queued, until ctx ends.
func (h *webhook) run(ctx context.Context, failed func(error)) {
	client := &http.Client{
		Timeout: webhookTime,
		// A redirect could lead a POST anywhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	for {
		select {
		case n := <-h.queue:
			h.taken(n.Session)
			if err := h.send(ctx, client, n); err != nil && ctx.Err() == nil {
				failed(err)
			}
		case <-ctx.Done():
			return
		}
	}
}

func (h *webhook) send(ctx context.Context, client *http.Client, n notice) error {
	body, err := json.Marshal(n)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url, bytes.NewReader(body))
	if err != nil {
		return errors.New("the URL is none")
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := client.Do(req)
	var withURL *url.Error
	if errors.As(err, &withURL) { // the URL may be a secret, and this is logged
		err = withURL.Err
	}
	if err != nil {
		return fmt.Errorf("post: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("webhook answered %s", res.Status)
	}
	return nil
}
