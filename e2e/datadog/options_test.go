package datadog

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/e2e/harness"
	"example.com/tcpcheckreceiver/internal/testnet"
)

// Every option of tcp_check, written as there.
func TestOptions(t *testing.T) {
	up := testnet.Listen(t, "tcp", "[::]:0").Port()
	silent := testnet.BlackHole(t)
	in, _ := startWithHosts(t, bothHosts+"127.0.0.2 many.test\n127.0.0.3 many.test\n", fmt.Sprintf(`
collection_interval: 1s
init_config:
  service: payments
instances:
  - {name: as short as can be, host: both.test, port: %[1]d}
  - {name: response time, host: both.test, port: %[1]d, collect_response_time: true}
  - {name: short timeout, host: %[2]q, port: %[3]d, timeout: 0.5}
  - {name: long timeout, host: %[2]q, port: %[3]d, timeout: 7200, min_collection_interval: 7200}
  - {name: IPv4 only, host: both.test, port: %[1]d, ipv4_only: true}
  - {name: every address, host: many.test, port: %[1]d, multiple_ips: true}
  - {name: first address, host: many.test, port: %[1]d}
  - {name: service, host: both.test, port: %[1]d, service: checkout}
  - {name: seldom, host: both.test, port: %[1]d, min_collection_interval: 3600}
  - {name: no host, host: both.test, port: %[1]d, empty_default_hostname: true}
  - name: tagged
    host: both.test
    port: %[1]d
    collect_response_time: true
    tags:
      - env:prod
      - doc:http://wiki/page
      - critical
      - team:web
      - team:shop
    disable_generic_tags: true
  - name: patterns
    host: both.test
    port: %[1]d
    collect_response_time: true
    metric_patterns:
      include:
        - ^network\.tcp\.
      exclude:
        - response_time$
`, up, silent.Addr(), silent.Port()))
	short := in.await(canConnect, "as short as can be", 2)
	port := fmt.Sprint(up)

	t.Run("name", func(t *testing.T) {
		assert.Equal(t, "as_short_as_can_be", short[0].tags["instance"])
		assert.Equal(t, "as short as can be", short[0].tags["tcpcheck.instance"])
	})
	t.Run("host", has(short, "target_host", "both.test"))
	t.Run("port", has(short, "port", port))
	t.Run("timeout", func(t *testing.T) {
		assert.Equal(t, []string{"timeout"}, values(in.await(failures, "short timeout", 2), "error.type"))
		assert.Zero(t, in.await(canConnect, "short timeout", 1)[0].value)
		assert.Empty(t, of(in.arrived(canConnect, failures), "long timeout"), "it waits for two hours")
	})
	t.Run("collect_response_time", func(t *testing.T) {
		for _, p := range in.await(responseTime, "response time", 2) {
			assert.Positive(t, p.value)
		}
		assert.Empty(t, of(in.arrived(responseTime), "as short as can be"))
	})
	t.Run("ipv4_only", func(t *testing.T) {
		assert.Equal(t, []string{"ipv4"}, values(in.await(canConnect, "IPv4 only", 2), "network.type"))
		assert.Equal(t, []string{"ipv4", "ipv6"}, values(short, "network.type"))
	})
	t.Run("multiple_ips", func(t *testing.T) {
		assert.Equal(t, []string{"127.0.0.2", "127.0.0.3"}, values(in.await(canConnect, "every address", 4), "address"))
		assert.Len(t, values(in.await(canConnect, "first address", 2), "address"), 1)
	})
	t.Run("tags", func(t *testing.T) {
		in.await(responseTime, "tagged", 1)
		tagged := of(in.arrived(canConnect, responseTime), "tagged")
		assert.Equal(t, []string{"prod"}, values(tagged, "env"))
		assert.Equal(t, []string{"http://wiki/page"}, values(tagged, "doc"))
		assert.Equal(t, []string{"true"}, values(tagged, "critical"))
		assert.Equal(t, []string{"web"}, values(tagged, "team"))
		assert.Equal(t, []string{"shop"}, values(tagged, "team_2"))
	})
	t.Run("service", func(t *testing.T) {
		assert.Equal(t, []string{"checkout"}, values(in.await(canConnect, "service", 1), "service"))
	})
	t.Run("init_config.service", has(short, "service", "payments"))
	t.Run("min_collection_interval", func(t *testing.T) {
		// One check at the start, of both addresses, and none while others have many.
		in.await(canConnect, "as short as can be", 8)
		assert.Len(t, in.await(canConnect, "seldom", 2), 2)
	})
	t.Run("empty_default_hostname", func(t *testing.T) {
		for _, p := range in.await(canConnect, "no host", 2) {
			assert.Empty(t, p.hosts)
		}
		for _, p := range short {
			assert.Equal(t, []string{hostname}, p.hosts)
		}
	})
	t.Run("metric_patterns", func(t *testing.T) {
		in.await(canConnect, "patterns", 2)
		assert.Empty(t, of(in.arrived(responseTime), "patterns"))
	})
}

