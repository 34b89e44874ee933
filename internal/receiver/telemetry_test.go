package receiver

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/metadata"
	"example.com/tcpcheckreceiver/internal/metadatatest"
)

// Two receivers of a collector share its meter, and each has its own counts.
func TestTelemetryOfTwoReceivers(t *testing.T) {
	tel := componenttest.NewTelemetry()
	nobody := check.Target{
		Host: "fe80::1%nosuch0", Port: 80,
		Timeout: time.Second, Interval: time.Hour, Labels: check.Labels{Name: "nobody"},
	}
	for id, targets := range map[string]int{"one": 1, "two": 2} {
		set := metadatatest.NewSettings(tel)
		set.ID = component.NewIDWithName(metadata.Type, id)
		settings := Settings{FlushInterval: time.Hour, Metrics: metadata.NewDefaultMetricsBuilderConfig()}
		for range targets {
			settings.Targets = append(settings.Targets, nobody)
		}
		r, err := New(set, settings, consumertest.NewNop())
		require.NoError(t, err)
		require.NoError(t, r.Start(context.Background(), componenttest.NewNopHost()))
		defer func() { assert.NoError(t, r.Shutdown(context.Background())) }()
	}
	want := map[string]int64{"tcpcheck/one": 1, "tcpcheck/two": 2}
	for name, counts := range map[string]func(metricdata.Aggregation) map[string]int64{
		"otelcol_receiver_tcpcheck_targets": func(a metricdata.Aggregation) map[string]int64 {
			return byReceiver(a.(metricdata.Gauge[int64]).DataPoints)
		},
		"otelcol_receiver_tcpcheck_results_unchecked": func(a metricdata.Aggregation) map[string]int64 {
			return byReceiver(a.(metricdata.Sum[int64]).DataPoints)
		},
		"otelcol_receiver_tcpcheck_lateness": func(a metricdata.Aggregation) map[string]int64 {
			counts := make(map[string]int64)
			for _, point := range a.(metricdata.Histogram[float64]).DataPoints {
				counts[receiverOf(point.Attributes)] = int64(point.Count)
			}
			return counts
		},
	} {
		assert.EventuallyWithT(t, func(c *assert.CollectT) {
			found, err := tel.GetMetric(name)
			require.NoError(c, err)
			assert.Equal(c, want, counts(found.Data), name)
		}, time.Minute, 10*time.Millisecond)
	}
}

func byReceiver(points []metricdata.DataPoint[int64]) map[string]int64 {
	counts := make(map[string]int64)
	for _, point := range points {
		counts[receiverOf(point.Attributes)] = point.Value
	}
	return counts
}

func receiverOf(attributes attribute.Set) string {
	value, _ := attributes.Value("receiver")
	return value.AsString()
}
