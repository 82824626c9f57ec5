package sqlitefile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sync"

	"github.com/caisey/caisey/sessionlog"
)

// ErrInUse says that a records directory, or a record in it, is open already.
var ErrInUse = errors.New("in use")

var errLocked = errors.New("locked")

const (
	markerName = "caisey-records" // says that the directory is ours; its lock is the directory's
	markerText = "Session records of a Caisey relay, version 1. See docs/record.md.\n"
	tempPrefix = ".new-"
)

// A Dir is the directory of a relay's records: CLIENT/ID.caisey. Only one process
// has it open. Its methods may be called concurrently.
type Dir struct {
	// Static after OpenDir.
	cfg      Config
	path     string
	root     *os.Root
	lock     *os.File
	template []byte // an empty record
	host     *host

	syncs syncGroup

	mu     sync.Mutex // guards what follows; never held across I/O
	open   map[string]*File
	closed bool
}

// OpenDir opens the records directory at path, and makes it if it is not there.
// A directory that holds other things is refused, and so is one that another
// process has open.
func OpenDir(path string, cfg Config) (*Dir, error) {
	d, err := openDir(path, cfg.withDefaults())
	if err != nil {
		return nil, fmt.Errorf("open records directory %s: %w", path, err)
	}
	return d, nil
}

func openDir(path string, cfg Config) (*Dir, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if err := makeDir(path); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	d := &Dir{cfg: cfg, path: path, root: root, open: map[string]*File{}}
	if err := d.own(); err != nil {
		return nil, errors.Join(err, root.Close())
	}
	d.template, err = newTemplate()
	if err = errors.Join(err, root.RemoveAll(unpackedDir)); err != nil { // left by a process that died
		return nil, errors.Join(err, d.lock.Close(), root.Close())
	}
	if err := d.startJournal(); err != nil {
		return nil, errors.Join(err, d.lock.Close(), root.Close())
	}
	return d, nil
}

// makeDir makes a directory and those above it that are missing, durably.
func makeDir(path string) error {
	err := os.Mkdir(path, 0o700)
	parent := filepath.Dir(path)
	switch {
	case errors.Is(err, fs.ErrExist):
		err = nil // perhaps by somebody who did not sync it
	case errors.Is(err, fs.ErrNotExist) && parent != path:
		if err := makeDir(parent); err != nil {
			return err
		}
		err = os.Mkdir(path, 0o700)
	}
	if err != nil {
		return err
	}
	f, err := os.Open(parent)
	if err != nil {
		return err
	}
	return errors.Join(syncDir(f), f.Close())
}

// own takes the lock and makes sure that the directory is ours.
func (d *Dir) own() error {
	f, err := d.root.OpenFile(markerName, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		f, err = d.mark()
	}
	if err != nil {
		return err
	}
	if err := d.check(f); err != nil {
		return errors.Join(err, f.Close())
	}
	d.lock = f
	return nil
}

func (d *Dir) check(f *os.File) error {
	if err := lockFile(f); errors.Is(err, errLocked) {
		return fmt.Errorf("%w by another process", ErrInUse)
	} else if err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(f, 1<<10))
	if err != nil {
		return err
	}
	if len(text) == 0 { // the process that made it died, or is not there yet
		if _, err := f.WriteAt([]byte(markerText), 0); err != nil {
			return err
		}
		return errors.Join(f.Sync(), d.sync("."))
	}
	if !bytes.Equal(text, []byte(markerText)) {
		return fmt.Errorf("file %s is not of this version of Caisey", markerName)
	}
	return nil
}

// mark makes the marker in a directory that is empty.
func (d *Dir) mark() (*os.File, error) {
	entries, err := fs.ReadDir(d.root.FS(), ".")
	if err != nil {
		return nil, err
	}
	if len(entries) > 0 {
		return nil, fmt.Errorf("directory holds other things, such as %.40q, and no file %s", entries[0].Name(), markerName)
	}
	return d.root.OpenFile(markerName, os.O_RDWR|os.O_CREATE, 0o600)
}

// sync makes the names in a directory durable.
func (d *Dir) sync(name string) error {
	return d.syncs.do(name, func() error {
		f, err := d.root.Open(name)
		if err != nil {
			return err
		}
		return errors.Join(syncDir(f), f.Close())
	})
}

var clientPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

// name returns the checked name of a record within the directory.
func name(client string, id sessionlog.SessionID) (string, error) {
	if !clientPattern.MatchString(client) {
		return "", fmt.Errorf("client name %.80q is not made of 1 to 63 of a-z, 0-9 and -", client)
	}
	if err := sessionlog.CheckID(string(id)); err != nil {
		return "", err
	}
	return client + "/" + fileName(id), nil
}

