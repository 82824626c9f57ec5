package sqlitefile

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/caisey/caisey/sessionlog"
)

// An Entry is one record in a Dir.
type Entry struct {
	Client string
	ID     sessionlog.SessionID
	Path   string
	Size   int64
	// Modified is when the file last changed.
	Modified time.Time
	// Archived says that the file is compressed: see Archive.
	Archived bool
}

// List returns all records, archived ones too, sorted by client and ID. It opens
// none of them.
func (d *Dir) List() ([]Entry, error) {
	clients, err := fs.ReadDir(d.root.FS(), ".")
	if err != nil {
		return nil, fmt.Errorf("list records: %w", err)
	}
	var list []Entry
	for _, c := range clients {
		if !c.IsDir() || !clientPattern.MatchString(c.Name()) {
			continue
		}
		files, err := fs.ReadDir(d.root.FS(), c.Name())
		if err != nil {
			return nil, fmt.Errorf("list records of %s: %w", c.Name(), err)
		}
		for _, f := range files {
			e, ok := d.entry(c.Name(), f)
			if n := len(list); ok && (n == 0 || list[n-1].ID != e.ID || list[n-1].Client != e.Client) {
				list = append(list, e) // else an Archive that died left its archive behind the record
			}
		}
	}
	return list, nil
}

func (d *Dir) entry(client string, f fs.DirEntry) (Entry, bool) {
	rest, archived := strings.CutSuffix(f.Name(), archiveSuffix)
	id, ok := strings.CutSuffix(rest, Ext)
	if !ok || !f.Type().IsRegular() || sessionlog.CheckID(id) != nil {
		return Entry{}, false
	}
	st, err := f.Info()
	if err != nil { // gone since
		return Entry{}, false
	}
	return Entry{
		Client: client, ID: sessionlog.SessionID(id),
		Path: filepath.Join(d.path, client, f.Name()), Size: st.Size(),
		Modified: st.ModTime(), Archived: archived,
	}, true
}
