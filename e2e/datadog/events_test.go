package datadog

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/e2e/harness"
	"example.com/tcpcheckreceiver/internal/testnet"
)

// decodeLogs returns the logs of a request.
func decodeLogs(r *http.Request) ([]map[string]any, error) {
	if got := r.Header.Get("Dd-Api-Key"); got != apiKey {
		return nil, fmt.Errorf("the key of the logs is %q", got)
	}
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		var err error
		if body, err = gzip.NewReader(body); err != nil {
			return nil, err
		}
	}
	text, err := io.ReadAll(body)
	if err != nil || string(text) == "{}" { // the question whether the intake is there
		return nil, err
	}
	var logs []map[string]any
	return logs, json.Unmarshal(text, &logs)
}

// awaitLogs returns the logs that have arrived once there are so many.
func (i *intake) awaitLogs(n int) []map[string]any {
	i.t.Helper()
	var logs []map[string]any
	require.Eventually(i.t, func() bool {
		i.mu.Lock()
		defer i.mu.Unlock()
		logs = i.logs
		return len(logs) >= n
	}, harness.Patience, 10*time.Millisecond, "%d logs", n)
	return logs
}

// The events of an outage arrive as logs, each once and in their order, also where the intake refuses
// logs meanwhile.
func TestEvents(t *testing.T) {
	in := newIntake(t)
	address := testnet.ClosedPort(t, "127.0.0.1")
	collector := harness.Start(t, command(t, in, fmt.Sprintf("collection_interval: 1s\ninstances: [{name: web, endpoint: %q, service: shop, tags: ['env:prod']}]", address),
		"--config", fmt.Sprintf("yaml:exporters::datadog::logs::endpoint: http://%s", in.address),
		"--config", "yaml:service::pipelines::logs: {receivers: [tcpcheck], exporters: [datadog]}"), harness.CollectorReady)
	in.awaitLogs(1)
	in.refuseWith(http.StatusServiceUnavailable)
	listener, err := net.Listen("tcp4", address.String())
	require.NoError(t, err)
	defer func() { _ = listener.Close() }()
	in.awaitRefusedAt(logsPath, 2)
	require.Len(t, in.awaitLogs(1), 1, "the intake does not refuse logs")
	in.refuseWith(0)
	in.awaitLogs(2)
	collector.Stop() // nothing comes after it
	arrived := in.awaitLogs(2)
	require.Len(t, arrived, 2)
	for n, want := range []struct {
		status, event, message string
		more                   map[string]any
	}{
		{"WARN", "tcpcheck.address.down", fmt.Sprintf(`cannot connect to "web" (%v) over ipv4: connection refused`, address), map[string]any{
			"error.type": "connection_refused", "tcpcheck.error.source": "peer", "network.local.address": "127.0.0.1",
		}},
		{"INFO", "tcpcheck.address.up", fmt.Sprintf(`connected again to "web" (%v) over ipv4`, address), nil},
	} {
		log := arrived[n]
		assert.Equal(t, want.status, log["status"])
		assert.Equal(t, "shop", log["service"])
		assert.Equal(t, hostname, log["hostname"])
		// The exporter puts the attributes beside the message, as Datadog takes logs in JSON.
		var facts map[string]any
		require.NoError(t, json.Unmarshal([]byte(fmt.Sprint(log["message"])), &facts))
		assert.Equal(t, want.message, facts["message"])
		assert.Equal(t, want.event, facts["otel.event_name"])
		assert.Equal(t, "prod", facts["env"])
		assert.Equal(t, "web", facts["tcpcheck.instance"])
		assert.Equal(t, "ipv4", facts["network.type"])
		assert.Equal(t, "127.0.0.1", facts["server.address"])
		assert.EqualValues(t, address.Port(), facts["server.port"])
		for key, value := range want.more {
			assert.Equal(t, value, facts[key], key)
		}
		_, port := facts["network.local.port"]
		assert.Equal(t, n == 0, port, "the flow that failed")
		_, since := facts["tcpcheck.down_since"]
		assert.Equal(t, n == 1, since)
	}
}
