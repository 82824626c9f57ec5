package sqlitefile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Copy returns the bytes of a record file as it is now: the file itself once it
// is sealed, and before that a self-contained copy of what is durable. Closing
// it releases it.
func (f *File) Copy(ctx context.Context) (io.ReadCloser, error) {
	r, err := f.copy(ctx)
	if err != nil {
		return nil, fmt.Errorf("copy record %s: %w", f.path, err)
	}
	return r, nil
}

func (f *File) copy(ctx context.Context) (io.ReadCloser, error) {
	if err := f.flush(); err != nil {
		return nil, err
	}
	return lend(ctx, &f.reader, func(c *readConn) (io.ReadCloser, error) {
		if f.reader.immutable { // nobody locks such a file, so it may be opened and closed
			return os.Open(f.path)
		}
		dir, err := os.MkdirTemp("", "caisey-copy-")
		if err != nil {
			return nil, err
		}
		path := filepath.Join(dir, filepath.Base(f.path))
		if err := c.backup(path); err != nil {
			return nil, errors.Join(err, os.RemoveAll(dir))
		}
		file, err := os.Open(path)
		if err != nil {
			return nil, errors.Join(err, os.RemoveAll(dir))
		}
		return &tempFile{file, dir}, nil
	})
}

// backup writes all that the connection sees to a new file without a WAL.
func (c *readConn) backup(path string) error {
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		return err
	}
	to, err := openConn(path, "rw", false)
	if err != nil {
		return err
	}
	b, err := to.c.Backup("main", c.c, "main")
	if err == nil {
		_, err = b.Step(-1)
		err = errors.Join(err, b.Close())
	}
	if err == nil {
		err = to.want("PRAGMA journal_mode=DELETE", "delete")
	}
	return errors.Join(err, to.close())
}

// A tempFile takes its directory with it when it is closed.
type tempFile struct {
	*os.File
	dir string
}

func (t *tempFile) Close() error { return errors.Join(t.File.Close(), os.RemoveAll(t.dir)) }
