package probe

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/testnet"
)

// How far an attempt has come. The states and errors are those that a kernel may give;
// which of them Linux gives, e2e/faults shows with real sockets. gVisor cannot be had
// here: what it gives is from its documentation.
func TestPhase(t *testing.T) {
	for _, test := range []struct {
		name  string
		state uint8
		err   unix.Errno
		want  phase
	}{
		{"SYN sent", unix.BPF_TCP_SYN_SENT, 0, pending},
		{"SYN sent, and a soft error", unix.BPF_TCP_SYN_SENT, unix.EHOSTUNREACH, pending},
		{"simultaneous open", unix.BPF_TCP_SYN_RECV, 0, pending},
		{"connected", unix.BPF_TCP_ESTABLISHED, 0, connected},
		{"the peer closed", unix.BPF_TCP_CLOSE_WAIT, 0, connected},
		{"both closed", unix.BPF_TCP_LAST_ACK, 0, connected},
		{"closing", unix.BPF_TCP_FIN_WAIT1, 0, connected},
		{"closing, acknowledged", unix.BPF_TCP_FIN_WAIT2, 0, connected},
		{"closing at the same time", unix.BPF_TCP_CLOSING, 0, connected},
		{"closed, waiting", unix.BPF_TCP_TIME_WAIT, 0, connected},
		{"refused", unix.BPF_TCP_CLOSE, unix.ECONNREFUSED, ended},
		{"unreachable", unix.BPF_TCP_CLOSE, unix.EHOSTUNREACH, ended},
		{"the kernel gave up", unix.BPF_TCP_CLOSE, unix.ETIMEDOUT, ended},
		{"reset after the handshake", unix.BPF_TCP_CLOSE, unix.ECONNRESET, connected},
		{"reset after the peer had closed", unix.BPF_TCP_CLOSE, unix.EPIPE, connected},
		{"gVisor, before the SYN is sent", unix.BPF_TCP_CLOSE, 0, pending},
		{"a state that is not one of a connection", unix.BPF_TCP_LISTEN, 0, pending},
		{"a state that there is not", 99, 0, pending},
	} {
		t.Run(test.name, func(t *testing.T) {
			assert.Equal(t, test.want, phaseOf(test.state, test.err))
		})
	}
}

func TestHandshakeTime(t *testing.T) {
	for _, test := range []struct {
		name string
		info unix.TCPInfo
		want time.Duration
	}{
		{"the kernel measured it", unix.TCPInfo{Rtt: 250}, 250 * time.Microsecond},
		{"the kernel measured nothing (gVisor, before there is data)", unix.TCPInfo{}, 5 * time.Second},
		{"a SYN was sent again", unix.TCPInfo{Rtt: 250, Total_retrans: 1, Last_ack_recv: 2000}, 3 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			assert.Equal(t, test.want, handshakeTime(&test.info, 5*time.Second))
		})
	}
}

// extended returns a control message as recvmsg(2) gives it for an error queue.
func extended(level, kind int32, origin, icmpType, code uint8, sockaddr []byte) []byte {
	errorData := []byte{113, 0, 0, 0, origin, icmpType, code, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	data := slices.Concat(errorData, sockaddr)
	header := make([]byte, unix.CmsgLen(0))
	binary.NativeEndian.PutUint64(header, uint64(unix.CmsgLen(len(data)))) //nolint:gosec // as 64-bit systems have it
	binary.NativeEndian.PutUint32(header[8:], uint32(level))
	binary.NativeEndian.PutUint32(header[12:], uint32(kind))
	return append(header, append(data, make([]byte, unix.CmsgSpace(len(data))-unix.CmsgLen(len(data)))...)...)
}

func TestParseICMP(t *testing.T) {
	family := func(f uint16) []byte { return binary.NativeEndian.AppendUint16(nil, f) }
	in := slices.Concat(family(unix.AF_INET), []byte{0, 0, 192, 0, 2, 9, 0, 0, 0, 0, 0, 0, 0, 0})
	in6 := slices.Concat(family(unix.AF_INET6), make([]byte, 6), netip.MustParseAddr("2001:db8::9").AsSlice(), make([]byte, 4))
	for _, test := range []struct {
		name    string
		control []byte
		want    *icmpError
	}{
		{
			"IPv4", extended(unix.IPPROTO_IP, unix.IP_RECVERR, unix.SO_EE_ORIGIN_ICMP, 3, 13, in),
			&icmpError{family: check.IPv4, kind: 3, code: 13, sender: netip.MustParseAddr("192.0.2.9")},
		},
		{
			"IPv6", extended(unix.IPPROTO_IPV6, unix.IPV6_RECVERR, unix.SO_EE_ORIGIN_ICMP6, 1, 1, in6),
			&icmpError{family: check.IPv6, kind: 1, code: 1, sender: netip.MustParseAddr("2001:db8::9")},
		},
		{
			"without a sender", extended(unix.IPPROTO_IP, unix.IP_RECVERR, unix.SO_EE_ORIGIN_ICMP, 3, 1, family(unix.AF_UNSPEC)),
			&icmpError{family: check.IPv4, kind: 3, code: 1},
		},
		{"an error of this machine's own", extended(unix.IPPROTO_IP, unix.IP_RECVERR, unix.SO_EE_ORIGIN_LOCAL, 0, 0, in), nil},
		{"another message", extended(unix.IPPROTO_IP, unix.IP_TTL, unix.SO_EE_ORIGIN_ICMP, 3, 13, in), nil},
		{"cut short", extended(unix.IPPROTO_IP, unix.IP_RECVERR, unix.SO_EE_ORIGIN_ICMP, 3, 13, in)[:20], nil},
		{"none", nil, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			assert.Equal(t, test.want, parseICMP(test.control))
		})
	}
}

// The ICMP errors of an attempt are kept from its SYN on, unless the last one had its
// answer at once.
func TestHeedICMP(t *testing.T) {
	dial := func(address netip.AddrPort) *linuxDialer {
		d, ok := newDialers()(address, time.Minute).(*linuxDialer)
		require.True(t, ok)
		assert.True(t, d.heed, "the first attempt")
		_, err := d.begin()
		if errors.Is(err, errPending) {
			require.NoError(t, unix.Close(d.fd))
		}
		return d
	}
	assert.False(t, dial(testnet.Listen(t, "tcp4", "127.0.0.1:0")).heed, "it connects at once")
	assert.False(t, dial(testnet.ClosedPort(t, "127.0.0.1")).heed, "it refuses at once")
	assert.True(t, dial(testnet.BlackHole(t)).heed, "its answer is awaited")
	assert.True(t, dial(netip.MustParseAddrPort("[fe80::1%lo]:9")).heed, "it fails at once")
}
