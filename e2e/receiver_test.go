// Package e2e tests the receiver in a real collector.
package e2e

import (
	"fmt"
	"net/netip"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/e2e/harness"
	"example.com/tcpcheckreceiver/internal/testnet"
)

const (
	canConnect   = "network_tcp_can_connect"
	responseTime = "network_tcp_response_time_seconds"
	errorsTotal  = "tcpcheck_errors_total"
)

// A name that has both families in the hosts file.
func TestHostsFile(t *testing.T) {
	harness.RequireRoot(t, "mount a hosts file of its own")
	ipv4Only := testnet.Listen(t, "tcp4", "0.0.0.0:0").Port()
	both := testnet.Listen(t, "tcp", "[::]:0").Port()
	ipv6Only := testnet.Listen(t, "tcp6", "[::]:0").Port()
	neither := testnet.ClosedPort(t, "127.0.0.1").Port()
	config, page := pipeline(t, fmt.Sprintf(`
instances:
  - {name: bound to IPv4, host: localhost, port: %[1]d, collect_response_time: true}
  - {name: bound to both, host: localhost, port: %[2]d}
  - {name: bound to IPv6, host: localhost, port: %[3]d}
  - {name: bound to neither, host: localhost, port: %[4]d}
  - {name: IPv4 asked for, host: localhost, port: %[1]d, ipv4_only: true}
  - {name: IPv6 asked for, host: localhost, port: %[1]d, address_families: [ipv6]}
  - {name: name of one family, host: four.test, port: %[2]d}
  - {name: name of one family and both asked for, host: four.test, port: %[2]d, address_families: [ipv4, ipv6]}
  - {name: name of the other family, host: six.test, port: %[2]d}
`, ipv4Only, both, ipv6Only, neither))
	c := harness.Start(t, withHosts(t, "127.0.0.1 localhost four.test\n::1 localhost six.test\n", binary(t), "--config", config), harness.CollectorReady)

	found := page.awaitSeries(t, map[string]int{canConnect: 14, errorsTotal: 6, responseTime: 1})
	assert.Equal(t, map[string]float64{
		series("bound to IPv4", "localhost", "ipv4", "127.0.0.1", ipv4Only):                     1,
		series("bound to IPv4", "localhost", "ipv6", "::1", ipv4Only):                           0,
		series("bound to both", "localhost", "ipv4", "127.0.0.1", both):                         1,
		series("bound to both", "localhost", "ipv6", "::1", both):                               1,
		series("bound to IPv6", "localhost", "ipv4", "127.0.0.1", ipv6Only):                     0,
		series("bound to IPv6", "localhost", "ipv6", "::1", ipv6Only):                           1,
		series("bound to neither", "localhost", "ipv4", "127.0.0.1", neither):                   0,
		series("bound to neither", "localhost", "ipv6", "::1", neither):                         0,
		series("IPv4 asked for", "localhost", "ipv4", "127.0.0.1", ipv4Only):                    1,
		series("IPv6 asked for", "localhost", "ipv6", "::1", ipv4Only):                          0,
		series("name of one family", "four.test", "ipv4", "127.0.0.1", both):                    1,
		series("name of one family and both asked for", "four.test", "ipv4", "127.0.0.1", both): 1,
		series("name of one family and both asked for", "four.test", "ipv6", "", both):          0,
		series("name of the other family", "six.test", "ipv6", "::1", both):                     1,
	}, found.Values(canConnect))
	failure := func(errorType, family, host, instance string, port uint16) string {
		return fmt.Sprintf("{error_type=%s network_type=%s server_address=%s server_port=%d tcpcheck_instance=%s}", errorType, family, host, port, instance)
	}
	assert.Equal(t, map[string]float64{
		failure("connection_refused", "ipv6", "localhost", "bound to IPv4", ipv4Only):             1,
		failure("connection_refused", "ipv4", "localhost", "bound to IPv6", ipv6Only):             1,
		failure("connection_refused", "ipv4", "localhost", "bound to neither", neither):           1,
		failure("connection_refused", "ipv6", "localhost", "bound to neither", neither):           1,
		failure("connection_refused", "ipv6", "localhost", "IPv6 asked for", ipv4Only):            1,
		failure("no_address", "ipv6", "four.test", "name of one family and both asked for", both): 1,
	}, found.Values(errorsTotal))
	assert.Len(t, found.Of(responseTime), 1)

	c.Await(`cannot connect to "bound to IPv4" ([::1]:`, "over ipv6: connection refused", "127.0.0.1 together with ::1 is both")
	c.Await(`cannot connect to "bound to IPv6" (127.0.0.1:`, "over ipv4: connection refused", "::1 together with 127.0.0.1 is both")
}

