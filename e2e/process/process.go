// Package process runs the programs that the end-to-end tests are about.
package process

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// patience bounds every wait for an event that is certain to come.
const patience = time.Minute

// CollectorReady is what a collector writes when it runs.
const CollectorReady = "Everything is ready"

// Process is a running program.
type Process struct {
	t       testing.TB
	command *exec.Cmd
	output  *output
	exited  chan error
}

// Program returns the path of a program that was built before, which an
// environment variable has. The test fails without it, naming the target of make
// that sets it.
func Program(t testing.TB, variable, target string) string {
	t.Helper()
	path := os.Getenv(variable)
	require.NotEmpty(t, path, "%s is to name a program; run the tests by make %s", variable, target)
	return path
}

// FreeAddress returns an address of 127.0.0.1 with a port that was free just now.
func FreeAddress(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	return listener.Addr().String()
}

// Start runs a command and returns once its output has a line with the text ready.
// The process gets SIGTERM at the end of the test, and its output is logged if
// the test failed.
func Start(t testing.TB, command *exec.Cmd, ready string) *Process {
	t.Helper()
	p := &Process{t: t, command: command, output: newOutput(), exited: make(chan error, 1)}
	command.Stdout, command.Stderr = p.output, p.output
	signal.Ignore(os.Interrupt) // for the program, see awaitSignals
	err := command.Start()
	signal.Reset(os.Interrupt)
	require.NoError(t, err)
	go func() { p.exited <- command.Wait() }()
	t.Cleanup(func() {
		if command.ProcessState == nil {
			p.Stop()
		}
		if t.Failed() {
			t.Logf("the output of %s:\n%s", command, p.output)
		}
	})
	p.Await(ready)
	if ready == CollectorReady {
		p.awaitSignals()
	}
	return p
}

// awaitSignals returns once the program listens for signals. A collector does so
// a moment after it wrote that it is ready, and SIGTERM or SIGHUP before that ends
// it at once. A program in Go leaves SIGINT ignored, as it was at the start, until
// it asks for it (package os/signal), and proc_pid_status(5) shows when.
func (p *Process) awaitSignals() {
	p.t.Helper()
	require.Eventually(p.t, func() bool {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID()))
		require.NoError(p.t, err)
		_, caught, _ := strings.Cut(string(status), "SigCgt:")
		mask, err := strconv.ParseUint(strings.Fields(caught)[0], 16, 64)
		require.NoError(p.t, err)
		return mask&(1<<(syscall.SIGINT-1)) != 0
	}, patience, time.Millisecond, "the program does not listen for signals")
}

// Await returns once the output has a line with all of texts, and returns it.
func (p *Process) Await(texts ...string) string {
	p.t.Helper()
	deadline := time.After(patience)
	for {
		line, changed := p.output.find(texts...)
		if line != "" {
			return line
		}
		select {
		case <-changed:
		case err := <-p.exited:
			p.exited <- err
			if line, _ := p.output.find(texts...); line != "" {
				return line
			}
			require.FailNow(p.t, "the process ended", "%v, before %q:\n%s", err, texts, p.output)
		case <-deadline:
			require.FailNow(p.t, "waited in vain", "for %q", texts)
		}
	}
}

// PID returns the number of the process.
func (p *Process) PID() int { return p.command.Process.Pid }

// Output returns what the process has written so far.
func (p *Process) Output() string { return p.output.String() }

// Stop ends the process as an operator does, and returns how long that took.
func (p *Process) Stop() time.Duration {
	p.t.Helper()
	began := time.Now()
	require.NoError(p.t, p.command.Process.Signal(syscall.SIGTERM))
	select {
	case err := <-p.exited:
		require.NoError(p.t, err)
	case <-time.After(patience):
		_ = p.command.Process.Kill()
		require.FailNow(p.t, "the process does not end")
	}
	return time.Since(began)
}
