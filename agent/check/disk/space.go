package disk

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/sessionlog"
	shape "github.com/caisey/caisey/sessionlog/check"
)

// A volume is a mounted file system.
type volume struct {
	name, fs, device string
	// answers says that the system told its size.
	answers        bool
	size, free     uint64
	freePart       float64  // in percent of what users can have
	inodesFree     *float64 // in percent; nil if there is no count
	readOnly       bool
	shouldBeRW     bool // readOnly, and the system's table says otherwise
	writableByType bool // file systems of this type are written to
}

// A volumeReader returns the volumes, of which out gets the evidence.
type volumeReader func(ctx context.Context, out *check.Out) ([]volume, error)

// diskSpace declares disk.space.
func diskSpace(read volumeReader) check.Check {
	return check.Check{
		Spec: check.Spec{
			Name:    "disk.space",
			Summary: "what is free on each volume, and volumes that became read-only",
			Effect:  sessionlog.EffectRead,
			Params: []check.Param{
				{Name: "volume", Summary: "this volume only", Type: shape.APath, Complete: "disk.space:volume"},
				{Name: "warn", Summary: "free space under which it warns", Type: shape.ANumber, Default: "15", Max: 100, Unit: "%", Threshold: true},
				{Name: "crit", Summary: "free space under which it is critical", Type: shape.ANumber, Default: "5", Max: 100, Unit: "%", Threshold: true},
				{Name: "least", Summary: "free space under which it is critical, on volumes of ten times as much and more", Type: shape.ANumber, Default: "1", Max: 1e6, Unit: "GiB", Threshold: true},
				{Name: "inodes", Summary: "free inodes under which it is critical", Type: shape.ANumber, Default: "5", Max: 100, Unit: "%", Threshold: true},
			},
			Tables: []check.Table{{Columns: []check.Column{
				{Name: "volume", Type: shape.Text},
				{Name: "fs", Type: shape.Text},
				{Name: "device", Type: shape.Text},
				{Name: "size", Type: shape.Bytes},
				{Name: "free", Type: shape.Bytes},
				{Name: "free_part", Type: shape.Percent},
				{Name: "inodes_free", Type: shape.Percent},
				{Name: "read_only", Type: shape.Bool},
			}}},
			Timeout: 15,
			MaxRows: 500,
			Source:  "mountinfo, statfs and fstab on Linux; the volumes of the system elsewhere",
		},
		Run: func(ctx context.Context, in check.Input, out *check.Out) error {
			all, err := read(ctx, out)
			if err != nil {
				return err
			}
			found := false
			for _, v := range all {
				if !in.Has("volume") || strings.EqualFold(v.name, in.Text("volume")) {
					v.tell(in, out)
					found = true
				}
			}
			if in.Has("volume") && !found {
				return check.Unknown("no volume is mounted at %s", in.Text("volume"))
			}
			return nil
		},
	}
}

func (v volume) tell(in check.Input, out *check.Out) {
	if !v.answers {
		row := out.Row(v.name, v.fs, v.device, nil, nil, nil, nil, v.readOnly)
		out.Find(check.Finding{Severity: check.Crit, Rows: []int{row}, Text: v.name + " does not answer: its server or disk hangs"})
		return
	}
	var inodes any
	if v.inodesFree != nil {
		inodes = *v.inodesFree
	}
	rows := []int{out.Row(v.name, v.fs, v.device, v.size, v.free, v.freePart, inodes, v.readOnly)}
	if v.readOnly && v.writableByType {
		f := check.Finding{Severity: check.Warn, Rows: rows, Value: true, Text: v.name + " is mounted read-only, and fstab does not name it"}
		if v.shouldBeRW {
			f.Severity, f.Text = check.Crit, v.name+" is read-only, though fstab says it is to be written: the kernel does that after errors"
		}
		out.Find(f)
	}
	if f, ok := v.space(in); ok {
		f.Rows = rows
		out.Find(f)
	}
	if least := in.Number("inodes"); v.inodesFree != nil && *v.inodesFree < least {
		out.Find(check.Finding{
			Severity: check.Crit, Param: "inodes", Value: *v.inodesFree, Threshold: least, Rows: rows,
			Text: fmt.Sprintf("%s has %.1f %% of its inodes free, under %g %%", v.name, *v.inodesFree, least),
		})
	}
}

// space returns the worst that is to be said about the free space.
func (v volume) space(in check.Input) (check.Finding, bool) {
	if fixed(v.fs) {
		return check.Finding{}, false
	}
	for _, t := range []struct {
		param    string
		severity shape.Severity
	}{{"crit", check.Crit}, {"warn", check.Warn}} {
		if limit := in.Number(t.param); v.freePart < limit {
			return check.Finding{
				Severity: t.severity, Param: t.param, Value: v.freePart, Threshold: limit,
				Text: fmt.Sprintf("%s has %.1f %% free, under %g %%", v.name, v.freePart, limit),
			}, true
		}
		least := in.Number("least")
		if free := float64(v.free) / (1 << 30); t.param == "crit" && free < least && float64(v.size)/(1<<30) >= 10*least {
			return check.Finding{
				Severity: check.Crit, Param: "least", Value: free, Threshold: least,
				Text: fmt.Sprintf("%s has %.2f GiB free, under %g GiB", v.name, free, least),
			}, true
		}
	}
	return check.Finding{}, false
}

// fixed reports whether file systems of the type are made full, and stay so.
func fixed(fs string) bool {
	return slices.Contains([]string{"squashfs", "iso9660", "udf", "erofs", "cramfs", "CDFS", "UDF", "cd9660"}, fs)
}
