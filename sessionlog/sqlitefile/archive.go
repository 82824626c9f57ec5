package sqlitefile

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"

	"github.com/caisey/caisey/sessionlog"
)

// ErrNotSealed says that a record is still written, or was never finished.
var ErrNotSealed = errors.New("record is not sealed")

// ArchiveExt ends the names of archived records.
const ArchiveExt = Ext + archiveSuffix

const archiveSuffix = ".zst"

// Archive compresses a sealed record that nobody has open: ID.caisey becomes
// ID.caisey.zst, which Open opens as before. Whatever dies on the way leaves the
// record whole in one of the two; where both are, the first counts. A record that
// is archived already stays as it is.
func (d *Dir) Archive(ctx context.Context, client string, id sessionlog.SessionID) error {
	if err := d.hold(ctx, client, id, func(name string) error { return d.archive(ctx, client, name) }); err != nil {
		return fmt.Errorf("archive record %s/%s: %w", client, id, err)
	}
	return nil
}

// hold does something to a record that nobody can open meanwhile.
func (d *Dir) hold(ctx context.Context, client string, id sessionlog.SessionID, do func(name string) error) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	name, err := name(client, id)
	if err != nil {
		return err
	}
	if err := d.reserve(name); err != nil {
		return err
	}
	defer d.forget(name)
	return do(name)
}

func (d *Dir) archive(ctx context.Context, client, name string) error {
	from, err := d.openSealed(name)
	if errors.Is(err, fs.ErrNotExist) {
		if _, gone := d.root.Lstat(name + archiveSuffix); gone == nil {
			return nil
		}
	}
	if err != nil {
		return err
	}
	temp := client + "/" + tempPrefix + filepath.Base(name) + archiveSuffix
	err = d.pack(ctx, from, temp)
	if err := errors.Join(err, from.Close()); err != nil {
		return errors.Join(err, d.removeAll(temp))
	}
	// What an Archive that died left under the name is worth less than the record.
	if err := errors.Join(d.removeAll(name+archiveSuffix), d.root.Link(temp, name+archiveSuffix), d.root.Remove(temp)); err != nil {
		return err
	}
	// The record goes only once its archive, and the archive's name, are on disk.
	if err := d.sync(client); err != nil {
		return err
	}
	if err := d.root.Remove(name); err != nil {
		return err
	}
	return d.sync(client)
}

// openSealed opens the file of a record that nobody will write any more. What a
// process that died left undone is done first.
func (d *Dir) openSealed(name string) (*os.File, error) {
	fd, err := d.openRegular(name)
	if err != nil {
		return nil, err
	}
	f, err := openFile(fd, filepath.Join(d.path, filepath.FromSlash(name)), d.host, nil)
	if err != nil {
		return nil, err
	}
	sealed := f.Head().Sealed
	if err := f.Close(); err != nil {
		return nil, err
	}
	if !sealed {
		return nil, ErrNotSealed
	}
	if fd, err = d.openRegular(name); err != nil {
		return nil, err
	}
	h, err := readHeader(fd)
	if err == nil && h.wal { // another process reads it
		err = fmt.Errorf("%w yet: it has a journal", ErrNotSealed)
	}
	if err != nil {
		return nil, errors.Join(err, fd.Close())
	}
	return fd, nil
}

// pack writes the archive of a record's file, durably, and reads it back.
func (d *Dir) pack(ctx context.Context, from *os.File, temp string) error {
	if err := d.removeAll(temp); err != nil { // of an Archive that died
		return err
	}
	to, err := d.root.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	want := sha256.New()
	st, err := from.Stat()
	if err == nil {
		err = compress(ctx, to, io.TeeReader(io.NewSectionReader(from, 0, st.Size()), want), st.Size())
	}
	if err == nil {
		err = errors.Join(to.Chmod(0o400), to.Sync())
	}
	if err == nil {
		got := sha256.New()
		err = unpack(ctx, got, io.NewSectionReader(to, 0, 1<<62), st.Size())
		if err == nil && !bytes.Equal(got.Sum(nil), want.Sum(nil)) {
			err = errors.New("its archive unpacks to something else")
		}
	}
	return errors.Join(err, to.Close())
}

// compress writes size bytes as one zstd frame that says its size and has a
// checksum.
func compress(ctx context.Context, to io.Writer, from io.Reader, size int64) error {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(archiveLevel), zstd.WithEncoderCRC(true))
	if err != nil {
		return err
	}
	enc.ResetContentSize(to, size)
	_, err = io.Copy(enc, stopReader{ctx, from})
	return errors.Join(err, enc.Close())
}

// archiveLevel is about `zstd -3`: see docs/benchmarks.md.
const archiveLevel = zstd.SpeedDefault

// Remove removes a record in whatever form it is, durably. One that is open is
// refused.
func (d *Dir) Remove(ctx context.Context, client string, id sessionlog.SessionID) error {
	if err := d.hold(ctx, client, id, func(name string) error { return d.remove(client, name) }); err != nil {
		return fmt.Errorf("remove record %s/%s: %w", client, id, err)
	}
	return nil
}

func (d *Dir) remove(client, name string) error {
	_, live := d.root.Lstat(name)
	_, packed := d.root.Lstat(name + archiveSuffix)
	if live != nil && packed != nil {
		return live
	}
	if err := errors.Join(d.removeAll(name+archiveSuffix, name), d.sync(client)); err != nil {
		return err
	}
	// The journals go last: without one, what it belongs to could pass for whole.
	temp := client + "/" + tempPrefix + filepath.Base(name)
	return d.removeAll(name+"-wal", name+"-shm", name+"-journal", temp, temp+archiveSuffix)
}

// removeAll removes those of names that are there.
func (d *Dir) removeAll(names ...string) error {
	var errs []error
	for _, name := range names {
		if err := d.root.Remove(name); !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// A stopReader fails once its context ends.
type stopReader struct {
	ctx  context.Context
	from io.Reader
}

func (r stopReader) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.from.Read(p)
}
