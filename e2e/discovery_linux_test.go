package e2e

import (
	"maps"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/e2e/harness"
)

// A check begins for every port that begins to listen, and ends when it is closed,
// as does what the page says of it.
func TestDiscovery(t *testing.T) {
	components, err := exec.Command(binary(t), "components").Output()
	require.NoError(t, err)
	if !strings.Contains(string(components), "receiver_creator") {
		t.Skip("the distribution has no receiver_creator; run the test by make compat")
	}
	machine := harness.NewMachine(t)
	command := machine.Command(binary(t), "--config", "../examples/discovery.yaml")
	command.Env = append(os.Environ(), "DISCOVERY_INTERVAL=1s", "CHECK_INTERVAL=1s", "DISCOVERY_RETENTION=5s")
	c := harness.Start(t, command, harness.CollectorReady)
	page := func() (harness.Page, error) { return machine.ReadPage("127.0.0.1:9464") }

	listeners := make(map[string]net.Listener)
	for _, listen := range []struct{ network, address, found string }{
		{"tcp4", "127.0.0.1:7001", "127.0.0.1:7001"},
		{"tcp6", "[::1]:7002", "[::1]:7002"},
		{"tcp4", "0.0.0.0:7003", "127.0.0.1:7003"},
		{"tcp", "[::]:7004", "[::]:7004"},
	} {
		listeners[listen.address] = machine.Listen(listen.network, listen.address)
		c.Await("starting receiver", listen.found)
	}
	all := []string{
		series("port 7001", "127.0.0.1", "ipv4", "127.0.0.1", 7001), series("port 7002", "::1", "ipv6", "::1", 7002),
		series("port 7003", "127.0.0.1", "ipv4", "127.0.0.1", 7003), series("port 7004", "::1", "ipv6", "::1", 7004),
	}
	awaitConnected(t, page, all)

	require.NoError(t, listeners["127.0.0.1:7001"].Close())
	require.NoError(t, listeners["[::]:7004"].Close())
	c.Await("stopping receiver", "127.0.0.1-7001-TCP")
	c.Await("stopping receiver", "[::]-7004-TCP")
	awaitConnected(t, page, all[1:3])

	machine.Listen("tcp", "127.0.0.1:7001")
	awaitConnected(t, page, all[:3])
	assert.NotContains(t, c.Output(), "failed to start receiver")
}

// awaitConnected returns once the page has these series of can_connect, all 1, and
// no other ones.
func awaitConnected(t *testing.T, page reader, want []string) {
	t.Helper()
	connected := make(map[string]float64)
	for _, series := range want {
		connected[series] = 1
	}
	page.await(t, func(page harness.Page) bool { return maps.Equal(page.Values(canConnect), connected) })
}
