package e2e

import (
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/e2e/harness"
)

// A check begins for every port that begins to listen, and ends when it is closed,
// as does what the page says of it.
func TestDiscovery(t *testing.T) {
	needs(t, "receivercreator")
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

// needs skips a test in a distribution that does not have a component, which is the last part of
// the name of its module.
func needs(t *testing.T, component string) {
	t.Helper()
	components, err := exec.Command(binary(t), "components").Output()
	require.NoError(t, err)
	if !strings.Contains(string(components), "/"+component+" ") {
		t.Skipf("the distribution has no %s; run the test by make compat", component)
	}
}

// Every port that begins to listen is checked, until it is closed, by one receiver that is
// never started anew.
func TestObservers(t *testing.T) {
	needs(t, "hostobserver")
	machine := harness.NewMachine(t)
	command := machine.Command(binary(t), "--config", "../examples/observers.yaml")
	command.Env = append(os.Environ(), "DISCOVERY_INTERVAL=1s", "CHECK_INTERVAL=1h")
	c := harness.Start(t, command, harness.CollectorReady)
	page := func() (harness.Page, error) { return machine.ReadPage("127.0.0.1:9464") }
	process := "process=" + filepath.Base(os.Args[0]) + " "
	listen := func(address string) net.Listener { return machine.Listen("tcp", address) }
	of := func(port uint16, address, family string) string {
		return strings.Replace(series(fmt.Sprintf("port %d", port), address, family, address, port), "server_address", process+"server_address", 1)
	}
	first, second := listen("127.0.0.1:7001"), listen("[::1]:7002")
	all := []string{of(7001, "127.0.0.1", "ipv4"), of(7002, "::1", "ipv6"), of(7003, "127.0.0.1", "ipv4")}
	awaitConnected(t, page, all[:2])
	require.NoError(t, second.Close())
	listen("127.0.0.1:7003")
	awaitConnected(t, page, []string{all[0], all[2]})

	// The first one stayed what it was: it was not checked again in this hour.
	require.NoError(t, first.Close())
	awaitConnected(t, page, all[2:])
	assert.Contains(t, c.Output(), "the list of targets has changed: 1 added, 0 changed, 1 removed, 2 in all")
	read, err := page()
	require.NoError(t, err)
	assert.Empty(t, read.Values("tcpcheck_errors_total"))
}

// What receiver_creator finds may be the receiver's endpoint, as in annotations of pods, which have
// no other way to say it.
func TestFoundEndpoint(t *testing.T) {
	needs(t, "receivercreator")
	machine := harness.NewMachine(t)
	config := filepath.Join(t.TempDir(), "collector.yaml")
	text := harness.Read(t, "../examples/discovery.yaml")
	from, to := strings.Index(text, "          instances:"), strings.Index(text, "exporters:")
	harness.Write(t, config, text[:from]+"          endpoint: '`endpoint`'\n          defaults: {name: 'port `port`', collect_response_time: true}\n\n"+text[to:])
	command := machine.Command(binary(t), "--config", config)
	command.Env = append(os.Environ(), "DISCOVERY_INTERVAL=1s", "CHECK_INTERVAL=1s")
	c := harness.Start(t, command, harness.CollectorReady)
	machine.Listen("tcp", "127.0.0.1:7001")
	awaitConnected(t, func() (harness.Page, error) { return machine.ReadPage("127.0.0.1:9464") }, []string{series("port 7001", "127.0.0.1", "ipv4", "127.0.0.1", 7001)})
	assert.Equal(t, 1, strings.Count(c.Output(), "starting receiver"), "a found port starts one check")
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
