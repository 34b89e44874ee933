package datadog

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"example.com/tcpcheckreceiver/internal/testnet"
)

// What a query that groups by instance says of a service that is bound to IPv4
// only: as it is, and with each of the lines that restore the old meaning.
func TestMeaning(t *testing.T) {
	port := testnet.Listen(t, "tcp4", "0.0.0.0:0").Port()
	in, _ := startWithHosts(t, bothHosts, fmt.Sprintf(`
collection_interval: 1s
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
collection_interval: 1s
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
