package bench

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.uber.org/zap"

	"example.com/tcpcheckreceiver"
	"example.com/tcpcheckreceiver/e2e/harness"
	"example.com/tcpcheckreceiver/e2e/peers"
	"example.com/tcpcheckreceiver/internal/probe"
)

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

// measureShutdown measures the shutdown with n checks under way, or as many as the limit of open
// files allows of targets that are not known to answer.
func (b *bench) measureShutdown(n int) {
	underWay := min(n, probe.MostDials()*3/4)
	r := harness.StartReceiver(b, confmap.NewFromStringMap(map[string]any{
		"initial_delay": 0, "instances": instancesOf(peers.Targets(n, b.silentPort), nil),
	}), zap.NewNop(), func(context.Context, pmetric.Metrics) error { return nil })
	began := time.Now()
	for poll := time.NewTicker(time.Millisecond); runtime.NumGoroutine() < underWay && time.Since(began) < interval; { // one awaits each answer
		<-poll.C
	}
	waiting, sent := runtime.NumGoroutine(), time.Since(began)
	began = time.Now()
	require.NoError(b, r.Shutdown(context.Background()))
	took := time.Since(began)
	fmt.Printf("SYNs to %d of %d targets that never answer: sent in %v\nshutdown with %d goroutines that await answers: %v\n", underWay, n, ms(sent), waiting, ms(took))
	b.table.addGoal(fmt.Sprintf("seconds to shut down with %d checks under way", underWay), took.Seconds(), 0.2)
}

// measureStart measures from the start of the collector to the first payload, and to the
// payload by which each of n targets has been checked.
func (b *bench) measureStart(n int) {
	for _, run := range []struct {
		targets int
		inFile  bool
	}{{1, false}, {n, false}, {n, true}, {10 * n, true}} {
		first, checked, told := b.start(peers.Targets(run.targets, 1), run.inFile)
		what := fmt.Sprintf("%d targets", run.targets)
		if run.inFile {
			what += " in a file"
		}
		fmt.Printf("from the start of the collector with %s: first payload after %v, each checked after %v, told of each after %v\n", what, ms(first), ms(checked), ms(told))
		if run.targets == n && run.inFile {
			b.table.addGoal("seconds from the start to the first payload, "+what, first.Seconds(), 0.5)
			b.table.addGoal("seconds from the start until each is checked, "+what, checked.Seconds(), 1.8)
		}
	}
}

// start starts the collector with targets, in its own configuration or in a file beside
// it, and returns how long it took until it exported points, until it had checked each, by
// the times of the points, and until it had exported those of all.
func (b *bench) start(targets []netip.AddrPort, inFile bool) (first, checked, told time.Duration) {
	var mu sync.Mutex
	var firstAt, lastOne time.Time
	checkedAt, done := make(map[string]time.Time), make(chan time.Time, 1)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	sink := harness.StartSink(b, listener, func(metrics pmetric.Metrics) {
		now := time.Now()
		mu.Lock()
		defer mu.Unlock()
		if firstAt.IsZero() {
			firstAt = now
		}
		for _, point := range harness.Points(metrics, "network.tcp.can_connect") {
			name, at := harness.Text(point.Attributes(), "tcpcheck.instance"), point.Timestamp().AsTime()
			if _, known := checkedAt[name]; !known {
				checkedAt[name] = at
				if at.After(lastOne) {
					lastOne = at
				}
			}
		}
		if len(checkedAt) == len(targets) {
			select {
			case done <- now:
			default: // it is known
			}
		}
	})
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
  otlp_http: {endpoint: "http://%s"}
service:
  telemetry: {metrics: {level: none}, logs: {level: fatal}}
  pipelines:
    metrics: {receivers: [tcpcheck], exporters: [otlp_http]}
`, harness.Indent(instances, "    "), listener.Addr()))
	began := time.Now()
	defer b.startCollector("COLLECTOR", config)()
	select {
	case at := <-done:
		mu.Lock()
		defer mu.Unlock()
		return firstAt.Sub(began), lastOne.Sub(began), at.Sub(began)
	case <-time.After(harness.Patience):
		require.FailNow(b, "not all points were exported")
		return 0, 0, 0
	}
}

// measureRequests prints how many requests a minute the exporters make for so many targets
// that stay up. The Prometheus exporter makes none: it is asked for its page.
func (b *bench) measureRequests() {
	fmt.Println()
	for _, n := range []int{3, 50, 10_000} {
		otlp, datadog := b.countRequests("/v1/metrics"), b.countRequests("/api/v2/series")
		config := filepath.Join(b.TempDir(), "collector.yaml")
		harness.Write(b, config, fmt.Sprintf(`
receivers:
  tcpcheck:
    initial_delay: 0
    phase_seed: bench
%s
exporters:
  otlp_http: {endpoint: "http://%s"}
  datadog:
    api: {key: "0123456789abcdef0123456789abcdef"}
    metrics: {endpoint: "http://%s"}
    host_metadata: {enabled: false}
    hostname: bench
  prometheus: {endpoint: "127.0.0.1:0"}
service:
  telemetry: {metrics: {level: none}, logs: {level: fatal}}
  pipelines:
    metrics: {receivers: [tcpcheck], exporters: [otlp_http, datadog, prometheus]}
`, harness.Indent(instancesYAML(b.server.Targets(n)), "    "), otlp.address, datadog.address))
		end := b.startCollector("COLLECTOR_DATADOG", config)
		<-otlp.came
		pause(2 * interval) // what is new has been told
		before, beforeDatadog := otlp.count.Load(), datadog.count.Load()
		pause(time.Minute)
		fmt.Printf("%d targets every %v, nothing new: requests a minute of the otlp_http exporter %d, of the Datadog exporter %d\n",
			n, interval, otlp.count.Load()-before, datadog.count.Load()-beforeDatadog)
		end()
	}
}

// requests counts those to a path of an address.
type requests struct {
	address string
	count   atomic.Int64
	came    chan struct{} // closed once there is one
}

func (b *bench) countRequests(path string) *requests {
	r := &requests{came: make(chan struct{})}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		_, _ = io.Copy(io.Discard, request.Body) // the sender's concern
		if request.URL.Path == path && r.count.Add(1) == 1 {
			close(r.came)
		}
		w.WriteHeader(http.StatusAccepted)
	}))
	b.Cleanup(server.Close)
	r.address = server.Listener.Addr().String()
	return r
}

// startCollector starts the collector that a variable of the environment names, until end is
// called.
func (b *bench) startCollector(variable, config string) (end func()) {
	process := exec.Command(harness.Binary(b, variable, "bench"), "--config", config)
	process.Stderr = os.Stderr
	process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(b, process.Start())
	return func() {
		_ = process.Process.Kill()
		_ = process.Wait()
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
