package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
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

// recorder takes metrics by OTLP over HTTP, and keeps the results of checks.
type recorder struct {
	mu      sync.Mutex
	records []record
}

// startRecorder returns a recorder that serves a listener until the end of the
// test.
func startRecorder(t *testing.T, listener net.Listener) *recorder {
	t.Helper()
	r := &recorder{}
	handler := http.NewServeMux()
	handler.HandleFunc("POST /v1/metrics", func(w http.ResponseWriter, request *http.Request) {
		if err := r.take(request.Body); err != nil {
			t.Errorf("a request to the recorder: %v", err)
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	})
	server := &http.Server{Handler: handler, ReadHeaderTimeout: patience}
	var serving sync.WaitGroup
	serving.Go(func() { assert.ErrorIs(t, server.Serve(listener), http.ErrServerClosed) })
	t.Cleanup(func() {
		assert.NoError(t, server.Close())
		serving.Wait()
	})
	return r
}

// take records the results in a request. An export request has the fields of
// MetricsData, and no other ones.
func (r *recorder) take(body io.Reader) error {
	message, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	metrics, err := (&pmetric.ProtoUnmarshaler{}).UnmarshalMetrics(message)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, resource := range metrics.ResourceMetrics().All() {
		vantage := text(resource.Resource().Attributes(), "host.name")
		for _, scope := range resource.ScopeMetrics().All() {
			for _, metric := range scope.Metrics().All() {
				if metric.Name() != "network.tcp.can_connect" {
					continue
				}
				for _, point := range metric.Gauge().DataPoints().All() {
					if point.Flags().NoRecordedValue() {
						continue // the series has ended
					}
					r.records = append(r.records, record{vantage, text(point.Attributes(), "network.type"), point.Timestamp().AsTime(), point.IntValue()})
				}
			}
		}
	}
	return nil
}

// text returns the value of an attribute, or an empty text if there is none.
func text(attributes pcommon.Map, name string) string {
	value, ok := attributes.Get(name)
	if !ok {
		return ""
	}
	return value.AsString()
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
