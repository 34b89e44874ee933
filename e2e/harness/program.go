// Package harness has what the end-to-end tests and those that measure share: programs
// that run for the time of a test, namespaces and machines for them to run in, and
// readers of what they report.
package harness

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Patience bounds every wait for an event that is certain to come.
const Patience = 2 * time.Minute

// tail is how many bytes of a program's output are logged, the last ones.
const tail = 64 << 10

// CollectorReady is what a collector writes when it runs.
const CollectorReady = "Everything is ready"

// Binary returns the path of a program that was built before, which an environment
// variable has. The test fails without it, naming the target of make that sets it.
func Binary(t testing.TB, variable, target string) string {
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

// WithFile returns a command that runs with a file in the place of one of the
// machine's, in a mount namespace of its own. It needs root.
func WithFile(place, file string, command ...string) *exec.Cmd {
	script := `mount --bind "$1" "$2" && shift 2 && exec "$@"`
	return exec.Command("unshare", slices.Concat([]string{"--mount", "sh", "-c", script, "sh", file, place}, command)...)
}

// RequireRoot skips the test of a user who is not root, and so cannot do what it
// takes.
func RequireRoot(t testing.TB, to string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, to " + to)
	}
}

// Write writes a file that a program is to read.
func Write(t testing.TB, file, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
}

// Read returns the text of a file.
func Read(t testing.TB, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	return string(text)
}

// Indent moves a block of YAML to the right.
func Indent(text, by string) string {
	return by + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n"+by)
}

// Program is a running program.
type Program struct {
	t       testing.TB
	command *exec.Cmd
	output  output
	ended   chan struct{} // closed when the program has
	err     error         // what it ended with, to be read then
}

// Start runs a command and returns once its output has a line with the text ready.
// The program gets SIGTERM at the end of the test, and its output is logged if the
// test failed. Standard error is a part of the output unless the command has
// another place for it.
func Start(t testing.TB, command *exec.Cmd, ready string) *Program {
	t.Helper()
	p := &Program{t: t, command: command, ended: make(chan struct{}), output: output{changed: make(chan struct{})}}
	command.Stdout = &p.output
	if command.Stderr == nil {
		command.Stderr = &p.output
	}
	signal.Ignore(os.Interrupt) // for the program, see awaitSignals
	err := command.Start()
	signal.Reset(os.Interrupt)
	require.NoError(t, err)
	go func() {
		defer close(p.ended)
		p.err = command.Wait()
	}()
	t.Cleanup(func() {
		if p.Running() {
			p.Stop()
		}
		if t.Failed() {
			written := p.Output()
			t.Logf("the output of %s:\n%s", command, written[max(0, len(written)-tail):])
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
func (p *Program) awaitSignals() {
	p.t.Helper()
	require.Eventually(p.t, func() bool {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID()))
		require.NoError(p.t, err)
		_, caught, _ := strings.Cut(string(status), "SigCgt:")
		mask, err := strconv.ParseUint(strings.Fields(caught)[0], 16, 64)
		require.NoError(p.t, err)
		return mask&(1<<(syscall.SIGINT-1)) != 0
	}, Patience, time.Millisecond, "the program does not listen for signals")
}

// Await returns once the output has a line with all of texts, and returns it.
func (p *Program) Await(texts ...string) string {
	p.t.Helper()
	return p.await(0, texts...)
}

// await is Await for what is written from a place on.
func (p *Program) await(from int, texts ...string) string {
	p.t.Helper()
	deadline := time.After(Patience)
	for ended := false; ; {
		line, next, changed := p.output.find(from, texts...)
		if line != "" {
			return line
		}
		if ended {
			require.FailNow(p.t, "the program ended", "%v, before %q:\n%s", p.err, texts, p.Output())
		}
		from = next
		select {
		case <-changed:
		case <-p.ended:
			ended = true // and all that it wrote is there
		case <-deadline:
			require.FailNow(p.t, "waited in vain", "for %q", texts)
		}
	}
}

// Running reports whether the program has not ended.
func (p *Program) Running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// PID returns the number of the process.
func (p *Program) PID() int { return p.command.Process.Pid }

// Output returns what the program has written so far.
func (p *Program) Output() string {
	p.output.mu.Lock()
	defer p.output.mu.Unlock()
	return p.output.text.String()
}

// Reload has a collector read its configuration again, and returns how long it took
// until that was ready.
func (p *Program) Reload() time.Duration { return p.ReloadUntil(CollectorReady) }

// ReloadUntil is Reload of what says something else when it is ready.
func (p *Program) ReloadUntil(ready string) time.Duration {
	p.t.Helper()
	before, began := len(p.Output()), time.Now()
	require.NoError(p.t, p.command.Process.Signal(syscall.SIGHUP))
	p.await(before, ready)
	return time.Since(began)
}

// Stop ends the program as an operator does, and returns how long that took.
func (p *Program) Stop() time.Duration {
	p.t.Helper()
	began := time.Now()
	require.NoError(p.t, p.command.Process.Signal(syscall.SIGTERM))
	select {
	case <-p.ended:
		require.NoError(p.t, p.err)
	case <-time.After(Patience):
		_ = p.command.Process.Kill()
		require.FailNow(p.t, "the program does not end")
	}
	return time.Since(began)
}

// output is what a program writes.
type output struct {
	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{} // closed at the next write
}

// Write implements io.Writer.
func (o *output) Write(text []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.changed)
	o.changed = make(chan struct{})
	return o.text.Write(text)
}

// find returns the first line from a place on that has all of texts. If there is
// none, it returns the place from which to look again, and a channel that is closed
// when there is more.
func (o *output) find(from int, texts ...string) (line string, next int, changed <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for line := range strings.Lines(string(o.text.Bytes()[from:])) {
		if !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(line, text) }) {
			return strings.TrimSuffix(line, "\n"), from, nil
		}
		if strings.HasSuffix(line, "\n") {
			from += len(line)
		}
	}
	return "", from, o.changed
}
