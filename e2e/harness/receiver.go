package harness

import (
	"context"
	"errors"

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
// It returns an error if the configuration is not valid or the receiver does not start.
func StartReceiver(config *confmap.Conf, logger *zap.Logger, consume consumer.ConsumeMetricsFunc) (receiver.Metrics, error) {
	factory := tcpcheckreceiver.NewFactory()
	decoded := factory.CreateDefaultConfig()
	if err := errors.Join(config.Unmarshal(decoded), confmap.Validate(decoded)); err != nil {
		return nil, err
	}
	next, err := consumer.NewMetrics(consume)
	if err != nil {
		return nil, err
	}
	ctx, settings := context.Background(), receivertest.NewNopSettings(factory.Type())
	settings.Logger = logger
	r, err := factory.CreateMetrics(ctx, settings, decoded, next)
	if err != nil {
		return nil, err
	}
	return r, r.Start(ctx, componenttest.NewNopHost())
}
