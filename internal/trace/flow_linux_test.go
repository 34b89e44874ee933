package trace

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/testnet"
)

// The target itself is the first hop on this machine. That other ones answer, e2e/trace shows.
func TestTarget(t *testing.T) {
	for _, test := range []struct{ network, host string }{{"tcp4", "127.0.0.1"}, {"tcp6", "::1"}} {
		t.Run(test.network, func(t *testing.T) {
			if test.network == "tcp6" {
				testnet.RequireIPv6(t)
			}
			host := netip.MustParseAddr(test.host)
			listening := testnet.Listen(t, test.network, netip.AddrPortFrom(host, 0).String())
			for _, want := range []struct {
				target netip.AddrPort
				said   string
			}{{listening, Connected}, {testnet.ClosedPort(t, test.host), Refused}} {
				w := Walk(t.Context(), want.target, Options{})
				require.NoError(t, w.Err)
				require.Len(t, w.Hops, 1)
				assert.Equal(t, host, w.Hops[0].Address)
				assert.Equal(t, want.said, w.Hops[0].Said)
				assert.Positive(t, w.Hops[0].Time)
				assert.Equal(t, host, w.Local.Addr())
				assert.NotZero(t, w.Local.Port())

				again := Walk(t.Context(), want.target, Options{LocalPort: w.Local.Port()})
				require.NoError(t, again.Err)
				assert.Equal(t, w.Local, again.Local, "nothing is left of the flow")
			}
		})
	}
}

// A port that connects to itself has nothing that listens.
func TestSelf(t *testing.T) {
	closed := testnet.ClosedPort(t, "127.0.0.1")
	w := Walk(t.Context(), closed, Options{LocalPort: closed.Port()})
	require.NoError(t, w.Err)
	assert.Equal(t, closed, w.Local)
	assert.Equal(t, Refused, w.Last().Said)
}

// What this machine lacks is told, and nothing of the way.
func TestLacking(t *testing.T) {
	taken := testnet.Listen(t, "tcp4", "0.0.0.0:0")
	target := netip.MustParseAddrPort("127.0.0.1:9")
	w := Walk(t.Context(), target, Options{LocalPort: taken.Port()})
	require.EqualError(t, w.Err, "the local port "+netip.AddrPortFrom(target.Addr(), taken.Port()).String()[len("127.0.0.1:"):]+" is in use, or was so within the last minute")
	assert.False(t, w.Local.IsValid())

	w = Walk(t.Context(), netip.MustParseAddrPort("[fe80::1%nosuchif]:9"), Options{})
	require.ErrorContains(t, w.Err, `no interface "nosuchif"`)

	w = Walk(t.Context(), netip.MustParseAddrPort("[ff02::1]:9"), Options{}) // TCP has no groups
	require.EqualError(t, w.Err, "connect: network is unreachable")
	assert.Empty(t, w.Hops)
}

// A connection of the flow that is still there, or that was there, is in the way.
func TestFlowTaken(t *testing.T) {
	target := testnet.Listen(t, "tcp4", "127.0.0.1:0")
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}}
	conn, err := dialer.DialContext(t.Context(), "tcp4", target.String())
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	port := netip.MustParseAddrPort(conn.LocalAddr().String()).Port()
	w := Walk(t.Context(), target, Options{LocalPort: port})
	assert.EqualError(t, w.Err, taken(port).Error())
}

// An answer is awaited no longer than the context lasts.
func TestInterrupted(t *testing.T) {
	silent := testnet.BlackHole(t)
	ctx, end := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer end()
	began := time.Now()
	w := Walk(ctx, silent, Options{RoundTrip: time.Minute})
	require.ErrorIs(t, w.Err, context.DeadlineExceeded)
	assert.Empty(t, w.Hops)
	assert.True(t, w.Local.IsValid())
	assert.Less(t, time.Since(began), longestWait)

	w = Walk(ctx, silent, Options{})
	require.ErrorIs(t, w.Err, context.DeadlineExceeded)
	assert.False(t, w.Local.IsValid(), "nothing was sent")
}

// A flow leaves as the connections of the check do.
func TestWalkFrom(t *testing.T) {
	target := testnet.Listen(t, "tcp4", "127.0.0.1:0")
	source := netip.MustParseAddr("127.0.0.77")
	w := Walk(t.Context(), target, Options{Outgoing: &check.Outgoing{Sources: []netip.Addr{source}, Interface: "lo", DSCP: 8}})
	require.NoError(t, w.Err)
	assert.Equal(t, source, w.Local.Addr())
	assert.Equal(t, Connected, w.Last().Said)
	for want, outgoing := range map[error]check.Outgoing{
		check.LacksSourceError{Address: netip.MustParseAddr("192.0.2.99")}: {Sources: []netip.Addr{netip.MustParseAddr("192.0.2.99")}},
		check.LacksInterfaceError{Name: "nosuchif"}:                        {Interface: "nosuchif"},
	} {
		w := Walk(t.Context(), target, Options{Outgoing: &outgoing})
		assert.Equal(t, want, w.Err)
		assert.Empty(t, w.Hops)
	}
}

// Who does not answer in time is a silent hop.
func TestSilent(t *testing.T) {
	f, err := newFlow(testnet.BlackHole(t), &Options{})
	require.NoError(t, err)
	f.wait = time.Millisecond
	defer f.close()
	for range 2 {
		hop, err := f.ask(t.Context(), 1)
		require.NoError(t, err)
		assert.Zero(t, hop)
	}
}

func TestAddrPort(t *testing.T) {
	for want, name := range map[string]unix.Sockaddr{
		"192.0.2.1:9":     &unix.SockaddrInet4{Addr: [4]byte{192, 0, 2, 1}, Port: 9},
		"[2001:db8::1]:9": &unix.SockaddrInet6{Addr: netip.MustParseAddr("2001:db8::1").As16(), Port: 9},
		"[fe80::1%7]:9":   &unix.SockaddrInet6{Addr: netip.MustParseAddr("fe80::1").As16(), Port: 9, ZoneId: 7},
	} {
		assert.Equal(t, netip.MustParseAddrPort(want), addrPort(name))
	}
	assert.Zero(t, addrPort(&unix.SockaddrUnix{}))
}
