package verify_test

// A second implementation of docs/record.md, from the text alone: it uses the
// standard library and the sqlite3 tool, and none of our code.

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"
)

type secondLeaf struct {
	Seq  int
	Kind string
	Step string
	Body struct {
		Session, AgentKey, RelayKey string
		Stream, Commit, Command     string
		Offset, Bytes, Length       int64
		Lines, Exit                 int
		Signal, Statement           string
		Streams                     []struct {
			Stream, SHA256 string
			Bytes          int64
		}
	}
}

// secondQuery returns the rows of a query whose columns are hex or numbers.
func secondQuery(path, query string) (rows [][]string, err error) {
	out, err := exec.Command("sqlite3", "-readonly", "-separator", " ", path, query).Output()
	for s := bufio.NewScanner(bytes.NewReader(out)); s.Scan(); {
		rows = append(rows, strings.Split(s.Text(), " "))
	}
	return rows, err
}

func secondHash(parts ...[]byte) []byte {
	sum := sha256.Sum256(bytes.Join(parts, nil))
	return sum[:]
}

func secondRoot(leaves [][]byte) []byte {
	if len(leaves) == 1 {
		return leaves[0]
	}
	k := 1
	for 2*k < len(leaves) {
		k *= 2
	}
	return secondHash([]byte{1}, secondRoot(leaves[:k]), secondRoot(leaves[k:]))
}

func secondCommit(salt, data []byte) (lines int, commit string) {
	all := []byte("caisey-lines-v1\x00")
	for ; len(data) > 0; lines++ {
		n := min(len(data), 4096)
		if i := bytes.IndexByte(data[:n], '\n'); i >= 0 {
			n = i + 1
		}
		pair := secondHash([]byte("caisey-salt-v1\x00"), salt, binary.BigEndian.AppendUint32(nil, uint32(lines/2)))
		all = append(all, secondHash([]byte("caisey-line-v1\x00"), pair[lines%2*16:][:16], data[:n])...)
		data = data[n:]
	}
	return lines, hex.EncodeToString(secondHash(all))
}

// secondNote checks a signed note by a key NAME+HASH+KEY and returns its lines.
func secondNote(note, vkey string) ([]string, error) {
	parts := strings.SplitN(vkey, "+", 3)
	text, sigs, ok := strings.Cut(note, "\n\n")
	if !ok || len(parts) != 3 {
		return nil, errors.New("no note or no key")
	}
	key, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(key) != 33 || key[0] != 1 {
		return nil, errors.New("no Ed25519 key")
	}
	for _, line := range strings.Split(sigs, "\n") {
		b64, ok := strings.CutPrefix(line, "— "+parts[0]+" ")
		sig, err := base64.StdEncoding.DecodeString(b64)
		if ok && err == nil && len(sig) == 68 && hex.EncodeToString(sig[:4]) == parts[1] && ed25519.Verify(key[1:], []byte(text+"\n"), sig[4:]) {
			return strings.Split(text, "\n"), nil
		}
	}
	return nil, errors.New("no signature of that key")
}

