package peers

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/prometheus/procfs"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"example.com/tcpcheckreceiver/e2e/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.InNamespace("", m.Run)) }

// families are a port of a host of each family.
var families = map[string]netip.AddrPort{
	"IPv4": netip.MustParseAddrPort("198.18.0.2:80"),
	"IPv6": netip.MustParseAddrPort("[2001:db8:1::2]:80"),
}

// What a client sees of each behaviour, and what is recorded of it.
func TestHosts(t *testing.T) {
	const delay = 20 * time.Millisecond
	h := New(t)
	for _, test := range []struct {
		name string
		b    Behaviour
		want error
		syns int // of the handshake, 0 where there is none
	}{
		{name: "it accepts", syns: 1},
		{name: "it accepts late", b: Behaviour{Delay: delay}, syns: 1},
		{name: "it refuses", b: Behaviour{Answer: Refuse}, want: unix.ECONNREFUSED},
		{name: "it refuses late", b: Behaviour{Answer: Refuse, Delay: delay}, want: unix.ECONNREFUSED},
		{name: "it is silent", b: Behaviour{Answer: Silence}, want: os.ErrDeadlineExceeded},
		{name: "the first SYN is lost", b: Behaviour{LoseSYNs: 1}, syns: 2},
		{name: "it closes at once", b: Behaviour{After: FINAtOnce}, want: io.EOF, syns: 1},
		{name: "it resets at once", b: Behaviour{After: RSTAtOnce}, want: unix.ECONNRESET, syns: 1},
		{name: "it resets on the ACK", b: Behaviour{After: RSTOnACK}, want: unix.ECONNRESET, syns: 1},
	} {
		for family, addr := range families {
			t.Run(test.name+", "+family, func(t *testing.T) {
				h.Set(addr, test.b)
				h.Handshakes() // those of other tests
				require.ErrorIs(t, talk(addr, test.b), test.want)
				handshakes := h.Handshakes()
				if test.syns == 0 {
					assert.Empty(t, handshakes)
					return
				}
				require.Len(t, handshakes, 1)
				assert.Equal(t, addr, handshakes[0].Peer)
				assert.Equal(t, test.syns, handshakes[0].SYNs)
				assert.GreaterOrEqual(t, handshakes[0].Delay, test.b.Delay)
			})
		}
	}
	requireClosed(t)
}

// What Linux makes of ICMP errors, of which faults has more.
func TestICMPError(t *testing.T) {
	h := New(t)
	for _, test := range []struct {
		family     string
		kind, code uint8
		want       unix.Errno
	}{
		{"IPv4", 3, 0, unix.ENETUNREACH},
		{"IPv4", 3, 3, unix.ECONNREFUSED},
		{"IPv4", 11, 0, unix.EHOSTUNREACH},
		{"IPv4", 12, 0, unix.EPROTO},
		{"IPv6", 1, 1, unix.EACCES},
		{"IPv6", 1, 4, unix.ECONNREFUSED},
		{"IPv6", 3, 0, unix.EHOSTUNREACH},
		{"IPv6", 4, 0, unix.EPROTO},
	} {
		b := Behaviour{Answer: ICMPError, ICMPType: test.kind, ICMPCode: test.code, Delay: time.Millisecond}
		h.Set(families[test.family], b)
		require.ErrorIs(t, talk(families[test.family], b), test.want, "%+v", test)
	}
	assert.Empty(t, h.Handshakes())
}

// A port that has not been set is as the others are, and one that has been is not.
func TestSetGoesBeforeOthers(t *testing.T) {
	h := New(t)
	h.SetOthers(Behaviour{Answer: Refuse})
	h.Set(families["IPv4"], Behaviour{})
	require.NoError(t, talk(families["IPv4"], Behaviour{}))
	require.ErrorIs(t, talk(families["IPv6"], Behaviour{}), unix.ECONNREFUSED)
}

// talk connects to a port, and sends and closes if that is what it is for. It returns
// the first error.
func talk(addr netip.AddrPort, b Behaviour) error {
	dialer := net.Dialer{Timeout: harness.Patience}
	if b.Answer == Silence {
		dialer.Timeout = 50 * time.Millisecond
	}
	conn, err := dialer.Dial("tcp", addr.String())
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return os.ErrDeadlineExceeded
	}
	if err != nil {
		return err
	}
	defer conn.Close()
	if b.After == StayOpen {
		_, err := conn.Write(bytes.Repeat([]byte("discarded "), 100_000))
		if err := errors.Join(err, conn.(*net.TCPConn).CloseWrite()); err != nil {
			return err
		}
	}
	_, err = conn.Read(make([]byte, 1))
	if b.After == StayOpen && errors.Is(err, io.EOF) {
		return nil // it closes as the client has
	}
	return err
}

// requireClosed waits until no socket of the machine waits for the other end to close
// or to acknowledge.
func requireClosed(t *testing.T) {
	t.Helper()
	const timeWait = 6
	proc, err := procfs.NewDefaultFS()
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		sockets4, err4 := proc.NetTCP()
		sockets6, err6 := proc.NetTCP6()
		assert.NoError(t, errors.Join(err4, err6))
		for _, socket := range append(sockets4, sockets6...) {
			if socket.St != timeWait {
				return false
			}
		}
		return true
	}, harness.Patience, time.Millisecond, "sockets left open")
}
