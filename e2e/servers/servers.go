// Package servers runs the servers that people check, as Debian has them, for the time of a test.
package servers

import (
	"crypto/tls"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/e2e/harness"
	"example.com/tcpcheckreceiver/internal/testnet"
)

var all = flag.Bool("all", false, "fail where a server is not installed")

// Host is an address of this machine that is not of loopback: MariaDB blocks no other. It
// has a name, since MariaDB knows a client by that.
const Host = "192.0.2.1"

// InNamespace calls run as harness.InNamespace does, where servers can be started at Host.
func InNamespace(run func() int) int {
	return harness.InNamespace("nameserver 127.0.0.1\noptions timeout:1\n", func() int {
		if os.Geteuid() == 0 {
			err := exec.Command("ip", "address", "add", Host+"/32", "dev", "lo").Run()
			if err == nil {
				err = harness.MountText("/etc/hosts", "127.0.0.1 localhost\n"+Host+" checker.test\n")
			}
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 1
			}
		}
		return run()
	})
}

// Server is a program that real users check.
type Server struct {
	// Name is what people call it.
	Name string
	// Ready is what it writes when it runs.
	Ready string
	// program is its executable.
	program string
	// command returns what runs it at a place.
	command func(p place) *exec.Cmd
	// stop ends it where SIGTERM does not.
	stop func(folder string) *exec.Cmd
}

// Settings are how a server is to run. The zero value is without TLS.
type Settings struct {
	// Certificate is what it shows; nil: it has no TLS.
	Certificate *tls.Certificate
	// More are arguments that it gets besides, or lines of its configuration.
	More []string
}

// Start starts the server at a port of Host, and returns its address. It skips the test where
// the server is not installed, unless the flag -all is set.
func (s Server) Start(t *testing.T, settings Settings) (address string, program *harness.Program) {
	t.Helper()
	harness.RequireNamespace(t)
	if _, err := exec.LookPath(s.program); err != nil && !*all {
		t.Skipf("%s is not installed; .ci/run has the names of the packages", s.program)
	}
	_, port, err := net.SplitHostPort(harness.FreeAddress(t))
	require.NoError(t, err)
	folder, err := os.MkdirTemp("", "server") //nolint:usetesting // the test's own folder is for root alone
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	require.NoError(t, os.Chmod(folder, 0o755)) //nolint:gosec // servers run as users of their own
	program = harness.Start(t, s.command(place{t, folder, port, settings}), s.Ready)
	if s.stop != nil {
		t.Cleanup(func() {
			assert.NoError(t, s.stop(folder).Run())
			assert.Eventually(t, func() bool { return !program.Running() }, harness.Patience, time.Millisecond)
		})
	}
	return net.JoinHostPort(Host, port), program
}

// place is where a server runs: its folder and its port.
type place struct {
	t            *testing.T
	folder, port string
	Settings
}

// lines returns what its configuration has besides: a line if it shows a certificate, with the files of the
// chain and of the key, or else another one, and More.
func (p place) lines(secured, plain string) string {
	if p.Certificate != nil {
		chain, key := p.files("root")
		plain = fmt.Sprintf(secured, chain, key)
	}
	return plain + "\n" + strings.Join(p.More, "\n") + "\n"
}

// files writes the certificate and its key, which is for a user alone.
func (p place) files(owner string) (chain, key string) {
	p.t.Helper()
	certificates, private := testnet.PEM(p.t, *p.Certificate)
	chain, key = p.write("chain.pem", string(certificates)), filepath.Join(p.folder, "key.pem")
	harness.Write(p.t, key, string(private))
	require.NoError(p.t, os.Chown(key, uid(p.t, owner), -1))
	return chain, key
}

// owned returns a folder that belongs to a user.
func (p place) owned(owner string) string {
	p.t.Helper()
	data := filepath.Join(p.folder, "data")
	require.NoError(p.t, os.Mkdir(data, 0o700))
	require.NoError(p.t, os.Chown(data, uid(p.t, owner), -1))
	return data
}

// write writes a file that all users may read.
func (p place) write(name, text string) string {
	p.t.Helper()
	path := filepath.Join(p.folder, name)
	harness.Write(p.t, path, strings.TrimLeft(text, "\n"))
	require.NoError(p.t, os.Chmod(path, 0o644))
	return path
}

func (p place) run(words ...string) {
	p.t.Helper()
	output, err := command(words).CombinedOutput()
	require.NoError(p.t, err, "%q: %s", words, output)
}

func uid(t *testing.T, name string) int {
	t.Helper()
	owner, err := user.Lookup(name)
	require.NoError(t, err)
	n, err := strconv.Atoi(owner.Uid)
	require.NoError(t, err)
	return n
}

func command(words []string) *exec.Cmd { return exec.Command(words[0], words[1:]...) }

// as returns what runs a command as another user.
func as(name string, words ...string) []string {
	return append([]string{"setpriv", "--reuid=" + name, "--regid=" + name, "--clear-groups"}, words...)
}
