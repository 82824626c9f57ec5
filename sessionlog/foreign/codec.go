package foreign

import (
	"bufio"
	"encoding/gob"
	"errors"
	"io"
	"net/rpc"
	"os"
	"sync"
	"sync/atomic"
)

// maxAnswer is the most bytes that an answer may have on the pipe.
const maxAnswer = 64 << 20

var errTooBig = errors.New("answer is too big")

// A codec is that of net/rpc for both ends, with a bound on what it reads. It is
// gob, but that the bytes of an answer follow it as they are: gob would copy them
// three times more.
type codec struct {
	to    *os.File
	buf   *bufio.Writer // onto to
	enc   *gob.Encoder  // into buf
	from  *os.File
	in    *bounded // over from
	dec   *gob.Decoder
	spare *spares // take the bytes of an answer once it is written; nil: nobody does
}

func newCodec(to, from *os.File) *codec {
	c := &codec{to: to, buf: bufio.NewWriter(to), from: from, in: &bounded{r: bufio.NewReaderSize(from, 64<<10)}}
	c.enc, c.dec = gob.NewEncoder(c.buf), gob.NewDecoder(c.in)
	return c
}

// A preamble is an answer without its bytes, as it crosses the pipe.
type preamble struct {
	Nums  []uint64
	Size  int // of the bytes
	Fault *fault
}

// WriteRequest implements rpc.ClientCodec.
func (c *codec) WriteRequest(r *rpc.Request, body any) error {
	return errors.Join(c.enc.Encode(r), c.enc.Encode(body), c.buf.Flush())
}

// ReadRequestHeader implements rpc.ServerCodec.
func (c *codec) ReadRequestHeader(r *rpc.Request) error {
	c.in.left = maxAnswer
	return c.dec.Decode(r)
}

// ReadRequestBody implements rpc.ServerCodec.
func (c *codec) ReadRequestBody(body any) error { return c.dec.Decode(body) }

// WriteResponse implements rpc.ServerCodec.
func (c *codec) WriteResponse(r *rpc.Response, body any) error {
	a, ok := body.(*answer)
	if !ok { // net/rpc says what is wrong with the question
		a = &answer{}
	}
	err := errors.Join(c.enc.Encode(r), c.enc.Encode(preamble{a.Packed.Nums, len(a.Packed.Bytes), a.Fault}))
	if err == nil {
		_, err = c.buf.Write(a.Packed.Bytes)
	}
	if c.spare != nil {
		c.spare.put(a.Packed)
	}
	return errors.Join(err, c.buf.Flush())
}

// ReadResponseHeader implements rpc.ClientCodec.
func (c *codec) ReadResponseHeader(r *rpc.Response) error {
	c.in.left = maxAnswer
	return c.dec.Decode(r)
}

// ReadResponseBody implements rpc.ClientCodec.
func (c *codec) ReadResponseBody(body any) error {
	var h preamble
	if err := c.dec.Decode(&h); err != nil {
		return err
	}
	if h.Size < 0 || h.Size > c.in.left {
		c.in.over.Store(true)
		return errTooBig
	}
	b := make([]byte, h.Size)
	if _, err := io.ReadFull(c.in, b); err != nil {
		return err
	}
	if a, ok := body.(*answer); ok {
		a.Packed, a.Fault = packed{h.Nums, b}, h.Fault
	}
	return nil
}

// Close implements rpc.ClientCodec and rpc.ServerCodec.
func (c *codec) Close() error { return errors.Join(c.to.Close(), c.from.Close()) }

// spares are the memory of answers that were written, for those to come.
type spares struct {
	mu  sync.Mutex
	all []packed
}

// maxSpare is the most bytes of an answer that are kept.
const maxSpare = 4 << 20

func (s *spares) put(p packed) {
	if cap(p.Bytes) > maxSpare || cap(p.Bytes) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.all) < 2 {
		s.all = append(s.all, packed{p.Nums[:0], p.Bytes[:0]})
	}
}

func (s *spares) take() packed {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.all); n > 0 {
		p := s.all[n-1]
		s.all = s.all[:n-1]
		return p
	}
	return packed{Bytes: make([]byte, 0, usual)}
}

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
