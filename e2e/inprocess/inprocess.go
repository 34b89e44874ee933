// Package inprocess runs the receiver in the process that measures it.
package inprocess

import (
	"context"
	"errors"

	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/receivertest"

	"example.com/tcpcheckreceiver"
)

// Start starts a receiver, made by its factory of a configuration as the collector
// would read it, that gives its collections to consume. It returns an error if the
// configuration is not valid or the receiver does not start.
func Start(config map[string]any, consume consumer.ConsumeMetricsFunc) (receiver.Metrics, error) {
	factory := tcpcheckreceiver.NewFactory()
	decoded := factory.CreateDefaultConfig()
	if err := errors.Join(confmap.NewFromStringMap(config).Unmarshal(decoded), confmap.Validate(decoded)); err != nil {
		return nil, err
	}
	next, err := consumer.NewMetrics(consume)
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	r, err := factory.CreateMetrics(ctx, receivertest.NewNopSettings(factory.Type()), decoded, next)
	if err != nil {
		return nil, err
	}
	return r, r.Start(ctx, componenttest.NewNopHost())
}
