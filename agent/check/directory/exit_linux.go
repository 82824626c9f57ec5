package directory

import (
	"errors"
	"os/exec"
)

// exitCode is the code with which a program ended, as a cell; nil if it did not.
func exitCode(err error) any {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	return nil
}
