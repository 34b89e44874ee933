package soak

import (
	"context"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"example.com/tcpcheckreceiver/e2e/harness"
)

var tracked = flag.Duration("tracked", 0, "how long to check where connections are tracked, at least 4m; 0 is not to")

// The table of connections has so much room, which plain checks at this rate fill within a
// minute. An entry lasts two minutes, so the table is full for another minute, and so on.
const (
	room           = 4096
	trackedTargets = 340
	entryLasts     = 2 * time.Minute // nf_conntrack_tcp_timeout_time_wait
)

// late is how long a change of state may take until it is handed over.
const late = 1100 * time.Millisecond

// outages are targets that go up and down, and what the receiver says of them.
type outages struct {
	*testing.T
	world *world
	logs  *observer.ObservedLogs

	mu      sync.Mutex
	changes map[string][]turn // of each target
	results map[string][]told
	began   time.Time
	full    []time.Time // when the kernel had dropped something since the last time
	entries int         // at most
}

// turn is a change of a target.
type turn struct {
	at time.Time
	to state
}

// told is what the receiver says of a target.
type told struct {
	known, delivered time.Time
	up               bool
}

// The table of tracked connections is full half of the time, by the checks themselves: no target
// that is up is said to be down, and each outage at other times is told in time. Quiet checks do
// not fill it, in the same place.
func TestTrackedConnections(t *testing.T) {
	if *tracked == 0 {
		t.Skip("takes minutes; run it by make soak-tracked")
	}
	harness.RequireNamespace(t)
	rule := exec.Command("nft", "-f", "-")
	rule.Stdin = strings.NewReader("table inet soak {\nchain tracked { type filter hook output priority 0; ct state invalid drop; }\n}")
	output, err := rule.CombinedOutput()
	require.NoError(t, err, "%s", output)
	limitConntrack(t)
	for _, quiet := range []bool{false, true} {
		lasts := *tracked
		if quiet {
			lasts = 2*entryLasts - time.Minute
		}
		t.Run(fmt.Sprint("quiet: ", quiet), func(t *testing.T) {
			o := &outages{T: t, world: newTrackedWorld(t), changes: make(map[string][]turn), results: make(map[string][]told)}
			harness.FlushConntrack(t)
			checks, unchecked := o.check(quiet, lasts)
			o.judge(quiet, lasts, checks, unchecked)
		})
	}
}

// limitConntrack has this machine track no more connections than there is room for, in each of its network
// namespaces: the limit is one for all. It is what it was when the test ends.
func limitConntrack(t *testing.T) {
	t.Helper()
	limit := func(most int) ([]byte, error) {
		machine := fmt.Sprintf("--net=/proc/%d/ns/net", os.Getppid())
		return exec.Command("nsenter", machine, "sh", "-c", fmt.Sprintf("echo %d > /proc/sys/net/netfilter/nf_conntrack_max", most)).CombinedOutput()
	}
	before := harness.ConntrackMax(t)
	if output, err := limit(room); err != nil {
		t.Skipf("needs the network namespace in which the machine began: %s", output)
	}
	t.Cleanup(func() {
		output, err := limit(before)
		assert.NoError(t, err, "%s", output)
	})
}

// newTrackedWorld returns a world of IPv4 addresses, all of which listen.
func newTrackedWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t}
	t.Cleanup(func() {
		for _, target := range w.targets {
			w.become(target.peers[0], refusing)
		}
	})
	for i := range trackedTargets {
		target := &target{instance: fmt.Sprintf("t%d", i), peers: []*peer{{addr: netip.AddrPortFrom(loopback4(1, i), port4)}}}
		w.become(target.peers[0], listening)
		w.targets = append(w.targets, target)
	}
	return w
}

// check has all targets checked for so long, while some go down and up again, and returns how
// many checks there were, and how many this machine was unable to make.
func (o *outages) check(quiet bool, lasts time.Duration) (checks uint64, unchecked int64) {
	var instances []any
	for _, target := range o.world.targets {
		instances = append(instances, map[string]any{"name": target.instance, "endpoint": target.peers[0].addr.String(), "timeout": timeout.String()})
	}
	telemetry := componenttest.NewTelemetry()
	settings := telemetry.NewTelemetrySettings()
	core, logs := observer.New(zapcore.WarnLevel)
	settings.Logger, o.logs = zap.New(core), logs
	receiver := harness.StartReceiverWith(o.T, confmap.NewFromStringMap(map[string]any{
		"initial_delay": 0, "collection_interval": interval.String(), "quiet": quiet, "instances": instances,
	}), settings, o.take)
	o.change(lasts)
	lateness, err := telemetry.GetMetric("otelcol_receiver_tcpcheck_lateness")
	require.NoError(o, err)
	for _, point := range lateness.Data.(metricdata.Histogram[float64]).DataPoints {
		checks += point.Count
	}
	if counted, err := telemetry.GetMetric("otelcol_receiver_tcpcheck_results_unchecked"); err == nil { // or nothing was
		for _, point := range counted.Data.(metricdata.Sum[int64]).DataPoints {
			reason, _ := point.Attributes.Value("reason")
			assert.Equal(o, "connection_tracking", reason.AsString())
			unchecked += point.Value
		}
	}
	require.NoError(o, receiver.Shutdown(context.Background()))
	return checks, unchecked
}

