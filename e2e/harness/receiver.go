package harness

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.uber.org/zap"

	"example.com/tcpcheckreceiver"
)

// StartReceiver starts the receiver in this process, made by its factory of a
// configuration as the collector would read it, that gives its collections to consume.
// It is the caller's to shut down.
func StartReceiver(t testing.TB, config *confmap.Conf, logger *zap.Logger, consume consumer.ConsumeMetricsFunc) receiver.Metrics {
	t.Helper()
	factory := tcpcheckreceiver.NewFactory()
	decoded := factory.CreateDefaultConfig()
	require.NoError(t, config.Unmarshal(decoded))
	require.NoError(t, confmap.Validate(decoded))
	next, err := consumer.NewMetrics(consume)
	require.NoError(t, err)
	ctx, settings := context.Background(), receivertest.NewNopSettings(factory.Type())
	settings.Logger = logger
	r, err := factory.CreateMetrics(ctx, settings, decoded, next)
	require.NoError(t, err)
	require.NoError(t, r.Start(ctx, componenttest.NewNopHost()))
	return r
}
