package sessionlog

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
)

// Output is committed to line by line: each line has a salt of its own, so that
// any line can be left out of a copy and the rest still proves itself.

// maxLine is where a line that does not end is cut, in bytes.
const maxLine = 4 << 10

// The domains keep hashes of one purpose from standing for another.
const (
	saltDomain  = "caisey-salt-v1\x00"
	lineDomain  = "caisey-line-v1\x00"
	linesDomain = "caisey-lines-v1\x00"
)

// CutLine returns the first line of data, with its LF, and what follows it. A
// line that has no end within 4 KiB is cut there.
func CutLine(data []byte) (line, rest []byte) {
	head := data[:min(len(data), maxLine)]
	if i := bytes.IndexByte(head, '\n'); i >= 0 {
		return data[:i+1], data[i+1:]
	}
	return head, data[len(head):]
}

// LineSalts hands out the salts of a chunk's lines, which follow from the
// chunk's. Whoever knows some of them knows nothing of the others.
type LineSalts struct {
	block [len(saltDomain) + SaltSize + 4]byte
	pair  [sha256.Size]byte
	n     uint32
}

// NewLineSalts returns the salts of the lines of a chunk with that salt, the
// first line's first.
func NewLineSalts(salt []byte) *LineSalts {
	s := &LineSalts{}
	copy(s.block[:], saltDomain)
	copy(s.block[len(saltDomain):], salt)
	return s
}

// Next returns the next line's salt: line i has half i mod 2 of
// SHA-256(saltDomain || salt || i/2 as 32 bits, big endian).
func (s *LineSalts) Next() (salt [SaltSize]byte) {
	half := s.n % 2
	if half == 0 {
		binary.BigEndian.PutUint32(s.block[len(saltDomain)+SaltSize:], s.n/2)
		s.pair = sha256.Sum256(s.block[:])
	}
	s.n++
	copy(salt[:], s.pair[half*SaltSize:])
	return salt
}

// LineCommitment returns SHA-256(lineDomain || salt || line).
func LineCommitment(salt [SaltSize]byte, line []byte) (sum Hash) {
	var small [256]byte
	if len(lineDomain)+len(salt)+len(line) <= len(small) {
		b := append(small[:0], lineDomain...)
		b = append(b, salt[:]...)
		return sha256.Sum256(append(b, line...))
	}
	h := sha256.New()
	h.Write([]byte(lineDomain))
	h.Write(salt[:])
	h.Write(line)
	h.Sum(sum[:0])
	return sum
}

// Commitment returns SHA-256(linesDomain || the commitments of all lines), and
// how many lines there are.
func Commitment(c *Chunk) (sum Hash, lines int64) {
	salts := NewLineSalts(c.Salt)
	all := append(make([]byte, 0, 8*HashSize), linesDomain...)
	for rest := c.Data; len(rest) > 0; lines++ {
		var line []byte
		line, rest = CutLine(rest)
		h := LineCommitment(salts.Next(), line)
		all = append(all, h[:]...)
	}
	return sha256.Sum256(all), lines
}