// withHosts returns a command that runs in a mount namespace of its own, in which
// the hosts file has this text.
func withHosts(t *testing.T, text string, command ...string) *exec.Cmd {
	t.Helper()
	hosts := filepath.Join(t.TempDir(), "hosts")
	harness.Write(t, hosts, text)
	return harness.WithFile("/etc/hosts", hosts, command...)
}

// A check of ports 1000 and 2000 of localhost, as someone once pasted it.
func TestQiitaInstances(t *testing.T) {
	config, page := pipeline(t, harness.Read(t, "../testdata/qiita.yaml"))
	start(t, config)
	page.await(t, func(page harness.Page) bool {
		found := instances(page)
		return slices.Contains(found, "qiita-sample-ec2-1") && slices.Contains(found, "qiita-sample-ec2-2")
	})
}

// The options that come from the environment: a text keeps its digits, a number
// is one.
func TestEnvironment(t *testing.T) {
	up := testnet.Listen(t, "tcp4", "127.0.0.1:0")
	t.Setenv("TCPCHECK_NAME", "0123")
	t.Setenv("TCPCHECK_PORT", fmt.Sprint(up.Port()))
	t.Setenv("TCPCHECK_TIMEOUT", "10")
	config, page := pipeline(t, "instances: [{name: '${env:TCPCHECK_NAME}', host: 127.0.0.1, port: '${env:TCPCHECK_PORT}', timeout: '${env:TCPCHECK_TIMEOUT}'}]")
	start(t, config)
	assert.Equal(t, map[string]float64{series("0123", "127.0.0.1", "ipv4", "127.0.0.1", up.Port()): 1}, page.awaitResults(t, 1).Values(canConnect))
}

// Shutdown does not wait for a target that never answers.
func TestShutdownWithASilentTarget(t *testing.T) {
	silent := testnet.BlackHole(t)
	up := netip.AddrPortFrom(silent.Addr(), testnet.Listen(t, "tcp4", "127.0.0.1:0").Port())
	config, page := pipeline(t, fmt.Sprintf(`
collection_interval: 10s
initial_delay: 0
instances:
  - {name: silent, endpoint: %q, timeout: 10s}
  - {name: up, endpoint: %q, timeout: 1s, min_collection_interval: 1s}
`, silent, up))
	c := start(t, config)
	page.awaitResults(t, 1) // the other target's: the silent one's check is under way
	t.Logf("the process took %v to end, with a check under way whose timeout is 10s", c.Stop())
	assert.NotContains(t, c.Output(), "silent")
}

// The tags that are accepted leave every instance on the page.
func TestTagsOnThePage(t *testing.T) {
	port := testnet.Listen(t, "tcp4", "127.0.0.1:0").Port()
	config, page := pipeline(t, fmt.Sprintf(`
initial_delay: 0
instances:
  - {name: plain, host: 127.0.0.1, port: %[1]d, tags: ["env:prod", "team-a:x", "team.b:y"]}
  - {name: odd, host: 127.0.0.1, port: %[1]d, tags: ["_private:x", "1st:y", "a__b:z", "aé:u"]}
  - {name: resource, host: 127.0.0.1, port: %[1]d, tags: ["job:x", "service.name:y", "datadog.host.name:z"]}
  - {name: service, host: 127.0.0.1, port: %[1]d, service: shop, tags: ["team:x"]}
  - {name: no host, host: 127.0.0.1, port: %[1]d, empty_default_hostname: true, tags: ["team:x"]}
`, port))
	start(t, config)
	assert.ElementsMatch(t, []string{"plain", "odd", "resource", "service", "no host"}, instances(page.awaitResults(t, 5)))
}

