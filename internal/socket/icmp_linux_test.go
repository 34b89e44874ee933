package socket

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/testnet"
)

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
		want    *ICMPError
	}{
		{
			"IPv4", extended(unix.IPPROTO_IP, unix.IP_RECVERR, unix.SO_EE_ORIGIN_ICMP, 3, 13, in),
			&ICMPError{Family: check.IPv4, Type: 3, Code: 13, Sender: netip.MustParseAddr("192.0.2.9")},
		},
		{
			"IPv6", extended(unix.IPPROTO_IPV6, unix.IPV6_RECVERR, unix.SO_EE_ORIGIN_ICMP6, 1, 1, in6),
			&ICMPError{Family: check.IPv6, Type: 1, Code: 1, Sender: netip.MustParseAddr("2001:db8::9")},
		},
		{
			"without a sender", extended(unix.IPPROTO_IP, unix.IP_RECVERR, unix.SO_EE_ORIGIN_ICMP, 3, 1, family(unix.AF_UNSPEC)),
			&ICMPError{Family: check.IPv4, Type: 3, Code: 1},
		},
		{
			"nothing but the error", extended(unix.IPPROTO_IP, unix.IP_RECVERR, unix.SO_EE_ORIGIN_ICMP, 3, 1, nil),
			&ICMPError{Family: check.IPv4, Type: 3, Code: 1},
		},
		{"an error of another origin, IPv6", extended(unix.IPPROTO_IPV6, unix.IPV6_RECVERR, unix.SO_EE_ORIGIN_LOCAL, 1, 1, in6), nil},
		{"another message, IPv6", extended(unix.IPPROTO_IPV6, unix.IPV6_HOPLIMIT, unix.SO_EE_ORIGIN_ICMP6, 1, 1, in6), nil},
		{"a message of another protocol", extended(unix.SOL_SOCKET, unix.IP_RECVERR, unix.SO_EE_ORIGIN_ICMP, 3, 13, in), nil},
		{"a message of another protocol, IPv6", extended(unix.SOL_SOCKET, unix.IPV6_RECVERR, unix.SO_EE_ORIGIN_ICMP6, 1, 1, in6), nil},
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

func TestParseSockaddr(t *testing.T) {
	in := func(family uint16, size int) []byte {
		b := binary.NativeEndian.AppendUint16(nil, family)
		for n := len(b); n < size; n++ {
			b = append(b, byte(n))
		}
		return b
	}
	for _, test := range []struct {
		name string
		b    []byte
		want netip.Addr
	}{
		{"nothing", nil, netip.Addr{}},
		{"IPv4", in(unix.AF_INET, 8), netip.AddrFrom4([4]byte{4, 5, 6, 7})},
		{"IPv4, cut short", in(unix.AF_INET, 7), netip.Addr{}},
		{"IPv6", in(unix.AF_INET6, 24), netip.AddrFrom16([16]byte{8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23})},
		{"IPv6, cut short", in(unix.AF_INET6, 23), netip.Addr{}},
		{"another family", in(unix.AF_UNIX, 24), netip.Addr{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			assert.Equal(t, test.want, parseSockaddr(test.b))
		})
	}
}

// The error queue has the error of a UDP socket whose peer has no such port. That of a TCP socket is the same.
func TestReadICMP(t *testing.T) {
	for _, test := range []struct {
		host string
		want ICMPError
	}{
		{"127.0.0.1", ICMPError{Family: check.IPv4, Type: 3, Code: 3, Sender: netip.MustParseAddr("127.0.0.1")}},
		{"::1", ICMPError{Family: check.IPv6, Type: 1, Code: 4, Sender: netip.MustParseAddr("::1")}},
	} {
		t.Run(test.host, func(t *testing.T) {
			sockaddr, domain, err := Sockaddr(testnet.ClosedPort(t, test.host))
			require.NoError(t, err)
			fd, err := unix.Socket(domain, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
			require.NoError(t, err)
			defer func() { _ = unix.Close(fd) }()
			HeedICMP(fd, domain)
			assert.Nil(t, ReadICMP(fd))
			require.NoError(t, unix.Connect(fd, sockaddr))
			_, err = unix.Write(fd, []byte{0})
			require.NoError(t, err)
			polled := []unix.PollFd{{Fd: int32(fd)}} // for POLLERR, as the error queue gives it
			for err = unix.EINTR; errors.Is(err, unix.EINTR); {
				_, err = unix.Poll(polled, -1)
			}
			require.NoError(t, err)
			assert.Equal(t, &test.want, ReadICMP(fd))
			assert.Nil(t, ReadICMP(fd), "it has been read")
		})
	}
}

func TestRelease(t *testing.T) {
	for release, want := range map[string]bool{
		"6.0.0": true, "6.18.44": true, "10.1": true, "7": true,
		"5.14.0-503.el9.x86_64": false, "5.15.0-139-generic": false, "4.18.0": false, "4.4.0": false, "": false, "new": false,
	} {
		assert.Equal(t, want, isRecent(release), "%q", release)
	}
}

func TestKeepsICMP(t *testing.T) {
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	require.NoError(t, err)
	assert.Equal(t, isRecent(string(release)), KeepsICMP())
}
