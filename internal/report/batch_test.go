package report

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/receiver/receivertest"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/metadata"
	"example.com/tcpcheckreceiver/internal/report/reporttest"
)

// start is when the sums of the tests' series begin.
var start = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

// testBatch is reports whose points become one payload.
type testBatch struct {
	points *Points
	writer writer
}

func newBatch(p *Points) *testBatch { return &testBatch{points: p} }

func (b *testBatch) add(s *Series, r *check.Report) { b.writer.add(b.points, s, r) }

func (b *testBatch) metrics() pmetric.Metrics { return b.points.metricsOf(b.writer.points) }

// A series that ends and begins again within a payload has its points in their order: a
// reader that goes by that would take it for one that has ended.
func TestEndAndBeginningInOneBatch(t *testing.T) {
	p := NewPoints(receivertest.NewNopSettings(metadata.Type), reporttest.DefaultMetrics())
	target := &check.Target{Host: "h", Port: 1, Labels: check.Labels{Name: "a", CollectResponseTime: true}}
	s, b := p.NewSeries(target, start), newBatch(p)
	up := connected(v4)
	up.HandshakeTime = time.Second
	down := check.Result{Family: check.IPv4, Address: v4, Status: check.Down, ErrorType: check.Timeout}
	for n, result := range []check.Result{up, down, up, down} {
		b.add(s, &check.Report{Target: target, Time: start.Add(time.Duration(n) * time.Second), Results: []check.Result{result}})
	}
	type timed struct {
		second pcommon.Timestamp
		ends   bool
	}
	var got []timed
	for _, resource := range b.metrics().ResourceMetrics().All() {
		for _, m := range resource.ScopeMetrics().At(0).Metrics().All() {
			if m.Name() != metadata.MetricsInfo.NetworkTCPResponseTime.Name {
				continue
			}
			for _, point := range m.Gauge().DataPoints().All() {
				assert.Equal(t, pcommon.NewTimestampFromTime(start), point.StartTimestamp())
				got = append(got, timed{(point.Timestamp() - pcommon.NewTimestampFromTime(start)) / 1e9, point.Flags().NoRecordedValue()})
			}
		}
	}
	assert.Equal(t, []timed{{0, false}, {1, true}, {2, false}, {3, true}}, got)
}
