package harness

import (
	"compress/gzip"
	"io"
	"iter"
	"net"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
)

// Sink takes metrics by OTLP over HTTP.
type Sink struct {
	server  *http.Server
	serving sync.WaitGroup
}

// StartSink returns a sink that serves a listener until it is closed, and hands on
// what it gets. A request that is no metrics is an error of the test.
func StartSink(t testing.TB, listener net.Listener, take func(pmetric.Metrics)) *Sink {
	t.Helper()
	s := &Sink{server: &http.Server{ReadHeaderTimeout: Patience}}
	s.server.Handler = http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		metrics, err := metricsOf(request)
		if err != nil {
			t.Errorf("a request to the sink: %v", err)
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		take(metrics)
		w.Header().Set("Content-Type", "application/x-protobuf") // the answer is a message without fields, which is empty
	})
	s.serving.Go(func() { assert.ErrorIs(t, s.server.Serve(listener), http.ErrServerClosed) })
	t.Cleanup(s.Close)
	return s
}

// metricsOf returns the metrics of a request, which may be compressed by gzip.
func metricsOf(request *http.Request) (pmetric.Metrics, error) {
	body := io.Reader(request.Body)
	if request.Header.Get("Content-Encoding") == "gzip" {
		var err error
		if body, err = gzip.NewReader(body); err != nil {
			return pmetric.Metrics{}, err
		}
	}
	message, err := io.ReadAll(body)
	if err != nil {
		return pmetric.Metrics{}, err
	}
	export := pmetricotlp.NewExportRequest()
	err = export.UnmarshalProto(message)
	return export.Metrics(), err
}

// Close ends all connections of the sink, and lets it refuse new ones.
func (s *Sink) Close() {
	_ = s.server.Close() // a listener that is closed twice
	s.serving.Wait()
}

// Points returns the points of a metric, each with the attributes of its resource.
// Those that say that a series has ended are left out.
func Points(metrics pmetric.Metrics, name string) iter.Seq2[pcommon.Map, pmetric.NumberDataPoint] {
	return func(yield func(pcommon.Map, pmetric.NumberDataPoint) bool) {
		for _, resource := range metrics.ResourceMetrics().All() {
			for _, scope := range resource.ScopeMetrics().All() {
				for _, metric := range scope.Metrics().All() {
					if metric.Name() != name {
						continue
					}
					for _, point := range numbersOf(metric).All() {
						if !point.Flags().NoRecordedValue() && !yield(resource.Resource().Attributes(), point) {
							return
						}
					}
				}
			}
		}
	}
}

func numbersOf(metric pmetric.Metric) pmetric.NumberDataPointSlice {
	if metric.Type() == pmetric.MetricTypeSum {
		return metric.Sum().DataPoints()
	}
	return metric.Gauge().DataPoints()
}

// Text returns the value of an attribute, or an empty text if there is none.
func Text(attributes pcommon.Map, name string) string {
	value, ok := attributes.Get(name)
	if !ok {
		return ""
	}
	return value.AsString()
}
