package verb

import (
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/kballard/go-shellquote"

	"github.com/caisey/caisey/relay/console"
)

// separator stands between a verb's words and a command that is not ours to read.
const separator = " -- "

// MaxLine is the most bytes a line may have.
const MaxLine = 160 << 10

// words returns the words of the call's line, and the command behind "--".
func (c Call) words() (words []string, command string, hasCmd bool, err error) {
	if c.Line != "" {
		return SplitLine(c.Line)
	}
	words, command, hasCmd = splitArgs(c.Args)
	return words, command, hasCmd, checkText(command)
}

// SplitLine splits a line as SSH hands it over. For the verbs that take a
// command, what follows the first " -- " is that command, byte for byte; the
// rest is split into words as a shell does, with quotes and backslashes, and
// without any expansion.
func SplitLine(line string) (words []string, command string, hasCmd bool, err error) {
	if len(line) > MaxLine {
		return nil, "", false, console.Errorf(console.CodeUsage, "put the work into a script on the endpoint",
			"the line has %d bytes, more than %d", len(line), MaxLine)
	}
	head := line
	if takesCommand(line) {
		head, command, hasCmd = strings.Cut(line, separator)
		if !hasCmd && strings.HasSuffix(line, " --") {
			head, hasCmd = strings.TrimSuffix(line, " --"), true
		}
	}
	if err := errors.Join(checkText(head), checkText(command)); err != nil {
		return nil, "", false, err
	}
	words, err = shellquote.Split(head)
	if err != nil && firstWord(head) == "note" {
		return strings.Fields(head), "", false, nil // a remark is no shell; "it's full" is fine
	}
	if err != nil {
		return nil, "", false, console.Errorf(console.CodeUsage, "close it, or put a backslash before it",
			"the line has a quote or a backslash without its other half")
	}
	if takesCommand(line) && slices.Contains(words, "--") {
		return nil, "", false, console.Errorf(console.CodeUsage, "write one space on each side of --",
			"the command cannot be told from the words before it")
	}
	return words, command, hasCmd, nil
}

func takesCommand(line string) bool { return firstWord(line) == "run" }

func firstWord(line string) string {
	word := strings.TrimLeft(line, " \t\n")
	if i := strings.IndexAny(word, " \t\n"); i >= 0 {
		word = word[:i]
	}
	return word
}

// splitArgs cuts args at the first "--" if its verb takes a command.
func splitArgs(args []string) (words []string, command string, hasCmd bool) {
	i := slices.Index(args, "--")
	if i < 0 || args[0] != "run" {
		return args, "", false
	}
	return args[:i], strings.Join(args[i+1:], " "), true
}

// checkText refuses what a record could not hold as it was typed.
func checkText(s string) error {
	if utf8.ValidString(s) && !strings.ContainsRune(s, 0) {
		return nil
	}
	return console.Errorf(console.CodeUsage, "send such bytes as a file or with printf on the endpoint",
		"the line is not valid UTF-8 text")
}
