package socket

import (
	"net"
	"net/netip"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestZoneIndex(t *testing.T) {
	interfaces, err := net.Interfaces()
	require.NoError(t, err)
	require.NotEmpty(t, interfaces)
	first := interfaces[0]
	for zone, want := range map[string]uint32{"": 0, first.Name: uint32(first.Index), strconv.Itoa(first.Index): uint32(first.Index)} {
		index, err := ZoneIndex(netip.MustParseAddr("fe80::1").WithZone(zone))
		require.NoError(t, err)
		assert.Equal(t, want, index, "%q", zone)
	}
	for _, zone := range []string{"nosuchif", "0", "2147483648", "-1"} {
		_, err = ZoneIndex(netip.MustParseAddr("fe80::1").WithZone(zone))
		var unknown *UnknownZoneError
		require.ErrorAs(t, err, &unknown, "%q", zone)
		var noInterface *net.OpError
		assert.ErrorAs(t, err, &noInterface, "%q: the reason is kept", zone)
	}
}
