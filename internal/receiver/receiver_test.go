package receiver

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pmetric"
	collector "go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.uber.org/goleak"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/metadata"
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

func start(t *testing.T, next consumer.Metrics, targets ...check.Target) collector.Metrics {
	t.Helper()
	r, err := New(receivertest.NewNopSettings(metadata.Type), Settings{Targets: targets, Metrics: metadata.NewDefaultMetricsBuilderConfig()}, next)
	require.NoError(t, err)
	require.NoError(t, r.Start(context.Background(), componenttest.NewNopHost()))
	return r
}

// A collection of each interval is one payload, and the intervals do not wait
// for each other.
func TestIntervals(t *testing.T) {
	up := testnet.Listen(t, "tcp4", "127.0.0.1:0")
	payloads := make(instances, 100)
	r := start(t, payloads,
		newTarget("often", up, 10*time.Millisecond),
		newTarget("once", up, time.Hour),
		newTarget("once as well", up, time.Hour),
	)
	often, once := 0, 0
	for often < 3 || once < 1 {
		switch names := <-payloads; len(names) {
		case 1:
			assert.Equal(t, []string{"often"}, names)
			often++
		default:
			assert.Equal(t, []string{"once", "once as well"}, names)
			once++
		}
	}
	require.NoError(t, r.Shutdown(context.Background()))
	assert.Equal(t, 1, once)
}

// Shutdown does not wait for a target that never answers: the test would take
// that target's timeout of a minute otherwise. What was found is delivered.
func TestShutdownWithASilentTarget(t *testing.T) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { assert.NoError(t, listener.Close()) }()
	up, err := netip.ParseAddrPort(listener.Addr().String())
	require.NoError(t, err)

	payloads := make(instances, 1)
	r := start(t, payloads, newTarget("silent", testnet.BlackHole(t), time.Hour), newTarget("up", up, time.Hour))
	conn, err := listener.Accept()
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	// A collection is under way now, and cannot end by itself.

	began := time.Now()
	require.NoError(t, r.Shutdown(context.Background()))
	t.Logf("shutdown took %v", time.Since(began))
	assert.NotContains(t, <-payloads, "silent")
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
		payloads := make(instances, 1)
		r := start(t, payloads, checked...)
		for range moment {
			<-accepted
		}
		require.NoError(t, r.Shutdown(context.Background()))
		select {
		case names := <-payloads:
			assert.NotContains(t, names, "silent")
		default:
			assert.Zero(t, moment, "a collection that had begun is delivered")
		}
	}
}

func TestByInterval(t *testing.T) {
	a, b, c := check.Target{Host: "a", Interval: 1}, check.Target{Host: "b", Interval: 2}, check.Target{Host: "c", Interval: 1}
	assert.Equal(t, [][]check.Target{{a, c}, {b}}, byInterval([]check.Target{a, b, c}))
	assert.Empty(t, byInterval(nil))
}

// controller is a controller that does as it is told. It is a fake, since none of the
// collector's own can be made to fail at start.
type controller struct {
	startError        error
	started, shutDown int
	blocked           chan struct{} // Shutdown waits for its end, unless it is nil
}

func (c *controller) Start(context.Context, component.Host) error {
	c.started++
	return c.startError
}

func (c *controller) Shutdown(context.Context) error {
	c.shutDown++
	if c.blocked != nil {
		<-c.blocked
	}
	return nil
}

func newReceiver(controllers ...collector.Metrics) *metricsReceiver {
	_, cancel := context.WithCancel(context.Background())
	return &metricsReceiver{cancel: cancel, controllers: controllers}
}

