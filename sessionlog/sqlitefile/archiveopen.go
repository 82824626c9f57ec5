package sqlitefile

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"

	"github.com/klauspost/compress/zstd"
)

const (
	// unpackedDir holds the archived records that are open. No client has its name.
	unpackedDir = ".unpacked"
	// maxWindow is the most memory that an archive may ask for, twice: that of
	// `zstd -19`.
	maxWindow = 8 << 20
	// unpackSpare is how much of the disk is left to those who record.
	unpackSpare = 64 << 20
)

// Unpack writes the record that an archive holds to w, unless the archive says
// that it is of more than limit bytes. It writes no more than that, and trusts
// nothing in the archive. After an error, what was written is of no use.
func Unpack(ctx context.Context, w io.Writer, archive io.Reader, limit int64) error {
	if err := unpack(ctx, w, archive, limit); err != nil {
		return fmt.Errorf("unpack record: %w", err)
	}
	return nil
}

func unpack(ctx context.Context, w io.Writer, archive io.Reader, limit int64) error {
	from := bufio.NewReaderSize(archive, 64<<10)
	head, err := from.Peek(zstd.HeaderMaxSize)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	size, err := archivedSize(head)
	if err != nil {
		return err
	}
	if size > limit {
		return fmt.Errorf("archive is of %d MiB, over the limit of %d MiB", size>>20, limit>>20)
	}
	dec, err := zstd.NewReader(from, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return err
	}
	defer dec.Close()
	n, err := io.Copy(w, io.LimitReader(stopReader{ctx, dec}, size+1)) // up to the checksum
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return fmt.Errorf("archive is damaged: %w", err)
	case n != size:
		return fmt.Errorf("archive is damaged: it is of %d bytes and says %d", n, size)
	}
	return nil
}

// archivedSize returns how large an archive says that its record is.
func archivedSize(head []byte) (int64, error) {
	var h zstd.Header
	if err := h.Decode(head); err != nil {
		return 0, fmt.Errorf("%w: not a zstd file: %w", ErrNotRecord, err)
	}
	if h.Skippable || !h.HasFCS || !h.HasCheckSum || h.FrameContentSize > 1<<62 {
		return 0, fmt.Errorf("%w: archive does not say how large it is, or has no checksum", ErrNotRecord)
	}
	return int64(h.FrameContentSize), nil
}

// unpack makes the file of an archived record, and returns its name and the open
// file. There is none if there is no archive.
func (d *Dir) unpack(ctx context.Context, name string) (at string, _ *os.File, err error) {
	from, err := d.openRegular(name + archiveSuffix)
	if err != nil {
		return "", nil, err
	}
	defer from.Close()
	free, err := d.Free()
	if err != nil {
		return "", nil, err
	}
	at = unpackedDir + "/" + name
	if err := errors.Join(d.root.MkdirAll(path.Dir(at), 0o700), d.removeAll(at)); err != nil {
		return "", nil, err
	}
	to, err := d.root.OpenFile(at, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o400)
	if err != nil {
		return "", nil, err
	}
	err = unpack(ctx, to, from, max(free-unpackSpare, 0))
	if err == nil {
		err = checkUnpacked(to)
	}
	if err != nil {
		return "", nil, errors.Join(err, to.Close(), d.removeAll(at))
	}
	return at, to, nil
}

func checkUnpacked(f *os.File) error {
	h, err := readHeader(f)
	if err == nil && h.wal {
		err = fmt.Errorf("archive is damaged: %w", ErrNotSealed)
	}
	return err
}
