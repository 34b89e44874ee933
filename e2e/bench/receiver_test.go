package bench

import (
	"context"
	"fmt"
	"math"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"runtime/pprof"
	"slices"
	"sync"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pmetric"
	collector "go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"example.com/tcpcheckreceiver"
	"example.com/tcpcheckreceiver/e2e/harness"
	"example.com/tcpcheckreceiver/e2e/peers"
	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/metadata"
	"example.com/tcpcheckreceiver/internal/receiver"
	"example.com/tcpcheckreceiver/internal/schedule"
)

// options are those of the targets that are not the same in all measurements.
type options struct {
	interval, timeout time.Duration // 15 s and 10 s if they are 0
	record            bool          // the results
	quiet             bool
	tls               *check.TLS
	consume           func(pmetric.Metrics) // nil: what is not recorded is dropped
}

// running is a receiver that runs in this process, without a configuration: decoding that
// of a million targets would be most of what is measured.
type running struct {
	*bench
	collector.Metrics
	telemetry *componenttest.Telemetry
	targets   int
	before    uint64 // bytes of memory held before there was a receiver
	profiled  int

	mu      sync.Mutex
	record  bool
	taker   func(pmetric.Metrics)
	results map[string][]result // of each target, if they are recorded
}

// result is a point of network.tcp.can_connect.
type result struct {
	up        bool
	known     time.Time
	delivered time.Time
}

// run starts a receiver of targets.
func (b *bench) run(targets []netip.AddrPort, o options) *running {
	r := &running{bench: b, telemetry: componenttest.NewTelemetry(), targets: len(targets), before: heap(), record: o.record, taker: o.consume, results: make(map[string][]result)}
	config := tcpcheckreceiver.NewFactory().CreateDefaultConfig().(*tcpcheckreceiver.Config)
	settings := receiver.Settings{
		FlushInterval: 5 * time.Second, PhaseSeed: "bench",
		Metrics: metadata.MetricsBuilderConfig{Metrics: config.Metrics, ResourceAttributes: config.ResourceAttributes},
	}
	for i, target := range targets {
		settings.Targets = append(settings.Targets, &check.Target{
			Host: target.Addr().String(), Port: target.Port(), Interval: orElse(o.interval, interval), Timeout: orElse(o.timeout, 10*time.Second),
			CacheDuration: check.UntilError, MaxCacheDuration: 5 * time.Minute, Quiet: o.quiet, TLS: o.tls, Labels: check.Labels{Name: fmt.Sprint("target ", i)},
		})
	}
	next, err := consumer.NewMetrics(r.consume)
	require.NoError(b, err)
	set := receivertest.NewNopSettings(metadata.Type)
	set.TelemetrySettings = r.telemetry.NewTelemetrySettings()
	made, err := receiver.New(set, settings)
	require.NoError(b, err)
	r.Metrics, err = made.Metrics(next)
	require.NoError(b, err)
	require.NoError(b, r.Start(context.Background(), componenttest.NewNopHost()))
	b.Cleanup(func() { _ = r.Shutdown(context.Background()) })
	r.awaitChecks(len(targets))
	return r
}

func orElse(d, other time.Duration) time.Duration {
	if d == 0 {
		return other
	}
	return d
}

// held returns the bytes of memory held, per target.
func (r *running) held() uint64 { return (max(heap(), r.before) - r.before) / uint64(r.targets) }

// heap returns the bytes of live objects and of stacks.
func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc + stats.StackInuse
}

