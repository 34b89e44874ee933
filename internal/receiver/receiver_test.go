package receiver

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componentstatus"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pmetric"
	collector "go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.uber.org/goleak"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/metadata"
	"example.com/tcpcheckreceiver/internal/probe"
	"example.com/tcpcheckreceiver/internal/testnet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newTarget(name string, address netip.AddrPort, interval time.Duration) check.Target {
	return check.Target{
		Host: address.Addr().String(), Port: address.Port(),
		Timeout: time.Minute, Interval: interval, CacheDuration: check.UntilError,
		Labels: check.Labels{Name: name},
	}
}

// instances is a consumer that sends the names of the instances of each payload.
type instances chan []string

func (i instances) Capabilities() consumer.Capabilities { return consumer.Capabilities{} }

func (i instances) ConsumeMetrics(_ context.Context, metrics pmetric.Metrics) error {
	var names []string
	for _, rm := range metrics.ResourceMetrics().All() {
		for _, metric := range rm.ScopeMetrics().At(0).Metrics().All() {
			if metric.Name() != metadata.MetricsInfo.NetworkTCPCanConnect.Name {
				continue
			}
			for _, point := range metric.Gauge().DataPoints().All() {
				name, _ := point.Attributes().Get("tcpcheck.instance")
				names = append(names, name.Str())
			}
		}
	}
	i <- names
	return nil
}

// newWithMetrics returns a receiver that has a pipeline of metrics.
func newWithMetrics(set collector.Settings, settings Settings, next consumer.Metrics) (*part, error) {
	r, err := New(set, settings)
	if err != nil {
		return nil, err
	}
	made, err := r.Metrics(next)
	if err != nil {
		return nil, err
	}
	return made.(*part), nil
}

func start(t *testing.T, next consumer.Metrics, targets ...check.Target) *part {
	t.Helper()
	r, err := newWithMetrics(receivertest.NewNopSettings(metadata.Type), Settings{List: check.List{Targets: pointers(targets...)}, FlushInterval: 100 * time.Millisecond, Metrics: metadata.NewDefaultMetricsBuilderConfig()}, next)
	require.NoError(t, err)
	require.NoError(t, r.Start(context.Background(), componenttest.NewNopHost()))
	return r
}

// Each target is checked in its own interval.
func TestIntervals(t *testing.T) {
	up := testnet.Listen(t, "tcp4", "127.0.0.1:0")
	payloads := make(instances, 100)
	r := start(t, payloads,
		newTarget("often", up, 100*time.Millisecond),
		newTarget("once", up, 24*time.Hour),
		newTarget("once as well", up, 24*time.Hour),
	)
	checks := make(map[string]int)
	for checks["often"] < 5 {
		for _, name := range <-payloads {
			checks[name]++
		}
	}
	require.NoError(t, r.Shutdown(context.Background()))
	assert.Equal(t, 1, checks["once"])
	assert.Equal(t, 1, checks["once as well"])
}

// Nothing is checked before the initial delay has passed: not until another receiver, started after
// this one, has made its check.
func TestInitialDelay(t *testing.T) {
	up := newTarget("up", testnet.Listen(t, "tcp4", "127.0.0.1:0"), time.Hour)
	r, err := newWithMetrics(receivertest.NewNopSettings(metadata.Type), Settings{
		List: check.List{Targets: pointers(up)}, InitialDelay: time.Hour, FlushInterval: time.Hour, Metrics: metadata.NewDefaultMetricsBuilderConfig(),
	}, make(instances))
	require.NoError(t, err)
	require.NoError(t, r.Start(context.Background(), componenttest.NewNopHost()))
	payloads := make(instances, 10)
	other := start(t, payloads, up)
	<-payloads
	assert.Zero(t, r.of.schedule.Stats().Targets)
	require.NoError(t, r.Shutdown(context.Background()))
	require.NoError(t, other.Shutdown(context.Background()))
}

// Shutdown does not wait for a target that never answers: the test would take
// that target's timeout of a minute otherwise.
func TestShutdownWithASilentTarget(t *testing.T) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { assert.NoError(t, listener.Close()) }()
	up, err := netip.ParseAddrPort(listener.Addr().String())
	require.NoError(t, err)

	payloads := make(instances, 100)
	r := start(t, payloads, newTarget("silent", testnet.BlackHole(t), time.Hour), newTarget("up", up, time.Hour))
	conn, err := listener.Accept()
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	assert.NotContains(t, <-payloads, "silent") // whose check is under way, and cannot end by itself

	began := time.Now()
	require.NoError(t, r.Shutdown(context.Background()))
	t.Logf("shutdown took %v", time.Since(began))
	require.NoError(t, r.Shutdown(context.Background()), "a second time")
}

