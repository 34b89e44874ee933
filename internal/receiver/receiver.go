// Package receiver runs the checks: a collection of the targets of each
// interval, again and again, until it is shut down.
package receiver

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	collector "go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/scraper"
	"go.opentelemetry.io/collector/scraper/scraperhelper"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"golang.org/x/sync/semaphore"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/metadata"
	"example.com/tcpcheckreceiver/internal/probe"
	"example.com/tcpcheckreceiver/internal/report"
)

// Settings say what a receiver is to do.
type Settings struct {
	// Targets are checked each at its own interval.
	Targets []check.Target
	// InitialDelay is the time from the start to the first checks; 0 is none.
	InitialDelay time.Duration
	// MaxConcurrentChecks limits the checks that are under way; 0 does not.
	MaxConcurrentChecks int64
	// Warnings are logged at the start.
	Warnings []string
	// Metrics are those to make.
	Metrics metadata.MetricsBuilderConfig
}

// New returns a receiver that does what settings say and gives the metrics to next.
func New(set collector.Settings, settings Settings, next consumer.Metrics) (collector.Metrics, error) {
	// Scraperhelper logs a partial scrape error as an error, at which the collector adds
	// a stack trace: it is of no use to the one who reads that a descriptor is missing.
	set.Logger = set.Logger.WithOptions(zap.AddStacktrace(zapcore.FatalLevel))
	r := &metricsReceiver{logger: set.Logger, warnings: settings.Warnings}
	var running context.Context
	running, r.cancel = context.WithCancel(context.Background())
	var slots *semaphore.Weighted
	if settings.MaxConcurrentChecks > 0 {
		slots = semaphore.NewWeighted(settings.MaxConcurrentChecks)
	}
	machine := report.NewMachine(set.Logger, probe.ReadConntrack)
	for _, targets := range byInterval(settings.Targets) {
		g := newGroup(running, set, settings.Metrics, targets, slots, machine)
		controller, err := newController(g, set, settings.InitialDelay, next)
		if err != nil {
			r.cancel()
			return nil, err
		}
		r.controllers = append(r.controllers, controller)
	}
	return r, nil
}

// byInterval groups targets by their interval, in the order of first occurrence.
func byInterval(targets []check.Target) [][]check.Target {
	var groups [][]check.Target
	index := make(map[time.Duration]int)
	for _, t := range targets {
		i, ok := index[t.Interval]
		if !ok {
			i = len(groups)
			index[t.Interval] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], t)
	}
	return groups
}

// newController returns what has g make a collection at every interval.
func newController(g *group, set collector.Settings, initialDelay time.Duration, next consumer.Metrics) (collector.Metrics, error) {
	metrics, err := scraper.NewMetrics(g.collect)
	if err != nil {
		return nil, err
	}
	config := scraperhelper.NewDefaultControllerConfig()
	config.CollectionInterval, config.InitialDelay = g.interval, initialDelay
	return scraperhelper.NewMetricsController(&config, set, next, scraperhelper.AddMetricsScraper(metadata.Type, metrics))
}

// metricsReceiver is a controller for each distinct interval.
type metricsReceiver struct {
	// cancel ends the checks under way. The controllers' Shutdown waits for
	// them, and would wait for the timeout of a silent target.
	cancel      context.CancelFunc
	controllers []collector.Metrics
	logger      *zap.Logger
	warnings    []string

	mu      sync.Mutex
	begun   bool                // Start or Shutdown was called
	running []collector.Metrics // the controllers that run
}

// errUsed is the error of a Start that is not the first call. The receiver is of no use
// after Shutdown: its checks have been cancelled for good.
var errUsed = errors.New("the receiver was started or shut down before")

// Start starts all controllers, or none if one fails. It fails unless it is called
// first.
func (r *metricsReceiver) Start(ctx context.Context, host component.Host) error {
	err := r.start(ctx, host)
	if err != nil && err != errUsed { //nolint:errorlint // it is never wrapped
		err = errors.Join(err, r.Shutdown(ctx))
	}
	return err
}

func (r *metricsReceiver) start(ctx context.Context, host component.Host) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.begun {
		return errUsed
	}
	r.begun = true
	for _, warning := range r.warnings {
		r.logger.Warn(warning)
	}
	for _, controller := range r.controllers {
		if err := controller.Start(ctx, host); err != nil {
			return err
		}
		r.running = append(r.running, controller)
	}
	return nil
}

// Shutdown ends all checks at once. What a collection has found until then is
// still given to the next consumer. The error is ctx's where that ends before the
// consumer has taken it: what is left ends as soon as it has. A call before Start makes
// Start fail; a second call does nothing.
func (r *metricsReceiver) Shutdown(ctx context.Context) error {
	r.cancel()
	r.mu.Lock()
	running := r.running
	// Each is shut down once: a second time, a controller would panic.
	r.begun, r.running = true, nil
	r.mu.Unlock()

	// All at once: each ends its collections, whichever consumer blocks.
	stopped := make(chan error, len(running))
	for _, controller := range running {
		go func() { stopped <- controller.Shutdown(ctx) }()
	}
	var errs error
	for range running {
		select {
		case err := <-stopped:
			errs = errors.Join(errs, err)
		case <-ctx.Done():
			select {
			case err := <-stopped: // at the same time
				errs = errors.Join(errs, err)
			default:
				return ctx.Err()
			}
		}
	}
	return errs
}
