package receiver

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	collector "go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/metadata"
	"example.com/tcpcheckreceiver/internal/report/reporttest"
	"example.com/tcpcheckreceiver/internal/schedule"
	"example.com/tcpcheckreceiver/internal/state"
	"example.com/tcpcheckreceiver/internal/testnet"
)

// checked returns a target that is checked every 15 seconds.
func checked(name string, address netip.AddrPort) check.Target {
	t := newTarget(name, address, 15*time.Second)
	t.Timeout = 10 * time.Second
	return t
}

// checker is a receiver that does not run: a test makes its checks.
type checker struct {
	*Receiver
	targets []*target
	sink    *consumertest.MetricsSink
	logs    *observer.ObservedLogs
}

func newChecker(t *testing.T, config metadata.MetricsBuilderConfig, targets ...check.Target) *checker {
	t.Helper()
	c := &checker{sink: new(consumertest.MetricsSink)}
	var set collector.Settings
	set, c.logs = observed(receivertest.NewNopSettings(metadata.Type))
	made, err := newWithMetrics(set, Settings{Metrics: config, FlushInterval: time.Hour}, c.sink)
	require.NoError(t, err)
	c.Receiver = made.of
	for _, target := range targets {
		c.targets = append(c.targets, c.newTarget(&target, time.Now()))
	}
	c.add(c.targets)
	return c
}

// observed returns settings with a log, and what is logged there.
func observed(set collector.Settings) (collector.Settings, *observer.ObservedLogs) {
	core, logs := observer.New(zapcore.DebugLevel)
	set.Logger = zap.New(core)
	return set, logs
}

// collect checks each target once, and returns what is handed over then.
func (c *checker) collect(t *testing.T) pmetric.Metrics {
	t.Helper()
	for _, target := range c.targets {
		c.check(c.running, target, 0, func() {})
	}
	ended, end := context.WithCancel(context.Background())
	end()
	c.sink.Reset()
	c.delivery.Run(ended, context.Background())
	if len(c.sink.AllMetrics()) == 0 {
		return pmetric.NewMetrics()
	}
	return c.sink.AllMetrics()[0]
}

