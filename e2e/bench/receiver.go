//go:build linux

package main

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"runtime/pprof"
	"time"

	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/pdata/pmetric"
	collector "go.opentelemetry.io/collector/receiver"
	"go.uber.org/zap"

	"example.com/tcpcheckreceiver/e2e/harness"
)

// receiver is the receiver, whose collections are held back between rounds.
type receiver struct {
	metrics   collector.Metrics
	targets   int
	collected chan collection
	release   chan struct{}
	stopped   chan struct{}
	held      uint64     // bytes of memory held between collections, per target
	last      collection // the latest
	profiled  int        // collections
}

// collection is what there is to know of one.
type collection struct {
	points        int
	began         time.Time // what its points say
	delivered     time.Time
	responseTimes []time.Duration
}

func (c *collection) wall() time.Duration { return c.delivered.Sub(c.began) }

// instancesOf returns the configuration of targets, each with more options.
func instancesOf(targets []netip.AddrPort, options map[string]any) []any {
	instances := make([]any, len(targets))
	for i, target := range targets {
		instance := map[string]any{"name": fmt.Sprint("target ", i), "endpoint": target.String()}
		for option, value := range options {
			instance[option] = value
		}
		instances[i] = instance
	}
	return instances
}

// newReceiver returns a receiver of targets, made by its factory, that has made
// its first collection.
func newReceiver(targets []netip.AddrPort, options map[string]any) (*receiver, error) {
	before := heap()
	r := &receiver{targets: len(targets), collected: make(chan collection), release: make(chan struct{}), stopped: make(chan struct{})}
	var err error
	r.metrics, err = harness.StartReceiver(confmap.NewFromStringMap(map[string]any{
		"initial_delay": 0, "collection_interval": timeout.String(), "instances": instancesOf(targets, options),
	}), zap.NewNop(), r.consume)
	if err != nil {
		return nil, err
	}
	<-r.collected
	if after := heap(); after > before {
		r.held = (after - before) / uint64(len(targets))
	}
	return r, nil
}

// heap returns the bytes of live objects and of stacks.
func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc + stats.StackInuse
}

// consume tells of a collection, and holds the receiver back until it is released.
func (r *receiver) consume(_ context.Context, metrics pmetric.Metrics) error {
	c := collection{points: metrics.DataPointCount(), delivered: time.Now()}
	for _, point := range harness.Points(metrics, "network.tcp.can_connect") {
		c.began = point.Timestamp().AsTime()
	}
	for _, point := range harness.Points(metrics, "network.tcp.response_time") {
		c.responseTimes = append(c.responseTimes, time.Duration(point.DoubleValue()*float64(time.Second)))
	}
	select {
	case r.collected <- c:
	case <-r.stopped:
		return nil
	}
	select {
	case <-r.release:
	case <-r.stopped:
	}
	return nil
}

// collect makes one collection. Its wall time is from its beginning to its
// delivery; the wait for the next interval is not in it.
func (r *receiver) collect([]netip.AddrPort) (time.Duration, error) {
	if profile != "" {
		r.profiled++
		file, err := os.Create(fmt.Sprint(profile, ".", r.profiled))
		if err != nil {
			return 0, err
		}
		defer func() { _ = file.Close() }()
		if err := pprof.StartCPUProfile(file); err != nil {
			return 0, err
		}
		defer pprof.StopCPUProfile()
	}
	r.release <- struct{}{}
	r.last = <-r.collected
	if r.last.points < r.targets {
		return 0, fmt.Errorf("%d points of %d targets", r.last.points, r.targets)
	}
	return r.last.wall(), nil
}

func (r *receiver) stop() {
	close(r.stopped)
	_ = r.metrics.Shutdown(context.Background())
}
