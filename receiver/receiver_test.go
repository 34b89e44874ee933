package receiver

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pmetric"
	collector "go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.uber.org/goleak"

	"example.com/tcpcheckreceiver/internal/metadata"
	"example.com/tcpcheckreceiver/internal/testnet"
	"example.com/tcpcheckreceiver/receiver/target"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newTarget(name string, address netip.AddrPort, interval time.Duration) target.Target {
	return target.Target{
		Name: name, Host: address.Addr().String(), Port: address.Port(),
		Timeout: time.Minute, Interval: interval, CacheDuration: target.UntilError,
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

func start(t *testing.T, next consumer.Metrics, targets ...target.Target) collector.Metrics {
	t.Helper()
	r, err := New(receivertest.NewNopSettings(metadata.Type), Plan{Targets: targets, Metrics: metadata.NewDefaultMetricsBuilderConfig()}, next)
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
		checked := []target.Target{newTarget("silent", silent, time.Hour)}
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
	a, b, c := target.Target{Name: "a", Interval: 1}, target.Target{Name: "b", Interval: 2}, target.Target{Name: "c", Interval: 1}
	assert.Equal(t, [][]target.Target{{a, c}, {b}}, byInterval([]target.Target{a, b, c}))
	assert.Empty(t, byInterval(nil))
}
