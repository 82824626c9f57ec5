package losefs

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
)

// serverEnv tells a process that it is the server of its parent.
const serverEnv = "CAISEY_TEST_LOSEFS"

// An FS is a mounted file system. A process of its own serves it, which is this
// program once more: where a mapped file is unmapped the kernel writes its pages
// back with the whole address space locked, so that a server in the same process
// waits for that lock, and both for ever. If this process dies, the other one
// unmounts. The methods of an FS may be called concurrently.
type FS struct {
	mu     sync.Mutex // guards what follows; held for one question and its answer
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	closed bool
}

// Mount serves the content of the directory backing at the directory mount,
// which is empty. It takes root and /dev/fuse.
func Mount(mount, backing string) (*FS, error) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), serverEnv+"="+mount+":"+backing)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	fs := &FS{cmd: cmd, in: in, out: bufio.NewReader(out)}
	if _, err := fs.ask("mount"); err != nil {
		return nil, errors.Join(err, in.Close(), cmd.Wait())
	}
	return fs, nil
}

// ask sends a line and returns the answer.
func (fs *FS) ask(line string) (string, error) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if _, err := fmt.Fprintln(fs.in, line); err != nil {
		return "", err
	}
	answer, err := fs.out.ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("the server of losefs died: %w", err)
	}
	answer = strings.TrimSuffix(answer, "\n")
	if text, ok := strings.CutPrefix(answer, "error "); ok {
		return "", errors.New(text)
	}
	return answer, nil
}

// Cut cuts the power now. Every change and every sync fails from here on. What is
// there can still be read: a program that has mapped a file would otherwise die of
// it, and take the test with it.
func (fs *FS) Cut(seed uint64) { _, _ = fs.ask(fmt.Sprint("cut ", seed)) }

// CutAt cuts the power in the middle of the n-th change or sync from now.
func (fs *FS) CutAt(n int, seed uint64) { _, _ = fs.ask(fmt.Sprint("at ", n, " ", seed)) }

// IsCut reports whether the power was cut.
func (fs *FS) IsCut() bool {
	answer, err := fs.ask("dead")
	return err != nil || answer == "true"
}

// Close unmounts, and puts into the backing directory what the cut left, or
// everything if there was none. If files are still open, the mount point is
// freed and Close returns an error.
func (fs *FS) Close() error {
	fs.mu.Lock()
	closed := fs.closed
	fs.closed = true
	fs.mu.Unlock()
	if closed {
		return nil
	}
	_, err := fs.ask("close")
	return errors.Join(err, fs.in.Close(), fs.cmd.Wait())
}

// init makes a process that was started by Mount the server.
func init() {
	if mount, backing, ok := strings.Cut(os.Getenv(serverEnv), ":"); ok {
		answer(mount, backing)
		os.Exit(0)
	}
}

// answer serves until its parent closes the file system or dies.
func answer(mount, backing string) {
	fs, err := serve(mount, backing)
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		text := "ok"
		var n int
		var seed uint64
		word, rest, _ := strings.Cut(lines.Text(), " ")
		switch {
		case err != nil:
		case word == "cut":
			_, err = fmt.Sscan(rest, &seed)
			fs.Cut(seed)
		case word == "at":
			_, err = fmt.Sscan(rest, &n, &seed)
			fs.CutAt(n, seed)
		case word == "dead":
			text = fmt.Sprint(fs.isDead())
		case word == "close":
			err = fs.Close()
		}
		if err != nil {
			text = "error " + strings.ReplaceAll(err.Error(), "\n", "; ")
		}
		fmt.Println(text)
	}
	if fs != nil {
		_ = fs.Close()
	}
}
