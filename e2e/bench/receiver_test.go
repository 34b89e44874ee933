package bench

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"runtime/pprof"
	"slices"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/pdata/pmetric"
	collector "go.opentelemetry.io/collector/receiver"
	"go.uber.org/zap"

	"example.com/tcpcheckreceiver/e2e/harness"
)

// receiver is the receiver, whose collections are held back between rounds.
type receiver struct {
	*bench
	metrics   collector.Metrics
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

// newReceiver returns a receiver of targets that has made its first collection.
func (b *bench) newReceiver(targets []netip.AddrPort, options map[string]any) *receiver {
	before := heap()
	r := &receiver{bench: b, collected: make(chan collection), release: make(chan struct{}), stopped: make(chan struct{})}
	r.metrics = harness.StartReceiver(b, confmap.NewFromStringMap(map[string]any{
		"initial_delay": 0, "collection_interval": timeout.String(), "instances": instancesOf(targets, options),
	}), zap.NewNop(), r.consume)
	<-r.collected
	if after := heap(); after > before {
		r.held = (after - before) / uint64(len(targets))
	}
	return r
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
func (r *receiver) collect(targets []netip.AddrPort) time.Duration {
	if *profile != "" {
		r.profiled++
		file, err := os.Create(fmt.Sprint(*profile, ".", r.profiled))
		require.NoError(r, err)
		defer func() { _ = file.Close() }()
		require.NoError(r, pprof.StartCPUProfile(file))
		defer pprof.StopCPUProfile()
	}
	r.release <- struct{}{}
	r.last = <-r.collected
	require.GreaterOrEqual(r, r.last.points, len(targets))
	return r.last.wall()
}

func (r *receiver) stop() {
	close(r.stopped)
	require.NoError(r, r.metrics.Shutdown(context.Background()))
}

// promise is what a collection with response times is like.
type promise struct {
	state string
	n     int
	wall  time.Duration   // from its beginning to its delivery
	lags  []time.Duration // from the server's accepting a connection, which may be late, to the delivery of its point
	last  time.Duration   // from its beginning to the last connection
	times []time.Duration // the response times
}

// measurePromise makes a collection, which is the second one of a receiver.
func (b *bench) measurePromise(state string, targets []netip.AddrPort) promise {
	r := b.newReceiver(targets, map[string]any{"collect_response_time": true})
	defer r.stop()
	b.server.Accepted() // those of the first collection
	r.collect(targets)
	p := promise{state: state, n: len(targets), wall: r.last.wall(), times: r.last.responseTimes}
	for _, at := range b.server.Accepted() {
		if at.Before(r.last.began) {
			continue // it was still in the server's queue
		}
		p.lags = append(p.lags, max(0, r.last.delivered.Sub(at)))
		p.last = max(p.last, at.Sub(r.last.began))
	}
	slices.Sort(p.lags)
	slices.Sort(p.times)
	return p
}
