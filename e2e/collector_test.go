package e2e

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/e2e/harness"
)

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
	var page harness.Page
	require.Eventually(t, func() bool {
		read, err := r()
		page = read
		return err == nil && wanted(read)
	}, harness.Patience, 50*time.Millisecond, "the page is %v", &page)
	return page
}

// awaitCheck reads a page until it has the result of a check, and returns it.
func (r reader) awaitCheck(t *testing.T) harness.Page {
	t.Helper()
	return r.await(t, func(page harness.Page) bool { return len(page.Of(canConnect)) > 0 })
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
