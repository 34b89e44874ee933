// Package soak runs a collector for minutes while everything around it changes, and
// tests whether what it uses stays flat and what it reports stays right.
//
// 2,000 targets appear, refuse, hang and rotate their addresses; they are from the
// configuration, a file, and a server, whose lists change; the collector is reloaded now
// and then, and its OTLP exporter is cut off for a while. All of it happens in a network
// namespace of its own, on the loopback interface.
package soak

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"example.com/tcpcheckreceiver/e2e/harness"
)

var (
	length  = flag.Duration("duration", 0, "how long the run takes, at least 1m; 0 is not to run")
	reloads = flag.Int("reloads", 9, "how many times the collector gets another configuration, at most 20")
	update  = flag.Bool("update", false, "write the figures into docs/reliability.md, and docs/reliability.svg")
)

func TestMain(m *testing.M) {
	os.Exit(harness.InNamespace("nameserver 127.0.0.1\noptions timeout:1\n", m.Run))
}

// The collector's interval and timeout. The checks are spread over the interval, so that
// samples are all alike.
const (
	interval = 5 * time.Second
	timeout  = time.Second
)

// changeTick is the time between two changes of the world.
const changeTick = time.Second

// plan says when what happens in a run, as times since its start. All of it is in
// proportion to the duration; the values for ten minutes are in the comments.
type plan struct {
	duration time.Duration
	// sample is the time between two samples of the collector.
	sample time.Duration // 1s
	// reloads are when the collector gets another configuration.
	reloads []time.Duration // 1m, 2m, and so on until 9m
	// lists are when it gets other lists beside it, by a file and by a server. With a reload
	// it gets both.
	lists []time.Duration // 12s, 24s, 36s, 48s, and so on after each reload
	// cut and restore are when the exporter loses its peer and gets it back. The
	// collector is reloaded in between: once with a queue that has no way out,
	// and then the queue that has one again belongs to a new exporter.
	cut, restore time.Duration // 4m15s, 5m30s
	// The figures are compared in two windows with as many reloads each, after a
	// warm-up and another third, of which only the chart tells.
	middle, last window // 4m to 7m, 7m to 10m
}

// window is a part of a run.
type window struct{ from, until time.Duration }

func (w window) has(at time.Duration) bool { return at >= w.from && at < w.until }

// newPlan returns the plan of a run with a number of reloads, 9 in the comments.
func newPlan(duration time.Duration, reloads int) plan {
	tenth := duration / 10
	p := plan{
		duration: duration,
		sample:   min(max(duration/600, 500*time.Millisecond), time.Second),
		cut:      tenth * 17 / 4,
		restore:  tenth * 11 / 2,
		middle:   window{4 * tenth, 7 * tenth},
		last:     window{7 * tenth, duration},
	}
	for i := range reloads {
		p.reloads = append(p.reloads, duration*time.Duration(i+1)/time.Duration(reloads+1))
	}
	for i := range (reloads + 1) * listsPerReload {
		if i%listsPerReload != 0 {
			p.lists = append(p.lists, duration*time.Duration(i)/time.Duration((reloads+1)*listsPerReload))
		}
	}
	return p
}

// listsPerReload is how often the lists change from one reload to the next, with it.
const listsPerReload = 5

// trace is the time between two counts of the goroutines. They come at all
// moments of the interval, since it divides none.
func (p plan) trace() time.Duration { return 3 * p.sample }

// The windows hold the same number of reloads, and end with the run.
func TestPlan(t *testing.T) {
	p := newPlan(10*time.Minute, 9)
	for _, w := range []window{p.middle, p.last} {
		count := 0
		for _, at := range p.reloads {
			if w.has(at) {
				count++
			}
		}
		assert.Equal(t, 3, count)
	}
	assert.Equal(t, p.duration, p.last.until)
	assert.NotZero(t, interval%p.trace())
}

// run is a run, and what it found.
type run struct {
	t         *testing.T
	plan      plan
	folder    string // for files
	world     *world
	sink      *harness.Sink
	delivered atomic.Int64 // points that came by OTLP
	collector *harness.Program
	start     time.Time // of the collector
	number    int       // of the lists
	loaded    int       // of the configuration
	served    atomic.Value
	figures   *figures
	missing   int      // samples for which a page could not be read, as during a reload
	stderr    []string // lines that are no traces

	reloads    []reload
	stopping   time.Duration // how long the collector took to end
	page, otlp way
}

// reload is a reload of the collector: when it was asked for, and how long it took to
// be ready again.
type reload struct{ at, took time.Duration }

// way is a way out of the collector, and how what came out of it last compares with the
// world.
type way struct {
	history history
	last    comparison
}