// Create makes the record of a new session, durably, and opens it.
func (d *Dir) Create(ctx context.Context, client string, id sessionlog.SessionID) (sessionlog.Log, error) {
	f, err := d.with(ctx, client, id, d.create)
	if err != nil {
		return nil, fmt.Errorf("create record %s/%s: %w", client, id, err)
	}
	return f, nil
}

// Open opens the record of a session, live or sealed. What a process that died
// left undone is done first. A record that is open already is refused.
func (d *Dir) Open(ctx context.Context, client string, id sessionlog.SessionID) (sessionlog.Log, error) {
	f, err := d.with(ctx, client, id, nil)
	if err != nil {
		return nil, fmt.Errorf("open record %s/%s: %w", client, id, err)
	}
	return f, nil
}

// with reserves a record's name, prepares it, and opens it.
func (d *Dir) with(ctx context.Context, client string, id sessionlog.SessionID, prepare func(client, name string) error) (*File, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	name, err := name(client, id)
	if err != nil {
		return nil, err
	}
	if err := d.reserve(name); err != nil {
		return nil, err
	}
	if prepare != nil {
		if err := prepare(client, name); err != nil {
			d.forget(name)
			return nil, err
		}
	}
	at, onClose := name, func() { d.forget(name) }
	fd, err := d.openRegular(name)
	if errors.Is(err, fs.ErrNotExist) {
		at, fd, err = d.unpack(ctx, name)
		onClose = func() { _ = d.root.Remove(at); d.forget(name) } // OpenDir removes what is left
	}
	if err != nil {
		d.forget(name)
		return nil, err
	}
	f, err := openFile(fd, filepath.Join(d.path, filepath.FromSlash(at)), d.host, onClose)
	if err != nil {
		return nil, err
	}
	return f, d.admit(name, f)
}

// openRegular opens a record so that its header can be read. It follows no link:
// SQLite will open the same path.
func (d *Dir) openRegular(name string) (*os.File, error) {
	for _, part := range []string{filepath.Dir(name), name} {
		st, err := d.root.Lstat(part)
		if err != nil {
			return nil, err
		}
		if st.Mode()&fs.ModeSymlink != 0 {
			return nil, fmt.Errorf("%w: %s is a link", ErrNotRecord, part)
		}
	}
	return d.root.Open(name)
}

func (d *Dir) reserve(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return sessionlog.ErrClosed
	}
	if _, ok := d.open[name]; ok {
		return ErrInUse
	}
	d.open[name] = nil
	return nil
}

// admit makes f one of those that Close closes.
func (d *Dir) admit(name string, f *File) error {
	d.mu.Lock()
	closed := d.closed
	if _, ok := d.open[name]; ok && !closed {
		d.open[name] = f
	}
	d.mu.Unlock()
	if closed {
		return errors.Join(sessionlog.ErrClosed, f.Close())
	}
	return nil
}

func (d *Dir) forget(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.open, name)
}

// create puts an empty record in place. Whatever dies on the way leaves no file
// of that name.
func (d *Dir) create(client, name string) error {
	if err := d.mkdir(client); err != nil {
		return err
	}
	if _, err := d.root.Lstat(name + archiveSuffix); err == nil {
		return fmt.Errorf("its archive: %w", fs.ErrExist)
	}
	temp := client + "/" + tempPrefix + filepath.Base(name)
	if err := d.write(temp); err != nil {
		return errors.Join(err, d.root.Remove(temp))
	}
	// A link, not a rename, as it never replaces a record that is there.
	if err := errors.Join(d.root.Link(temp, name), d.root.Remove(temp)); err != nil {
		return err
	}
	return d.sync(client)
}

func (d *Dir) mkdir(client string) error {
	err := d.root.Mkdir(client, 0o700)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return d.sync(".")
}

func (d *Dir) write(temp string) error {
	f, err := d.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(d.template)
	return errors.Join(err, f.Sync(), f.Close())
}

// Close closes every record that is still open, and lets others have the
// directory.
func (d *Dir) Close() error {
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return nil
	}
	d.closed = true
	var files []*File
	for _, f := range d.open {
		if f != nil {
			files = append(files, f)
		}
	}
	d.mu.Unlock()
	d.host.stop()
	var errs []error
	for _, f := range files {
		errs = append(errs, f.Close())
	}
	return errors.Join(append(errs, d.host.journal.Close(), d.lock.Close(), d.root.Close())...)
}
