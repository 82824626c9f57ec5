package disk

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caisey/caisey/agent/check"
	"github.com/caisey/caisey/agent/check/checktest"
	"github.com/caisey/caisey/agent/check/journal"
)

// machine returns a system whose journal has these records of an hour ago and later,
// whose arrays are mdstat, and whose smartctl answers with files of testdata.
func machine(t *testing.T, records []string, mdstat, smart string) system {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"x.journal": "", "mdstat": mdstat} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var lines strings.Builder
	for i, r := range records {
		at := time.Now().Add(-time.Hour + time.Duration(i)*time.Second)
		fmt.Fprintf(&lines, `{"__REALTIME_TIMESTAMP":"%d","SYSLOG_IDENTIFIER":"kernel","PRIORITY":"3","MESSAGE":%q}`+"\n", at.UnixMicro(), r)
	}
	tool := func(_ context.Context, out *check.Out, name string, args ...string) ([]byte, error) {
		switch {
		case name == "journalctl":
			return []byte(lines.String()), nil
		case smart == "":
			return nil, check.Unknown("there is no smartctl on this machine")
		case args[1] == "--scan":
			return []byte(`{"devices":[{"name":"/dev/sda","type":"sat"}]}`), nil
		}
		text, err := os.ReadFile(filepath.Join("testdata", smart))
		out.Raw(text)
		return text, err
	}
	return system{journal: journal.Journal{Tool: tool, Dirs: []string{dir}}, proc: dir}
}

const good = `Personalities : [raid1]
md0 : active raid1 sda1[0] sdb1[1]
      1047552 blocks super 1.2 [2/2] [UU]

unused devices: <none>
`

func TestHealth(t *testing.T) {
	a := checktest.Ask(t, diskHealth(machine(t, []string{"usb 1-1: new device"}, good, "")))
	a.Fine(t)
	a = checktest.Ask(t, diskHealth(machine(t, []string{
		"I/O error, dev sda, sector 2048 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 0",
		"I/O error, dev sda, sector 4096 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 0",
		"ata3: hard resetting link",
	}, good, "")))
	if f := a.Finding(t, "errors"); f.Text != "sda: 2 records of I/O error within 24h0m0s" || len(a.Findings) != 2 {
		t.Errorf("%+v", a.Findings)
	}
	if says := a.Column(t, "", "says"); !strings.Contains(says[0], "4096") {
		t.Errorf("not the last record: %v", says)
	}
}

func TestArrays(t *testing.T) {
	degraded := strings.Replace(strings.Replace(good, "sdb1[1]", "sdb1[1](F)", 1), "[2/2] [UU]", "[2/1] [U_]", 1)
	a := checktest.Ask(t, diskHealth(machine(t, nil, degraded, "")))
	if f := a.Finding(t, "crit"); f.Text != "array md0 runs with 1 of 2 disks, 1 failed" {
		t.Errorf("%+v", f)
	}
}

func TestSmart(t *testing.T) {
	a := checktest.Ask(t, diskHealth(machine(t, nil, good, "ata.json")))
	if len(a.Findings) != 2 || a.Findings[0].Text != "sda says of itself that it is failing" || a.Findings[1].Text != "sda has 8 sectors that cannot be read" {
		t.Errorf("%+v", a.Findings)
	}
	a = checktest.Ask(t, diskHealth(machine(t, nil, good, "nvme.json")))
	if f := a.Finding(t, "worn"); f.Text != "sda has used 97 % of its life, over 90 %" || len(a.Findings) != 1 {
		t.Errorf("%+v", a.Findings)
	}
}

func TestHealthCannotTell(t *testing.T) {
	s := system{proc: t.TempDir(), journal: journal.Journal{Dirs: []string{}, Ring: "/no/such"}}
	if why := checktest.Ask(t, diskHealth(s)).CannotTell(t); !strings.Contains(why, "keeps no journal") {
		t.Error(why)
	}
}

func TestClassify(t *testing.T) {
	for says, want := range map[string]string{
		"critical medium error, dev sdb, sector 5 op 0x0":                                 "sdb bad block",
		"sd 0:0:0:0: [sdc] tag#1 Sense Key : Medium Error [current]":                      "sdc bad block",
		"Buffer I/O error on dev dm-0, logical block 7, lost async page write":            "dm-0 I/O error",
		"EXT4-fs error (device sda1): ext4_lookup:1700: inode #2: comm ls: deleted inode": "sda1 file system error",
		"EXT4-fs (loop0): Remounting filesystem read-only":                                "loop0 file system error",
		"XFS (dm-1): Corruption detected. Unmount and run xfs_repair":                     "dm-1 file system error",
		"Aborting journal on device sda1-8.":                                              "sda1-8 journal aborted",
		"ata1.00: exception Emask 0x0 SAct 0x0 SErr 0x0 action 0x6 frozen":                "ata1 controller error",
		"nvme nvme0: I/O 12 QID 3 timeout, aborting":                                      "nvme0 controller error",
		"nvme nvme0: controller is down; will reset: CSTS=0xffffffff":                     "nvme0 controller reset",
		"md/raid1:md0: Disk failure on sdb1, disabling device.":                           "md0 disk failed",
		"EXT4-fs (sda1): mounted filesystem with ordered data mode":                       " ",
		"sd 0:0:0:0: [sda] Attached SCSI disk":                                            " ",
	} {
		if device, event := classify(says); device+" "+event != want {
			t.Errorf("%q: %s %s, not %s", says, device, event, want)
		}
	}
}

func FuzzSmart(f *testing.F) {
	for _, name := range []string{"ata.json", "nvme.json"} {
		text, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(_ *testing.T, text []byte) {
		_, _ = parseScan(text)
		_, _ = parseSmart(text)
	})
}

func FuzzClassify(f *testing.F) {
	f.Add("critical medium error, dev sdb, sector 5")
	f.Fuzz(func(t *testing.T, s string) {
		if device, event := classify(s); (device == "") && event != "" {
			t.Errorf("%q: an event %s of no device", s, event)
		}
	})
}