func TestCollect(t *testing.T) {
	up := testnet.Listen(t, "tcp4", "127.0.0.1:0")
	up6 := testnet.Listen(t, "tcp6", "[::1]:0")
	closed := testnet.ClosedPort(t, "127.0.0.1")
	line := func(format string, addresses ...netip.AddrPort) string {
		for i, address := range addresses {
			format = strings.ReplaceAll(format, fmt.Sprintf("$%d", i+1), fmt.Sprint(address.Port()))
		}
		return format
	}
	for _, test := range []struct {
		name    string
		config  func(*metadata.MetricsConfig)
		targets []check.Target
		want    []string
	}{
		{
			name:    "an address that connects",
			targets: []check.Target{checked("web", up)},
			want: []string{
				line("{} can_connect{network.peer.address=127.0.0.1 network.type=ipv4 server.address=127.0.0.1 server.port=$1 tcpcheck.instance=web} 1", up),
			},
		},
		{
			name:    "checks are counted",
			config:  func(c *metadata.MetricsConfig) { c.TcpcheckChecks.Enabled = true },
			targets: []check.Target{checked("web", up)},
			want: []string{
				line("{} can_connect{network.peer.address=127.0.0.1 network.type=ipv4 server.address=127.0.0.1 server.port=$1 tcpcheck.instance=web} 1", up),
				line("{} checks{network.type=ipv4 server.address=127.0.0.1 server.port=$1 tcpcheck.instance=web} 1", up),
			},
		},
		{
			name: "an address that connects, with its response time",
			targets: []check.Target{func() check.Target {
				t := checked("web", up6)
				t.Labels.CollectResponseTime = true
				return t
			}()},
			want: []string{
				line("{} can_connect{network.peer.address=::1 network.type=ipv6 server.address=::1 server.port=$1 tcpcheck.instance=web} 1", up6),
				line("{} response_time{network.peer.address=::1 network.type=ipv6 server.address=::1 server.port=$1 tcpcheck.instance=web} s", up6),
			},
		},
		{
			name: "an address that refuses has no response time",
			targets: []check.Target{func() check.Target {
				t := checked("web", closed)
				t.Labels.CollectResponseTime = true
				return t
			}()},
			want: []string{
				line("{} can_connect{network.peer.address=127.0.0.1 network.type=ipv4 server.address=127.0.0.1 server.port=$1 tcpcheck.instance=web} 0", closed),
				line("{} errors{error.type=connection_refused network.type=ipv4 server.address=127.0.0.1 server.port=$1 tcpcheck.instance=web} 1", closed),
			},
		},
		{
			name: "services and hostnames make resources, tags go onto every point",
			targets: []check.Target{
				func() check.Target {
					t := checked("a", closed)
					t.Labels.Service, t.Labels.Tags = "payments", []check.Tag{{Key: "env", Value: "prod"}}
					return t
				}(),
				func() check.Target {
					t := checked("b", up)
					t.Labels.Service, t.Labels.EmptyHostname = "payments", true
					return t
				}(),
				func() check.Target {
					t := checked("c", up)
					t.Labels.Service, t.Labels.Tags = "payments", []check.Tag{{Key: "env", Value: "test"}}
					return t
				}(),
			},
			want: []string{
				line("{datadog.host.name= service.name=payments} can_connect{network.peer.address=127.0.0.1 network.type=ipv4 server.address=127.0.0.1 server.port=$1 tcpcheck.instance=b} 1", up),
				line("{service.name=payments} can_connect{env=prod network.peer.address=127.0.0.1 network.type=ipv4 server.address=127.0.0.1 server.port=$1 tcpcheck.instance=a} 0", closed),
				line("{service.name=payments} can_connect{env=test network.peer.address=127.0.0.1 network.type=ipv4 server.address=127.0.0.1 server.port=$1 tcpcheck.instance=c} 1", up),
				line("{service.name=payments} errors{env=prod error.type=connection_refused network.type=ipv4 server.address=127.0.0.1 server.port=$1 tcpcheck.instance=a} 1", closed),
			},
		},
		{
			name: "tcp_check's tags in place of ours",
			config: func(c *metadata.MetricsConfig) {
				c.NetworkTCPCanConnect.EnabledAttributes = []metadata.NetworkTCPCanConnectMetricAttributeKey{"instance", "target_host", "port", "address"}
				c.NetworkTCPResponseTime.EnabledAttributes = []metadata.NetworkTCPResponseTimeMetricAttributeKey{"instance", "url", "address"}
			},
			targets: []check.Target{func() check.Target {
				t := checked("My web-server (1)", up)
				t.Labels.CollectResponseTime = true
				return t
			}()},
			want: []string{
				line("{} can_connect{address=127.0.0.1 instance=My_web_server_1 port=$1 target_host=127.0.0.1} 1", up),
				line("{} response_time{address=127.0.0.1 instance=My web-server (1) url=127.0.0.1:$1} s", up),
			},
		},
		{
			name:    "SYNs sent again",
			config:  func(c *metadata.MetricsConfig) { c.TcpcheckSynRetransmits.Enabled = runtime.GOOS == "linux" },
			targets: []check.Target{checked("up", up), checked("closed", closed)},
			want: slices.DeleteFunc([]string{
				line("{} can_connect{network.peer.address=127.0.0.1 network.type=ipv4 server.address=127.0.0.1 server.port=$1 tcpcheck.instance=closed} 0", closed),
				line("{} can_connect{network.peer.address=127.0.0.1 network.type=ipv4 server.address=127.0.0.1 server.port=$1 tcpcheck.instance=up} 1", up),
				line("{} errors{error.type=connection_refused network.type=ipv4 server.address=127.0.0.1 server.port=$1 tcpcheck.instance=closed} 1", closed),
				line("{} syn_retransmits{network.peer.address=127.0.0.1 network.type=ipv4 server.address=127.0.0.1 server.port=$1 tcpcheck.instance=closed} 0", closed),
				line("{} syn_retransmits{network.peer.address=127.0.0.1 network.type=ipv4 server.address=127.0.0.1 server.port=$1 tcpcheck.instance=up} 0", up),
			}, func(line string) bool { return runtime.GOOS != "linux" && strings.Contains(line, "syn_retransmits") }),
		},
		{
			name: "metric patterns",
			targets: []check.Target{func() check.Target {
				t := checked("web", closed)
				t.Labels.Metrics = check.Patterns{Exclude: []*regexp.Regexp{regexp.MustCompile("errors$")}}
				return t
			}()},
			want: []string{
				line("{} can_connect{network.peer.address=127.0.0.1 network.type=ipv4 server.address=127.0.0.1 server.port=$1 tcpcheck.instance=web} 0", closed),
			},
		},
		{
			name:    "all metrics disabled",
			targets: []check.Target{checked("web", closed)},
			config: func(c *metadata.MetricsConfig) {
				c.NetworkTCPCanConnect.Enabled, c.TcpcheckErrors.Enabled, c.NetworkTCPResponseTime.Enabled = false, false, false
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			config := reporttest.DefaultMetrics()
			if test.config != nil {
				test.config(&config.Metrics)
			}
			assert.ElementsMatch(t, test.want, reporttest.Lines(t, newChecker(t, config, test.targets...).collect(t)))
		})
	}
}

