package peers

import (
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// fillPatience bounds the wait for a connection that is made at once, if it is
// made at all.
const fillPatience = 100 * time.Millisecond

// KeepSilent listens at an address, of which the port may be 0, with a queue for one
// connection (listen(2), backlog 0), and fills that: the kernel then drops all SYNs.
// It returns the address that it really has, and a function that ends that.
func KeepSilent(t testing.TB, addr netip.AddrPort) (netip.AddrPort, func() error) {
	t.Helper()
	listener, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(addr))
	require.NoError(t, err)
	raw, err := listener.SyscallConn()
	require.NoError(t, err)
	require.NoError(t, raw.Control(func(fd uintptr) { assert.NoError(t, unix.Listen(int(fd), 0)) }))
	addr = netip.AddrPortFrom(addr.Addr(), listener.Addr().(*net.TCPAddr).AddrPort().Port())
	filler, err := net.DialTimeout("tcp", addr.String(), fillPatience)
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return addr, listener.Close // the connection of whoever checks it has filled the queue
	}
	require.NoError(t, err)
	return addr, func() error { return errors.Join(listener.Close(), filler.Close()) }
}
