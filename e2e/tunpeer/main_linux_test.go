package tunpeer

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// modeEnv has the test binary run one of modes instead of the tests.
const modeEnv = "TUNPEER_TEST_MODE"

// modes are programs, for the tests of InNamespace.
var modes = map[string]func() int{
	"status": func() int { return 3 },
	"killed": func() int {
		_ = unix.Kill(unix.Getpid(), unix.SIGKILL)
		select {}
	},
	"terminated": func() int {
		signals := make(chan os.Signal, 1)
		signal.Notify(signals, unix.SIGTERM)
		fmt.Println("ready")
		<-signals
		return 4
	},
	"describe": func() int {
		namespace, err := os.Readlink("/proc/self/ns/net")
		if err != nil {
			return namespaceFailed(err)
		}
		fmt.Println(namespace)
		loopback, err := net.InterfaceByName("lo")
		if err != nil {
			return namespaceFailed(err)
		}
		fmt.Println(loopback.Flags&net.FlagUp != 0)
		fmt.Println(Available())
		return 0
	},
}

func TestMain(m *testing.M) {
	run := m.Run
	if mode, ok := modes[os.Getenv(modeEnv)]; ok {
		run = mode
	}
	os.Exit(InNamespace(run))
}

var (
	prefix4 = netip.MustParsePrefix("10.9.0.0/16")
	prefix6 = netip.MustParsePrefix("fd00:9::/64")
)

// families are an address of the peer of each family.
var families = []struct {
	name string
	addr netip.AddrPort
}{
	{"IPv4", netip.MustParseAddrPort("10.9.0.2:80")},
	{"IPv6", netip.MustParseAddrPort("[fd00:9::2]:80")},
}

// openPeer opens a peer on prefix4 and prefix6 for the time of a test.
func openPeer(t testing.TB) *Peer {
	t.Helper()
	Require(t)
	peer, err := Open("peer%d", prefix4, prefix6)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, peer.Close()) })
	return peer
}

// dial connects to the peer and tells how long that took.
func dial(addr netip.AddrPort, timeout time.Duration) (*net.TCPConn, time.Duration, error) {
	start := time.Now()
	conn, err := net.DialTimeout("tcp", addr.String(), timeout)
	elapsed := time.Since(start)
	if err != nil {
		return nil, elapsed, err
	}
	return conn.(*net.TCPConn), elapsed, nil
}
