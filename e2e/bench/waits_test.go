package bench

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.uber.org/zap"

	"example.com/tcpcheckreceiver"
	"example.com/tcpcheckreceiver/e2e/harness"
	"example.com/tcpcheckreceiver/e2e/peers"
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

// measureShutdown measures the shutdown with n checks under way.
func (b *bench) measureShutdown(n int) {
	r := harness.StartReceiver(b, confmap.NewFromStringMap(map[string]any{
		"initial_delay": 0, "instances": instancesOf(peers.Targets(n, b.silentPort), nil),
	}), zap.NewNop(), func(context.Context, pmetric.Metrics) error { return nil })
	began := time.Now()
	for poll := time.NewTicker(time.Millisecond); runtime.NumGoroutine() < n && time.Since(began) < interval; { // one awaits each answer
		<-poll.C
	}
	waiting, sent := runtime.NumGoroutine(), time.Since(began)
	began = time.Now()
	require.NoError(b, r.Shutdown(context.Background()))
	took := time.Since(began)
	fmt.Printf("SYNs to %d targets that never answer: sent in %v\nshutdown with %d goroutines that await answers: %v\n", n, ms(sent), waiting, ms(took))
	b.table.addGoal(fmt.Sprintf("seconds to shut down with %d checks under way", n), took.Seconds(), 0.2)
}

// measureStart measures from the start of the collector to the first payload, and to the
// payload by which each of n targets has been checked.
func (b *bench) measureStart(n int) {
	for _, run := range []struct {
		targets int
		inFile  bool
	}{{1, false}, {n, false}, {n, true}, {10 * n, true}} {
		first, all := b.start(peers.Targets(run.targets, 1), run.inFile)
		what := fmt.Sprintf("%d targets", run.targets)
		if run.inFile {
			what += " in a file"
		}
		fmt.Printf("from the start of the collector with %s: first payload after %v, each checked after %v\n", what, ms(first), ms(all))
		if run.targets == n && run.inFile {
			b.table.addGoal("seconds from the start to the first payload, "+what, first.Seconds(), 0.5)
			b.table.addGoal("seconds from the start until each is checked, "+what, all.Seconds(), 1.8)
		}
	}
}

// start starts the collector with targets, in its own configuration or in a file beside
// it, and returns how long it took until it exported points, and until it had of all.
func (b *bench) start(targets []netip.AddrPort, inFile bool) (first, all time.Duration) {
	var mu sync.Mutex
	checked, firstAt, done := make(map[string]bool), time.Time{}, make(chan time.Time, 1)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(b, err)
	sink := harness.StartSink(b, listener, func(metrics pmetric.Metrics) {
		now := time.Now()
		mu.Lock()
		defer mu.Unlock()
		if len(checked) == 0 {
			firstAt = now
		}
		for _, point := range harness.Points(metrics, "network.tcp.can_connect") {
			checked[harness.Text(point.Attributes(), "tcpcheck.instance")] = true
		}
		if len(checked) == len(targets) {
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
	case at := <-done:
		mu.Lock()
		defer mu.Unlock()
		return firstAt.Sub(began), at.Sub(began)
	case <-time.After(harness.Patience):
		require.FailNow(b, "not all points were exported")
		return 0, 0
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
