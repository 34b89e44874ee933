//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.uber.org/zap"

	"example.com/tcpcheckreceiver"
	"example.com/tcpcheckreceiver/e2e/harness"
	"example.com/tcpcheckreceiver/e2e/peers"
)

// measurePromptness prints how long it takes to read a configuration, to start with
// it, and to stop.
func measurePromptness() error {
	fmt.Println()
	return errors.Join(measureConfig(), measureShutdown(10_000), measureStart(10_000))
}

// measureConfig measures the decoding and validation of instances.
func measureConfig() error {
	took := make(map[int]time.Duration)
	for _, n := range []int{10_000, 100_000} {
		conf := confmap.NewFromStringMap(map[string]any{"instances": instancesOf(peers.Targets(n, 80), map[string]any{
			"timeout": "5s", "collect_response_time": true, "tags": []any{"env:prod", "team:payments"}, "service": "checkout", "ip_cache_duration": 60,
		})})
		began := time.Now()
		config := tcpcheckreceiver.NewFactory().CreateDefaultConfig()
		if err := conf.Unmarshal(config); err != nil {
			return err
		}
		if err := confmap.Validate(config); err != nil {
			return err
		}
		took[n] = time.Since(began)
		fmt.Printf("decoding and validation of %d instances: %v\n", n, ms(took[n]))
	}
	addGoal("seconds to decode and validate 100,000 instances", took[100_000].Seconds(), 5)
	addGoal("the same per instance, to that of 10,000", ratio(took[100_000]/10, took[10_000]), 1.5)
	return nil
}

// measureShutdown measures the shutdown with n checks under way.
func measureShutdown(n int) error {
	r, err := harness.StartReceiver(confmap.NewFromStringMap(map[string]any{
		"initial_delay": 0, "instances": instancesOf(peers.Targets(n, silentPort), nil),
	}), zap.NewNop(), func(context.Context, pmetric.Metrics) error { return nil })
	if err != nil {
		return err
	}
	began := time.Now()
	for poll := time.NewTicker(time.Millisecond); runtime.NumGoroutine() < n && time.Since(began) < timeout; { // one awaits each answer
		<-poll.C
	}
	waiting, sent := runtime.NumGoroutine(), time.Since(began)
	began = time.Now()
	err = r.Shutdown(context.Background())
	took := time.Since(began)
	fmt.Printf("SYNs to %d targets that never answer: sent in %v\nshutdown with %d goroutines that await answers: %v\n", n, ms(sent), waiting, ms(took))
	addGoal(fmt.Sprintf("seconds to shut down with %d checks under way", n), took.Seconds(), 0.5)
	return err
}

// measureStart measures from the start of the collector, of which COLLECTOR has the
// path, to the first points of n targets.
func measureStart(n int) error {
	binary := os.Getenv("COLLECTOR")
	if binary == "" {
		fmt.Println("start: COLLECTOR does not name the collector's binary; make bench does")
		return nil
	}
	folder, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	for _, run := range []struct {
		targets int
		inFile  bool
	}{{1, false}, {n, false}, {n, true}, {10 * n, true}} {
		took, err := start(binary, folder, peers.Targets(run.targets, 1), run.inFile)
		if err != nil {
			return err
		}
		what := fmt.Sprintf("to the first points of %d targets", run.targets)
		if run.inFile {
			what += " in a file"
		}
		fmt.Printf("from the start of the collector %s: %v\n", what, ms(took))
		if run.targets == n {
			addGoal("seconds "+what, took.Seconds(), 1)
		}
	}
	return nil
}

// start starts the collector with targets, in its own configuration or in a file
// beside it, and returns how long it took until it exported points.
func start(binary, folder string, targets []netip.AddrPort, inFile bool) (time.Duration, error) {
	exported := make(chan time.Time, 1)
	sink := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		select {
		case exported <- time.Now():
		default:
		}
	}))
	defer sink.Close()
	config, instances := filepath.Join(folder, "collector.yaml"), instancesYAML(targets)
	if inFile {
		file := filepath.Join(folder, "instances.yaml")
		if err := os.WriteFile(file, []byte(instances), 0o600); err != nil {
			return 0, err
		}
		instances = "instances_file: " + file
	}
	if err := os.WriteFile(config, []byte(pipeline(instances, sink.URL)), 0o600); err != nil {
		return 0, err
	}
	process := exec.Command(binary, "--config", config)
	process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	began := time.Now()
	if err := process.Start(); err != nil {
		return 0, err
	}
	defer func() {
		_ = process.Process.Kill()
		_ = process.Wait()
	}()
	select {
	case at := <-exported:
		return at.Sub(began), nil
	case <-time.After(harness.Patience):
		return 0, errors.New("the collector exports nothing")
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

// pipeline returns the collector's configuration with these options of the receiver.
func pipeline(instances, sink string) string {
	return fmt.Sprintf(`receivers:
  tcpcheck:
    initial_delay: 0
    %s
exporters:
  otlp_http: {endpoint: %q}
service:
  telemetry: {metrics: {level: none}, logs: {level: fatal}}
  pipelines:
    metrics: {receivers: [tcpcheck], exporters: [otlp_http]}
`, strings.ReplaceAll(instances, "\n", "\n    "), sink)
}
