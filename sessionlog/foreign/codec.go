package foreign

import (
	"bufio"
	"encoding/gob"
	"errors"
	"io"
	"net/rpc"
	"os"
	"sync/atomic"
)

// maxAnswer is the most bytes that an answer may have on the pipe.
const maxAnswer = 64 << 20

var errTooBig = errors.New("answer is too big")

// A codec is that of net/rpc, with a bound on what it reads.
type codec struct {
	to   *os.File
	buf  *bufio.Writer // onto to
	enc  *gob.Encoder  // into buf
	from *os.File
	in   *bounded // over from
	dec  *gob.Decoder
}

func newCodec(to, from *os.File) *codec {
	c := &codec{to: to, buf: bufio.NewWriter(to), from: from, in: &bounded{r: bufio.NewReaderSize(from, 64<<10)}}
	c.enc, c.dec = gob.NewEncoder(c.buf), gob.NewDecoder(c.in)
	return c
}

// WriteRequest implements rpc.ClientCodec.
func (c *codec) WriteRequest(r *rpc.Request, body any) error {
	return errors.Join(c.enc.Encode(r), c.enc.Encode(body), c.buf.Flush())
}

// ReadResponseHeader implements rpc.ClientCodec.
func (c *codec) ReadResponseHeader(r *rpc.Response) error {
	c.in.left = maxAnswer
	return c.dec.Decode(r)
}

// ReadResponseBody implements rpc.ClientCodec.
func (c *codec) ReadResponseBody(body any) error { return c.dec.Decode(body) }

// Close implements rpc.ClientCodec.
func (c *codec) Close() error { return errors.Join(c.to.Close(), c.from.Close()) }

// A bounded reads up to left bytes. It is an io.ByteReader, so that gob reads
// nothing ahead of what it decodes.
type bounded struct {
	r    *bufio.Reader
	left int
	over atomic.Bool // somebody wanted more
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 && len(p) > 0 {
		b.over.Store(true)
		return 0, errTooBig
	}
	n, err := b.r.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

func (b *bounded) ReadByte() (byte, error) {
	var one [1]byte
	_, err := io.ReadFull(b, one[:])
	return one[0], err
}
