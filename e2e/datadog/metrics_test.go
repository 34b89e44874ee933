package datadog

import (
	"fmt"
	"maps"
	"net"
	"os/exec"
	"slices"
	"testing"

	"github.com/DataDog/agent-payload/v5/gogen"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/e2e/harness"
	"example.com/tcpcheckreceiver/internal/testnet"
)

// The tags of each metric, for a service that is bound to IPv4 only.
func TestTags(t *testing.T) {
	up := testnet.Listen(t, "tcp4", "0.0.0.0:0").Port()
	port := fmt.Sprint(up)
	in, _ := startWithHosts(t, bothHosts, fmt.Sprintf(`
collection_interval: 1s
instances:
  - {name: "web (eu-1)", host: both.test, port: %d, collect_response_time: true, service: checkout, tags: ["env:prod"]}
`, up))
	errors := in.await(failures, "web (eu-1)", 1)
	times := in.await(responseTime, "web (eu-1)", 1)
	connects := in.await(canConnect, "web (eu-1)", 2)

	t.Run("can_connect", func(t *testing.T) {
		t.Run("instance", has(connects, "instance", "web_eu_1"))
		t.Run("target_host", has(connects, "target_host", "both.test"))
		t.Run("port", has(connects, "port", port))
		t.Run("address", has(connects, "address", "127.0.0.1", "::1"))
		t.Run("service", has(connects, "service", "checkout"))
		t.Run("tags", has(connects, "env", "prod"))
		t.Run("tcpcheck.instance", has(connects, "tcpcheck.instance", "web (eu-1)"))
		t.Run("network.type", func(t *testing.T) {
			for _, p := range connects {
				assert.InDelta(t, map[string]float64{"ipv4": 1, "ipv6": 0}[p.tags["network.type"]], p.value, 0)
			}
			assert.Equal(t, []string{"ipv4", "ipv6"}, values(connects, "network.type"))
		})
		t.Run("no_others", func(t *testing.T) {
			assert.Equal(t, []string{"address", "env", "instance", "network.type", "port", "service", "target_host", "tcpcheck.instance"}, keys(connects))
		})
	})
	t.Run("response_time", func(t *testing.T) {
		t.Run("url", has(times, "url", "both.test:"+port))
		t.Run("instance", has(times, "instance", "web (eu-1)"))
		t.Run("address", has(times, "address", "127.0.0.1"))
		t.Run("service", has(times, "service", "checkout"))
		t.Run("tags", has(times, "env", "prod"))
		t.Run("tcpcheck.instance", has(times, "tcpcheck.instance", "web (eu-1)"))
		t.Run("network.type", has(times, "network.type", "ipv4"))
		t.Run("no_others", func(t *testing.T) {
			assert.Equal(t, []string{"address", "env", "instance", "network.type", "service", "tcpcheck.instance", "url"}, keys(times))
		})
	})
	t.Run("errors", func(t *testing.T) {
		tags := map[string]string{
			"tcpcheck.instance": "web (eu-1)", "server.address": "both.test", "server.port": port,
			"network.type": "ipv6", "error.type": "connection_refused", "service": "checkout", "env": "prod",
		}
		for _, p := range errors {
			assert.Equal(t, tags, p.tags)
		}
	})
}

// What kind of metric each is, and its values.
func TestMetrics(t *testing.T) {
	up := testnet.Listen(t, "tcp4", "127.0.0.1:0")
	closed := testnet.ClosedPort(t, "127.0.0.1")
	in := newIntake(t)
	start(t, in, fmt.Sprintf(`
collection_interval: 1s
instances:
  - {name: up, endpoint: %q, collect_response_time: true}
  - {name: down, endpoint: %q, collect_response_time: true}
`, up, closed))
	counts := in.await(failures, "down", 3)

	t.Run("can_connect", func(t *testing.T) {
		for instance, value := range map[string]float64{"up": 1, "down": 0} {
			for _, p := range in.await(canConnect, instance, 3) {
				assert.Equal(t, gogen.MetricPayload_GAUGE, p.kind)
				assert.InDelta(t, value, p.value, 0, instance)
			}
		}
	})
	t.Run("response_time", func(t *testing.T) {
		for _, p := range in.await(responseTime, "up", 3) {
			assert.Equal(t, gogen.MetricPayload_GAUGE, p.kind)
			assert.Positive(t, p.value)
			assert.Less(t, p.value, harness.Patience.Seconds(), "not in seconds")
		}
		assert.Empty(t, of(in.arrived(responseTime), "down"))
	})
	t.Run("errors", func(t *testing.T) {
		// One for each failed check: the first is counted, and none is twice.
		for _, p := range counts {
			assert.Equal(t, gogen.MetricPayload_COUNT, p.kind)
			assert.InDelta(t, 1, p.value, 0)
		}
		assert.Empty(t, of(in.arrived(failures), "up"))
		first := in.await(canConnect, "down", 1)[0]
		assert.Equal(t, first.seconds, counts[0].seconds)
	})
	t.Run("host", func(t *testing.T) {
		for _, p := range in.arrived(canConnect, responseTime, failures) {
			assert.Equal(t, []string{hostname}, p.hosts)
		}
	})
}

// A single failure of a target that was up before is counted, without a series of zeros
// before it.
func TestOneFailure(t *testing.T) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	in := newIntake(t)
	start(t, in, fmt.Sprintf("collection_interval: 1s\ninstances: [{name: up, endpoint: %q}]", listener.Addr()))
	is := func(value float64) func([]point) bool {
		return func(points []point) bool { return len(points) > 0 && points[len(points)-1].value == value }
	}
	in.awaitThat(canConnect, "up", is(1))
	require.Empty(t, in.arrived(failures))
	require.NoError(t, listener.Close())
	in.awaitThat(canConnect, "up", is(0))
	listener, err = net.Listen("tcp4", listener.Addr().String())
	require.NoError(t, err)
	points := in.awaitThat(canConnect, "up", is(1))

	down := len(only(points, func(p point) bool { return p.value == 0 }))
	counted := 0.0
	in.awaitThat(failures, "up", func(points []point) bool {
		counted = 0
		for _, p := range points {
			counted += p.value
		}
		return counted >= float64(down)
	})
	assert.InDelta(t, down, counted, 0)
}