// moved says that a check has gone to the new address of TestIPCacheDuration.
func moved(points []point) bool { return slices.Contains(values(points, "address"), "127.0.0.3") }

// A name moves to another address, and the old one still answers.
func TestIPCacheDuration(t *testing.T) {
	port := testnet.Listen(t, "tcp4", "0.0.0.0:0").Port()
	in, hosts := startWithHosts(t, "127.0.0.2 moves.test\n", fmt.Sprintf(`
collection_interval: 1s
instances:
  - {name: every time, host: moves.test, port: %[1]d, ip_cache_duration: 0}
  - {name: a second, host: moves.test, port: %[1]d, ip_cache_duration: 1}
  - {name: until an error, host: moves.test, port: %[1]d}
`, port))
	in.await(canConnect, "until an error", 1)
	harness.Write(t, hosts, "127.0.0.3 moves.test\n")
	in.awaitThat(canConnect, "every time", moved)
	in.awaitThat(canConnect, "a second", moved)
	assert.Equal(t, []string{"127.0.0.2"}, values(of(in.arrived(canConnect), "until an error"), "address"))
}

// Addresses that still connect are not used for ever.
func TestMaxIPCacheDuration(t *testing.T) {
	port := testnet.Listen(t, "tcp4", "0.0.0.0:0").Port()
	in, hosts := startWithHosts(t, "127.0.0.2 moves.test\n", fmt.Sprintf(`
collection_interval: 1s
max_ip_cache_duration: 1s
instances: [{name: until an error, host: moves.test, port: %d}]
`, port))
	in.await(canConnect, "until an error", 1)
	harness.Write(t, hosts, "127.0.0.3 moves.test\n")
	in.awaitThat(canConnect, "until an error", moved)
}

// A configuration of tcp_check with every option filled in and commented can be
// pasted.
func TestPastedInstances(t *testing.T) {
	requireAgentsFile(t, func(file string) string { return file })
}

// The file may also stay where it is.
func TestInstancesFile(t *testing.T) {
	requireAgentsFile(t, func(file string) string {
		path := filepath.Join(t.TempDir(), "conf.yaml")
		harness.Write(t, path, file)
		return "instances: []\ninstances_file: " + path
	})
}

// requireAgentsFile requires the receiver to check what a file of tcp_check says,
// with the options that are made of its text.
func requireAgentsFile(t *testing.T, options func(file string) string) {
	t.Helper()
	in := newIntake(t)
	file := harness.Read(t, "../../testdata/tcp_check.yaml")
	require.Contains(t, file, "port: 22\n")
	up := testnet.Listen(t, "tcp6", "[::1]:0").Port()
	start(t, in, options(strings.ReplaceAll(file, "port: 22\n", fmt.Sprintf("port: %d\n", up))))
	p := in.await(canConnect, "My second service", 1)[0]
	assert.InDelta(t, 1, p.value, 0)
	assert.Equal(t, "payments", p.tags["service"])
}

// A mistake is said with its place, and nothing starts.
func TestMistake(t *testing.T) {
	in := newIntake(t)
	output, err := command(t, in, `
instances:
  - {name: right, host: 127.0.0.1, port: 22}
  - {name: wrong, host: 127.0.0.1, port: 70000}
`).CombinedOutput()
	require.Error(t, err)
	assert.Contains(t, string(output), "instances[1] \"wrong\" .port: 70000 is not between 1 and 65535")
	assert.Empty(t, in.arrived(canConnect))
}