func secondVerify(path, vkey string) error {
	rows, err := secondQuery(path, "SELECT seq, hex(leaf), hex(salt), hex(data) FROM event ORDER BY seq")
	if err != nil {
		return err
	}
	var leaves [][]byte
	var session, agentKey string
	ends, commands, gaps := map[string]int64{}, map[string]string{}, map[string]bool{}
	sums := map[string][]byte{}
	for i, row := range rows {
		leaf, _ := hex.DecodeString(row[1])
		salt, _ := hex.DecodeString(row[2])
		data, _ := hex.DecodeString(row[3])
		leaves = append(leaves, secondHash([]byte{0}, leaf))
		var l secondLeaf
		if err := json.Unmarshal(bytes.ReplaceAll(bytes.ReplaceAll(leaf, []byte("agent_key"), []byte("agentkey")), []byte("relay_key"), []byte("relaykey")), &l); err != nil || l.Seq != i+1 || row[0] != fmt.Sprint(i+1) {
			return fmt.Errorf("event %d: %v", i+1, err)
		}
		stream := l.Step + l.Body.Stream
		switch l.Kind {
		case "session.opened":
			session, agentKey = l.Body.Session, l.Body.AgentKey
		case "step.requested":
			commands[l.Step] = l.Body.Command
		case "step.gap":
			if l.Body.Offset != ends[stream] {
				return fmt.Errorf("event %d: gap out of place", l.Seq)
			}
			ends[stream] += l.Body.Bytes
			gaps[stream] = true
		case "step.output":
			lines, commit := secondCommit(salt, data)
			if lines != l.Body.Lines || commit != l.Body.Commit || int64(len(data)) != l.Body.Length || l.Body.Offset != ends[stream] {
				return fmt.Errorf("event %d: other output", l.Seq)
			}
			ends[stream] += l.Body.Length
			sums[stream] = append(sums[stream], data...)
		case "step.ended":
			said := map[string]string{"stdout": fmt.Sprintf("0 %x", secondHash()), "stderr": fmt.Sprintf("0 %x", secondHash())}
			for _, s := range l.Body.Streams {
				have := hex.EncodeToString(secondHash(sums[l.Step+s.Stream]))
				if ends[l.Step+s.Stream] != s.Bytes || !gaps[l.Step+s.Stream] && have != s.SHA256 {
					return fmt.Errorf("event %d: other total", l.Seq)
				}
				said[s.Stream] = fmt.Sprintf("%d %s", s.Bytes, s.SHA256)
			}
			text := fmt.Sprintf("caisey-statement-v1\nstep %s\ncommand %x\nexit %d\n%s\nstdout %s\nstderr %s\n", l.Step,
				secondHash([]byte(commands[l.Step])), l.Body.Exit, strings.TrimRight("signal "+l.Body.Signal, " "), said["stdout"], said["stderr"])
			key, _ := hex.DecodeString(agentKey)
			sig, _ := hex.DecodeString(l.Body.Statement)
			if len(key) != ed25519.PublicKeySize || !ed25519.Verify(key, []byte(text), sig) {
				return fmt.Errorf("event %d: statement is not signed", l.Seq)
			}
		}
	}
	notes, err := secondQuery(path, "SELECT size, hex(note) FROM checkpoint ORDER BY size")
	if err != nil || len(notes) == 0 {
		return fmt.Errorf("%d checkpoints: %v", len(notes), err)
	}
	last := 0
	for _, row := range notes {
		note, _ := hex.DecodeString(row[1])
		lines, err := secondNote(string(note), vkey)
		if err != nil {
			return err
		}
		if _, err := fmt.Sscan(lines[1], &last); err != nil || last < 1 || last > len(leaves) || len(lines) != 3 {
			return fmt.Errorf("checkpoint of %q", lines)
		}
		name, _, _ := strings.Cut(vkey, "+")
		if lines[0] != name+"/session/"+session || lines[2] != base64.StdEncoding.EncodeToString(secondRoot(leaves[:last])) {
			return fmt.Errorf("checkpoint at %d: other root", last)
		}
	}
	if last != len(leaves) {
		return fmt.Errorf("only %d of %d events are signed", last, len(leaves))
	}
	return nil
}

func TestSecondImplementation(t *testing.T) {
	m := makeRecord(t, 9)
	sql(t, m.path, "SELECT 1") // skips without the tool
	if err := secondVerify(m.path, m.vkey); err != nil {
		t.Fatal(err)
	}
	for _, statements := range []string{
		"UPDATE event SET leaf = replace(leaf, 'ana', 'eve') WHERE seq = 2",
		"UPDATE event SET data = CAST(replace(CAST(data AS TEXT), 'line', 'lime') AS BLOB) WHERE seq = 4",
		"DELETE FROM event WHERE seq = 8",
		"DELETE FROM event WHERE seq = (SELECT max(seq) FROM event)",
	} {
		path := m.copyTo(t, t.TempDir())
		sql(t, path, statements)
		if err := secondVerify(path, m.vkey); err == nil {
			t.Errorf("%s: not noticed", statements)
		}
	}
}
