package soak

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/procfs"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/e2e/harness"
)

// figure is something of the collector that is measured over the run.
type figure struct {
	name string
	unit string // empty for a number
	// slack is the change that is allowed on top of the tolerance, so that small
	// numbers can be flat.
	slack float64
	// falls says that it is well if the figure falls, whatever raised it before.
	falls  bool
	points []point
}

// point is the value of a figure at a time since the start of the run.
type point struct {
	at    time.Duration
	value float64
}

func (f *figure) add(at time.Duration, value float64) { f.points = append(f.points, point{at, value}) }

// values returns the values in a window, sorted.
func (f *figure) values(w window) []float64 {
	var values []float64
	for _, p := range f.points {
		if w.has(p.at) {
			values = append(values, p.value)
		}
	}
	slices.Sort(values)
	return values
}

// figures are all that is measured.
type figures struct {
	resident, heap, descriptors, threads, goroutines, resultSeries, errorMap figure

	delivered figure // points that came by OTLP so far, in thousands, which grow
}

func newFigures() *figures {
	return &figures{
		resident:     figure{name: "resident memory", unit: "MiB", slack: 5, falls: true},
		heap:         figure{name: "Go heap", unit: "MiB", slack: 5, falls: true},
		descriptors:  figure{name: "open descriptors", slack: 10, falls: true},
		threads:      figure{name: "threads", slack: 5, falls: true},
		goroutines:   figure{name: "goroutines", slack: 10, falls: true},
		resultSeries: figure{name: "series of can_connect", slack: 20},
		errorMap:     figure{name: "series of errors", slack: 20},
	}
}

// flat returns the figures that are to be flat.
func (f *figures) flat() []*figure {
	return []*figure{&f.resident, &f.heap, &f.descriptors, &f.threads, &f.goroutines, &f.resultSeries, &f.errorMap}
}

const mebibyte = 1 << 20

// sample measures the collector until ctx ends.
func (r *run) sample(ctx context.Context) {
	ticks := time.NewTicker(r.plan.sample)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
		at := time.Since(r.start)
		r.figures.delivered.add(at, float64(r.delivered.Load())/1000)
		if err := r.sampleProcess(at); err != nil {
			return // it has ended, which is for others to notice
		}
		if err := r.samplePages(at); err != nil {
			r.missing++
		}
	}
}

// sampleProcess measures what the kernel knows of the process.
func (r *run) sampleProcess(at time.Duration) error {
	process, err := procfs.NewProc(r.collector.PID())
	if err != nil {
		return err
	}
	stat, statErr := process.Stat()
	descriptors, err := process.FileDescriptorsLen()
	if err := errors.Join(statErr, err); err != nil {
		return err
	}
	r.figures.resident.add(at, float64(stat.ResidentMemory())/mebibyte)
	r.figures.threads.add(at, float64(stat.NumThreads))
	r.figures.descriptors.add(at, float64(descriptors))
	return nil
}

// samplePages measures what the collector says about itself and its targets.
func (r *run) samplePages(at time.Duration) error {
	own, err := harness.ReadPage(telemetryAddress)
	if err != nil {
		return err
	}
	for _, heap := range own.Of("otelcol_process_runtime_heap_alloc_bytes") {
		r.figures.heap.add(at, heap.Value/mebibyte)
	}
	page, err := harness.ReadPage(pageAddress)
	if err != nil {
		return err
	}
	results := page.Of("network_tcp_can_connect")
	if len(results) == 0 {
		return nil // no check has been made since the collector was reloaded
	}
	r.figures.resultSeries.add(at, float64(len(results)))
	r.figures.errorMap.add(at, float64(len(page.Of("tcpcheck_errors_total"))))
	for _, s := range results {
		r.page.history.add(s.At, s.Labels["tcpcheck_instance"], s.Labels["network_peer_address"], s.Value == 1)
	}
	return nil
}

var (
	traceBegin = regexp.MustCompile(`^SCHED (\d+ms):`)
	traceLine  = regexp.MustCompile(`^  ([PMG])\d+: (?:status=(\d+))?`)
)

// Goroutine states (runtime2.go of the runtime). A goroutine that is being
// scanned has scanning added to its state.
const (
	unused   = 0
	dead     = 6
	scanning = 0x1000
)

