package tcpcheckreceiver

import (
	"context"
	"fmt"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	collector "go.opentelemetry.io/collector/receiver"

	"example.com/tcpcheckreceiver/internal/metadata"
	"example.com/tcpcheckreceiver/internal/receiver"
)

// NewFactory returns the factory of the tcpcheck receiver.
func NewFactory() collector.Factory {
	return collector.NewFactory(metadata.Type, createDefaultConfig, collector.WithMetrics(createMetrics, metadata.MetricsStability))
}

func createMetrics(_ context.Context, set collector.Settings, config component.Config, next consumer.Metrics) (collector.Metrics, error) {
	c, ok := config.(*Config)
	if !ok {
		return nil, fmt.Errorf("%T is not a configuration of the %s receiver", config, metadata.Type)
	}
	// Whoever made this Config may not have validated it.
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return receiver.New(set, c.settings(), next)
}
