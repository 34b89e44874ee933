package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/e2e/harness"
	"example.com/tcpcheckreceiver/internal/testnet"
)

// In a distribution with the Prometheus receiver, its other ways to discover targets work here as
// well: what is registered in the process. The server is no PuppetDB, but answers as one.
func TestOtherDiscovery(t *testing.T) {
	needs(t, "prometheusreceiver")
	up := testnet.Listen(t, "tcp4", "127.0.0.1:0")
	puppet := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_, _ = io.WriteString(w, `[{"certname": "127.0.0.1", "resource": "r", "type": "Class", "title": "Web", "exported": false, "tags": ["web"], "file": "f", "line": 1, "parameters": {}, "environment": "production"}]`)
	}))
	t.Cleanup(puppet.Close)
	config, page := pipeline(t, fmt.Sprintf(`
initial_delay: 0
flush_interval: 100ms
scrape_configs:
  - job_name: puppet
    puppetdb_sd_configs: [{url: %q, query: 'resources { type = "Class" }', port: %d}]
    relabel_configs: [{source_labels: [__meta_puppetdb_environment], target_label: environment}]
`, puppet.URL, up.Port()))
	start(t, config)
	series := fmt.Sprintf("{environment=production job=puppet network_peer_address=127.0.0.1 network_type=ipv4 server_address=127.0.0.1 server_port=%d tcpcheck_instance=127.0.0.1:%[1]d}", up.Port())
	page.await(t, func(page harness.Page) bool {
		return assert.ObjectsAreEqual(map[string]float64{series: 1}, page.Values(canConnect))
	})
}

// A change elsewhere in the configuration does not start the receiver anew, where the collector
// can reload one receiver alone.
func TestPartialReload(t *testing.T) {
	needs(t, "prometheusreceiver") // so it is a collector that knows the gate
	up, closed := testnet.Listen(t, "tcp4", "127.0.0.1:0"), testnet.ClosedPort(t, "127.0.0.1")
	config, page := pipeline(t, fmt.Sprintf(`
initial_delay: 0
collection_interval: 1h
flush_interval: 100ms
instances: [{name: up, endpoint: %q}, {name: closed, endpoint: %q}]
`, up, closed))
	text := harness.Read(t, config)
	with := func(endpoint string) string {
		text := strings.Replace(text, "receivers:\n", fmt.Sprintf("receivers:\n  otlp: {protocols: {http: {endpoint: %q}}}\n", endpoint), 1)
		return strings.Replace(text, "[tcpcheck]", "[tcpcheck, otlp]", 1)
	}
	first, second := harness.FreeAddress(t), harness.FreeAddress(t)
	harness.Write(t, config, with(first))
	c := harness.Start(t, exec.Command(binary(t), "--feature-gates=service.partialReload", "--config", config), harness.CollectorReady)
	errors := func(page harness.Page) float64 {
		sum := 0.0
		for _, n := range page.Values("tcpcheck_errors_total") {
			sum += n
		}
		return sum
	}
	before := page.await(t, func(page harness.Page) bool { return errors(page) == 1 && len(page.Values(canConnect)) == 2 })

	harness.Write(t, config, with(second))
	c.ReloadUntil("Partial receiver reload completed successfully")
	response, err := http.Get("http://" + second + "/v1/metrics") //nolint:noctx // whatever it answers, it listens
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())

	// It was not checked again: what was measured is as old as it was.
	after := page.await(t, func(page harness.Page) bool { return len(page.Values(canConnect)) == 2 })
	assert.Equal(t, before.Newest(), after.Newest())
	assert.InDelta(t, 1, errors(after), 0)
	assert.Equal(t, 1, strings.Count(c.Output(), "cannot connect to"))
}
