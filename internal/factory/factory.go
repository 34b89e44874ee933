// Package factory makes the receiver of what a user has written: it has the receiver's
// configuration, and the factory by which the collector knows both.
package factory

import (
	"context"
	"fmt"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	collector "go.opentelemetry.io/collector/receiver"

	"example.com/tcpcheckreceiver/internal/metadata"
	"example.com/tcpcheckreceiver/internal/receiver"
)

// New returns the factory of the receiver, under the type that it has in a distribution.
func New(as component.Type) collector.Factory {
	return collector.NewFactory(as, createDefaultConfig, collector.WithMetrics(createMetrics, metadata.MetricsStability))
}

func createMetrics(_ context.Context, set collector.Settings, config component.Config, next consumer.Metrics) (collector.Metrics, error) {
	c, ok := config.(*Config)
	if !ok {
		return nil, fmt.Errorf("%T is not a configuration of the %s receiver", config, set.ID.Type())
	}
	// Whoever made this Config may not have validated it.
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return receiver.New(set, c.settings(), next)
}