// Whatever the order of the calls, each controller that was started is shut down once,
// and no other one.
func TestLifeCycle(t *testing.T) {
	ctx, host := context.Background(), componenttest.NewNopHost()
	start := func(r *metricsReceiver) error { return r.Start(ctx, host) }
	shutdown := func(r *metricsReceiver) error { return r.Shutdown(ctx) }
	errStart := errors.New("it does not start")
	type call struct {
		do   func(*metricsReceiver) error
		want error
	}
	for _, test := range []struct {
		name              string
		startError        error // of the second controller of three
		calls             []call
		started, shutDown []int
	}{
		{"start, shutdown", nil, []call{{start, nil}, {shutdown, nil}}, []int{1, 1, 1}, []int{1, 1, 1}},
		{"shutdown twice", nil, []call{{start, nil}, {shutdown, nil}, {shutdown, nil}}, []int{1, 1, 1}, []int{1, 1, 1}},
		{"start twice", nil, []call{{start, nil}, {start, errUsed}, {shutdown, nil}}, []int{1, 1, 1}, []int{1, 1, 1}},
		{"shutdown before start", nil, []call{{shutdown, nil}, {start, errUsed}, {shutdown, nil}}, []int{0, 0, 0}, []int{0, 0, 0}},
		{"start after shutdown", nil, []call{{start, nil}, {shutdown, nil}, {start, errUsed}}, []int{1, 1, 1}, []int{1, 1, 1}},
		{"start fails half-way", errStart, []call{{start, errStart}}, []int{1, 1, 0}, []int{1, 0, 0}},
		{"shutdown after a failed start", errStart, []call{{start, errStart}, {shutdown, nil}}, []int{1, 1, 0}, []int{1, 0, 0}},
		{"start after a failed start", errStart, []call{{start, errStart}, {start, errUsed}, {shutdown, nil}}, []int{1, 1, 0}, []int{1, 0, 0}},
	} {
		t.Run(test.name, func(t *testing.T) {
			controllers := []*controller{{}, {startError: test.startError}, {}}
			r := newReceiver(controllers[0], controllers[1], controllers[2])
			for n, call := range test.calls {
				err := call.do(r)
				if call.want == nil {
					require.NoError(t, err, "call %d", n)
				} else {
					require.ErrorIs(t, err, call.want, "call %d", n)
				}
			}
			for n, c := range controllers {
				assert.Equal(t, test.started[n], c.started, "started: controller %d", n)
				assert.Equal(t, test.shutDown[n], c.shutDown, "shut down: controller %d", n)
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
		r, err := New(receivertest.NewNopSettings(metadata.Type),
			Settings{Targets: []check.Target{newTarget("a", up, time.Hour), newTarget("b", up, 2*time.Hour)}, Metrics: metadata.NewDefaultMetricsBuilderConfig()}, payloads)
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

// Shutdown returns by its context, beside a controller that does not.
func TestShutdownByItsContext(t *testing.T) {
	blocked, other := &controller{blocked: make(chan struct{})}, &controller{blocked: make(chan struct{})}
	r := newReceiver(blocked, other)
	require.NoError(t, r.Start(context.Background(), componenttest.NewNopHost()))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.ErrorIs(t, r.Shutdown(ctx), context.Canceled)
	require.NoError(t, r.Shutdown(context.Background()), "a second time, while the first one is still at it")
	// The second one is shut down although the first one is not: both take this.
	other.blocked <- struct{}{}
	close(blocked.blocked)
}

// blocking is a consumer that takes a payload when it is let.
type blocking struct{ consuming, release chan struct{} }

func (b blocking) Capabilities() consumer.Capabilities { return consumer.Capabilities{} }

func (b blocking) ConsumeMetrics(context.Context, pmetric.Metrics) error {
	b.consuming <- struct{}{}
	<-b.release
	return nil
}

// The same with a consumer that blocks; what is left ends when it no longer does.
func TestShutdownBesideAConsumerThatBlocks(t *testing.T) {
	next := blocking{make(chan struct{}), make(chan struct{})}
	r := start(t, next, newTarget("up", testnet.Listen(t, "tcp4", "127.0.0.1:0"), time.Hour))
	<-next.consuming
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.ErrorIs(t, r.Shutdown(ctx), context.Canceled)
	close(next.release)
}
