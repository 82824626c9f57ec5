package sessionlog

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// A Checkpoint says what the first Size events of a record are. Its text is that
// of C2SP tlog-checkpoint (https://c2sp.org/tlog-checkpoint), and signed it is a
// C2SP signed note (https://c2sp.org/signed-note).
type Checkpoint struct {
	// Origin names the record: the name of the relay's key, "/session/" and the
	// record's ID.
	Origin string
	Size   Seq
	Root   Hash
}

// Origin returns the origin of the checkpoints that the key of that name signs
// for a record.
func Origin(keyName string, id SessionID) string { return keyName + "/session/" + string(id) }

// Text returns the text that is signed: three lines.
func (c Checkpoint) Text() string {
	return c.Origin + "\n" + strconv.FormatUint(uint64(c.Size), 10) + "\n" + base64.StdEncoding.EncodeToString(c.Root[:]) + "\n"
}

// Sign returns the checkpoint as a signed note.
func (c Checkpoint) Sign(key note.Signer) (string, error) {
	signed, err := note.Sign(&note.Note{Text: c.Text()}, key)
	if err != nil {
		return "", fmt.Errorf("sign checkpoint at %d: %w", c.Size, err)
	}
	return string(signed), nil
}

// maxNote is the most bytes of a signed checkpoint that is looked at.
const maxNote = 16 << 10

// OpenCheckpoint reads a signed checkpoint and returns it if one of keys signed
// it. Signatures of other keys are passed over.
func OpenCheckpoint(signed string, keys note.Verifiers) (Checkpoint, error) {
	if len(signed) > maxNote {
		return Checkpoint{}, fmt.Errorf("checkpoint of %d bytes is over the limit of %d", len(signed), maxNote)
	}
	n, err := note.Open([]byte(signed), keys)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("open checkpoint: %w", err)
	}
	return ParseCheckpoint(n.Text)
}

// ParseCheckpoint is the inverse of Text. It takes no other form, and no further
// lines.
func ParseCheckpoint(text string) (Checkpoint, error) {
	lines := strings.Split(text, "\n")
	if len(lines) != 4 || lines[3] != "" || lines[0] == "" {
		return Checkpoint{}, errors.New("checkpoint is not three lines: origin, size and root")
	}
	size, err := strconv.ParseUint(lines[1], 10, 63)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("size of checkpoint: %w", err)
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(root) != HashSize {
		return Checkpoint{}, errors.New("root of checkpoint is not a hash")
	}
	c := Checkpoint{Origin: lines[0], Size: Seq(size), Root: Hash(root)}
	if c.Text() != text {
		return Checkpoint{}, errors.New("checkpoint is not in its one form")
	}
	return c, nil
}
