package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/caisey/caisey/sessionlog/foreign"
	"github.com/caisey/caisey/sessionlog/sqlitefile"
)

// maxPacked is the most bytes of a record that is unpacked to be read.
const maxPacked = 8 << 30

// A recordFile is a record's file that is read, and what was unpacked for it.
type recordFile struct {
	*foreign.Record
	dir string // removed in the end; "" if nothing was unpacked
}

// Close releases the file.
func (r *recordFile) Close() error {
	err := r.Record.Close()
	if r.dir != "" {
		err = errors.Join(err, os.RemoveAll(r.dir))
	}
	return err
}

// openFile opens a record's file, from anywhere, archived or not.
func openFile(ctx context.Context, path string) (*recordFile, error) {
	if !strings.HasSuffix(path, sqlitefile.ArchiveExt) {
		rec, err := foreign.Open(ctx, path)
		if err != nil {
			return nil, err
		}
		return &recordFile{rec, ""}, nil
	}
	dir, err := os.MkdirTemp("", "caisey-unpack-")
	if err != nil {
		return nil, err
	}
	rec, err := openPacked(ctx, path, dir)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return &recordFile{rec, dir}, nil
}

// openPacked opens an archived record, which it unpacks to dir.
func openPacked(ctx context.Context, path, dir string) (*foreign.Record, error) {
	from, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open record %s: %w", path, errors.Unwrap(err))
	}
	defer from.Close()
	plain := filepath.Join(dir, strings.TrimSuffix(filepath.Base(path), sqlitefile.ArchiveExt)+sqlitefile.Ext)
	to, err := os.OpenFile(plain, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	err = sqlitefile.Unpack(ctx, to, from, maxPacked)
	if err := errors.Join(err, to.Close()); err != nil {
		return nil, fmt.Errorf("open record %s: %w", path, err)
	}
	return foreign.Open(ctx, plain)
}
