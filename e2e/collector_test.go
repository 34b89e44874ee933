package e2e

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/e2e/process"
)

// patience bounds every wait for an event that is certain to come.
const patience = time.Minute

// binary returns the collector that the builder made, of which the environment
// variable COLLECTOR has the path.
func binary(t *testing.T) string {
	t.Helper()
	return process.Program(t, "COLLECTOR", "e2e")
}

// start runs the collector with a configuration file and returns once it says
// that it is ready. It is stopped at the end of the test.
func start(t *testing.T, config string) *process.Process {
	t.Helper()
	return startCommand(t, exec.Command(binary(t), "--config", config))
}

// startCommand is start for a command that becomes the collector.
func startCommand(t *testing.T, command *exec.Cmd) *process.Process {
	t.Helper()
	return process.Start(t, command, process.CollectorReady)
}

// readPage reads a Prometheus page.
func readPage(t *testing.T, address string) (map[string]*dto.MetricFamily, error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/metrics", http.NoBody)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { assert.NoError(t, response.Body.Close()) }()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(response.Body)
	require.NoError(t, err)
	return families, nil
}

// samples reads a Prometheus page and returns its samples by
// "name{label=value ...}".
func samples(t *testing.T, address string) (map[string]float64, error) {
	t.Helper()
	families, err := readPage(t, address)
	found := make(map[string]float64)
	for name, family := range families {
		for _, metric := range family.GetMetric() {
			labels := make(map[string]string)
			for _, label := range metric.GetLabel() {
				labels[label.GetName()] = label.GetValue()
			}
			var parts []string
			for _, key := range slices.Sorted(maps.Keys(labels)) {
				parts = append(parts, key+"="+labels[key])
			}
			value := metric.GetGauge().GetValue() + metric.GetCounter().GetValue() // one of them is nil
			found[name+"{"+strings.Join(parts, " ")+"}"] = value
		}
	}
	return found, err
}

// awaitCollection returns once the page has results of a later collection than
// now.
func awaitCollection(t *testing.T, address string) {
	t.Helper()
	newest := func() int64 {
		families, err := readPage(t, address)
		require.NoError(t, err)
		latest := int64(0)
		for _, metric := range families[canConnect].GetMetric() {
			latest = max(latest, metric.GetTimestampMs())
		}
		return latest
	}
	before := newest()
	require.Eventually(t, func() bool { return newest() > before }, patience, 100*time.Millisecond)
}

// awaitSamples reads the page until it has the result of a check, and returns
// all its samples.
func awaitSamples(t *testing.T, address string) map[string]float64 {
	t.Helper()
	var found map[string]float64
	require.Eventually(t, func() bool {
		var err error
		found, err = samples(t, address)
		return err == nil && slices.ContainsFunc(slices.Collect(maps.Keys(found)), func(key string) bool { return strings.HasPrefix(key, canConnect+"{") })
	}, patience, 50*time.Millisecond)
	return found
}

// only returns the samples of one name, without it.
func only(found map[string]float64, name string) map[string]float64 {
	selected := make(map[string]float64)
	for key, value := range found {
		if labels, ok := strings.CutPrefix(key, name); ok && strings.HasPrefix(labels, "{") {
			selected[labels] = value
		}
	}
	return selected
}

// pipeline writes a configuration of a receiver and a Prometheus page, and
// returns the file and the page's address.
func pipeline(t *testing.T, receiver string) (file, page string) {
	t.Helper()
	page = process.FreeAddress(t)
	file = filepath.Join(t.TempDir(), "collector.yaml")
	text := fmt.Sprintf(`
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
`, indent(receiver, "    "), page)
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file, page
}

func indent(text, by string) string {
	return by + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n"+by)
}