func TestErrorsAreCumulative(t *testing.T) {
	c := newChecker(t, reporttest.DefaultMetrics(), checked("web", testnet.ClosedPort(t, "127.0.0.1")))
	for n := range int64(3) {
		for _, metric := range c.collect(t).ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().All() {
			if metric.Name() != "tcpcheck.errors" {
				continue
			}
			assert.Equal(t, pmetric.AggregationTemporalityCumulative, metric.Sum().AggregationTemporality())
			assert.True(t, metric.Sum().IsMonotonic())
			assert.Equal(t, n+1, metric.Sum().DataPoints().At(0).IntValue())
		}
	}
}

// A series keeps its attributes while the target goes up, down and up.
func TestSeriesKeepTheirAttributes(t *testing.T) {
	closed := testnet.ClosedPort(t, "127.0.0.1")
	c := newChecker(t, reporttest.DefaultMetrics(), checked("web", closed))
	series := func() (text string, value int64) {
		for _, metric := range c.collect(t).ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().All() {
			if metric.Name() == metadata.MetricsInfo.NetworkTCPCanConnect.Name {
				require.Equal(t, 1, metric.Gauge().DataPoints().Len())
				point := metric.Gauge().DataPoints().At(0)
				return reporttest.Attributes(point.Attributes().AsRaw()), point.IntValue()
			}
		}
		return "", -1
	}
	down, value := series()
	require.Zero(t, value)
	t.Run("up", func(t *testing.T) {
		testnet.Listen(t, "tcp4", closed.String())
		up, value := series()
		assert.Equal(t, int64(1), value)
		assert.Equal(t, down, up)
	})
	again, value := series()
	assert.Zero(t, value)
	assert.Equal(t, down, again)
}

// The points of a check have the time at which its last result was known, and those of the
// next check a later one, also where the date has gone back.
func TestTimes(t *testing.T) {
	c := newChecker(t, reporttest.DefaultMetrics(), checked("a", testnet.ClosedPort(t, "127.0.0.1")))
	times := func() pcommon.Timestamp {
		timestamps := map[pcommon.Timestamp]bool{}
		for _, metric := range c.collect(t).ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().All() {
			for _, point := range reporttest.Points(metric).All() {
				assert.Greater(t, point.Timestamp(), point.StartTimestamp())
				timestamps[point.Timestamp()] = true
			}
		}
		require.Len(t, timestamps, 1)
		return slices.Collect(maps.Keys(timestamps))[0]
	}
	before := times()
	assert.Greater(t, times(), before)
	ahead := time.Now().Add(time.Hour).Round(0)
	c.targets[0].last = ahead
	assert.Equal(t, pcommon.NewTimestampFromTime(ahead.Add(1)), times())
	assert.Equal(t, pcommon.NewTimestampFromTime(ahead.Add(2)), times())
}