func (o *outages) take(_ context.Context, metrics pmetric.Metrics) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	for _, point := range harness.Points(metrics, "network.tcp.can_connect") {
		name := harness.Text(point.Attributes(), "tcpcheck.instance")
		o.results[name] = append(o.results[name], told{point.Timestamp().AsTime(), now, point.IntValue() == 1})
	}
	return nil
}

// change has one target after the other go down for a while, every second, and sees when the
// table is full.
func (o *outages) change(lasts time.Duration) {
	const tick = 250 * time.Millisecond
	ticks := time.NewTicker(tick)
	defer ticks.Stop()
	<-time.After(3 * interval / 2) // the second check of each target is at its own moment
	losses, n := harness.ConntrackLosses(o), 0
	o.began = time.Now()
	for end := time.Now().Add(lasts); time.Now().Before(end); n++ {
		<-ticks.C
		if now := harness.ConntrackLosses(o); now != losses {
			losses, o.full = now, append(o.full, time.Now())
		}
		o.entries = max(o.entries, harness.ConntrackCount(o))
		if n%4 != 0 {
			continue
		}
		// Each is down for 20 s, and up for 320 s.
		o.turn(n/4, []state{refusing, silent}[n/4%2])
		o.turn(n/4-20, listening)
	}
}

func (o *outages) turn(n int, to state) {
	if n < 0 {
		return
	}
	target, at := o.world.targets[n%trackedTargets], time.Now()
	o.world.become(target.peers[0], to)
	if to == listening {
		at = time.Now() // it is down until then, and may be down before an outage is known to have begun
	}
	o.changes[target.instance] = append(o.changes[target.instance], turn{at, to})
}

// isFull reports whether the table was full at a moment from one time to another.
func (o *outages) isFull(from, to time.Time) bool {
	for _, at := range o.full {
		if !at.Before(from) && !at.After(to.Add(time.Second)) {
			return true
		}
	}
	return false
}

// wasDown reports whether a target was down at a moment of a check that ended at a time.
func (o *outages) wasDown(name string, ended time.Time) bool {
	to := listening
	for _, turn := range o.changes[name] {
		if turn.at.After(ended) {
			break
		}
		if to != listening && turn.at.After(ended.Add(-timeout-late)) {
			return true // it has just come up
		}
		to = turn.to
	}
	return to != listening
}

// judge compares what was told with what there was.
func (o *outages) judge(quiet bool, lasts time.Duration, checks uint64, unchecked int64) {
	results, wrong, seen, latest := 0, 0, 0, time.Duration(0)
	for name, all := range o.results {
		results += len(all)
		for _, result := range all {
			if !result.up && !o.wasDown(name, result.known) {
				wrong++
				o.Errorf("%s is up and said to be down at %v: %v", name, result.known, o.logs.FilterField(zap.String("tcpcheck.instance", name)).All())
			}
		}
	}
	for name, turns := range o.changes {
		for _, turn := range turns {
			within := interval + late
			if turn.to == silent {
				within += timeout
			}
			deadline := turn.at.Add(within)
			if turn.to == listening || deadline.After(o.began.Add(lasts)) || o.isFull(turn.at.Add(-time.Second), deadline) {
				continue
			}
			took := o.toldDown(name, turn.at)
			if took > within {
				o.Errorf("the outage of %s (%v) at %v was told after %v", name, turn.to, turn.at, took)
			}
			seen++
			if turn.to == silent {
				took -= timeout
			}
			latest = max(latest, took)
		}
	}
	o.Logf("%v, %d targets every %v: %d checks, %d results, %d unchecked, %d entries at most, table full in %d of %d moments; %d of the %d outages began and were due while it was not: told after %v at most",
		lasts, trackedTargets, interval, checks, results, unchecked, o.entries, len(o.full), lasts/(250*time.Millisecond), seen, len(o.changes), latest.Round(time.Millisecond))
	assert.Zero(o, wrong)
	assert.InDelta(o, float64(checks), float64(results)+float64(unchecked), 2*trackedTargets/interval.Seconds(), "a check is told or counted, but for those that were under way at the end")
	share := float64(len(o.full)) / lasts.Seconds() / 4
	if quiet {
		assert.Zero(o, unchecked)
		assert.Zero(o, share)
		return
	}
	assert.Positive(o, unchecked)
	assert.InDelta(o, 0.5, share, 0.2)
	assert.Greater(o, seen, 50)
}

// toldDown returns how long it took until a target that went down at a time was told to be.
func (o *outages) toldDown(name string, at time.Time) time.Duration {
	for _, result := range o.results[name] {
		if !result.up && result.delivered.After(at) {
			return result.delivered.Sub(at)
		}
	}
	return time.Hour
}
