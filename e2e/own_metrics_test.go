package e2e

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"example.com/tcpcheckreceiver/e2e/harness"
	"example.com/tcpcheckreceiver/internal/testnet"
)

// A change of state is handed over while the check of another target is still waiting for
// its answer, and without waiting for flush_interval.
func TestChangeBesideASilentTarget(t *testing.T) {
	silent := testnet.BlackHole(t)
	up, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = up.Close() }() // it may be closed

	var mu sync.Mutex
	arrived := make(map[string][]int64) // by instance
	changed := make(chan struct{}, 1000)
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	harness.StartSink(t, listener, func(metrics pmetric.Metrics) {
		mu.Lock()
		defer mu.Unlock()
		for _, point := range harness.Points(metrics, "network.tcp.can_connect") {
			name := harness.Text(point.Attributes(), "tcpcheck.instance")
			if values := arrived[name]; len(values) == 0 || values[len(values)-1] != point.IntValue() {
				changed <- struct{}{}
			}
			arrived[name] = append(arrived[name], point.IntValue())
		}
	})
	await := func() {
		t.Helper()
		select {
		case <-changed:
		case <-time.After(harness.Patience):
			require.FailNow(t, "nothing arrives")
		}
	}

	config := filepath.Join(t.TempDir(), "collector.yaml")
	harness.Write(t, config, fmt.Sprintf(`
receivers:
  tcpcheck:
    initial_delay: 0
    flush_interval: 1m
    instances:
      - {name: silent, endpoint: %q, timeout: 10s}
      - {name: up, endpoint: %q, timeout: 1s, min_collection_interval: 1s}
exporters:
  otlp_http: {endpoint: "http://%s"}
service:
  telemetry: {metrics: {level: none}}
  pipelines:
    metrics: {receivers: [tcpcheck], exporters: [otlp_http]}
`, silent, up.Addr(), listener.Addr()))
	start(t, config)
	await()
	require.NoError(t, up.Close())
	closed := time.Now()
	await()
	t.Logf("the change arrived %v after it", time.Since(closed).Round(time.Millisecond))
	mu.Lock()
	defer mu.Unlock()
	assert.Empty(t, arrived["silent"], "its check, which lasts 10s, has ended")
	values := arrived["up"]
	assert.EqualValues(t, 1, values[0])
	assert.EqualValues(t, 0, values[len(values)-1])
}

// What the collector says of the receiver on its own page: one target of four is silent,
// and one cannot be checked.
func TestOwnMetricsOfTheReceiver(t *testing.T) {
	up, silent, closed := testnet.Listen(t, "tcp4", "127.0.0.1:0"), testnet.BlackHole(t), testnet.ClosedPort(t, "127.0.0.1")
	config, page := pipeline(t, fmt.Sprintf(`
initial_delay: 0
collection_interval: 2s
flush_interval: 500ms
instances:
  - {name: up, endpoint: %q, timeout: 1s}
  - {name: closed, endpoint: %q, timeout: 1s}
  - {name: silent, endpoint: %q, timeout: 5s, min_collection_interval: 10s}
  - {name: unchecked, endpoint: "[fe80::1%%nosuchif]:80", timeout: 1s}
`, up, closed, silent))
	own := withOwnMetrics(t, config)
	c := start(t, config)

	const prefix, receiver, name = "otelcol_receiver_", "{receiver=tcpcheck}", "otelcol_receiver_tcpcheck_"
	of := func(page harness.Page, metric string) float64 { return page.Values(name + metric)[receiver] }
	// The silent target has an answer every 10 s, of which it waits for 5.
	own.await(t, func(page harness.Page) bool {
		return of(page, "checks_under_way") == 1 && of(page, "lateness_count") >= 4
	})
	page.awaitResults(t, 3)
	found := own.await(t, func(page harness.Page) bool {
		return of(page, "checks_under_way") == 0 && of(page, "lateness_count") >= 8
	})
	assert.Equal(t, map[string]float64{receiver: 4}, found.Values(name+"targets"))
	assert.Equal(t, map[string]float64{receiver: 0}, found.Values(name+"checks_waiting"))
	assert.Equal(t, map[string]float64{receiver: 0}, found.Values(name+"checks_left_out"))
	assert.GreaterOrEqual(t, found.Values(name + "results_unchecked")["{reason=other receiver=tcpcheck}"], 2.0)
	assert.Empty(t, found.Of(name+"points_dropped"))
	assert.Positive(t, of(found, "delivery_age_count"))
	for _, histogram := range []string{"lateness", "delivery_age"} {
		assert.Less(t, of(found, histogram+"_sum"), of(found, histogram+"_count")*harness.Patience.Seconds(), histogram)
		assert.GreaterOrEqual(t, of(found, histogram+"_sum"), 0.0, histogram)
	}
	accepted := found.Values(prefix + "accepted_metric_points")
	assert.Len(t, accepted, 1)
	for series, points := range accepted {
		assert.Contains(t, series, "receiver=tcpcheck")
		assert.GreaterOrEqual(t, points, of(found, "delivery_age_count"), "each result has a point at least")
	}
	for series, points := range found.Values(prefix + "refused_metric_points") {
		assert.Zero(t, points, series)
	}
	for _, sample := range found {
		assert.NotContains(t, sample.Name, "scraper")
	}
	c.Await(unableToCheck + "no such network interface")
}

// withOwnMetrics has the collector of a configuration of pipeline serve its own metrics as well,
// and returns the page.
func withOwnMetrics(t *testing.T, config string) reader {
	t.Helper()
	address := harness.FreeAddress(t)
	host, port, err := net.SplitHostPort(address)
	require.NoError(t, err)
	reading := fmt.Sprintf("readers: [{pull: {exporter: {prometheus: {host: %s, port: %s}}}}]", host, port)
	harness.Write(t, config, strings.Replace(harness.Read(t, config), "level: none", reading, 1))
	return pageAt(address)
}
