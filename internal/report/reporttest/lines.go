// Package reporttest has what tests of data points share.
package reporttest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"example.com/tcpcheckreceiver/internal/metadata"
)

// DefaultMetrics are the metrics with the receiver's default strategies.
func DefaultMetrics() metadata.MetricsBuilderConfig {
	config := metadata.NewDefaultMetricsBuilderConfig()
	config.Metrics.NetworkTCPCanConnect.AggregationStrategy = metadata.AggregationStrategyMin
	config.Metrics.NetworkTCPResponseTime.AggregationStrategy = metadata.AggregationStrategyMax
	return config
}

// Lines returns a line for each point: "resource metric{attributes} value", sorted. The
// value is "ended" at the end of a series, and "s" for a time, which is only required to
// be positive.
func Lines(t testing.TB, metrics pmetric.Metrics) []string {
	t.Helper()
	var lines []string
	for _, rm := range metrics.ResourceMetrics().All() {
		resource := Attributes(rm.Resource().Attributes().AsRaw())
		require.Equal(t, 1, rm.ScopeMetrics().Len())
		require.Equal(t, metadata.ScopeName, rm.ScopeMetrics().At(0).Scope().Name())
		seen := map[string]bool{}
		for _, metric := range rm.ScopeMetrics().At(0).Metrics().All() {
			if ended := Points(metric).At(0).Flags().NoRecordedValue(); ended {
				require.Equal(t, 1, Points(metric).Len(), "the end of a series stands alone")
			} else {
				require.False(t, seen[metric.Name()], "%s is there twice", metric.Name())
				seen[metric.Name()] = true
			}
			for _, point := range Points(metric).All() {
				value := fmt.Sprint(point.IntValue())
				if point.Flags().NoRecordedValue() {
					value = "ended"
				} else if point.ValueType() == pmetric.NumberDataPointValueTypeDouble {
					assert.Positive(t, point.DoubleValue())
					value = "s"
				}
				lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s %s%s %s", resource, shortName.Replace(metric.Name()), Attributes(point.Attributes().AsRaw()), value)))
			}
		}
	}
	slices.Sort(lines)
	return lines
}

// shortName leaves the namespace off a metric's name.
var shortName = strings.NewReplacer("network.tcp.", "", "tcpcheck.", "")

// Points returns the points of a gauge or a sum.
func Points(m pmetric.Metric) pmetric.NumberDataPointSlice {
	if m.Type() == pmetric.MetricTypeSum {
		return m.Sum().DataPoints()
	}
	return m.Gauge().DataPoints()
}

// Attributes returns attributes as "{key=value …}", sorted.
func Attributes(raw map[string]any) string {
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(raw)) {
		parts = append(parts, fmt.Sprintf("%s=%v", key, raw[key]))
	}
	return "{" + strings.Join(parts, " ") + "}"
}