// The example as it is, but for the intake and what it takes from the environment.
func TestExample(t *testing.T) {
	in := newIntake(t)
	command := exec.Command(program(t), "--config", example, "--config", "yaml:exporters::datadog::metrics::endpoint: http://"+in.address)
	command.Env = environment
	p := harness.Start(t, command, harness.CollectorReady)
	arrived := in.await(canConnect, "SSH of this machine", 1)[0]
	assert.Contains(t, []float64{0, 1}, arrived.value)
	assert.Equal(t, "SSH_of_this_machine", arrived.tags["instance"])
	assert.Equal(t, "dev", arrived.tags["env"])
	assert.Equal(t, []string{hostname}, arrived.hosts)
	p.Stop()
	assert.NotContains(t, harness.Read(t, example), apiKey)
	assert.NotContains(t, p.Output(), apiKey)

	// Without a key it does not start, and says why.
	output, err := exec.Command(program(t), "validate", "--config", example).CombinedOutput()
	require.Error(t, err)
	assert.Contains(t, string(output), "api.key is not set")
}

// has is the test that a tag has these values on points, and no other ones.
func has(points []point, tag string, want ...string) func(*testing.T) {
	return func(t *testing.T) {
		t.Helper()
		assert.Equal(t, want, values(points, tag))
	}
}

// keys returns the keys of the tags of points, sorted.
func keys(points []point) []string {
	found := make(map[string]bool)
	for _, p := range points {
		for key := range p.tags {
			found[key] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// What a query that groups by instance says of a service that is bound to IPv4
// only: as it is, and with each of the lines that restore the old meaning.
func TestMeaning(t *testing.T) {
	port := testnet.Listen(t, "tcp4", "0.0.0.0:0").Port()
	in, _ := startWithHosts(t, bothHosts, fmt.Sprintf(`
collection_interval: 3s
instances:
  - {name: as it is, host: both.test, port: %[1]d}
  - {name: ipv4_only, host: both.test, port: %[1]d, ipv4_only: true}
  - {name: address_families, host: both.test, port: %[1]d, address_families: [ipv4]}
`, port))
	for instance, count := range map[string]int{"as it is": 4, "ipv4_only": 2, "address_families": 2} {
		in.await(canConnect, instance, count)
	}
	assertMeaning := func(t *testing.T, aggregator, instance string, value float64) {
		t.Helper()
		q := parseQuery(t, aggregator+":"+canConnect+"{*} by {tcpcheck.instance}")
		overTime := q.evaluate(in.arrived(canConnect))[instance]
		assert.NotEmpty(t, overTime)
		for _, found := range overTime {
			assert.InDelta(t, value, found, 0, "%s of %s", aggregator, instance)
		}
	}
	t.Run("avg", func(t *testing.T) { assertMeaning(t, "avg", "as it is", 0.5) })
	t.Run("min", func(t *testing.T) { assertMeaning(t, "min", "as it is", 0) })
	t.Run("max", func(t *testing.T) { assertMeaning(t, "max", "as it is", 1) })
	t.Run("sum", func(t *testing.T) { assertMeaning(t, "sum", "as it is", 1) })
	assertOneFamily := func(t *testing.T, instance string) {
		t.Helper()
		for aggregator := range aggregators {
			assertMeaning(t, aggregator, instance, 1)
		}
		assert.Equal(t, []string{"ipv4"}, values(of(in.arrived(canConnect), instance), "network.type"))
	}
	t.Run("ipv4_only", func(t *testing.T) { assertOneFamily(t, "ipv4_only") })
	t.Run("address_families", func(t *testing.T) { assertOneFamily(t, "address_families") })
}

// One point for each instance, which is 1 if any address connects, or only if
// every one does.
func TestOnePoint(t *testing.T) {
	port := testnet.Listen(t, "tcp4", "0.0.0.0:0").Port()
	assertOnePoint := func(t *testing.T, strategy string, value float64) {
		t.Helper()
		in, _ := startWithHosts(t, bothHosts, fmt.Sprintf(`
collection_interval: 3s
instances: [{name: web, host: both.test, port: %d, collect_response_time: true}]
metrics:
  network.tcp.can_connect: {attributes: [instance, target_host, port, tcpcheck.instance], aggregation_strategy: %s}
  network.tcp.response_time: {attributes: [instance, url, tcpcheck.instance]}
`, port, strategy))
		for _, metric := range []string{canConnect, responseTime} {
			seconds := make(map[int64]bool)
			points := in.await(metric, "web", 3)
			for _, p := range points {
				seconds[p.seconds] = true
			}
			assert.Len(t, seconds, len(points), "more than one point of %s for a check", metric)
		}
		for _, p := range in.arrived(canConnect) {
			assert.InDelta(t, value, p.value, 0)
		}
		assert.Equal(t, []string{"instance", "port", "target_host", "tcpcheck.instance"}, keys(in.arrived(canConnect)))
		assert.Equal(t, []string{"instance", "tcpcheck.instance", "url"}, keys(in.arrived(responseTime)))
	}
	t.Run("max", func(t *testing.T) { assertOnePoint(t, "max", 1) })
	t.Run("min", func(t *testing.T) { assertOnePoint(t, "min", 0) })
}