// The response time of a target that goes down ends, once, and comes back.
func TestResponseTimeEnds(t *testing.T) {
	closed := testnet.ClosedPort(t, "127.0.0.1")
	a := checked("a", closed)
	a.Labels.CollectResponseTime = true
	c := newChecker(t, reporttest.DefaultMetrics(), a)
	ofResponseTime := func() []string {
		return slices.DeleteFunc(reporttest.Lines(t, c.collect(t)), func(line string) bool { return !strings.Contains(line, "response_time") })
	}
	series := fmt.Sprintf("{} response_time{network.peer.address=127.0.0.1 network.type=ipv4 server.address=127.0.0.1 server.port=%d tcpcheck.instance=a} ", closed.Port())
	for range 2 {
		assert.Empty(t, ofResponseTime(), "down")
		listener, err := net.Listen("tcp4", closed.String())
		require.NoError(t, err)
		for range 2 {
			assert.Equal(t, []string{series + "s"}, ofResponseTime(), "up")
		}
		require.NoError(t, listener.Close())
		assert.Equal(t, []string{series + "ended"}, ofResponseTime(), "down again")
	}
}

// What this machine was unable to check is no point, and is said of the machine.
func TestLocalFault(t *testing.T) {
	up := testnet.Listen(t, "tcp4", "127.0.0.1:0")
	c := newChecker(t, reporttest.DefaultMetrics(), checked("a", netip.MustParseAddrPort("[fe80::1%nosuchif]:80")), checked("b", up))
	assert.Equal(t, []string{
		fmt.Sprintf("{} can_connect{network.peer.address=127.0.0.1 network.type=ipv4 server.address=127.0.0.1 server.port=%d tcpcheck.instance=b} 1", up.Port()),
	}, reporttest.Lines(t, c.collect(t)))
	c.health.hosts = []component.Host{componenttest.NewNopHost()}
	c.machine.Review(time.Now())
	require.Equal(t, 1, c.logs.Len())
	assert.Equal(t, "this machine is unable to check some instances, which says nothing about them: no such network interface", c.logs.All()[0].Message)
}

// A check that is ended says nothing.
func TestCheckEnded(t *testing.T) {
	c := newChecker(t, reporttest.DefaultMetrics(), checked("silent", testnet.BlackHole(t)))
	handedOff := make(chan struct{})
	go func() {
		<-handedOff
		c.cancel()
	}()
	assert.Equal(t, schedule.Outcome{}, c.check(c.running, c.targets[0], 0, sync.OnceFunc(func() { close(handedOff) })))
	assert.Zero(t, c.collect(t).DataPointCount())
	assert.Zero(t, c.logs.Len())
}

// What the schedule has to know of a check.
func TestOutcome(t *testing.T) {
	silent := checked("silent", testnet.BlackHole(t))
	silent.Timeout = 20 * time.Millisecond
	c := newChecker(t, reporttest.DefaultMetrics(), silent, checked("up", testnet.Listen(t, "tcp4", "127.0.0.1:0")))
	assert.Equal(t, schedule.Outcome{Silent: true, Dials: 1}, c.check(c.running, c.targets[0], 0, func() {}))
	assert.Equal(t, schedule.Outcome{Dials: 1}, c.check(c.running, c.targets[1], 0, func() {}))
}