func (r *running) consume(_ context.Context, metrics pmetric.Metrics) error {
	if r.taker != nil {
		r.taker(metrics)
	}
	if !r.record {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	for _, point := range harness.Points(metrics, "network.tcp.can_connect") {
		name := harness.Text(point.Attributes(), "tcpcheck.instance")
		r.results[name] = append(r.results[name], result{point.IntValue() == 1, point.Timestamp().AsTime(), now})
	}
	return nil
}

// taken returns the results since the last call of it.
func (r *running) taken() map[string][]result {
	r.mu.Lock()
	defer r.mu.Unlock()
	taken := r.results
	r.results = make(map[string][]result)
	return taken
}

// lateness returns the receiver's own histogram of it.
func (r *running) lateness() metricdata.HistogramDataPoint[float64] {
	metric, err := r.telemetry.GetMetric("otelcol_receiver_tcpcheck_lateness")
	if err != nil {
		return metricdata.HistogramDataPoint[float64]{} // there was no check
	}
	return metric.Data.(metricdata.Histogram[float64]).DataPoints[0]
}

// leftOut returns how many checks were left out.
func (r *running) leftOut() int64 { return r.sum("checks_left_out") }

// sum returns what the receiver has counted so far of its own.
func (r *running) sum(name string) (sum int64) {
	metric, err := r.telemetry.GetMetric("otelcol_receiver_tcpcheck_" + name)
	if err != nil {
		return 0 // there was nothing to count
	}
	for _, point := range metric.Data.(metricdata.Sum[int64]).DataPoints {
		sum += point.Value
	}
	return sum
}

func (r *running) awaitChecks(n int) {
	for r.lateness().Count < uint64(n) {
		pause(100 * time.Millisecond)
	}
}

// awaitSteady waits until the first checks, which run awaits, are no longer what is new.
func (r *running) awaitSteady() { pause(interval / 2) }

// startProfile starts a CPU profile, if one is wanted, that ends when end is called.
func (r *running) startProfile() (end func()) {
	if *profile == "" {
		return func() {}
	}
	r.profiled++
	file, err := os.Create(fmt.Sprint(*profile, ".", r.profiled))
	require.NoError(r, err)
	require.NoError(r, pprof.StartCPUProfile(file))
	return func() {
		pprof.StopCPUProfile()
		_ = file.Close()
	}
}

// measure measures what the checks of a round cost.
func (r *running) measure() cost { return r.measureFor(*window) }

// measureFor measures what the checks cost in a time.
func (r *running) measureFor(d time.Duration) cost {
	defer r.startProfile()()
	before := r.lateness().Count
	return measureCost(func() int {
		pause(d)
		return int(r.lateness().Count - before)
	})
}

func (r *running) stop() { require.NoError(r, r.Shutdown(context.Background())) }

// lateP99 returns the limit below which 99 of 100 checks began late, between two states
// of the histogram.
func lateP99(before, after metricdata.HistogramDataPoint[float64]) float64 {
	total, sum := after.Count-before.Count, uint64(0)
	for i, bound := range after.Bounds {
		sum += after.BucketCounts[i]
		if len(before.BucketCounts) > 0 {
			sum -= before.BucketCounts[i]
		}
		if float64(sum) >= 0.99*float64(total) {
			return bound
		}
	}
	return after.Bounds[len(after.Bounds)-1] * 2
}

// measureNews measures how old a change of state is at its delivery, beside targets of
// which a tenth never answers: all others go down, as their server is ended.
func (b *bench) measureNews(n int) {
	r := b.run(b.mixed(n, 1), options{record: true})
	r.awaitSteady()
	before := r.taken()
	b.server.Stop()
	pause(interval + interval/2)
	var ages []time.Duration
	for name, results := range r.taken() {
		up := len(before[name]) > 0 && before[name][len(before[name])-1].up
		for _, result := range results {
			if result.up != up {
				ages = append(ages, result.delivered.Sub(result.known))
			}
			up = result.up
		}
	}
	r.stop()
	b.server = peers.StartServer(b.T, "-serve", "0.0.0.0:20000")
	slices.Sort(ages)
	require.Greater(b, len(ages), n/2, "changes of state")
	fmt.Printf("\n%d changes of state of %d targets, of which a tenth is silent for 10s: age at delivery p50 %v, p99 %v, most %v\n",
		len(ages), n, ms(quantile(ages, 0.5)), ms(quantile(ages, 0.99)), ms(quantile(ages, 1)))
	b.table.addGoal(fmt.Sprintf("seconds, p99 of the age of a change, %d with a tenth silent", n), quantile(ages, 0.99).Seconds(), 1.1)
}

// measureEvenness measures how many checks the busiest tenth of a second of an interval
// has, to the mean.
func (b *bench) measureEvenness(n int) {
	r := b.run(b.server.Targets(n), options{record: true})
	r.awaitSteady()
	pause(interval)
	r.taken()
	pause(interval + 6*time.Second)
	windows, from := make(map[int64]int), time.Now().Add(-interval-5*time.Second)
	total := 0
	for _, results := range r.taken() {
		for _, result := range results {
			if since := result.known.Sub(from); since >= 0 && since < interval-time.Second {
				windows[int64(since/(100*time.Millisecond))]++
				total++
			}
		}
	}
	r.stop()
	most := 0
	for _, checks := range windows {
		most = max(most, checks)
	}
	mean := float64(total) / ((interval - time.Second).Seconds() * 10)
	fmt.Printf("%d targets: %.1f checks in the mean tenth of a second, %d in the busiest\n", n, mean, most)
	b.table.addGoal(fmt.Sprintf("busiest tenth of a second to the mean, %d targets", n), float64(most)/mean, 1.6)
}

// lateOf returns how late the targets were that answer, by the time of their results, and how
// often they were down. Of results of mixed targets, it leaves out those that never answer.
func lateOf(results map[string][]result) (late []time.Duration, down int) {
	for name, results := range results {
		n, first := 0, time.Duration(math.MaxInt64)
		if _, err := fmt.Sscanf(name, "target %d", &n); err != nil || n%10 < silentTenths {
			continue
		}
		// A target is checked at the same moment of each interval, but for lateness.
		into := func(r result) time.Duration { return time.Duration(r.known.UnixNano() % int64(interval)) }
		for _, r := range results {
			first = min(first, into(r))
		}
		for _, r := range results {
			late = append(late, into(r)-first)
			if !r.up {
				down++
			}
		}
	}
	return late, down
}

// measureMillion checks a million targets of a state every minute, and makes the bare calls to
// them at the same rate afterwards. Quiet checks it makes where a rule tracks connections.
func (b *bench) measureMillion(state string, lasts time.Duration) {
	const n = 1_000_000
	targets, quiet := b.targetsIn(state, n), state == "quiet"
	if quiet {
		b.shell("nft add table ip bench; nft 'add chain ip bench tracked { type filter hook output priority 0; ct state new accept; }'")
		defer b.shell("nft delete table ip bench")
	}
	r := b.run(targets, options{interval: time.Minute, quiet: quiet})
	before, leftOut, used, began := r.lateness(), r.leftOut(), cpuTime(), time.Now()
	end := r.startProfile()
	entries := 0
	for time.Since(began) < lasts {
		pause(time.Second)
		if quiet {
			entries = max(entries, harness.ConntrackCount(b))
		}
	}
	end()
	after, took, wall := r.lateness(), cpuTime()-used, time.Since(began)
	leftOut, held := r.leftOut()-leftOut, r.held()
	unchecked, noticed := r.sum("results_unchecked"), r.sum("quiet_checks_noticed")
	cores, late := took.Seconds()/wall.Seconds(), lateP99(before, after)
	r.stop()
	alone := b.measureLoop(targets, n/time.Minute.Seconds(), schedule.Tick, bareOf(state))
	what := "1,000,000 " + state
	fmt.Printf("\n%s every minute for %v: %d checks, %d left out, 99 of 100 late by less than %gs, %d B held per target, %.2f cores\n"+
		"the bare calls at that rate: %.2f cores for %.0f a second\n",
		what, lasts, after.Count-before.Count, leftOut, late, held, cores, alone.core, alone.core/alone.cpu.Seconds())
	most := 0.8
	if quiet {
		most = 0.6
		size := harness.ConntrackMax(b)
		require.Positive(b, entries, "connections were not tracked")
		fmt.Printf("connection tracking: %d entries at most, of %d; %d unchecked, %d noticed\n", entries, size, unchecked, noticed)
		b.table.addGoal("unchecked, "+what, float64(unchecked), 0)
		b.table.addGoal("noticed, "+what, float64(noticed), 0)
	}
	b.table.addGoal("checks left out, "+what, float64(leftOut), 0)
	b.table.addGoal("seconds, p99 of the lateness, "+what, late, 1)
	b.table.addGoal("bytes held per target, "+what, float64(held), 2048)
	b.table.addGoal("cores, "+what, cores, most)
	b.table.addGoal("cores, "+what+", to those of the bare calls", cores/alone.core, toBare[state])
}

// shell runs a command.
func (b *bench) shell(text string) {
	output, err := exec.Command("sh", "-ec", text).CombinedOutput()
	require.NoError(b, err, "%s: %s", text, output)
}
