package wire

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"google.golang.org/protobuf/proto"
)

func output(size int) *FromStep {
	return &FromStep{Message: &FromStep_Output{Output: &Output{
		Stream: Stream_STREAM_STDERR, Offset: 7, Data: bytes.Repeat([]byte{0xfe}, size), AgentTime: 9,
	}}}
}

func TestFrames(t *testing.T) {
	var buf bytes.Buffer
	sent := []*FromStep{output(0), output(1), {}, output(MaxOutput), output(MaxFrame - 100)}
	for _, m := range sent {
		if err := Write(&buf, m); err != nil {
			t.Fatal(err)
		}
	}
	for name, r := range map[string]io.Reader{
		"whole":    bytes.NewReader(buf.Bytes()),
		"by bytes": iotest.OneByteReader(bytes.NewReader(buf.Bytes())),
	} {
		frames := NewReader(r)
		got := &FromStep{}
		for i, want := range sent {
			if err := frames.Read(got); err != nil {
				t.Fatalf("%s: frame %d: %v", name, i, err)
			}
			if !proto.Equal(got, want) {
				t.Errorf("%s: frame %d differs", name, i)
			}
		}
		if err := frames.Read(got); !errors.Is(err, io.EOF) {
			t.Errorf("%s: at the end: %v", name, err)
		}
	}
}

// A message read later does not change one read before.
func TestReaderDoesNotAlias(t *testing.T) {
	var buf bytes.Buffer
	for _, m := range []proto.Message{output(100), &FromStep{Message: &FromStep_Exit{Exit: &Exit{Why: strings.Repeat("w", 100)}}}} {
		if err := Write(&buf, m); err != nil {
			t.Fatal(err)
		}
	}
	frames := NewReader(&buf)
	first, second := &FromStep{}, &FromStep{}
	if err := errors.Join(frames.Read(first), frames.Read(second)); err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(first, output(100)) {
		t.Fatal("the first message changed")
	}
}

func TestFrameLimit(t *testing.T) {
	if err := Write(io.Discard, output(MaxFrame)); err == nil {
		t.Error("wrote a frame over the limit")
	}
	kept := []byte("kept")
	if b, err := Append(kept, output(MaxFrame)); err == nil || string(b) != "kept" {
		t.Errorf("%q, %v", b, err)
	}
	over := []byte{0x81, 0x80, 0x40} // 1 MiB + 1
	if err := NewReader(bytes.NewReader(over)).Read(&FromStep{}); err == nil || !strings.Contains(err.Error(), "over the limit") {
		t.Error(err)
	}
	longest := bytes.Repeat([]byte{0xff}, 11)
	if err := NewReader(bytes.NewReader(longest)).Read(&FromStep{}); err == nil {
		t.Error("read a length that overflows")
	}
}

// A frame that is cut anywhere is an error, and not the end.
func TestFrameCut(t *testing.T) {
	whole, err := Append(nil, output(200))
	if err != nil {
		t.Fatal(err)
	}
	for n := 1; n < len(whole); n++ {
		err := NewReader(bytes.NewReader(whole[:n])).Read(&FromStep{})
		if !errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
			t.Fatalf("cut at %d: %v", n, err)
		}
	}
}

// What a newer side sends is read as a message that is not known.
func TestUnknownMessage(t *testing.T) {
	m := &ToStep{}
	if err := NewReader(bytes.NewReader([]byte{3, 0xc2, 0x3e, 0})).Read(m); err != nil || m.GetMessage() != nil {
		t.Fatal(m, err)
	}
}

func FuzzReader(f *testing.F) {
	for _, m := range []proto.Message{output(3), &FromStep{}, &FromStep{Message: &FromStep_Unknown{}}} {
		b, err := Append(nil, m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(append(b, b[:len(b)/2]...))
	}
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01})
	f.Fuzz(func(t *testing.T, data []byte) {
		frames := NewReader(bytes.NewReader(data))
		for range len(data) + 1 {
			m := &FromStep{}
			if frames.Read(m) != nil {
				return
			}
			b, err := Append(nil, m)
			if err != nil {
				t.Fatal(err)
			}
			again := &FromStep{}
			if err := NewReader(bytes.NewReader(b)).Read(again); err != nil || !proto.Equal(m, again) {
				t.Fatalf("%v became %v, %v", m, again, err)
			}
		}
		t.Fatal("more frames than bytes")
	})
}
