package quicrelay

import (
	"container/list"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/caisey/caisey/sessionlog"
)

const (
	// knownFor is how long the network of an endpoint is known after it was there.
	knownFor = 24 * time.Hour
	// maxKnown is of how many endpoints that is remembered.
	maxKnown = 16384
	// saveEvery is how much of it a relay that is killed may forget.
	saveEvery = time.Minute
)

// knownFile is the name of the file of known networks. No endpoint has such an id.
const knownFile = "networks"

// A known remembers from which networks endpoints were welcome last: one of each, so
// that whoever has the key of one makes no more than one network known.
type known struct {
	clock func() time.Time // static; of the wall: sightings end at a date
	most  int              // static
	file  string           // static; where they are kept, if not empty: see save
	write sync.Mutex       // held while that is written

	mu       sync.Mutex // guards what follows
	order    *list.List // of sighting, the newest first
	endpoint map[sessionlog.EndpointID]*list.Element
	networks map[netip.Addr]*network
	saved    time.Time
}

// A sighting says where an endpoint was.
type sighting struct {
	Endpoint sessionlog.EndpointID `json:"endpoint"`
	From     netip.Addr            `json:"from"`
	Until    time.Time             `json:"until"` // when that counts no more
}

// A network has endpoints.
type network struct {
	endpoints int
	until     time.Time // when it is known no more, unless one is seen again
}

func newKnown(clock func() time.Time, most int) *known {
	return &known{
		clock: clock, most: most, order: list.New(),
		endpoint: map[sessionlog.EndpointID]*list.Element{}, networks: map[netip.Addr]*network{},
	}
}

// saw notes that an endpoint is, or was until now, welcome from there, and reports
// whether it is time to save.
func (k *known) saw(id sessionlog.EndpointID, from netip.Addr) (due bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.clock()
	k.noteLocked(sighting{id, from, now.Add(knownFor)})
	if k.file == "" || now.Sub(k.saved).Abs() < saveEvery {
		return false
	}
	k.saved = now
	return true
}

func (k *known) noteLocked(s sighting) {
	if e := k.endpoint[s.Endpoint]; e != nil {
		k.dropLocked(e)
	}
	for k.order.Len() >= k.most {
		k.dropLocked(k.order.Back())
	}
	k.endpoint[s.Endpoint] = k.order.PushFront(s)
	n := k.networks[s.From]
	if n == nil {
		n = &network{}
		k.networks[s.From] = n
	}
	n.endpoints++
	n.until = s.Until
}

func (k *known) dropLocked(e *list.Element) {
	s := k.order.Remove(e).(sighting)
	delete(k.endpoint, s.Endpoint)
	n := k.networks[s.From]
	if n.endpoints--; n.endpoints == 0 {
		delete(k.networks, s.From)
	}
}

// has reports whether an endpoint was lately welcome from there.
func (k *known) has(from netip.Addr) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	n := k.networks[from]
	if n == nil {
		return false
	}
	left := n.until.Sub(k.clock())
	return left > 0 && left <= 2*knownFor // more is from before the clock was put back
}

// save writes all down for the relay's next start, which may be during a flood. It is
// not synced, and what cannot be read again costs known networks their places, no more.
func (k *known) save() error {
	if k.file == "" {
		return nil
	}
	k.write.Lock()
	defer k.write.Unlock()
	k.mu.Lock()
	all := make([]sighting, 0, k.order.Len())
	for e := k.order.Back(); e != nil; e = e.Prev() {
		all = append(all, e.Value.(sighting))
	}
	k.mu.Unlock()
	b, err := json.Marshal(all)
	if err == nil {
		err = os.WriteFile(k.file+".new", b, 0o600)
	}
	if err == nil {
		err = os.Rename(k.file+".new", k.file)
	}
	if err != nil {
		return fmt.Errorf("write known networks: %w", err)
	}
	return nil
}

// load reads what an earlier relay saved, and keeps it in that file from now on.
func (k *known) load(file string) error {
	k.file = file
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var all []sighting
	if err == nil {
		err = json.Unmarshal(b, &all)
	}
	if err != nil {
		return fmt.Errorf("read known networks: %w", err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, s := range all {
		k.noteLocked(s)
	}
	return nil
}
