package bench

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"example.com/tcpcheckreceiver/e2e/harness"
)

// refreshEvery is how often the list of measureLists is asked for.
const refreshEvery = 5 * time.Second

// lists is a server of a list of targets.
type lists struct {
	text   atomic.Pointer[[]byte]
	silent atomic.Bool
	first  atomic.Int64 // when the first answer was, in nanoseconds since 1970
	given  atomic.Int64 // when the last one was
}

// ServeHTTP implements http.Handler.
func (l *lists) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	if l.silent.Load() {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(*l.text.Load())
	now := time.Now().UnixNano()
	l.first.CompareAndSwap(0, now)
	l.given.Store(now)
}

// have has the server have targets, each with some labels.
func (l *lists) have(b *bench, targets []netip.AddrPort) {
	type group struct {
		Targets []string          `json:"targets"`
		Labels  map[string]string `json:"labels"`
	}
	groups := make([]group, len(targets))
	for i, target := range targets {
		groups[i] = group{[]string{target.String()}, map[string]string{"team": "data", "env": "prod", "rack": fmt.Sprint(i % 100), "owner": "somebody"}}
	}
	text, err := json.Marshal(groups)
	require.NoError(b, err)
	l.text.Store(&text)
}

// measureLists measures what a list by HTTP costs, and how long its changes take.
func (b *bench) measureLists(n int) {
	var list lists
	server := httptest.NewServer(&list)
	defer server.Close()
	all := b.server.Targets(n + n/100)
	list.have(b, all[:n])
	r := &running{bench: b, telemetry: componenttest.NewTelemetry(), targets: n, record: true, results: make(map[string][]result)}
	r.Metrics = harness.StartReceiverWith(b.T, confmap.NewFromStringMap(map[string]any{
		"initial_delay": 0, "flush_interval": "1s", "phase_seed": "bench",
		"scrape_configs": []any{map[string]any{"job_name": "j", "http_sd_configs": []any{map[string]any{"url": server.URL, "refresh_interval": refreshEvery.String()}}}},
	}), r.telemetry.NewTelemetrySettings(), r.consume)
	defer r.stop()
	applied := r.awaitTargets(n).Sub(time.Unix(0, list.first.Load()))
	r.awaitChecks(n)
	r.awaitSteady()

	costs := func() time.Duration {
		before := cpuTime()
		pause(6 * refreshEvery)
		return cpuTime() - before
	}
	with := costs()
	list.silent.Store(true)
	pause(refreshEvery)
	refresh := (with - costs()) / 6
	checked := make(map[string]time.Time) // for the last time
	r.lateSince(time.Time{}, checked)
	held := heap()

	changed, end := all[n/100:], r.startProfile()
	list.have(b, changed)
	given := list.given.Load()
	list.silent.Store(false)
	for list.given.Load() == given {
		pause(time.Millisecond)
	}
	since := time.Unix(0, list.given.Load())
	fresh, latest := make(map[string]bool), time.Time{}
	for _, target := range all[n:] {
		fresh[target.String()] = true
	}
	var late []time.Duration
	for len(fresh) > 0 {
		pause(100 * time.Millisecond)
		late = append(late, r.lateSince(since, checked)...)
		for name := range fresh {
			if first, isChecked := checked[name]; isChecked {
				delete(fresh, name)
				if first.After(latest) {
					latest = first
				}
			}
		}
	}
	end()
	slices.Sort(late)
	took, p99, most := latest.Sub(since), quantile(late, 0.99), quantile(late, 1)
	for i := range 4 { // there and back
		list.have(b, all[n/100*(i%2):][:n])
		given := list.given.Load()
		for list.given.Load() == given {
			pause(10 * time.Millisecond)
		}
	}
	list.silent.Store(true)
	pause(2 * refreshEvery)
	r.taken()
	grown := float64(heap()) / float64(held)

	fmt.Printf("%d targets by HTTP, %.1f MB of JSON: applied %v after the answer, %v of CPU for a refresh without a change\n"+
		"%d of them changed at once: each new one checked within %v of the answer; of %d checks of the others meanwhile, 99 of 100 late by %v at most, none by more than %v; memory to that before %.2f\n",
		n, float64(len(*list.text.Load()))/1e6, ms(applied), ms(refresh), n/100, ms(took), len(late), ms(p99), ms(most), grown)
	b.table.addGoal(fmt.Sprintf("seconds until a list of %d by HTTP is applied", n), applied.Seconds(), 3)
	b.table.addGoal("seconds of CPU for a refresh of it without a change", refresh.Seconds(), 0.3)
	b.table.addGoal("seconds until each of a hundredth that is new is checked", took.Seconds(), 2)
	b.table.addGoal("seconds, p99 of the lateness of the others meanwhile", p99.Seconds(), 0.1)
	b.table.addGoal("memory after five changes to that before", grown, 1.1)
}

// lateSince returns how late the checks since a time were, of those whose results came since the last
// call of it: how much longer than the interval after the check before, which checked has. First
// checks are none of these.
func (r *running) lateSince(since time.Time, checked map[string]time.Time) []time.Duration {
	var late []time.Duration
	for name, results := range r.taken() {
		for _, result := range results {
			if before, again := checked[name]; again && result.known.After(since) {
				late = append(late, max(0, result.known.Sub(before)-interval))
			}
			checked[name] = result.known
		}
	}
	return late
}

// awaitTargets waits until so many targets are on the schedule, and returns when that was.
func (r *running) awaitTargets(n int) time.Time {
	for {
		metric, err := r.telemetry.GetMetric("otelcol_receiver_tcpcheck_targets")
		if err == nil && metric.Data.(metricdata.Gauge[int64]).DataPoints[0].Value == int64(n) {
			return time.Now()
		}
		pause(5 * time.Millisecond)
	}
}
