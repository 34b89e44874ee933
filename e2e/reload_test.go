package e2e

import (
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/e2e/harness"
	"example.com/tcpcheckreceiver/internal/testnet"
)

// A change elsewhere in the configuration starts the receiver anew, unless the collector can reload
// one receiver alone, and is told to.
func TestReload(t *testing.T) {
	const gate = "service.partialReload"
	tests := map[string]struct {
		arguments []string
		ready     string
		checks    int
	}{
		"everything":         {ready: "cannot connect to", checks: 2},
		"one receiver alone": {arguments: []string{"--feature-gates=" + gate}, ready: "Partial receiver reload completed successfully", checks: 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			gates, err := exec.Command(binary(t), "featuregate").Output()
			require.NoError(t, err)
			if len(test.arguments) > 0 && !strings.Contains(string(gates), gate+" ") {
				t.Skipf("collectors have no feature gate %s before v0.157", gate)
			}
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
			c := harness.Start(t, exec.Command(binary(t), append(test.arguments, "--config", config)...), harness.CollectorReady)
			checked := func(page harness.Page) bool {
				errors := 0.0
				for _, n := range page.Values("tcpcheck_errors_total") {
					errors += n
				}
				return errors == 1 && len(page.Values(canConnect)) == 2
			}
			before := page.await(t, checked)

			harness.Write(t, config, with(second))
			c.ReloadUntil(test.ready)
			after := page.await(t, checked)
			response, err := http.Get("http://" + second + "/v1/metrics") //nolint:noctx // whatever it answers, it listens
			require.NoError(t, err)
			require.NoError(t, response.Body.Close())

			assert.Equal(t, test.checks, strings.Count(c.Output(), "cannot connect to"))
			assert.Equal(t, test.checks == 1, before.Newest().Equal(after.Newest()), "what was measured is as old as it was")
		})
	}
}
