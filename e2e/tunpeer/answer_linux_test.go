package tunpeer

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// enough is a timeout for what is expected to succeed or to be refused.
const enough = 10 * time.Second

func requireTimeout(t *testing.T, err error) {
	t.Helper()
	var netErr net.Error
	require.ErrorAs(t, err, &netErr)
	require.True(t, netErr.Timeout(), err)
}

func TestAcceptAtOnce(t *testing.T) {
	peer := openPeer(t)
	for _, family := range families {
		t.Run(family.name, func(t *testing.T) {
			peer.ResetHandshakes()
			conn, elapsed, err := dial(family.addr, enough)
			require.NoError(t, err)
			defer conn.Close()

			handshakes := peer.Handshakes()
			require.Len(t, handshakes, 1)
			assert.Equal(t, conn.LocalAddr().String(), handshakes[0].Client.String())
			assert.Equal(t, family.addr, handshakes[0].Peer)
			assert.Equal(t, 1, handshakes[0].SYNs)
			assert.LessOrEqual(t, handshakes[0].Delay, elapsed)

			peer.ResetHandshakes()
			assert.Empty(t, peer.Handshakes())
		})
	}
}

func TestAcceptAfterDelay(t *testing.T) {
	const delay = 20 * time.Millisecond
	peer := openPeer(t)
	for _, family := range families {
		t.Run(family.name, func(t *testing.T) {
			peer.ResetHandshakes()
			peer.Set(family.addr, Behaviour{Delay: delay})
			conn, elapsed, err := dial(family.addr, enough)
			require.NoError(t, err)
			defer conn.Close()

			handshakes := peer.Handshakes()
			require.Len(t, handshakes, 1)
			assert.GreaterOrEqual(t, handshakes[0].Delay, delay)
			assert.InEpsilon(t, delay, handshakes[0].Delay, 0.2)
			assert.LessOrEqual(t, handshakes[0].Delay, elapsed)
		})
	}
}

func TestRefuse(t *testing.T) {
	peer := openPeer(t)
	for _, family := range families {
		t.Run(family.name, func(t *testing.T) {
			peer.Set(family.addr, Behaviour{Answer: Refuse})
			_, _, err := dial(family.addr, enough)
			require.ErrorIs(t, err, unix.ECONNREFUSED)
		})
	}
	assert.Empty(t, peer.Handshakes())
}

func TestSilence(t *testing.T) {
	const timeout = 50 * time.Millisecond
	peer := openPeer(t)
	peer.SetDefault(Behaviour{Answer: Silence})
	for _, family := range families {
		t.Run(family.name, func(t *testing.T) {
			_, elapsed, err := dial(family.addr, timeout)
			requireTimeout(t, err)
			assert.GreaterOrEqual(t, elapsed, timeout)
		})
	}
	assert.Empty(t, peer.Handshakes())
}

func TestFirstSYNLost(t *testing.T) {
	peer := openPeer(t)
	for _, family := range families {
		t.Run(family.name, func(t *testing.T) {
			peer.ResetHandshakes()
			peer.Set(family.addr, Behaviour{LoseSYNs: 1})
			conn, elapsed, err := dial(family.addr, enough)
			require.NoError(t, err)
			defer conn.Close()
			// The first retransmission timeout, RFC 6298, section 2.
			assert.InEpsilon(t, time.Second, elapsed, 0.2)

			handshakes := peer.Handshakes()
			require.Len(t, handshakes, 1)
			assert.Equal(t, 2, handshakes[0].SYNs)
			assert.Less(t, handshakes[0].Delay, time.Second/2, "from the SYN that was answered")
		})
	}
}

func TestSetGoesBeforeDefault(t *testing.T) {
	peer := openPeer(t)
	addr := families[0].addr
	peer.SetDefault(Behaviour{Answer: Refuse})
	_, _, err := dial(addr, enough)
	require.ErrorIs(t, err, unix.ECONNREFUSED)

	peer.Set(addr, Behaviour{})
	conn, _, err := dial(addr, enough)
	require.NoError(t, err)
	require.NoError(t, conn.Close())
}

// TestEveryOtherAddress connects to the addresses of the prefix that a subnet
// usually keeps to itself.
func TestEveryOtherAddress(t *testing.T) {
	openPeer(t)
	for _, addr := range []string{"10.9.0.0", "10.9.255.255", "fd00:9::", "fd00:9::ffff:ffff:ffff:ffff"} {
		t.Run(addr, func(t *testing.T) {
			conn, _, err := dial(addrPort(addr, 65535), enough)
			require.NoError(t, err)
			require.NoError(t, conn.Close())
		})
	}
}