// A target that took long, and does not connect, counts as one that did not answer.
func TestIsSilent(t *testing.T) {
	up, refused := check.Result{Status: check.Up}, check.Result{Status: check.Down, ErrorType: check.ConnectionRefused}
	silent := check.Result{Status: check.Down, ErrorType: check.Timeout}
	for _, test := range []struct {
		results []check.Result
		took    time.Duration
		want    bool
	}{
		{[]check.Result{up}, time.Minute, false},
		{[]check.Result{refused}, slowAfter, false},
		{[]check.Result{refused}, slowAfter + 1, true},
		{[]check.Result{refused, up}, time.Minute, false},
		{[]check.Result{up, silent}, 0, true},
	} {
		assert.Equal(t, test.want, isSilent(&check.Report{Results: test.results}, test.took), "%+v", test)
	}
}

// The addresses of this machine are read again when they are a second old.
func TestHostAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a hostAddresses
		assert.NotNil(t, a.get())
		first := a.at
		pass(addressesFor - 1)
		a.get()
		assert.Equal(t, first, a.at)
		pass(1)
		a.get()
		assert.Equal(t, first.Add(addressesFor), a.at)
	})
}

// pass lets time pass, in a bubble of synctest.
func pass(d time.Duration) { time.Sleep(d) } //nolint:forbidigo // it is not waited for anything

// A check that fails is repeated soon, and says nothing until then. A target that is down is
// checked more often than others.
func TestRetry(t *testing.T) {
	closed := testnet.ClosedPort(t, "127.0.0.1")
	web := checked("web", closed)
	web.Retry, web.RecheckInterval = check.Retry{Attempts: 1, Interval: 2 * time.Second}, 3*time.Second
	c := newChecker(t, reporttest.DefaultMetrics(), web)
	step := func() (schedule.Outcome, []string) {
		o := c.check(c.running, c.targets[0], 0, func() {})
		var messages []string
		for _, entry := range c.logs.TakeAll() {
			messages = append(messages, entry.Message)
		}
		return o, messages
	}
	listener := func() func() {
		l, err := net.Listen("tcp4", closed.String())
		require.NoError(t, err)
		return func() { require.NoError(t, l.Close()) }
	}
	end := listener()
	outcome, messages := step()
	assert.Equal(t, schedule.Outcome{Dials: 1}, outcome, "up")
	assert.Empty(t, messages)
	end()
	outcome, messages = step()
	assert.Equal(t, schedule.Outcome{Dials: 1, Again: 2 * time.Second, Urgent: true}, outcome, "it failed once")
	assert.Empty(t, messages)
	outcome, messages = step()
	assert.Equal(t, schedule.Outcome{Dials: 1, Again: 3 * time.Second}, outcome, "it is down")
	assert.Equal(t, []string{fmt.Sprintf(`cannot connect to "web" (127.0.0.1:%d) over ipv4: connection refused`, closed.Port())}, messages)
	end = listener()
	outcome, messages = step()
	end()
	assert.Equal(t, schedule.Outcome{Dials: 1}, outcome, "it is up")
	assert.Len(t, messages, 1)
}

// A first result, a change of state and the end of a series do not wait.
func TestNews(t *testing.T) {
	for kind, want := range map[state.Kind]bool{
		state.WentDown: true, state.CameUp: true, state.ReasonChanged: true, state.ReasonFlapping: false, state.Flapping: true, state.Held: true,
		state.Settled: true, state.Gone: true, state.FamilyLost: true, state.FamilyBack: true, state.Truncated: true,
	} {
		assert.Equal(t, want, isNews(state.Change{Kind: kind}), "%v", kind)
	}
}

// A target whose changes are no longer told, since it flaps, counts each time that it stops
// answering: it is the machine's network that flaps, if many do.
func TestStoppedAnswering(t *testing.T) {
	var known state.Target
	up := check.Result{Family: check.IPv4, Status: check.Up}
	silent := check.Result{Family: check.IPv4, Status: check.Down, Err: os.ErrDeadlineExceeded, ErrorType: check.Timeout}
	for n := range 20 {
		r := check.Report{Time: time.Unix(int64(n), 0), Results: []check.Result{up}}
		if n%2 == 1 {
			r.Results[0] = silent
		}
		assert.Equal(t, n%2 == 1, slices.ContainsFunc(known.Observe(&r), stoppedAnswering), "check %d", n)
	}
}
