package socket

import (
	"net"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// How far an attempt has come. The states and errors are those that a kernel may give;
// which of them Linux gives, e2e/faults shows with real sockets. gVisor cannot be had
// here: what it gives is from its documentation.
func TestPhase(t *testing.T) {
	for _, test := range []struct {
		name  string
		state uint8
		err   unix.Errno
		want  Phase
	}{
		{"SYN sent", unix.BPF_TCP_SYN_SENT, 0, Pending},
		{"SYN sent, and a soft error", unix.BPF_TCP_SYN_SENT, unix.EHOSTUNREACH, Pending},
		{"simultaneous open", unix.BPF_TCP_SYN_RECV, 0, Pending},
		{"connected", unix.BPF_TCP_ESTABLISHED, 0, Connected},
		{"the peer closed", unix.BPF_TCP_CLOSE_WAIT, 0, Connected},
		{"both closed", unix.BPF_TCP_LAST_ACK, 0, Connected},
		{"closing", unix.BPF_TCP_FIN_WAIT1, 0, Connected},
		{"closing, acknowledged", unix.BPF_TCP_FIN_WAIT2, 0, Connected},
		{"closing at the same time", unix.BPF_TCP_CLOSING, 0, Connected},
		{"closed, waiting", unix.BPF_TCP_TIME_WAIT, 0, Connected},
		{"refused", unix.BPF_TCP_CLOSE, unix.ECONNREFUSED, Ended},
		{"unreachable", unix.BPF_TCP_CLOSE, unix.EHOSTUNREACH, Ended},
		{"the kernel gave up", unix.BPF_TCP_CLOSE, unix.ETIMEDOUT, Ended},
		{"reset after the handshake", unix.BPF_TCP_CLOSE, unix.ECONNRESET, Connected},
		{"reset after the peer had closed", unix.BPF_TCP_CLOSE, unix.EPIPE, Connected},
		{"gVisor, before the SYN is sent", unix.BPF_TCP_CLOSE, 0, Pending},
		{"a state that is not one of a connection", unix.BPF_TCP_LISTEN, 0, Pending},
		{"a state that there is not", 99, 0, Pending},
	} {
		t.Run(test.name, func(t *testing.T) {
			assert.Equal(t, test.want, PhaseOf(test.state, test.err))
		})
	}
}

func TestSockaddr(t *testing.T) {
	for _, test := range []struct {
		address string
		want    unix.Sockaddr
		domain  int
	}{
		{"192.0.2.1:9", &unix.SockaddrInet4{Port: 9, Addr: [4]byte{192, 0, 2, 1}}, unix.AF_INET},
		{"[2001:db8::1]:9", &unix.SockaddrInet6{Port: 9, Addr: netip.MustParseAddr("2001:db8::1").As16()}, unix.AF_INET6},
		{"[fe80::1%7]:9", &unix.SockaddrInet6{Port: 9, Addr: netip.MustParseAddr("fe80::1").As16(), ZoneId: 7}, unix.AF_INET6},
	} {
		sockaddr, domain, err := Sockaddr(netip.MustParseAddrPort(test.address))
		require.NoError(t, err)
		assert.Equal(t, test.want, sockaddr)
		assert.Equal(t, test.domain, domain)
	}
	_, _, err := Sockaddr(netip.MustParseAddrPort("[fe80::1%nosuchif]:9"))
	var unknown *UnknownZoneError
	assert.ErrorAs(t, err, &unknown)
}

// A connection that is hushed is there, and resets when it is closed.
func TestHush(t *testing.T) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = listener.Close() }()
	sockaddr, domain, err := Sockaddr(netip.MustParseAddrPort(listener.Addr().String()))
	require.NoError(t, err)
	fd, err := unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	require.NoError(t, Hush(fd))
	linger, err := unix.GetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER)
	require.NoError(t, err)
	assert.Equal(t, &unix.Linger{Onoff: 1}, linger)
	require.NoError(t, unix.Connect(fd, sockaddr))
	info, errno := Info(fd)
	assert.Zero(t, errno)
	assert.Equal(t, Connected, PhaseOf(info.State, 0))
	require.NoError(t, unix.Close(fd))

	_, errno = Info(fd)
	assert.Equal(t, unix.EBADF, errno)
	assert.ErrorIs(t, Hush(fd), unix.EBADF)
}
