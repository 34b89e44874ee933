package tunpeer

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestOpenConfiguresDevice(t *testing.T) {
	Require(t)
	peer, err := Open("configured", prefix4, prefix6)
	require.NoError(t, err)
	device, err := net.InterfaceByName("configured")
	require.NoError(t, err)
	assert.Equal(t, 1500, device.MTU)
	assert.NotZero(t, device.Flags&net.FlagUp)
	addrs, err := device.Addrs()
	require.NoError(t, err)
	var texts []string
	for _, addr := range addrs {
		texts = append(texts, addr.String())
	}
	assert.Contains(t, texts, "10.9.0.1/32")
	assert.Contains(t, texts, "fd00:9::1/128")

	require.NoError(t, peer.Close())
	_, err = net.InterfaceByName("configured")
	require.Error(t, err, "removed")
	require.NoError(t, peer.Close(), "once more")
	peer.SetDefault(Behaviour{})
	assert.Empty(t, peer.Handshakes())
}

func TestOpenErrors(t *testing.T) {
	Require(t)
	tests := []struct {
		name   string
		device string
		prefix netip.Prefix
	}{
		{"name too long", "sixteen-bytes-..", prefix4},
		{"name taken", "lo", prefix4},
		{"no prefix", "peer%d", netip.Prefix{}},
		{"two addresses", "peer%d", netip.MustParsePrefix("10.9.0.0/31")},
		{"IPv4-mapped", "peer%d", netip.MustParsePrefix("::ffff:10.9.0.0/112")},
		{"multicast", "peer%d", netip.MustParsePrefix("ff02::/64")},
	}
	before, err := net.Interfaces()
	require.NoError(t, err)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Open(tt.device, tt.prefix)
			require.ErrorContains(t, err, "tunpeer: ")
		})
	}
	after, err := net.Interfaces()
	require.NoError(t, err)
	assert.Len(t, after, len(before))
}

func TestCloseTellsFailure(t *testing.T) {
	Require(t)
	peer, err := Open("lost", prefix4)
	require.NoError(t, err)
	_, err = ip("link", "del", "lost")
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		_, err := peer.process.do(request{Op: opHandshakes})
		return err != nil
	}, enough, time.Millisecond)
	require.ErrorContains(t, peer.Close(), "read packet")
	require.ErrorContains(t, peer.Close(), "read packet", "once more")
}

func TestTwoPeers(t *testing.T) {
	openPeer(t)
	other, err := Open("peer%d", netip.MustParsePrefix("10.10.0.0/24"))
	require.NoError(t, err)
	defer func() { require.NoError(t, other.Close()) }()
	conn, _, err := dial(addrPort("10.10.0.2", 80), enough)
	require.NoError(t, err)
	defer conn.Close()
	assert.Len(t, other.Handshakes(), 1)
}
