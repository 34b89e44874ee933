package tcpcheckreceiver

import (
	"context"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	collector "go.opentelemetry.io/collector/receiver"

	"example.com/tcpcheckreceiver/internal/metadata"
	"example.com/tcpcheckreceiver/receiver"
)

// NewFactory returns the factory of the tcpcheck receiver.
func NewFactory() collector.Factory {
	return collector.NewFactory(metadata.Type, createDefaultConfig, collector.WithMetrics(createMetrics, metadata.MetricsStability))
}

func createMetrics(_ context.Context, set collector.Settings, config component.Config, next consumer.Metrics) (collector.Metrics, error) {
	c := config.(*Config)
	return receiver.New(set, c.MetricsBuilderConfig, c.targets(), c.initialDelay(), next)
}
