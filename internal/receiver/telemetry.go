package receiver

import (
	"context"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"example.com/tcpcheckreceiver/internal/metadata"
)

// newTelemetry returns the counts of a receiver by itself, and the attribute with which
// they are counted: those of two receivers of a collector would be one series without it.
func newTelemetry(set component.TelemetrySettings, id component.ID) (*metadata.TelemetryBuilder, metric.MeasurementOption, error) {
	telemetry, err := metadata.NewTelemetryBuilder(set)
	if err != nil {
		return nil, nil, err
	}
	receiver := metric.WithAttributeSet(attribute.NewSet(attribute.String("receiver", id.String())))
	for _, c := range []*metric.Int64Counter{&telemetry.ReceiverTcpcheckPointsDropped, &telemetry.ReceiverTcpcheckResultsUnchecked} {
		*c = counter{*c, receiver}
	}
	for _, h := range []*metric.Float64Histogram{&telemetry.ReceiverTcpcheckDeliveryAge, &telemetry.ReceiverTcpcheckLateness} {
		*h = histogram{*h, receiver}
	}
	return telemetry, receiver, nil
}

// counter is a counter of one receiver.
type counter struct {
	metric.Int64Counter
	receiver metric.MeasurementOption
}

// Add implements metric.Int64Counter.
func (c counter) Add(ctx context.Context, value int64, options ...metric.AddOption) {
	c.Int64Counter.Add(ctx, value, append(options, c.receiver)...)
}

// histogram is a histogram of one receiver.
type histogram struct {
	metric.Float64Histogram
	receiver metric.MeasurementOption
}

// Record implements metric.Float64Histogram.
func (h histogram) Record(ctx context.Context, value float64, options ...metric.RecordOption) {
	h.Float64Histogram.Record(ctx, value, append(options, h.receiver)...)
}
