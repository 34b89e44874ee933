// Package contrib tests the receiver beside contrib's TCP check receiver: in one distribution, on
// the same targets, and with that one's metrics made of this one's.
package contrib

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"example.com/tcpcheckreceiver/e2e/harness"
	"example.com/tcpcheckreceiver/internal/testnet"
)

// await reads a page until it is as wanted.
func await(t *testing.T, page string, wanted func(harness.Page) bool) harness.Page {
	t.Helper()
	return harness.AwaitPage(t, func() (harness.Page, error) { return harness.ReadPage(page) }, wanted)
}

// startBoth starts a collector that has both receivers, with the same list, and a page for each.
func startBoth(t *testing.T, targets string) (theirs, ours string) {
	theirs, ours = harness.FreeAddress(t), harness.FreeAddress(t)
	config := filepath.Join(t.TempDir(), "collector.yaml")
	text := "receivers:\n"
	for _, receiver := range []string{"tcpcheck", "tcp_probe"} {
		text += fmt.Sprintf("  %s:\n    collection_interval: 1s\n%s\n", receiver, harness.Indent(targets, "    "))
	}
	text += fmt.Sprintf(`
exporters:
  prometheus/theirs: {endpoint: %q, without_scope_info: true}
  prometheus/ours: {endpoint: %q, without_scope_info: true}
service:
  telemetry: {metrics: {level: none}}
  pipelines:
    metrics/theirs: {receivers: [tcpcheck], exporters: [prometheus/theirs]}
    metrics/ours: {receivers: [tcp_probe], exporters: [prometheus/ours]}
`, theirs, ours)
	harness.Write(t, config, text)
	harness.Start(t, exec.Command(harness.Binary(t, "COLLECTOR_CONTRIB", "e2e-contrib"), "--config", config), harness.CollectorReady)
	return theirs, ours
}

// Both receivers are in one distribution, take the same list, and say the same of it as far as
// contrib's says anything. A name of which one family alone answers is up there.
func TestBesideContrib(t *testing.T) {
	up, closed := testnet.Listen(t, "tcp4", "127.0.0.1:0"), testnet.ClosedPort(t, "127.0.0.1")
	name := fmt.Sprintf("localhost:%d", up.Port())
	theirs, ours := startBoth(t, fmt.Sprintf("targets: [{endpoint: %q, dialer: {timeout: 5s}}, {endpoint: %q}, {endpoint: %q}]\n", up, closed, name))
	status := await(t, theirs, func(page harness.Page) bool { return len(page.Values("tcpcheck_status_ratio")) == 3 })
	assert.Equal(t, map[string]float64{
		fmt.Sprintf("{tcpcheck_endpoint=%s}", up): 1, fmt.Sprintf("{tcpcheck_endpoint=%s}", closed): 0, fmt.Sprintf("{tcpcheck_endpoint=%s}", name): 1,
	}, status.Values("tcpcheck_status_ratio"))
	connect := await(t, ours, func(page harness.Page) bool { return len(page.Values("network_tcp_can_connect")) >= 3 })
	for series, value := range connect.Values("network_tcp_can_connect") {
		want := 1.0
		if strings.Contains(series, fmt.Sprint(closed.Port())) || strings.Contains(series, "network_type=ipv6") {
			want = 0
		}
		assert.InDelta(t, want, value, 0, series)
	}
}

// The example makes contrib's metrics of this receiver's: the same series, by name, unit and
// attributes.
func TestContribMetrics(t *testing.T) {
	up, closed := testnet.Listen(t, "tcp4", "127.0.0.1:0"), testnet.ClosedPort(t, "127.0.0.1")
	targets := fmt.Sprintf("targets: [{endpoint: %q, dialer: {timeout: 5s}}, {endpoint: %q}]\n", up, closed)
	theirs, _ := startBoth(t, targets)

	ours := harness.FreeAddress(t)
	text, config := harness.Read(t, "../../examples/contrib-metrics.yaml"), filepath.Join(t.TempDir(), "collector.yaml")
	from, to := strings.Index(text, "    targets:"), strings.Index(text, "    defaults:")
	harness.Write(t, config, text[:from]+harness.Indent(targets, "    ")+"\n"+text[to:])
	command := exec.Command(harness.Binary(t, "COLLECTOR_DISCOVERY", "e2e-contrib"), "--config", config)
	command.Env = append(os.Environ(), "OWN_METRICS_PORT=0", "PAGE="+ours, "CHECK_INTERVAL=1s")
	harness.Start(t, command, harness.CollectorReady)

	names := []string{"tcpcheck_status_ratio", "tcpcheck_duration_milliseconds", "tcpcheck_error_total"}
	series := func(page harness.Page) (series []string) {
		for _, name := range names {
			for attributes := range page.Values(name) {
				series = append(series, name+attributes)
			}
		}
		return series
	}
	// A page by contrib's says the metrics of an endpoint as they come.
	want := await(t, theirs, func(page harness.Page) bool { return len(series(page)) == 4 })
	got := await(t, ours, func(page harness.Page) bool { return len(series(page)) == 4 })
	assert.ElementsMatch(t, series(want), series(got))
	assert.Equal(t, want.Values(names[0]), got.Values(names[0]))
	assert.Contains(t, got.Values(names[2]), fmt.Sprintf("{error_code=connection_refused tcpcheck_endpoint=%s}", closed))
	for attributes, value := range got.Values(names[1]) {
		assert.InDelta(t, value, float64(int(value)), 0, "%s: whole milliseconds", attributes)
	}
}
