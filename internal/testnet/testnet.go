// Package testnet makes the peers that tests check.
package testnet

import (
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// RequireIPv6 skips the test on a machine without IPv6, such as many containers.
func RequireIPv6(t testing.TB) {
	t.Helper()
	listener, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		t.Skipf("needs IPv6, which this machine does not have: %v", err)
	}
	require.NoError(t, listener.Close())
}

// isIPv6Loopback reports whether a host, or a host and port, is ::1.
func isIPv6Loopback(address string) bool {
	return address == "::1" || strings.HasPrefix(address, "[::1]")
}

// Listen returns a listener on address that accepts and closes connections until
// the test ends. The network is that of net.Listen: "tcp" on ":0" serves both
// families.
func Listen(t testing.TB, network, address string) netip.AddrPort {
	t.Helper()
	return ListenFunc(t, network, address, func() {})
}

// ListenFunc is Listen with a function that is called for each connection.
func ListenFunc(t testing.TB, network, address string, accepted func()) netip.AddrPort {
	t.Helper()
	return Serve(t, network, address, func(conn net.Conn) {
		_ = conn.Close()
		accepted()
	})
}

// Serve calls handle with each connection to address, in a goroutine of its own, and closes the connection after
// that, until the test ends. The network is that of net.Listen.
func Serve(t testing.TB, network, address string, handle func(net.Conn)) netip.AddrPort {
	t.Helper()
	if network == "tcp6" || isIPv6Loopback(address) {
		RequireIPv6(t)
	}
	listener, err := net.Listen(network, address)
	require.NoError(t, err)
	serveOn(t, listener, handle)
	return addrPort(t, listener.Addr())
}

// serveOn is Serve, with the connections that a listener accepts.
func serveOn(t testing.TB, listener net.Listener, handle func(net.Conn)) {
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				handle(conn)
				_ = conn.Close() // perhaps again
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close() // the test may have closed it
		running.Wait()
	})
}

// ClosedPort returns an address of host at which nothing listens: a port that
// was free just now.
func ClosedPort(t testing.TB, host string) netip.AddrPort {
	t.Helper()
	if isIPv6Loopback(host) {
		RequireIPv6(t)
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	return addrPort(t, listener.Addr())
}

func addrPort(t testing.TB, addr net.Addr) netip.AddrPort {
	t.Helper()
	parsed, err := netip.ParseAddrPort(addr.String())
	require.NoError(t, err)
	return netip.AddrPortFrom(parsed.Addr().Unmap(), parsed.Port())
}
