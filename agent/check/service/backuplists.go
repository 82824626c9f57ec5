package service

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/caisey/caisey/agent/check"
)

const (
	maxFiles = 20_000   // that are looked at below a directory
	maxList  = 16 << 20 // bytes of a list of backups
)

// backupsIn returns what the files below dir tell of backups. If none of them is a
// list, the newest file is the backup.
func backupsIn(ctx context.Context, dir string, out *check.Out) ([]backup, error) {
	newest := backup{product: "files", job: dir}
	var all []backup
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil && path == dir:
			return fmt.Errorf("read backups: %w", err)
		case err != nil || !d.Type().IsRegular():
			return ctx.Err()
		}
		if files++; files > maxFiles {
			return fs.SkipAll
		}
		info, err := d.Info()
		if err != nil {
			return ctx.Err()
		}
		newest.count++
		if info.ModTime().After(newest.last) {
			newest.last, newest.file = info.ModTime(), path
		}
		if strings.EqualFold(filepath.Ext(path), ".json") && info.Size() <= maxList {
			all = append(all, listIn(path, out)...)
		}
		return ctx.Err()
	})
	if err != nil || len(all) > 0 || newest.count == 0 {
		return all, err
	}
	if files > maxFiles {
		newest.status = "not all files were looked at"
	}
	return []backup{newest}, nil
}

// urlPassword finds the password in the address of a repository.
var urlPassword = regexp.MustCompile(`://([^:/@\s"]+):[^@/\s"]+@`)

// listIn returns the last backup of each job in a list.
func listIn(path string, out *check.Out) []backup {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	text = urlPassword.ReplaceAll(text, []byte("://$1:***@"))
	for _, parse := range []func([]byte) []backup{resticList, borgList, pgbackrestList} {
		if all := parse(text); len(all) > 0 {
			out.Raw(bounded(append(bytes.TrimSpace(text), '\n')))
			for i := range all {
				all[i].file = path
			}
			return all
		}
	}
	return nil
}

// resticList reads restic snapshots --json. A job is a host with its paths.
func resticList(text []byte) []backup {
	var list []struct {
		Time     time.Time `json:"time"`
		Hostname string    `json:"hostname"`
		Paths    []string  `json:"paths"`
		Tree     string    `json:"tree"`
	}
	if json.Unmarshal(text, &list) != nil {
		return nil
	}
	jobs := map[string]*backup{}
	for _, s := range list {
		if s.Tree == "" || s.Time.IsZero() {
			return nil
		}
		job := s.Hostname + ":" + strings.Join(s.Paths, " ")
		b := jobs[job]
		if b == nil {
			b = &backup{product: "restic", job: job}
			jobs[job] = b
		}
		b.count++
		if s.Time.After(b.last) {
			b.last = s.Time
		}
	}
	return sortedJobs(jobs)
}

// borgTime is how borg writes a time, in the zone of the machine that asked.
const borgTime = "2006-01-02T15:04:05.999999"

// borgList reads borg list --json. A job is a repository.
func borgList(text []byte) []backup {
	var list struct {
		Archives []struct {
			Archive string `json:"archive"`
			Start   string `json:"start"`
		} `json:"archives"`
		Repository struct {
			ID       string `json:"id"`
			Location string `json:"location"`
		} `json:"repository"`
	}
	if json.Unmarshal(text, &list) != nil || list.Repository.ID == "" {
		return nil
	}
	b := backup{product: "borg", job: list.Repository.Location}
	for _, a := range list.Archives {
		t, err := time.ParseInLocation(borgTime, a.Start, time.Local)
		if err != nil {
			continue
		}
		b.count++
		if t.After(b.last) {
			b.last = t
		}
	}
	return []backup{b}
}

// pgbackrestList reads pgbackrest info --output=json. A job is a stanza.
func pgbackrestList(text []byte) []backup {
	var list []struct {
		Name   string `json:"name"`
		Status *struct {
			Code    int    `json:"code"`
			Message string `json:"message"`
		} `json:"status"`
		Backup []struct {
			Error     *bool `json:"error"`
			Timestamp struct {
				Stop int64 `json:"stop"`
			} `json:"timestamp"`
		} `json:"backup"`
	}
	if json.Unmarshal(text, &list) != nil {
		return nil
	}
	var all []backup
	for _, s := range list {
		if s.Name == "" || s.Status == nil {
			return nil
		}
		b := backup{product: "pgbackrest", job: s.Name, status: s.Status.Message, bad: s.Status.Code != 0}
		for _, one := range s.Backup {
			if one.Error != nil && *one.Error {
				continue
			}
			b.count++
			if t := time.Unix(one.Timestamp.Stop, 0); t.After(b.last) {
				b.last = t
			}
		}
		all = append(all, b)
	}
	return all
}

func sortedJobs(jobs map[string]*backup) []backup {
	var all []backup
	for _, b := range slices.SortedFunc(maps.Values(jobs), func(a, b *backup) int { return cmp.Compare(a.job, b.job) }) {
		all = append(all, *b)
	}
	return all
}
