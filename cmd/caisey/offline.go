package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/caisey/caisey/relay/console"
	"github.com/caisey/caisey/relay/verb"
	"github.com/caisey/caisey/sessionlog"
	"github.com/caisey/caisey/sessionlog/sqlitefile"
	"github.com/caisey/caisey/tui/replay"
)

// offline runs `log FILE`, `replay FILE` and `export FILE` on a session file,
// with no relay.
func offline(ctx context.Context, args []string) int {
	i := slices.IndexFunc(args[1:], isRecord) + 1
	if i == 0 {
		i = slices.IndexFunc(args[1:], isFile) + 1
	}
	if i == 0 {
		return report(console.Errorf(console.CodeUsage, "a relay's sessions are read with `ssh RELAY "+args[0]+" ID`",
			"%s wants the file of a session", strings.Join(args, " ")))
	}
	return report(withRecord(ctx, args[i], func(b console.Backend, id sessionlog.SessionID) error {
		if args[0] == "replay" && len(args) == 2 && isTerminal(os.Stdin) && isTerminal(os.Stdout) {
			return showTUI(ctx, b, id)
		}
		words := slices.Clone(args)
		words[i] = string(id)
		if code := runVerb(ctx, words, b); code != 0 {
			return exitCode(code)
		}
		return nil
	}))
}

// isFile reports whether a word names a file, there or not, rather than a session
// of a relay or a flag.
func isFile(word string) bool {
	_, err := os.Stat(word)
	return err == nil || isRecord(word) || strings.ContainsRune(word, filepath.Separator)
}

// isRecord reports whether a word is certainly a record's file, though another
// word, such as the html of `--as html`, may name a file as well.
func isRecord(word string) bool {
	return strings.HasSuffix(word, sqlitefile.Ext) || strings.HasSuffix(word, sqlitefile.ArchiveExt)
}

func withRecord(ctx context.Context, file string, do func(console.Backend, sessionlog.SessionID) error) error {
	rec, err := openFile(ctx, file)
	if err != nil {
		return err
	}
	defer rec.Close()
	b := replay.New(rec)
	found, err := b.Search(ctx, console.Query{})
	if err != nil {
		return fmt.Errorf("read record %s: %w", file, err)
	}
	if len(found) != 1 {
		return fmt.Errorf("read record %s: it has no session", file)
	}
	return do(b, found[0].ID)
}

// openForeign opens a record's file to be verified. A relay does so too with the
// copies of its own: one that is broken must not take it down.
func openForeign(ctx context.Context, path string) (verb.RecordFile, error) {
	return openFile(ctx, path)
}

// An exitCode ends the program; what there was to say is said.
type exitCode int

func (exitCode) Error() string { return "" }