// goroutinesIn counts the goroutines, those of the runtime included, in detailed
// scheduler traces of the Go runtime: a line that begins with SCHED, and then one for
// each processor, thread and goroutine that there is or has been. It leaves out the
// last trace, of which there may be a part only, and returns what is no trace as well.
func goroutinesIn(traces string) (counts []point, rest []string) {
	for line := range strings.Lines(traces) {
		if begin := traceBegin.FindStringSubmatch(line); begin != nil {
			at, _ := time.ParseDuration(begin[1])
			counts = append(counts, point{at: at})
			continue
		}
		found := traceLine.FindStringSubmatch(line)
		if found == nil || len(counts) == 0 {
			rest = append(rest, strings.TrimSuffix(line, "\n"))
			continue
		}
		status, err := strconv.Atoi(found[2])
		if status &^= scanning; found[1] == "G" && err == nil && status != unused && status != dead {
			counts[len(counts)-1].value++
		}
	}
	return counts[:max(0, len(counts)-1)], rest
}

// The scheduler trace is counted and kept apart from what else there is on
// standard error.
func TestGoroutines(t *testing.T) {
	counts, rest := goroutinesIn(`SCHED 0ms: gomaxprocs=2 idleprocs=0
  P0: status=1 schedtick=0
  M0: p=0 curg=1
  G1: status=1(chan receive) m=nil lockedm=nil
  G2: status=4100(sleep) m=nil lockedm=nil
  G3: status=6() m=nil lockedm=nil
panic: a test
SCHED 1000ms: gomaxprocs=2 idleprocs=0
  G1: status=2() m=0 lockedm=nil
SCHED 2000ms: gomaxprocs=2 idleprocs=0
`)
	assert.Equal(t, []point{{0, 2}, {time.Second, 1}}, counts)
	assert.Equal(t, []string{"panic: a test"}, rest)
}

// tolerance is how much of itself a flat figure may change, on top of its slack.
const tolerance = 0.1

// verdict says whether a figure was flat: whether its median over the last
// window is that over the middle one, give or take what is allowed, or less
// where it may fall.
type verdict struct {
	figure       *figure
	middle, last float64 // the medians
	peak         float64 // the highest value in both windows
	allowed      float64
	flat         bool
}

// judge returns the verdict of a figure. One without values in both windows is
// not flat.
func judge(f *figure, p plan) verdict {
	v := verdict{figure: f, middle: math.NaN(), last: math.NaN(), peak: math.NaN(), allowed: math.NaN()}
	middle, last := f.values(p.middle), f.values(p.last)
	if len(middle) == 0 || len(last) == 0 {
		return v
	}
	v.middle, v.last = median(middle), median(last)
	v.peak = max(middle[len(middle)-1], last[len(last)-1])
	v.allowed = tolerance*v.middle + f.slack
	change := v.last - v.middle
	v.flat = change <= v.allowed && (f.falls || -change <= v.allowed)
	return v
}

// median returns the middle one of sorted values, of which there are some.
func median(values []float64) float64 {
	half := len(values) / 2
	if len(values)%2 == 0 {
		return (values[half-1] + values[half]) / 2
	}
	return values[half]
}

// A figure is flat within its tolerance and slack, up or down unless it may fall,
// and not without values.
func TestJudge(t *testing.T) {
	p := newPlan(10*time.Minute, 9)
	for _, test := range []struct {
		middle, last float64
		falls, flat  bool
	}{
		{100, 115, false, true},
		{100, 85, false, true},
		{100, 116, false, false},
		{100, 84, false, false},
		{100, 84, true, true},
		{100, 116, true, false},
	} {
		f := &figure{slack: 5, falls: test.falls}
		f.add(p.middle.from, test.middle)
		f.add(p.last.from, test.last)
		assert.Equal(t, test.flat, judge(f, p).flat, "%+v", test)
	}
	require.False(t, judge(&figure{slack: 5}, p).flat)
}

// results are the points of network.tcp.can_connect of targets, by instance and
// address: whether it connected.
type results map[string]map[netip.Addr]bool

// history is the results of all checks, by their instance and time. It is safe for
// concurrent use.
type history struct {
	mu     sync.Mutex
	checks map[string]map[int64]map[netip.Addr]bool // the times in nanoseconds
}

// add adds a result, of an address that is invalid where there is none.
func (h *history) add(at time.Time, instance, address string, connected bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.checks == nil {
		h.checks = make(map[string]map[int64]map[netip.Addr]bool)
	}
	checks := h.checks[instance]
	if checks == nil {
		checks = make(map[int64]map[netip.Addr]bool)
		h.checks[instance] = checks
	}
	if checks[at.UnixNano()] == nil {
		checks[at.UnixNano()] = make(map[netip.Addr]bool)
	}
	addr, _ := netip.ParseAddr(address)
	checks[at.UnixNano()][addr] = connected
}

