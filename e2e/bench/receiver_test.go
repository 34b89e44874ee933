package bench

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/pdata/pmetric"
	collector "go.opentelemetry.io/collector/receiver"
	"go.uber.org/zap"

	"example.com/tcpcheckreceiver"
	"example.com/tcpcheckreceiver/e2e/harness"
	"example.com/tcpcheckreceiver/e2e/peers"
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
		maps.Copy(instance, options)
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

// measureConfig measures the decoding and validation of instances.
func (b *bench) measureConfig() {
	took := make(map[int]time.Duration)
	for _, n := range []int{10_000, 100_000} {
		conf := confmap.NewFromStringMap(map[string]any{"instances": instancesOf(peers.Targets(n, 80), map[string]any{
			"timeout": "5s", "collect_response_time": true, "tags": []any{"env:prod", "team:payments"}, "service": "checkout", "ip_cache_duration": 60,
		})})
		began := time.Now()
		config := tcpcheckreceiver.NewFactory().CreateDefaultConfig()
		require.NoError(b, conf.Unmarshal(config))
		require.NoError(b, confmap.Validate(config))
		took[n] = time.Since(began)
		fmt.Printf("decoding and validation of %d instances: %v\n", n, ms(took[n]))
	}
	b.table.addGoal("seconds to decode and validate 100,000 instances", took[100_000].Seconds(), 5)
	b.table.addGoal("the same per instance, to that of 10,000", ratio(took[100_000]/10, took[10_000]), 1.5)
}

// measureShutdown measures the shutdown with n checks under way.
func (b *bench) measureShutdown(n int) {
	r := harness.StartReceiver(b, confmap.NewFromStringMap(map[string]any{
		"initial_delay": 0, "instances": instancesOf(peers.Targets(n, b.silentPort), nil),
	}), zap.NewNop(), func(context.Context, pmetric.Metrics) error { return nil })
	began := time.Now()
	for poll := time.NewTicker(time.Millisecond); runtime.NumGoroutine() < n && time.Since(began) < timeout; { // one awaits each answer
		<-poll.C
	}
	waiting, sent := runtime.NumGoroutine(), time.Since(began)
	began = time.Now()
	require.NoError(b, r.Shutdown(context.Background()))
	took := time.Since(began)
	fmt.Printf("SYNs to %d targets that never answer: sent in %v\nshutdown with %d goroutines that await answers: %v\n", n, ms(sent), waiting, ms(took))
	b.table.addGoal(fmt.Sprintf("seconds to shut down with %d checks under way", n), took.Seconds(), 0.5)
}

// measureStart measures from the start of the collector to the first points of n
// targets.
func (b *bench) measureStart(n int) {
	for _, run := range []struct {
		targets int
		inFile  bool
	}{{1, false}, {n, false}, {n, true}, {10 * n, true}} {
		took := b.start(peers.Targets(run.targets, 1), run.inFile)
		what := fmt.Sprintf("to the first points of %d targets", run.targets)
		if run.inFile {
			what += " in a file"
		}
		fmt.Printf("from the start of the collector %s: %v\n", what, ms(took))
		if run.targets == n {
			b.table.addGoal("seconds "+what, took.Seconds(), 1)
		}
	}
}

// start starts the collector with targets, in its own configuration or in a file
// beside it, and returns how long it took until it exported points.
func (b *bench) start(targets []netip.AddrPort, inFile bool) time.Duration {
	exported := make(chan time.Time, 1)
	sink := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		select {
		case exported <- time.Now():
		default:
		}
	}))
	defer sink.Close()
	folder := b.TempDir()
	config, instances := filepath.Join(folder, "collector.yaml"), instancesYAML(targets)
	if inFile {
		file := filepath.Join(folder, "instances.yaml")
		harness.Write(b, file, instances)
		instances = "instances_file: " + file
	}
	harness.Write(b, config, fmt.Sprintf(`
receivers:
  tcpcheck:
    initial_delay: 0
%s
exporters:
  otlp_http: {endpoint: %q}
service:
  telemetry: {metrics: {level: none}, logs: {level: fatal}}
  pipelines:
    metrics: {receivers: [tcpcheck], exporters: [otlp_http]}
`, harness.Indent(instances, "    "), sink.URL))
	process := exec.Command(harness.Binary(b, "COLLECTOR", "bench"), "--config", config)
	process.Stderr = os.Stderr
	process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	began := time.Now()
	require.NoError(b, process.Start())
	defer func() {
		_ = process.Process.Kill()
		_ = process.Wait()
	}()
	select {
	case at := <-exported:
		return at.Sub(began)
	case <-time.After(harness.Patience):
		require.FailNow(b, "the collector exports nothing")
		return 0
	}
}

func instancesYAML(targets []netip.AddrPort) string {
	var instances strings.Builder
	instances.WriteString("instances:")
	for i, target := range targets {
		fmt.Fprintf(&instances, "\n  - {name: target %d, host: %s, port: %d}", i, target.Addr(), target.Port())
	}
	return instances.String()
}
