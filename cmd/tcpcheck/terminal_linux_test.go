package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"example.com/tcpcheckreceiver/internal/testnet"
)

// asCommand marks a process of this program that is to be the command.
const asCommand = "TCPCHECK_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
	}
	os.Exit(m.Run())
}

// terminal is a pseudo terminal (pty(7)).
type terminal struct {
	*os.File // that a program writes to
	keyboard *os.File
	got      chan string // each piece that the program wrote; closed at the end
	sofar    strings.Builder
}

func newTerminal(t *testing.T) *terminal {
	t.Helper()
	t.Setenv("TERM", "xterm")
	t.Setenv("NO_COLOR", "")
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("needs a pseudo terminal: %v", err)
	}
	control, err := master.SyscallConn()
	require.NoError(t, err)
	var number uint32
	var wrong error
	require.NoError(t, control.Control(func(fd uintptr) {
		if wrong = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); wrong == nil {
			number, wrong = unix.IoctlGetUint32(int(fd), unix.TIOCGPTN)
		}
	}))
	require.NoError(t, wrong)
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	s := &terminal{File: slave, keyboard: master, got: make(chan string, 1000)}
	var reading sync.WaitGroup
	reading.Go(func() {
		defer close(s.got)
		piece := make([]byte, 4096)
		for {
			n, err := master.Read(piece)
			if err != nil { // EIO, when nobody has the terminal any more
				return
			}
			s.got <- string(piece[:n])
		}
	})
	t.Cleanup(func() {
		slave.Close()
		reading.Wait()
		master.Close()
	})
	return s
}

// await returns once the terminal has got a text.
func (s *terminal) await(t *testing.T, text string) {
	t.Helper()
	timeout := time.After(time.Minute)
	for !strings.Contains(s.sofar.String(), text) {
		select {
		case piece, more := <-s.got:
			require.True(t, more, "%q never came: %q", text, &s.sofar)
			s.sofar.WriteString(piece)
		case <-timeout:
			require.Fail(t, "it never came", "%q: %q", text, &s.sofar)
		}
	}
}

// all returns all that the terminal got until the program let go of it.
func (s *terminal) all(t *testing.T) string {
	t.Helper()
	require.NoError(t, s.Close())
	for piece := range s.got {
		s.sofar.WriteString(piece)
	}
	return strings.ReplaceAll(s.sofar.String(), "\r\n", "\n")
}

var (
	colour = regexp.MustCompile(`\x1b\[\d+m`)
	erased = regexp.MustCompile(`(?m)^.*\r\x1b\[K`) // with what was there before
)

// Only a table has colours, and only on a terminal that is to have them. All else is what a pipe gets.
func TestColour(t *testing.T) {
	for name, test := range map[string]struct {
		format    string
		variables map[string]string
		coloured  bool
	}{
		"table":           {"table", nil, true},
		"json":            {"json", nil, false},
		"junit":           {"junit", nil, false},
		"nagios":          {"nagios", nil, false},
		"NO_COLOR":        {"table", map[string]string{"NO_COLOR": "0"}, false},
		"NO_COLOR, empty": {"table", map[string]string{"NO_COLOR": ""}, true},
		"dumb":            {"table", map[string]string{"TERM": "dumb"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			screen := newTerminal(t)
			for variable, value := range test.variables {
				t.Setenv(variable, value)
			}
			pipe, piped := openPipe(t)
			for _, to := range []*os.File{screen.File, pipe} {
				require.NoError(t, formats[test.format](to, twoReports(), limits{}))
			}
			got, want := screen.all(t), piped()
			assert.NotContains(t, want, "\x1b")
			if test.coloured {
				assert.Equal(t, []string{green + "up" + plain, red + "down" + plain, yellow + "unchecked" + plain, red + "down" + plain},
					regexp.MustCompile(`\x1b\[\d+m\w+\x1b\[0m`).FindAllString(got, -1))
				got = colour.ReplaceAllString(got, "")
			}
			assert.Equal(t, want, got)
		})
	}
}

// A line of a repeated check has the colours without the header as well, also below a target that
// is not ASCII.
func TestColourWithoutHeader(t *testing.T) {
	reports := twoReports()
	target := *reports[0].Target
	target.Host = "bücher.example"
	reports[0].Target = &target
	inColour := rowsOf(reports, false, true)
	assert.Equal(t, rowsOf(reports, false, false), colour.ReplaceAllString(inColour, ""))
	assert.Regexp(t, `^bücher\.example:80 +ipv4 +192\.0\.2\.1 +\x1b\[32mup\x1b\[0m +12\.3ms`, inColour)
	assert.Equal(t, 8, strings.Count(inColour, "\x1b"), inColour)
}

// openPipe returns where to write to, and what returns all that was written, once.
func openPipe(t *testing.T) (*os.File, func() string) {
	t.Helper()
	r, w, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() { r.Close(); w.Close() })
	return w, func() string {
		require.NoError(t, w.Close())
		text, err := io.ReadAll(r)
		require.NoError(t, err)
		return string(text)
	}
}

// Who waits for targets that are silent sees how far it is, and gets what is known when he has
// enough. Nothing is left of the progress.
func TestProgress(t *testing.T) {
	silent, closed := testnet.BlackHole(t).String(), testnet.ClosedPort(t, "127.0.0.1").String()
	up := testnet.Listen(t, "tcp4", "127.0.0.1:0").String()
	const interrupt = "\x03" // Ctrl-C
	for name, test := range map[string]struct {
		args []string
		says string // above what there is of the other two targets
	}{
		"table":   {nil, silent + ` +unchecked +it was interrupted\n$`},
		"summary": {[]string{"--count", "0"}, `\n\nTARGET .* SENT +UP .*\n` + up + ` .*\n` + closed + ` .*\n$`},
	} {
		t.Run(name, func(t *testing.T) {
			screen := newTerminal(t)
			command := exec.Command("/proc/self/exe", append(test.args, "--timeout", "1m", up, closed, silent)...)
			command.Env = append(os.Environ(), asCommand+"=1")
			command.Stdin, command.Stdout, command.Stderr = screen.File, screen.File, screen.File
			command.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
			require.NoError(t, command.Start())
			screen.await(t, "\r\x1b[Kchecked 2 of 3 targets, 1 down")
			_, err := screen.keyboard.WriteString(interrupt)
			require.NoError(t, err)
			var exit *exec.ExitError
			require.ErrorAs(t, command.Wait(), &exit)
			assert.Equal(t, int(statusCritical), exit.ExitCode())
			left := erased.ReplaceAllString(screen.all(t), "")
			assert.True(t, strings.HasPrefix(left, "TARGET "), "%q", left)
			assert.NotContains(t, left, "checked 2")
			assert.Contains(t, left, green+"up"+plain)
			assert.Contains(t, left, red+"down"+plain)
			assert.Regexp(t, test.says, colour.ReplaceAllString(left, ""))
		})
	}
}

// What is no terminal gets no progress, however long the checks take.
func TestNoProgress(t *testing.T) {
	silent := testnet.BlackHole(t).String()
	for name, dumb := range map[string]bool{"a pipe": false, "a dumb terminal": true} {
		t.Run(name, func(t *testing.T) {
			to, said := openPipe(t)
			if dumb {
				screen := newTerminal(t)
				t.Setenv("TERM", "dumb")
				to, said = screen.File, func() string { return screen.all(t) }
			}
			got := run(context.Background(), []string{"--timeout", (progressAfter + 2*progressEvery).String(), silent}, io.Discard, to)
			assert.Equal(t, statusCritical, got)
			assert.Empty(t, said())
		})
	}
}
