package harness

import (
	"compress/gzip"
	"fmt"
	"io"
	"iter"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"

	"example.com/tcpcheckreceiver/internal/report/reporttest"
)

// Sink takes metrics or logs by OTLP over HTTP.
type Sink struct {
	server  *http.Server
	serving sync.WaitGroup
}

// StartSink returns a sink that serves a listener until it is closed, and hands on
// what it gets. A request that is no metrics is an error of the test.
func StartSink(t testing.TB, listener net.Listener, take func(pmetric.Metrics)) *Sink {
	t.Helper()
	return startSink(t, listener, func(message []byte) error {
		export := pmetricotlp.NewExportRequest()
		err := export.UnmarshalProto(message)
		if err == nil {
			take(export.Metrics())
		}
		return err
	})
}

// StartLogSink is StartSink for logs.
func StartLogSink(t testing.TB, listener net.Listener, take func(plog.Logs)) *Sink {
	t.Helper()
	return startSink(t, listener, func(message []byte) error {
		export := plogotlp.NewExportRequest()
		err := export.UnmarshalProto(message)
		if err == nil {
			take(export.Logs())
		}
		return err
	})
}

// startSink returns a sink that hands on the message of each request.
func startSink(t testing.TB, listener net.Listener, take func(message []byte) error) *Sink {
	t.Helper()
	s := &Sink{server: &http.Server{ReadHeaderTimeout: Patience}}
	s.server.Handler = http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		message, err := messageOf(request)
		if err == nil {
			err = take(message)
		}
		if err != nil {
			t.Errorf("a request to the sink: %v", err)
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/x-protobuf") // the answer is a message without fields, which is empty
	})
	s.serving.Go(func() { assert.ErrorIs(t, s.server.Serve(listener), http.ErrServerClosed) })
	t.Cleanup(s.Close)
	return s
}

// messageOf returns the message of a request, which may be compressed by gzip.
func messageOf(request *http.Request) ([]byte, error) {
	body := io.Reader(request.Body)
	if request.Header.Get("Content-Encoding") == "gzip" {
		var err error
		if body, err = gzip.NewReader(body); err != nil {
			return nil, err
		}
	}
	return io.ReadAll(body)
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
					for _, point := range reporttest.Points(metric).All() {
						if !point.Flags().NoRecordedValue() && !yield(resource.Resource().Attributes(), point) {
							return
						}
					}
				}
			}
		}
	}
}

// Text returns the value of an attribute, or an empty text if there is none.
func Text(attributes pcommon.Map, name string) string {
	value, ok := attributes.Get(name)
	if !ok {
		return ""
	}
	return value.AsString()
}

// Page is what a Prometheus page has.
type Page []Sample

// Sample is a value of a gauge or a counter, or the count or the sum of a histogram, whose
// name ends in _count or _sum then.
type Sample struct {
	Name   string
	Labels map[string]string
	Value  float64
	At     time.Time // 1970 where the page does not say
}

// ReadPage reads the page at an address.
func ReadPage(address string) (Page, error) {
	return readPage(&http.Client{Timeout: Patience}, address)
}

func readPage(client *http.Client, address string) (Page, error) {
	response, err := client.Get("http://" + address + "/metrics")
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", address, response.Status)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(response.Body)
	if err != nil {
		return nil, err
	}
	var page Page
	for name, family := range families {
		for _, metric := range family.GetMetric() {
			labels := make(map[string]string)
			for _, label := range metric.GetLabel() {
				labels[label.GetName()] = label.GetValue()
			}
			at := time.UnixMilli(metric.GetTimestampMs())
			if histogram := metric.GetHistogram(); histogram != nil {
				page = append(page, Sample{name + "_count", labels, float64(histogram.GetSampleCount()), at}, Sample{name + "_sum", labels, histogram.GetSampleSum(), at})
				continue
			}
			value := metric.GetGauge().GetValue() + metric.GetCounter().GetValue() + metric.GetUntyped().GetValue() // all but one are nil
			page = append(page, Sample{name, labels, value, at})
		}
	}
	return page, nil
}

// AwaitPage reads a page until it is as wanted, and returns it.
func AwaitPage(t testing.TB, read func() (Page, error), wanted func(Page) bool) Page {
	t.Helper()
	var page Page
	require.Eventually(t, func() bool {
		next, err := read()
		page = next
		return err == nil && wanted(next)
	}, Patience, 50*time.Millisecond, "the page is %v", &page)
	return page
}

// Of returns the samples of a name.
func (p Page) Of(name string) Page {
	return slices.DeleteFunc(slices.Clone(p), func(s Sample) bool { return s.Name != name })
}

// Values returns the values of a name by their labels, as in "{label=value ...}".
func (p Page) Values(name string) map[string]float64 {
	values := make(map[string]float64)
	for _, s := range p.Of(name) {
		var labels []string
		for _, label := range slices.Sorted(maps.Keys(s.Labels)) {
			labels = append(labels, label+"="+s.Labels[label])
		}
		values["{"+strings.Join(labels, " ")+"}"] = s.Value
	}
	return values
}

// Newest returns the time of the newest sample.
func (p Page) Newest() time.Time {
	var newest time.Time
	for _, s := range p {
		if s.At.After(newest) {
			newest = s.At
		}
	}
	return newest
}
