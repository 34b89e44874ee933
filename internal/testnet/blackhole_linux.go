package testnet

import (
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// BlackHole returns a loopback address that never answers a SYN: a listener that
// accepts nothing, whose queue is full (listen(2), backlog 0 has room for one).
func BlackHole(t testing.TB) netip.AddrPort {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	require.NoError(t, os.NewSyscallError("socket", err))
	t.Cleanup(func() { _ = syscall.Close(fd) })
	require.NoError(t, os.NewSyscallError("bind", syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})))
	require.NoError(t, os.NewSyscallError("listen", syscall.Listen(fd, 0)))
	bound, err := syscall.Getsockname(fd)
	require.NoError(t, os.NewSyscallError("getsockname", err))
	inet4, ok := bound.(*syscall.SockaddrInet4)
	require.True(t, ok)
	address := netip.AddrPortFrom(netip.AddrFrom4(inet4.Addr), uint16(inet4.Port))

	filler, err := net.Dial("tcp", address.String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = filler.Close() })
	return address
}