// The run, of which docs/reliability.md tells.
func TestSoak(t *testing.T) {
	switch {
	case *length == 0:
		t.Skip("takes minutes; run it by make soak")
	case *length < time.Minute:
		t.Fatalf("a run of %v is too short, it takes %v", *length, time.Minute)
	case *reloads < 0 || *reloads > 20:
		t.Fatalf("%d reloads are not between 0 and 20", *reloads)
	}
	harness.RequireNamespace(t)
	r := &run{t: t, plan: newPlan(*length, *reloads), folder: t.TempDir(), figures: newFigures()}
	r.world = newWorld(t)
	r.restore()
	r.serve()
	r.startCollector()

	sampling, stop := context.WithCancel(t.Context())
	var sampler sync.WaitGroup
	sampler.Go(func() { r.sample(sampling) })
	r.steps()
	r.compare()
	stop()
	sampler.Wait()
	r.stopping = r.collector.Stop()
	r.figures.goroutines.points, r.stderr = goroutinesIn(harness.Read(t, r.traces()))

	report := newReport(r)
	t.Log("\n" + report.markdown())
	for _, problem := range report.problems() {
		t.Error("WRONG:", problem)
	}
	if *update {
		report.write("../../docs")
	}
}

// Where in the namespace the collector serves its pages, and where it sends its
// metrics.
const (
	pageAddress      = "127.0.0.1:9464"
	telemetryAddress = "127.0.0.1:8888"
	sinkAddress      = "127.0.0.1:4318"
	serverAddress    = "127.0.0.1:9465"
)

// retained is how long a series that is no longer reported stays on the page.
const retained = 3 * interval

// config returns a configuration that checks targets. The output of the collector is
// all on standard output, so that what the runtime writes has standard error for
// itself.
func (r *run) configuration(targets []*target) string {
	host, port, _ := strings.Cut(telemetryAddress, ":")
	return fmt.Sprintf(`receivers:
  tcpcheck:
    collection_interval: %v
    defaults: {timeout: %v, collect_response_time: true, ip_cache_duration: 0}
    instances:
%s    instances_file: %s
    scrape_configs:
      - job_name: soak
        http_sd_configs: [{url: "http://%s/", refresh_interval: 2s}]
        relabel_configs: [{action: labeldrop, regex: job}]
exporters:
  prometheus: {endpoint: %s, without_scope_info: true, send_timestamps: true, metric_expiration: %v}
  otlp_http: {endpoint: "http://%s", retry_on_failure: {max_interval: 5s}}
service:
  telemetry:
    logs: {output_paths: [stdout], error_output_paths: [stdout]}
    metrics: {readers: [{pull: {exporter: {prometheus: {host: %s, port: %s}}}}]}
  pipelines:
    metrics: {receivers: [tcpcheck], exporters: [prometheus, otlp_http]}
`, interval, timeout, harness.Indent(instances(targets, fromConfiguration), "      ")+"\n", r.file(), serverAddress, pageAddress, retained, sinkAddress, host, port)
}

// instances returns the targets of a source as instances of YAML.
func instances(targets []*target, from source) string {
	var instances strings.Builder
	for _, t := range targets {
		if t.source != from {
			continue
		}
		where := fmt.Sprintf("endpoint: %q", t.peers[0].addr)
		if t.host != "" {
			where = fmt.Sprintf("host: %s, port: %d, multiple_ips: %t", t.host, t.peers[0].addr.Port(), t.multiple)
		}
		fmt.Fprintf(&instances, "- {name: %s, %s}\n", t.instance, where)
	}
	return instances.String()
}

// groups returns the targets of the server as groups of JSON.
func groups(targets []*target) string {
	var groups []string
	for _, t := range targets {
		if t.source != fromServer {
			continue
		}
		address := t.peers[0].addr.String()
		if t.host != "" {
			address = fmt.Sprintf("%s:%d", t.host, t.peers[0].addr.Port())
		}
		groups = append(groups, fmt.Sprintf(`{"targets": [%q], "labels": {"instance": %q, "__tcpcheck_multiple_ips": "%t"}}`, address, t.instance, t.multiple))
	}
	return "[" + strings.Join(groups, ",\n") + "]"
}
func (r *run) config() string { return filepath.Join(r.folder, "collector.yaml") }
func (r *run) traces() string { return filepath.Join(r.folder, "traces") }

func (r *run) file() string { return filepath.Join(r.folder, "instances.yaml") }

// configured returns the targets that the collector has now.
func (r *run) configured() []*target { return r.world.configured(r.loaded, r.number) }

