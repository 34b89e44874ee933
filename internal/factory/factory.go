// Package factory makes the receiver of what a user has written: it has the receiver's
// configuration, and the factory by which the collector knows both.
package factory

import (
	"context"
	"fmt"
	"sync"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	collector "go.opentelemetry.io/collector/receiver"

	"example.com/tcpcheckreceiver/internal/metadata"
	"example.com/tcpcheckreceiver/internal/receiver"
)

// New returns the factory of the receiver, under the type that it has in a distribution.
func New(as component.Type) collector.Factory {
	made := newReceivers()
	return collector.NewFactory(as, createDefaultConfig,
		collector.WithMetrics(made.createMetrics, metadata.MetricsStability), collector.WithLogs(made.createLogs, metadata.LogsStability))
}

// receivers are those that are not shut down, by their configurations. The collector asks for one of
// each pipeline, with the same configuration: a pipeline of metrics and one of logs share a receiver,
// which checks once.
type receivers struct {
	mu sync.Mutex
	of map[*Config]*receiver.Receiver
}

func newReceivers() *receivers { return &receivers{of: make(map[*Config]*receiver.Receiver)} }

func (r *receivers) createMetrics(_ context.Context, set collector.Settings, config component.Config, next consumer.Metrics) (collector.Metrics, error) {
	made, err := r.create(set, config, true)
	if err != nil {
		return nil, err
	}
	return made.Metrics(next)
}

func (r *receivers) createLogs(_ context.Context, set collector.Settings, config component.Config, next consumer.Logs) (collector.Logs, error) {
	made, err := r.create(set, config, false)
	if err != nil {
		return nil, err
	}
	return made.Logs(next)
}

// create returns the receiver of a configuration for a pipeline of metrics, or else of logs.
func (r *receivers) create(set collector.Settings, config component.Config, metrics bool) (*receiver.Receiver, error) {
	c, ok := config.(*Config)
	if !ok {
		return nil, fmt.Errorf("%T is not a configuration of the %s receiver", config, set.ID.Type())
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if made := r.of[c]; made != nil && made.Joins(metrics) {
		return made, nil
	}
	// Whoever made this Config may not have validated it.
	if err := c.Validate(); err != nil {
		return nil, err
	}
	settings := c.settings()
	var made *receiver.Receiver
	settings.ShutDown = func() { r.forget(c, made) }
	made, err := receiver.New(set, settings)
	if err != nil {
		return nil, err
	}
	r.of[c] = made
	return made, nil
}

// forget forgets the receiver of a configuration, unless that has another one by now.
func (r *receivers) forget(c *Config, shutDown *receiver.Receiver) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.of[c] == shutDown {
		delete(r.of, c)
	}
}