// instances returns the instances of which a page has results.
func instances(page harness.Page) []string {
	var names []string
	for _, sample := range page.Of(canConnect) {
		names = append(names, sample.Labels["tcpcheck_instance"])
	}
	return names
}

// All mistakes at once, each with its place, and nothing starts.
func TestValidate(t *testing.T) {
	config, _ := pipeline(t, `
collection_interval: 15
instances:
  - {name: web, host: "https://example.com", port: 70000}
  - {name: db, host: "::1", port: 5432, ipv4_only: true, timeout: 20s, tag: "env:prod"}
`)
	for _, args := range [][]string{{"validate", "--config", config}, {"--config", config}} {
		output, err := exec.Command(binary(t), args...).CombinedOutput()
		var exit *exec.ExitError
		require.ErrorAs(t, err, &exit, "%s", output)
		for _, sentence := range []string{
			`instances[0] "web" .host: "https://example.com" has a scheme; write the host alone`,
			`instances[0] "web" .port: 70000 is not between 1 and 65535`,
			`instances[1] "db" .host: "::1" is an ipv6 address, but ipv4_only is true`,
			`instances[1] "db" .tag: unknown option; an instance has name, host`,
		} {
			assert.Contains(t, string(output), sentence)
		}
	}
}

// binary returns the collector that the builder made, of which the environment
// variable COLLECTOR has the path.
func binary(t *testing.T) string {
	t.Helper()
	return harness.Binary(t, "COLLECTOR", "e2e")
}

// start runs the collector with a configuration file and returns once it says
// that it is ready. It is stopped at the end of the test.
func start(t *testing.T, config string) *harness.Program {
	t.Helper()
	return harness.Start(t, exec.Command(binary(t), "--config", config), harness.CollectorReady)
}

// reader reads a Prometheus page.
type reader func() (harness.Page, error)

// pageAt returns the reader of the page at an address.
func pageAt(address string) reader {
	return func() (harness.Page, error) { return harness.ReadPage(address) }
}

// await reads a page until it is as wanted, and returns it.
func (r reader) await(t *testing.T, wanted func(harness.Page) bool) harness.Page {
	t.Helper()
	return harness.AwaitPage(t, r, wanted)
}

// awaitResults reads a page until it has the results of n addresses, and returns it.
func (r reader) awaitResults(t *testing.T, n int) harness.Page {
	t.Helper()
	return r.awaitSeries(t, map[string]int{canConnect: n})
}

// awaitSeries reads a page until it has so many series of each of some metrics, and returns it. The
// exporter takes one metric after the other, so those of one check may not come at once.
func (r reader) awaitSeries(t *testing.T, counts map[string]int) harness.Page {
	t.Helper()
	return r.await(t, func(page harness.Page) bool {
		for name, n := range counts {
			if len(page.Of(name)) != n {
				return false
			}
		}
		return true
	})
}

// series names a series of can_connect on a page. The address may be empty.
func series(instance, host, family, address string, port uint16) string {
	if address != "" {
		address = "network_peer_address=" + address + " "
	}
	return fmt.Sprintf("{%snetwork_type=%s server_address=%s server_port=%d tcpcheck_instance=%s}", address, family, host, port, instance)
}

// pipeline writes a configuration of a receiver and a Prometheus page, and
// returns the file and the page.
func pipeline(t *testing.T, receiver string) (file string, page reader) {
	t.Helper()
	address := harness.FreeAddress(t)
	file = filepath.Join(t.TempDir(), "collector.yaml")
	harness.Write(t, file, fmt.Sprintf(`
receivers:
  tcpcheck:
%s
exporters:
  prometheus:
    endpoint: %s
    without_scope_info: true
    send_timestamps: true
service:
  telemetry:
    metrics:
      level: none
  pipelines:
    metrics:
      receivers: [tcpcheck]
      exporters: [prometheus]
`, harness.Indent(receiver, "    "), address))
	return file, pageAt(address)
}
