package socket

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"example.com/tcpcheckreceiver/internal/check"
)

// The kernel has what was said.
func TestBind(t *testing.T) {
	for family, test := range map[check.Family]struct {
		domain, level, option int
		source                string
	}{
		check.IPv4: {unix.AF_INET, unix.IPPROTO_IP, unix.IP_TOS, "127.0.0.3"},
		check.IPv6: {unix.AF_INET6, unix.IPPROTO_IPV6, unix.IPV6_TCLASS, "::1"},
	} {
		t.Run(family.String(), func(t *testing.T) {
			fd, err := unix.Socket(test.domain, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
			if err != nil {
				t.Skipf("needs %s, which the kernel does not have: %v", family, err)
			}
			defer func() { _ = unix.Close(fd) }()
			require.NoError(t, Bind(uintptr(fd), family, nil))
			assert.True(t, LocalAddress(fd).Addr().IsUnspecified())
			err = Bind(uintptr(fd), family, &check.Outgoing{
				Sources: []netip.Addr{netip.MustParseAddr("127.0.0.3"), netip.MustParseAddr("::1")}, Interface: "lo", DSCP: 46,
			})
			if lacks := (check.LacksSourceError{}); family == check.IPv6 && errors.As(err, &lacks) {
				t.Skip("needs IPv6, which this machine does not have")
			}
			require.NoError(t, err)
			assert.Equal(t, netip.AddrPortFrom(netip.MustParseAddr(test.source), 0), LocalAddress(fd))
			class, err := unix.GetsockoptInt(fd, test.level, test.option)
			require.NoError(t, err)
			assert.Equal(t, 46<<2, class)
			device, err := unix.GetsockoptString(fd, unix.SOL_SOCKET, unix.SO_BINDTODEVICE)
			require.NoError(t, err)
			assert.Equal(t, "lo", device)
		})
	}
}