// Shutdown is prompt and leaves nothing behind at every moment of a collection:
// before it, after each of its connections, and with the silent ones under way.
func TestShutdownAtEveryMoment(t *testing.T) {
	const targets = 20
	silent := testnet.BlackHole(t)
	for moment := range targets + 1 {
		accepted := make(chan struct{}, 2*targets)
		up := testnet.ListenFunc(t, "tcp4", "127.0.0.1:0", func() { accepted <- struct{}{} })
		checked := []check.Target{newTarget("silent", silent, time.Hour)}
		for n := range targets {
			checked = append(checked, newTarget(strconv.Itoa(n), up, time.Hour))
		}
		payloads := make(instances, 100)
		r := start(t, payloads, checked...)
		for range moment {
			<-accepted
		}
		require.NoError(t, r.Shutdown(context.Background()))
		select {
		case names := <-payloads:
			assert.NotContains(t, names, "silent")
		default:
			assert.LessOrEqual(t, moment, 1, "what was found is delivered; the last one may have been ended")
		}
	}
}

// Whatever the order of the calls, a receiver starts once, and only before Shutdown.
func TestLifeCycle(t *testing.T) {
	ctx, host := context.Background(), componenttest.NewNopHost()
	start := func(r *part) error { return r.Start(ctx, host) }
	shutdown := func(r *part) error { return r.Shutdown(ctx) }
	type call struct {
		do   func(*part) error
		want error
	}
	for name, calls := range map[string][]call{
		"start, shutdown":       {{start, nil}, {shutdown, nil}},
		"shutdown twice":        {{start, nil}, {shutdown, nil}, {shutdown, nil}},
		"start twice":           {{start, nil}, {start, errUsed}, {shutdown, nil}},
		"shutdown before start": {{shutdown, nil}, {start, errUsed}, {shutdown, nil}},
		"start after shutdown":  {{start, nil}, {shutdown, nil}, {start, errUsed}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, delay := range []time.Duration{0, time.Hour} {
				r, err := newWithMetrics(receivertest.NewNopSettings(metadata.Type), Settings{
					List: check.List{Targets: pointers(newTarget("up", testnet.Listen(t, "tcp4", "127.0.0.1:0"), time.Hour)), Warnings: []string{"a warning"}}, InitialDelay: delay,
					FlushInterval: time.Second, Metrics: metadata.NewDefaultMetricsBuilderConfig(),
				}, make(instances, 100))
				require.NoError(t, err)
				for n, call := range calls {
					require.ErrorIs(t, call.do(r), call.want, "call %d", n)
				}
			}
		})
	}
}

// The same calls with a real receiver, from many goroutines at once: no race, no panic,
// and nothing is left.
func TestLifeCycleAtOnce(t *testing.T) {
	up := testnet.Listen(t, "tcp4", "127.0.0.1:0")
	for range 20 {
		payloads := make(instances, 100)
		r, err := newWithMetrics(receivertest.NewNopSettings(metadata.Type),
			Settings{List: check.List{Targets: pointers(newTarget("a", up, time.Hour), newTarget("b", up, 2*time.Hour))}, FlushInterval: time.Second, Metrics: metadata.NewDefaultMetricsBuilderConfig()}, payloads)
		require.NoError(t, err)
		var calls sync.WaitGroup
		for range 4 {
			calls.Go(func() { _ = r.Start(context.Background(), componenttest.NewNopHost()) })
			calls.Go(func() { assert.NoError(t, r.Shutdown(context.Background())) })
		}
		calls.Wait()
		require.NoError(t, r.Shutdown(context.Background()))
	}
}

// blocking is a consumer that takes a payload when it is let.
type blocking struct{ consuming, release chan struct{} }

func (b blocking) Capabilities() consumer.Capabilities { return consumer.Capabilities{} }

func (b blocking) ConsumeMetrics(context.Context, pmetric.Metrics) error {
	b.consuming <- struct{}{}
	<-b.release
	return nil
}

// Shutdown returns by its context beside a consumer that blocks, whose call no other one
// follows.
func TestShutdownBesideAConsumerThatBlocks(t *testing.T) {
	next := blocking{make(chan struct{}), make(chan struct{})}
	r := start(t, next, newTarget("up", testnet.Listen(t, "tcp4", "127.0.0.1:0"), 10*time.Millisecond))
	<-next.consuming
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.ErrorIs(t, r.Shutdown(ctx), context.Canceled)
	close(next.release)
	<-r.of.ended // another call would block it
}

