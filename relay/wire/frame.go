package wire

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"google.golang.org/protobuf/proto"
)

// Append appends the frame of m to b.
func Append(b []byte, m proto.Message) ([]byte, error) {
	size := proto.Size(m)
	if size > MaxFrame {
		return b, fmt.Errorf("message of %d bytes is over the limit of %d", size, MaxFrame)
	}
	b = binary.AppendUvarint(b, uint64(size))
	return proto.MarshalOptions{UseCachedSize: true}.MarshalAppend(b, m)
}

// Write writes the frame of m in one call.
func Write(w io.Writer, m proto.Message) error {
	b, err := Append(nil, m)
	if err != nil {
		return err
	}
	_, err = w.Write(b)
	return err
}

// A Reader reads frames.
type Reader struct {
	r   *bufio.Reader
	buf []byte
}

// NewReader returns a Reader of r's frames. It may read ahead.
func NewReader(r io.Reader) *Reader {
	return &Reader{r: bufio.NewReaderSize(r, 4<<10)}
}

// Read reads the next frame into m. It returns io.EOF where r ends between two
// frames, and an error where it ends within one or a frame is over MaxFrame.
func (r *Reader) Read(m proto.Message) error {
	size, err := binary.ReadUvarint(r.r)
	if err != nil {
		return err
	}
	if size > MaxFrame {
		return fmt.Errorf("frame of %d bytes is over the limit of %d", size, MaxFrame)
	}
	if uint64(cap(r.buf)) < size {
		r.buf = make([]byte, size)
	}
	b := r.buf[:size]
	if _, err := io.ReadFull(r.r, b); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return fmt.Errorf("read frame of %d bytes: %w", size, err)
	}
	if err := proto.Unmarshal(b, m); err != nil {
		return fmt.Errorf("decode frame: %w", err)
	}
	return nil
}
