package directory

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/sessionlog"
	shape "github.com/caisey/caisey/sessionlog/check"
)

// adFix declares a fix of this Samba controller's replication.
func adFix(name, summary, undo string, change check.Step) check.Check {
	return check.Check{
		Spec: check.Spec{
			Name: name, Summary: summary, Undo: undo,
			Effect: sessionlog.EffectChange,
			Roles:  []string{"dc"},
			Params: append([]check.Param{
				{Name: "dc", Summary: "the controller; this one if none is given", Type: shape.AHost, Complete: "dns.adsrv:target"},
			}, replParams()...),
			Tables:  []check.Table{{Name: "before", Columns: neighbourColumns()}, {Name: "after", Columns: neighbourColumns()}},
			Timeout: 300,
			MaxRows: 5000,
			Source:  "samba-tool drs, and its showrepl --json before and after",
		},
		Run: check.Fixing(replBefore, change, replAfter),
	}
}

func syncAll() check.Check {
	return adFix("ad.syncall", "has a Samba domain controller replicate from all its partners now",
		"nothing to take back: it brings over only what replication would have brought anyway", changeSync)
}

func consistency() check.Check {
	return adFix("ad.kcc", "has a Samba domain controller work out anew with whom it replicates",
		"nothing to take back: the connections follow from the sites and controllers; it makes them again by itself every 15 minutes", changeKCC)
}

func replBefore(ctx context.Context, in check.Input, out *check.Out) error {
	all, err := sambaNeighbours(ctx, in, out)
	for _, n := range all {
		n.tell(out, "before")
	}
	return err
}

func replAfter(ctx context.Context, in check.Input, out *check.Out) error {
	all, err := sambaNeighbours(ctx, in, out)
	tellNeighbours(all, "after", in, out)
	return err
}

// perPartner is how long one naming context from one partner may take.
const perPartner = 60 * time.Second

// changeSync replicates each naming context from each partner. One that fails does not
// keep the others from it.
func changeSync(ctx context.Context, in check.Input, out *check.Out) error {
	s, err := showRepl(ctx, in, out)
	if err != nil {
		return err
	}
	us, err := asked(ctx, in)
	if err != nil {
		return err
	}
	var failed error
	for _, side := range s.From {
		partner, _ := nameOf(side.DN)
		if partner == "" || side.Deleted {
			continue
		}
		failed = errors.Join(failed, replicate(ctx, us, partner, side.NC, out))
	}
	return failed
}

func replicate(ctx context.Context, us, partner, nc string, out *check.Out) error {
	ctx, cancel := context.WithTimeout(ctx, perPartner)
	defer cancel()
	_, err := sambaTool(ctx, out, "drs", "replicate", us, partner, nc, "-P")
	if err != nil {
		return fmt.Errorf("replicate %s from %s: %w", nc, partner, brief(err))
	}
	return nil
}

// brief drops the lines of Python from what samba-tool said.
func brief(err error) error {
	var tool *check.ToolError
	if errors.As(err, &tool) {
		said, _, _ := strings.Cut(tool.Stderr, ` File "/`)
		return errors.New(said)
	}
	return err
}

func changeKCC(ctx context.Context, in check.Input, out *check.Out) error {
	args := []string{"drs", "kcc", "-P"}
	if in.Given("dc") {
		args = []string{"drs", "kcc", in.Text("dc"), "-P"}
	}
	if _, err := sambaTool(ctx, out, args...); err != nil {
		return brief(err)
	}
	return nil
}
