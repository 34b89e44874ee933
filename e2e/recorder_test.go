package e2e

import (
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pmetric"

	"example.com/tcpcheckreceiver/e2e/harness"
)

// record is a result of a check, as it was sent.
type record struct {
	vantage string // host.name of the resource
	family  string
	at      time.Time
	value   int64
}

func (r record) String() string {
	return fmt.Sprintf("%s %s %s %d", r.vantage, r.family, r.at.Format(time.RFC3339Nano), r.value)
}

// recorder keeps the results of checks that it gets by OTLP.
type recorder struct {
	mu      sync.Mutex
	records []record
}

// startRecorder returns a recorder that serves a listener until the end of the
// test.
func startRecorder(t *testing.T, listener net.Listener) *recorder {
	t.Helper()
	r := &recorder{}
	harness.StartSink(t, listener, func(metrics pmetric.Metrics) {
		r.mu.Lock()
		defer r.mu.Unlock()
		for resource, point := range harness.Points(metrics, "network.tcp.can_connect") {
			vantage, family := harness.Text(resource, "host.name"), harness.Text(point.Attributes(), "network.type")
			r.records = append(r.records, record{vantage, family, point.Timestamp().AsTime(), point.IntValue()})
		}
	})
	return r
}

// of returns what was recorded of a vantage point, in the order of its arrival.
func (r *recorder) of(vantage string) []record {
	r.mu.Lock()
	defer r.mu.Unlock()
	var found []record
	for _, record := range r.records {
		if record.vantage == vantage {
			found = append(found, record)
		}
	}
	return found
}

// recorderOverlay is a configuration that adds a pipeline to another one, from a
// receiver to a recorder on port 4318 of the same machine.
func recorderOverlay(receiver string) string {
	return fmt.Sprintf(`
exporters:
  otlp_http/recorder:
    endpoint: http://127.0.0.1:4318
    compression: none
    sending_queue:
      num_consumers: 1
service:
  pipelines:
    metrics/recorder:
      receivers: [%s]
      exporters: [otlp_http/recorder]
`, receiver)
}
