package harness

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	"go.uber.org/zap"

	"example.com/tcpcheckreceiver"
)

// StartReceiver starts the receiver in this process, made by its factory of a
// configuration as the collector would read it, that gives its payloads to consume.
// It is the caller's to shut down.
func StartReceiver(t testing.TB, config *confmap.Conf, logger *zap.Logger, consume consumer.ConsumeMetricsFunc) receiver.Metrics {
	t.Helper()
	return StartReceiverGated(t, config, logger, nil, consume)
}

// StartReceiverGated is StartReceiver, and calls gate before each check, which begins once
// gate returns. The context that gate gets ends when the receiver is shut down, and gate is
// to return then.
func StartReceiverGated(t testing.TB, config *confmap.Conf, logger *zap.Logger, gate func(context.Context), consume consumer.ConsumeMetricsFunc) receiver.Metrics {
	t.Helper()
	telemetry := componenttest.NewNopTelemetrySettings()
	telemetry.Logger = logger
	if gate != nil {
		telemetry.MeterProvider = gatedProvider{gate: gate}
	}
	return StartReceiverWith(t, config, telemetry, consume)
}

// StartReceiverWith is StartReceiver, with what the receiver says of itself going to telemetry.
func StartReceiverWith(t testing.TB, config *confmap.Conf, telemetry component.TelemetrySettings, consume consumer.ConsumeMetricsFunc) receiver.Metrics {
	t.Helper()
	return StartReceiverOn(t, componenttest.NewNopHost(), config, telemetry, consume)
}

// StartReceiverOn is StartReceiverWith, of a collector with the extensions of host.
func StartReceiverOn(t testing.TB, host component.Host, config *confmap.Conf, telemetry component.TelemetrySettings, consume consumer.ConsumeMetricsFunc) receiver.Metrics {
	t.Helper()
	factory := tcpcheckreceiver.NewFactory()
	decoded := factory.CreateDefaultConfig()
	require.NoError(t, config.Unmarshal(decoded))
	require.NoError(t, confmap.Validate(decoded))
	next, err := consumer.NewMetrics(consume)
	require.NoError(t, err)
	ctx, settings := context.Background(), receivertest.NewNopSettings(factory.Type())
	settings.TelemetrySettings = telemetry
	r, err := factory.CreateMetrics(ctx, settings, decoded, next)
	require.NoError(t, err)
	require.NoError(t, r.Start(ctx, host))
	return r
}

// The receiver records of each check, when it begins, how late it is: in a histogram, which
// is the gate's.
type (
	gatedProvider struct {
		noop.MeterProvider
		gate func(context.Context)
	}
	gatedMeter struct {
		noop.Meter
		gate func(context.Context)
	}
	gatedHistogram struct {
		noop.Float64Histogram
		gate func(context.Context)
	}
)

// Meter implements metric.MeterProvider.
func (p gatedProvider) Meter(string, ...metric.MeterOption) metric.Meter {
	return gatedMeter{gate: p.gate}
}

// Float64Histogram implements metric.Meter.
func (m gatedMeter) Float64Histogram(name string, _ ...metric.Float64HistogramOption) (metric.Float64Histogram, error) {
	if name == "otelcol_receiver_tcpcheck_lateness" {
		return gatedHistogram{gate: m.gate}, nil
	}
	return noop.Float64Histogram{}, nil
}

// Record implements metric.Float64Histogram.
func (h gatedHistogram) Record(ctx context.Context, _ float64, _ ...metric.RecordOption) { h.gate(ctx) }