// configure writes the configuration of the present number.
func (r *run) configure() { harness.Write(r.t, r.config(), r.configuration(r.configured())) }

// list gives the lists of the present number to the file, over which another one is renamed,
// and to the server.
func (r *run) list() {
	targets := r.configured()
	harness.Write(r.t, r.file()+".new", "instances:\n"+instances(targets, fromFile))
	require.NoError(r.t, os.Rename(r.file()+".new", r.file()))
	r.served.Store(groups(targets))
}

// serve serves the list of the server.
func (r *run) serve() {
	listener, err := net.Listen("tcp4", serverAddress)
	require.NoError(r.t, err)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		text, _ := r.served.Load().(string)
		_, _ = io.WriteString(w, text)
	})}
	go func() { _ = server.Serve(listener) }()
	r.t.Cleanup(func() { assert.NoError(r.t, server.Close()) })
}

// startCollector starts the collector and the run. The runtime's scheduler trace
// (GODEBUG, package runtime) lists all goroutines on standard error.
func (r *run) startCollector() {
	r.list()
	r.configure()
	traces, err := os.Create(r.traces())
	require.NoError(r.t, err)
	r.t.Cleanup(func() { _ = traces.Close() })
	command := exec.Command(harness.Binary(r.t, "COLLECTOR", "soak"), "--config", r.config())
	command.Env = append(os.Environ(), fmt.Sprintf("GODEBUG=schedtrace=%d,scheddetail=1", r.plan.trace().Milliseconds()))
	command.Stderr = traces
	r.start = time.Now()
	r.collector = harness.Start(r.t, command, harness.CollectorReady)
}

// restore has the sink take metrics.
func (r *run) restore() {
	listener, err := net.Listen("tcp4", sinkAddress)
	require.NoError(r.t, err)
	r.sink = harness.StartSink(r.t, listener, func(metrics pmetric.Metrics) {
		r.delivered.Add(int64(metrics.DataPointCount()))
		for _, point := range harness.Points(metrics, "network.tcp.can_connect") {
			instance, address := harness.Text(point.Attributes(), "tcpcheck.instance"), harness.Text(point.Attributes(), "network.peer.address")
			r.otlp.history.add(point.Timestamp().AsTime(), instance, address, point.IntValue() == 1)
		}
	})
}

// steps does what the plan says, until its end.
func (r *run) steps() {
	type step struct {
		at time.Duration
		do func()
	}
	steps := []step{
		{r.plan.cut, func() { r.say("The OTLP exporter is cut off."); r.sink.Close() }},
		{r.plan.restore, func() { r.say("The OTLP exporter has its peer back."); r.restore() }},
		{r.plan.duration, func() { r.say("The changes stop.") }},
	}
	for _, at := range r.plan.reloads {
		steps = append(steps, step{at, r.reload})
	}
	for _, at := range r.plan.lists {
		steps = append(steps, step{at, func() { r.number++; r.list(); r.say("The file and the server have their lists number %d.", r.number) }})
	}
	slices.SortFunc(steps, func(a, b step) int { return cmp.Compare(a.at, b.at) })

	ticks := time.NewTicker(changeTick)
	defer ticks.Stop()
	for _, s := range steps {
		for due, waiting := time.After(s.at-time.Since(r.start)), true; waiting; {
			select {
			case <-due:
				waiting = false
			case <-ticks.C:
				if !r.collector.Running() {
					_, rest := goroutinesIn(harness.Read(r.t, r.traces()))
					require.FailNow(r.t, "the collector has ended", strings.Join(rest, "\n"))
				}
				r.world.change(changeTick)
			}
		}
		s.do()
	}
}

// reload gives the collector another configuration.
func (r *run) reload() {
	r.number++
	r.loaded = r.number
	r.list()
	r.configure()
	at := time.Since(r.start)
	took := r.collector.Reload()
	r.reloads = append(r.reloads, reload{at, took})
	r.say("The collector has its configuration number %d, %v after the signal.", r.number, took.Round(time.Millisecond))
}

// compare waits for results of each target that are of checks after the last change, and
// compares them with what is, on both ways out of the collector.
func (r *run) compare() {
	stopped, targets := time.Now(), r.configured()
	for _, w := range []*way{&r.page, &r.otlp} {
		var found results
		require.Eventually(r.t, func() bool {
			found = w.history.second(stopped)
			return found.has(targets)
		}, harness.Patience, 100*time.Millisecond)
		w.last = compare(targets, found)
	}
}

// say tells what happens.
func (r *run) say(format string, args ...any) {
	r.t.Logf("%8v  %s", time.Since(r.start).Round(100*time.Millisecond), fmt.Sprintf(format, args...))
}
