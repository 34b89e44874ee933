// Package netns makes machines for tests: network namespaces, and links between
// them that can be cut. It needs Linux, root, and the ip and nsenter commands.
package netns

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// Namespace is a network namespace, for the time of a test. It has a loopback
// interface and what Connect gives it, and no other way out.
type Namespace struct {
	t    testing.TB
	file *os.File
}

// New returns a new namespace. It skips the test of a user who is not root.
func New(t testing.TB) *Namespace {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, to make network namespaces")
	}
	n := &Namespace{t: t}
	require.NoError(t, onThread(func() (err error) {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return os.NewSyscallError("unshare", err)
		}
		n.file, err = os.Open("/proc/thread-self/ns/net")
		return err
	}))
	t.Cleanup(func() { assert.NoError(t, n.file.Close()) })
	// An interface that is down and up again has its addresses back.
	require.NoError(t, n.Do(func() error {
		return os.WriteFile("/proc/sys/net/ipv6/conf/default/keep_addr_on_down", []byte("1"), 0o600)
	}))
	n.IP("link", "set", "dev", "lo", "up")
	return n
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

// Do calls f in the namespace and returns what it returned. A socket that f opens
// belongs to the namespace for good, wherever it is used.
func (n *Namespace) Do(f func() error) error {
	return onThread(func() error {
		if err := unix.Setns(int(n.file.Fd()), unix.CLONE_NEWNET); err != nil {
			return os.NewSyscallError("setns", err)
		}
		return f()
	})
}

// Enter returns the words that run a command in the namespace if they are put in
// front of it.
func (n *Namespace) Enter() []string { return []string{"nsenter", "--net=" + n.path()} }

// path names the namespace for other processes, while this one is there.
func (n *Namespace) path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), n.file.Fd()) }

// IP runs the ip command in the namespace.
func (n *Namespace) IP(arguments ...string) {
	n.t.Helper()
	words := slices.Concat(n.Enter(), []string{"ip"}, arguments)
	output, err := exec.Command(words[0], words[1:]...).CombinedOutput()
	require.NoError(n.t, err, "ip %q: %s", arguments, output)
}

// Listen returns a listener in the namespace, until the end of the test. The
// network and the address are those of net.Listen.
func (n *Namespace) Listen(network, address string) net.Listener {
	n.t.Helper()
	var listener net.Listener
	require.NoError(n.t, n.Do(func() (err error) {
		listener, err = net.Listen(network, address)
		return err
	}))
	n.t.Cleanup(func() { _ = listener.Close() }) // the test may have closed it
	return listener
}

// Forward returns an address of the test's own loopback interface that leads to an
// address of the namespace, of an IP and a port, until the end of the test.
func (n *Namespace) Forward(address string) string {
	n.t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(n.t, err)
	ctx, end := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { n.forward(ctx, near, address) })
		}
	})
	n.t.Cleanup(func() {
		_ = listener.Close()
		end()
		serving.Wait()
	})
	return listener.Addr().String()
}

// forward copies what comes, until one side ends or ctx does.
func (n *Namespace) forward(ctx context.Context, near net.Conn, address string) {
	defer near.Close()
	ctx, end := context.WithCancel(ctx)
	defer end()
	var far net.Conn
	if n.Do(func() (err error) {
		far, err = net.Dial("tcp", address)
		return err
	}) != nil {
		return
	}
	var copying sync.WaitGroup
	for _, way := range [][2]net.Conn{{near, far}, {far, near}} {
		copying.Go(func() {
			defer end()
			_, _ = io.Copy(way[0], way[1])
		})
	}
	<-ctx.Done()
	_ = near.Close()
	_ = far.Close()
	copying.Wait()
}

// Link is a cable between two namespaces.
type Link struct {
	far  *Namespace
	name string
}

// Connect lays a cable between two namespaces, with an interface of that name at
// either end. An end has the addresses that are given for it, with the length of
// the prefix that both share.
func Connect(name string, near, far *Namespace, nearAddresses, farAddresses []netip.Prefix) *Link {
	near.t.Helper()
	near.IP("link", "add", name, "type", "veth", "peer", "name", name, "netns", far.path())
	for _, end := range []struct {
		namespace *Namespace
		addresses []netip.Prefix
	}{{near, nearAddresses}, {far, farAddresses}} {
		for _, address := range end.addresses {
			end.namespace.IP("addr", "add", address.String(), "dev", name, "nodad")
		}
		end.namespace.IP("link", "set", "dev", name, "up")
	}
	return &Link{far: far, name: name}
}

// Cut cuts the cable: from then on, nothing that is sent arrives.
func (l *Link) Cut() {
	l.far.t.Helper()
	l.far.IP("link", "set", "dev", l.name, "down")
}

// Mend undoes Cut.
func (l *Link) Mend() {
	l.far.t.Helper()
	l.far.IP("link", "set", "dev", l.name, "up")
}
