package relay

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/sessionlog"
)

// A listing is a file with what lists show of sealed sessions, so that a start does
// not open their records. It is derived from them: one that is not there, of
// another form or damaged counts as empty, and is written anew.
type listing struct {
	path string // static; if empty, there is no file
	sum  string // of what the file holds; owned by New, then by the keeper
}

// A listed is one line of the file.
type listed struct {
	// Stamp is RecordName.Stamp of the record that was read.
	Stamp   string          `json:"stamp"`
	Session console.Session `json:"session"`
}

// A listingHead is the first line of the file, a listingEnd its last.
type listingHead struct {
	// Form changes with what a line holds, and with how it is made.
	Form string `json:"form"`
}

type listingEnd struct {
	Sum string `json:"sum"` // SHA-256 of the lines before, in hex
}

// listingForm names the fields of a session, too: with others the file is no good.
var listingForm = fmt.Sprintf("caisey sessions 1 %+v", console.Session{})

// read returns what the file holds, by session.
func (l *listing) read() (map[sessionlog.SessionID]listed, error) {
	if l.path == "" {
		return nil, nil
	}
	b, err := os.ReadFile(l.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	body, sum, err := checkListing(b)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", l.path, err)
	}
	all := map[sessionlog.SessionID]listed{}
	dec := json.NewDecoder(bytes.NewReader(body))
	var head listingHead
	if err := dec.Decode(&head); err != nil || head.Form != listingForm {
		return nil, nil // another version of this program wrote it
	}
	for dec.More() {
		var e listed
		if err := dec.Decode(&e); err != nil {
			return nil, fmt.Errorf("read %s: %w", l.path, err)
		}
		all[e.Session.ID] = e
	}
	l.sum = sum
	return all, nil
}

// checkListing returns the lines before the last one, which must have their sum.
func checkListing(b []byte) (body []byte, sum string, err error) {
	n := bytes.LastIndexByte(bytes.TrimSuffix(b, []byte("\n")), '\n') + 1
	var end listingEnd
	if err := json.Unmarshal(b[n:], &end); err != nil {
		return nil, "", fmt.Errorf("it has no end: %w", err)
	}
	if sum = sumOf(b[:n]); sum != end.Sum {
		return nil, "", errors.New("it is damaged")
	}
	return b[:n], sum, nil
}

func sumOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// save writes the sealed sessions of a relay, unless the file holds just them.
func (l *listing) save(r *Relay) error {
	if l.path == "" {
		return nil
	}
	names, err := r.cfg.Records.List()
	if err != nil {
		return err
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	if err := enc.Encode(listingHead{listingForm}); err != nil {
		return err
	}
	for _, name := range names {
		r.mu.Lock()
		s, sealed := r.sealed[name.ID]
		r.mu.Unlock()
		if !sealed || name.Stamp == "" || s.Client != name.Client {
			continue
		}
		if err := enc.Encode(listed{name.Stamp, s}); err != nil {
			return err
		}
	}
	sum := sumOf(b.Bytes())
	if sum == l.sum {
		return nil
	}
	if err := enc.Encode(listingEnd{sum}); err != nil {
		return err
	}
	if err := replaceFile(l.path, b.Bytes()); err != nil {
		return fmt.Errorf("write %s: %w", l.path, err)
	}
	l.sum = sum
	return nil
}

// replaceFile gives a file new content, all of it or none.
func replaceFile(path string, b []byte) error {
	temp := path + ".new"
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	return nil
}
