package service

import "bytes"

// maxRaw is the most bytes of raw evidence that a check of this package tells.
const maxRaw = 256 << 10

// bounded returns the first lines of text that are not too much.
func bounded(text []byte) []byte {
	if len(text) <= maxRaw {
		return text
	}
	return text[:bytes.LastIndexByte(text[:maxRaw], '\n')+1]
}