// between returns how many checks ended in a time.
func (h *history) between(from, until time.Time) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	count := 0
	for _, checks := range h.checks {
		for nanoseconds := range checks {
			if nanoseconds > from.UnixNano() && nanoseconds < until.UnixNano() {
				count++
			}
		}
	}
	return count
}

// second returns the results of the second check of each instance that ended after a time,
// if there has been a third one: then the second one began after it as well, and is complete.
func (h *history) second(after time.Time) results {
	h.mu.Lock()
	defer h.mu.Unlock()
	found := make(results)
	for instance, checks := range h.checks {
		var times []int64
		for nanoseconds := range checks {
			if nanoseconds > after.UnixNano() {
				times = append(times, nanoseconds)
			}
		}
		if len(times) > 2 {
			slices.Sort(times)
			found[instance] = checks[times[1]]
		}
	}
	return found
}

// has reports whether there are results of all of targets.
func (r results) has(targets []*target) bool {
	return !slices.ContainsFunc(targets, func(t *target) bool { _, ok := r[t.instance]; return !ok })
}

// comparison says of how many targets the results are the truth: a point for
// each address that was to be checked, with the right value, and no other point.
type comparison struct {
	right, wrong int // targets
	up, down     int // points
	examples     []string
}

const maxExamples = 10

// compare compares results with the real state of the targets that are
// configured. A target that is reported without being configured is wrong.
func compare(targets []*target, found results) comparison {
	var c comparison
	others := maps.Clone(found)
	for _, t := range targets {
		c.count(t.instance, t.truth(), found[t.instance])
		delete(others, t.instance)
	}
	for instance, reported := range others {
		c.count(instance, nil, reported)
	}
	return c
}

// count counts a target as right or wrong, and its points.
func (c *comparison) count(instance string, truth, reported map[netip.Addr]bool) {
	for _, connected := range reported {
		if connected {
			c.up++
		} else {
			c.down++
		}
	}
	if maps.Equal(truth, reported) {
		c.right++
		return
	}
	c.wrong++
	if len(c.examples) < maxExamples {
		c.examples = append(c.examples, fmt.Sprintf("%s is %v, reported as %v", instance, truth, reported))
	}
}

func (c comparison) String() string {
	return fmt.Sprintf("%d right, %d wrong (%d addresses connect, %d do not)", c.right, c.wrong, c.up, c.down)
}

// The second of three results of a target counts, of those after a time.
func TestSecond(t *testing.T) {
	var h history
	began, x := time.Now(), &target{instance: "x"}
	for n := range 4 {
		assert.False(t, h.second(began).has([]*target{x}), n)
		h.add(began.Add(time.Duration(n)*time.Second), "x", "127.0.0.1", n == 2)
		h.add(began.Add(time.Duration(n)*time.Second), "x", "::1", false)
	}
	assert.Equal(t, results{"x": {netip.MustParseAddr("127.0.0.1"): true, netip.IPv6Loopback(): false}}, h.second(began))
	assert.True(t, h.second(began).has([]*target{x}))
	assert.Equal(t, 2, h.between(began, began.Add(3*time.Second)))
}

// A target is wrong if an address is missing, has the wrong value or is one too
// many, and if it is not configured at all.
func TestCompare(t *testing.T) {
	a, b := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.2")
	named := &target{
		instance: "x", host: "x.test", multiple: true, addresses: []netip.Addr{a, b},
		peers: []*peer{{addr: netip.AddrPortFrom(a, 1), state: listening}, {addr: netip.AddrPortFrom(b, 1), state: silent}},
	}
	first := *named
	first.multiple = false
	for _, test := range []struct {
		target *target
		found  results
		wrong  int
	}{
		{named, results{"x": {a: true, b: false}}, 0},
		{named, results{"x": {a: true}}, 1},
		{named, results{"x": {a: true, b: true}}, 1},
		{named, results{"x": {a: true, b: false, netip.Addr{}: false}}, 1},
		{named, results{"x": {a: true, b: false}, "y": {a: false}}, 1},
		{&first, results{"x": {a: true}}, 0},
	} {
		assert.Equal(t, test.wrong, compare([]*target{test.target}, test.found).wrong, "%v", test.found)
	}
}
