package harness

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// Machine is a machine for the time of a test: a network namespace. It has a loopback
// interface and what Connect gives it, and no other way out.
type Machine struct {
	t    testing.TB
	file *os.File
}

// NewMachine returns a new machine. It skips the test of a user who is not root.
func NewMachine(t testing.TB) *Machine {
	t.Helper()
	RequireRoot(t, "make network namespaces")
	m := &Machine{t: t}
	require.NoError(t, onThread(func() (err error) {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return os.NewSyscallError("unshare", err)
		}
		m.file, err = os.Open("/proc/thread-self/ns/net")
		return err
	}))
	t.Cleanup(func() { assert.NoError(t, m.file.Close()) })
	// An interface that is down and up again has its addresses back.
	require.NoError(t, m.Do(func() error {
		return os.WriteFile("/proc/sys/net/ipv6/conf/default/keep_addr_on_down", []byte("1"), 0o600)
	}))
	m.IP("link", "set", "dev", "lo", "up")
	return m
}

// onThread calls f on a thread that ends with it, and returns what it returned.
func onThread(f func() error) error {
	result := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: no other goroutine is to get this thread
		result <- f()
	}()
	return <-result
}

// Do calls f on the machine and returns what it returned. A socket that f opens
// belongs to the machine for good, wherever it is used.
func (m *Machine) Do(f func() error) error {
	return onThread(func() error {
		if err := unix.Setns(int(m.file.Fd()), unix.CLONE_NEWNET); err != nil {
			return os.NewSyscallError("setns", err)
		}
		return f()
	})
}

// Command returns a command that runs on the machine.
func (m *Machine) Command(words ...string) *exec.Cmd {
	return exec.Command("nsenter", append([]string{"--net=" + m.path()}, words...)...)
}

// path names the machine's namespace for other processes, while this one is there.
func (m *Machine) path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), m.file.Fd()) }

// IP runs the ip command on the machine.
func (m *Machine) IP(arguments ...string) {
	m.t.Helper()
	output, err := m.Command(append([]string{"ip"}, arguments...)...).CombinedOutput()
	require.NoError(m.t, err, "ip %q: %s", arguments, output)
}

// Listen returns a listener on the machine, until the end of the test. The
// network and the address are those of net.Listen.
func (m *Machine) Listen(network, address string) net.Listener {
	m.t.Helper()
	var listener net.Listener
	require.NoError(m.t, m.Do(func() (err error) {
		listener, err = net.Listen(network, address)
		return err
	}))
	m.t.Cleanup(func() { _ = listener.Close() }) // the test may have closed it
	return listener
}

// ReadPage reads the Prometheus page at an address of the machine.
func (m *Machine) ReadPage(address string) (Page, error) {
	dial := func(_ context.Context, network, address string) (conn net.Conn, err error) {
		err = m.Do(func() (err error) {
			conn, err = net.Dial(network, address)
			return err
		})
		return conn, err
	}
	return readPage(&http.Client{Timeout: Patience, Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}, address)
}

// Cable is a cable between two machines.
type Cable struct {
	far  *Machine
	name string
}

// Connect lays a cable between two machines, with an interface of that name at
// either end. An end has the addresses that are given for it, with the length of
// the prefix that both share.
func Connect(name string, near, far *Machine, nearAddresses, farAddresses []netip.Prefix) *Cable {
	near.t.Helper()
	near.IP("link", "add", name, "type", "veth", "peer", "name", name, "netns", far.path())
	for _, end := range []struct {
		machine   *Machine
		addresses []netip.Prefix
	}{{near, nearAddresses}, {far, farAddresses}} {
		for _, address := range end.addresses {
			end.machine.IP("addr", "add", address.String(), "dev", name, "nodad")
		}
		end.machine.IP("link", "set", "dev", name, "up")
	}
	return &Cable{far: far, name: name}
}

// Cut cuts the cable: from then on, nothing that is sent arrives.
func (c *Cable) Cut() {
	c.far.t.Helper()
	c.far.IP("link", "set", "dev", c.name, "down")
}

// Mend undoes Cut.
func (c *Cable) Mend() {
	c.far.t.Helper()
	c.far.IP("link", "set", "dev", c.name, "up")
}

// namespaceEnv marks a process that InNamespace has put into its namespaces.
const namespaceEnv = "E2E_NAMESPACE"

// InNamespace calls run in a network namespace of its own, with the loopback
// interface up, and in a mount namespace of its own, in which /etc/resolv.conf has
// the text resolv unless that is empty. It returns what run returned, an exit status.
// It is the first thing for TestMain to do:
//
//	os.Exit(harness.InNamespace("", m.Run))
//
// The namespaces are those of the whole process, which executes its program anew for
// that. Without the right to make them, run is called where the process is, and
// RequireNamespace skips.
func InNamespace(resolv string, run func() int) int {
	if os.Getenv(namespaceEnv) == "" {
		err := executeInNamespace()
		if errors.Is(err, unix.EPERM) {
			return run()
		}
		return failed(err)
	}
	// No mount is to leave the namespace.
	err := os.NewSyscallError("mount", unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	if err == nil && resolv != "" {
		err = MountText("/etc/resolv.conf", resolv)
	}
	if err == nil {
		err = exec.Command("ip", "link", "set", "dev", "lo", "up").Run()
	}
	if err != nil {
		return failed(err)
	}
	return run()
}

// executeInNamespace executes the program anew. It returns only if that fails.
func executeInNamespace() error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	runtime.LockOSThread() // whose namespaces are those of what it executes
	if err := unix.Unshare(unix.CLONE_NEWNET | unix.CLONE_NEWNS); err != nil {
		return os.NewSyscallError("unshare", err)
	}
	return os.NewSyscallError("execve", syscall.Exec(program, os.Args, append(os.Environ(), namespaceEnv+"=1")))
}

func failed(err error) int {
	fmt.Fprintln(os.Stderr, "a namespace of its own:", err)
	return 1
}

// MountText puts a file with a text in the place of one of the machine's, for a process that
// InNamespace has put into its namespaces.
func MountText(place, text string) error {
	folder, err := os.MkdirTemp("", "e2e")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(folder) }() // what is mounted stays
	file := filepath.Join(folder, filepath.Base(place))
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return err
	}
	return os.NewSyscallError("mount", unix.Mount(file, place, "", unix.MS_BIND, ""))
}

// RequireNamespace skips the test unless this process is one that InNamespace has put
// into its namespaces.
func RequireNamespace(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 || os.Getenv(namespaceEnv) == "" {
		t.Skip("needs root, to make a network namespace of its own")
	}
}
