package disk

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/caisey/caisey/agent/check"
)

// A scanned is a disk as smartctl --scan names it.
type scanned struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

func parseScan(text []byte) ([]scanned, error) {
	var all struct {
		Devices []scanned `json:"devices"`
	}
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, fmt.Errorf("read smartctl's list: %w", err)
	}
	return all.Devices, nil
}

// A smart is what smartctl -j tells of a disk, as far as it is read.
type smart struct {
	Status *struct {
		Passed bool `json:"passed"`
	} `json:"smart_status"`
	Time struct {
		At int64 `json:"time_t"`
	} `json:"local_time"`
	ATA struct {
		Table []struct {
			ID   int    `json:"id"`
			Name string `json:"name"`
			Raw  struct {
				Value int64 `json:"value"`
			} `json:"raw"`
		} `json:"table"`
	} `json:"ata_smart_attributes"`
	NVMe *struct {
		Warning int     `json:"critical_warning"`
		Media   int64   `json:"media_errors"`
		Used    float64 `json:"percentage_used"`
	} `json:"nvme_smart_health_information_log"`
}

func parseSmart(text []byte) (smart, error) {
	var s smart
	if err := json.Unmarshal(text, &s); err != nil {
		return smart{}, fmt.Errorf("read smartctl's answer: %w", err)
	}
	return s, nil
}

// bad are the attributes of ATA disks that count sectors: reallocated, waiting to be,
// and beyond that.
var bad = map[int]string{5: "reallocated sectors", 197: "sectors that cannot be read", 198: "sectors that cannot be read or written"}

func (s smart) tell(device string, in check.Input, out *check.Out) {
	at := time.Unix(s.Time.At, 0)
	if s.Status != nil {
		word := "passed"
		if !s.Status.Passed {
			word = "failed"
		}
		row := out.Row(device, "self-assessment "+word, nil, at, nil, "smartctl")
		if !s.Status.Passed {
			out.Find(check.Finding{Severity: check.Crit, Value: false, Rows: []int{row}, Text: device + " says of itself that it is failing"})
		}
	}
	count := func(what string, n int64) {
		if n <= 0 {
			return
		}
		row := out.Row(device, what, n, at, nil, "smartctl")
		out.Find(check.Finding{Severity: check.Warn, Value: n, Rows: []int{row}, Text: fmt.Sprintf("%s has %d %s", device, n, what)})
	}
	for _, a := range s.ATA.Table {
		if what := bad[a.ID]; what != "" {
			count(what, a.Raw.Value)
		}
	}
	if s.NVMe == nil {
		return
	}
	count("media errors", s.NVMe.Media)
	if s.NVMe.Warning != 0 {
		row := out.Row(device, "critical warning", s.NVMe.Warning, at, nil, "smartctl")
		out.Find(check.Finding{Severity: check.Crit, Value: s.NVMe.Warning, Rows: []int{row}, Text: fmt.Sprintf("%s warns of itself with bits %#x", device, s.NVMe.Warning)})
	}
	if worn := in.Number("worn"); s.NVMe.Used > worn {
		row := out.Row(device, "life used", int64(s.NVMe.Used), at, "in percent", "smartctl")
		out.Find(check.Finding{
			Severity: check.Warn, Param: "worn", Value: s.NVMe.Used, Threshold: worn, Rows: []int{row},
			Text: fmt.Sprintf("%s has used %g %% of its life, over %g %%", device, s.NVMe.Used, worn),
		})
	}
}
