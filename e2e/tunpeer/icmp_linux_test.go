package tunpeer

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func addrPort(addr string, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr(addr), port)
}

// TestICMPError has what a connect of Linux (seen with 6.18) makes of each ICMP
// error. There is nothing soft about the ones that tell of an unreachable
// destination: they end the attempt with the first SYN, without waiting for any
// retransmission. The ones with a want of 0 do not end it at all.
func TestICMPError(t *testing.T) {
	addr4, addr6 := families[0].addr, families[1].addr
	tests := []struct {
		name     string
		addr     netip.AddrPort
		icmpType uint8
		icmpCode uint8
		want     unix.Errno
	}{
		{"IPv4 network unreachable", addr4, 3, 0, unix.ENETUNREACH},
		{"IPv4 host unreachable", addr4, 3, 1, unix.EHOSTUNREACH},
		{"IPv4 protocol unreachable", addr4, 3, 2, unix.ENOPROTOOPT},
		{"IPv4 port unreachable", addr4, 3, 3, unix.ECONNREFUSED},
		{"IPv4 fragmentation needed", addr4, 3, 4, 0},
		{"IPv4 source route failed", addr4, 3, 5, unix.EOPNOTSUPP},
		{"IPv4 network unknown", addr4, 3, 6, unix.ENETUNREACH},
		{"IPv4 host unknown", addr4, 3, 7, unix.EHOSTDOWN},
		{"IPv4 host isolated", addr4, 3, 8, unix.ENONET},
		{"IPv4 network prohibited", addr4, 3, 9, unix.ENETUNREACH},
		{"IPv4 host prohibited", addr4, 3, 10, unix.EHOSTUNREACH},
		{"IPv4 network unreachable for service", addr4, 3, 11, unix.ENETUNREACH},
		{"IPv4 host unreachable for service", addr4, 3, 12, unix.EHOSTUNREACH},
		{"IPv4 communication prohibited", addr4, 3, 13, unix.EHOSTUNREACH},
		{"IPv4 host precedence violation", addr4, 3, 14, unix.EHOSTUNREACH},
		{"IPv4 precedence cutoff", addr4, 3, 15, unix.EHOSTUNREACH},
		{"IPv4 source quench", addr4, 4, 0, 0},
		{"IPv4 redirect", addr4, 5, 0, 0},
		{"IPv4 hop limit exceeded", addr4, 11, 0, unix.EHOSTUNREACH},
		{"IPv4 reassembly time exceeded", addr4, 11, 1, 0},
		{"IPv4 parameter problem", addr4, 12, 0, unix.EPROTO},
		{"IPv6 no route", addr6, 1, 0, unix.ENETUNREACH},
		{"IPv6 communication prohibited", addr6, 1, 1, unix.EACCES},
		{"IPv6 beyond scope", addr6, 1, 2, unix.EHOSTUNREACH},
		{"IPv6 address unreachable", addr6, 1, 3, unix.EHOSTUNREACH},
		{"IPv6 port unreachable", addr6, 1, 4, unix.ECONNREFUSED},
		{"IPv6 source address failed policy", addr6, 1, 5, unix.EACCES},
		{"IPv6 reject route", addr6, 1, 6, unix.EACCES},
		{"IPv6 source routing header error", addr6, 1, 7, unix.EPROTO},
		{"IPv6 packet too big", addr6, 2, 0, 0},
		{"IPv6 hop limit exceeded", addr6, 3, 0, unix.EHOSTUNREACH},
		{"IPv6 reassembly time exceeded", addr6, 3, 1, unix.EHOSTUNREACH},
		{"IPv6 parameter problem", addr6, 4, 0, unix.EPROTO},
	}
	peer := openPeer(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			peer.Set(tt.addr, Behaviour{
				Answer:   ICMPError,
				ICMPType: tt.icmpType,
				ICMPCode: tt.icmpCode,
				Delay:    5 * time.Millisecond,
			})
			if tt.want == 0 {
				_, _, err := dial(tt.addr, 100*time.Millisecond)
				requireTimeout(t, err)
				return
			}
			_, elapsed, err := dial(tt.addr, enough)
			require.ErrorIs(t, err, tt.want)
			assert.Less(t, elapsed, time.Second, "without a retransmission")
		})
	}
	assert.Empty(t, peer.Handshakes())
}