// Agents of different names, and receivers of different IDs, have phases of their own,
// unless a user says which.
func TestSeed(t *testing.T) {
	name, err := os.Hostname()
	require.NoError(t, err)
	id := component.MustNewIDWithName("tcpcheck", "dns")
	assert.Equal(t, name+"/tcpcheck/dns", (&Settings{}).seed(id))
	assert.Equal(t, "mine", (&Settings{PhaseSeed: "mine"}).seed(id))
}

// reporter is a host that is told the status.
type reporter struct {
	component.Host
	events []*componentstatus.Event
}

func (r *reporter) Report(event *componentstatus.Event) { r.events = append(r.events, event) }

func TestReportStatus(t *testing.T) {
	host := &reporter{Host: componenttest.NewNopHost()}
	s := health{hosts: []component.Host{host}}
	unable, stale := errors.New("this machine"), errors.New("a list")
	s.report(&s.machine, unable)
	s.report(&s.sources, stale)
	s.report(&s.machine, nil)
	s.report(&s.sources, nil)
	require.Len(t, host.events, 4)
	for i, want := range [][]error{{unable}, {unable, stale}, {stale}, nil} {
		event := host.events[i]
		if want == nil {
			assert.Equal(t, componentstatus.StatusOK, event.Status())
			continue
		}
		assert.Equal(t, componentstatus.StatusRecoverableError, event.Status())
		assert.Equal(t, errors.Join(want...).Error(), event.Err().Error())
	}
}

// Several receivers in a collector have each their own self-telemetry.
func TestSelfTelemetryOfSeveralReceivers(t *testing.T) {
	telemetry := componenttest.NewTelemetry()
	defer func() { require.NoError(t, telemetry.Shutdown(context.Background())) }()
	targets := []check.Target{newTarget("x", testnet.ClosedPort(t, "127.0.0.1"), time.Minute), newTarget("y", testnet.ClosedPort(t, "127.0.0.1"), time.Minute)}
	for n, name := range []string{"a", "b"} {
		set := receivertest.NewNopSettings(metadata.Type)
		set.ID, set.TelemetrySettings = component.MustNewIDWithName("tcpcheck", name), telemetry.NewTelemetrySettings()
		next := make(instances, len(targets))
		r, err := newWithMetrics(set, Settings{List: check.List{Targets: pointers(targets[:n+1]...)}, FlushInterval: time.Millisecond, Metrics: metadata.NewDefaultMetricsBuilderConfig()}, next)
		require.NoError(t, err)
		require.NoError(t, r.Start(context.Background(), componenttest.NewNopHost()))
		defer func() { require.NoError(t, r.Shutdown(context.Background())) }()
		for checked := 0; checked < n+1; {
			checked += len(<-next)
		}
	}
	for name, count := range map[string]func(metricdata.Aggregation) map[string]int64{
		"targets": func(a metricdata.Aggregation) map[string]int64 {
			return byReceiver(a.(metricdata.Gauge[int64]).DataPoints, gauged)
		},
		"lateness": func(a metricdata.Aggregation) map[string]int64 {
			return byReceiver(a.(metricdata.Histogram[float64]).DataPoints, counted)
		},
		"delivery_age": func(a metricdata.Aggregation) map[string]int64 {
			return byReceiver(a.(metricdata.Histogram[float64]).DataPoints, counted)
		},
	} {
		got, err := telemetry.GetMetric("otelcol_receiver_tcpcheck_" + name)
		require.NoError(t, err)
		assert.Equal(t, map[string]int64{"tcpcheck/a": 1, "tcpcheck/b": 2}, count(got.Data), name)
	}
}

// byReceiver returns the points of a metric, by the receiver that they are of.
func byReceiver[P any](points []P, of func(P) (attribute.Set, int64)) map[string]int64 {
	found := make(map[string]int64)
	for _, p := range points {
		attributes, value := of(p)
		receiver, _ := attributes.Value("receiver")
		found[receiver.AsString()] = value
	}
	return found
}

func gauged(p metricdata.DataPoint[int64]) (attribute.Set, int64) { return p.Attributes, p.Value }

func counted(p metricdata.HistogramDataPoint[float64]) (attribute.Set, int64) {
	return p.Attributes, int64(p.Count)
}

func TestSlots(t *testing.T) {
	assert.Equal(t, probe.MostDials(), (&Settings{}).slots())
	assert.Equal(t, 1, (&Settings{MaxConcurrentChecks: 1}).slots())
	assert.Equal(t, probe.MostDials(), (&Settings{MaxConcurrentChecks: 1 << 40}).slots())
}

// pointers returns targets as a list has them.
func pointers(targets ...check.Target) []*check.Target {
	list := make([]*check.Target, len(targets))
	for i := range targets {
		list[i] = &targets[i]
	}
	return list
}
