package receiver

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.opentelemetry.io/collector/scraper/scrapererror"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/metadata"
	"example.com/tcpcheckreceiver/internal/probe"
	"example.com/tcpcheckreceiver/internal/report"
	"example.com/tcpcheckreceiver/internal/report/reporttest"
	"example.com/tcpcheckreceiver/internal/state"
	"example.com/tcpcheckreceiver/internal/testnet"
)

// checked returns a target that is checked every 15 seconds.
func checked(name string, address netip.AddrPort) check.Target {
	t := newTarget(name, address, 15*time.Second)
	t.Timeout = 10 * time.Second
	return t
}

func groupOf(config metadata.MetricsBuilderConfig, targets ...check.Target) *group {
	set := receivertest.NewNopSettings(metadata.Type)
	return newGroup(context.Background(), set, config, targets, nil, report.NewMachine(set.Logger, probe.ReadConntrack))
}

func collect(t *testing.T, g *group) pmetric.Metrics {
	t.Helper()
	metrics, err := g.collect(context.Background())
	require.NoError(t, err)
	return metrics
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
			assert.ElementsMatch(t, test.want, reporttest.Lines(t, collect(t, groupOf(config, test.targets...))))
		})
	}
}

func TestErrorsAreCumulative(t *testing.T) {
	g := groupOf(reporttest.DefaultMetrics(), checked("web", testnet.ClosedPort(t, "127.0.0.1")))
	for n := range int64(3) {
		for _, metric := range collect(t, g).ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().All() {
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
	g := groupOf(reporttest.DefaultMetrics(), checked("web", closed))
	series := func() (text string, value int64) {
		for _, metric := range collect(t, g).ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().All() {
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

func TestPointsShareATimestamp(t *testing.T) {
	metrics := collect(t, groupOf(reporttest.DefaultMetrics(),
		checked("a", testnet.Listen(t, "tcp4", "127.0.0.1:0")), checked("b", testnet.ClosedPort(t, "::1"))))
	timestamps := map[string]bool{}
	for _, metric := range metrics.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().All() {
		for _, point := range reporttest.Points(metric).All() {
			timestamps[point.Timestamp().String()] = true
		}
	}
	assert.Len(t, timestamps, 1)
}

// The response time of a target that goes down ends, once, and comes back.
func TestResponseTimeEnds(t *testing.T) {
	closed := testnet.ClosedPort(t, "127.0.0.1")
	a := checked("a", closed)
	a.Labels.CollectResponseTime = true
	g := groupOf(reporttest.DefaultMetrics(), a)
	ofResponseTime := func() []string {
		return slices.DeleteFunc(reporttest.Lines(t, collect(t, g)), func(line string) bool { return !strings.Contains(line, "response_time") })
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

// What this machine was unable to check is no point and a partial scrape error.
func TestLocalFault(t *testing.T) {
	up := testnet.Listen(t, "tcp4", "127.0.0.1:0")
	g := groupOf(reporttest.DefaultMetrics(), checked("a", netip.MustParseAddrPort("[fe80::1%nosuchif]:80")), checked("b", up))
	metrics, err := g.collect(context.Background())
	assert.Equal(t, []string{
		fmt.Sprintf("{} can_connect{network.peer.address=127.0.0.1 network.type=ipv4 server.address=127.0.0.1 server.port=%d tcpcheck.instance=b} 1", up.Port()),
	}, reporttest.Lines(t, metrics))
	assert.True(t, scrapererror.IsPartialScrapeError(err))
	assert.EqualError(t, err, "a fault of this machine, and not of its targets, left addresses unchecked (1): no such network interface")
}

// Collections that take longer than two intervals are logged once, and their end.
func TestLateCollection(t *testing.T) {
	core, logs := observer.New(zapcore.DebugLevel)
	silent := checked("silent", testnet.BlackHole(t))
	silent.Timeout, silent.Interval = 20*time.Millisecond, time.Millisecond
	set := receivertest.NewNopSettings(metadata.Type)
	set.Logger = zap.New(core)
	g := newGroup(context.Background(), set, reporttest.DefaultMetrics(), []check.Target{silent}, nil, report.NewMachine(zap.NewNop(), probe.ReadConntrack))
	collect := func() {
		_, err := g.collect(context.Background())
		require.NoError(t, err)
	}
	collect()
	collect()
	g.interval = time.Hour
	collect()
	var texts []string
	for _, entry := range logs.All() {
		if _, ok := entry.ContextMap()["duration"]; ok {
			texts = append(texts, entry.Level.String()+" "+strings.SplitAfter(entry.Message, "intervals")[0])
		}
	}
	assert.Equal(t, []string{"warn a collection took longer than two intervals", "info collections take less than two intervals"}, texts)
}

// What ails the machine is logged of a collection, unless it was ended.
func TestCollectManySilent(t *testing.T) {
	targets := make([]check.Target, 10)
	for i := range targets {
		targets[i] = checked(fmt.Sprint(i), testnet.BlackHole(t))
		targets[i].Timeout = 20 * time.Millisecond
	}
	for _, ended := range []bool{false, true} {
		core, logs := observer.New(zapcore.DebugLevel)
		set := receivertest.NewNopSettings(metadata.Type)
		g := newGroup(context.Background(), set, reporttest.DefaultMetrics(), targets, nil, report.NewMachine(zap.New(core), probe.ReadConntrack))
		ctx, cancel := context.WithCancel(context.Background())
		if ended {
			cancel()
		}
		_, err := g.collect(ctx)
		require.NoError(t, err)
		cancel()
		var lines []string
		for _, entry := range logs.All() {
			lines = append(lines, entry.Message)
		}
		if ended {
			assert.Empty(t, lines)
		} else if assert.Len(t, lines, 1) {
			assert.Contains(t, lines[0], "10 of 10 instances do not answer since this collection")
		}
	}
}

// A collection that is ended gives the points of the checks that were done.
func TestCollectEnded(t *testing.T) {
	running, cancel := context.WithCancel(context.Background())
	silent := checked("silent", testnet.BlackHole(t))
	g := newGroup(running, receivertest.NewNopSettings(metadata.Type), reporttest.DefaultMetrics(), []check.Target{silent}, nil, report.NewMachine(zap.NewNop(), probe.ReadConntrack))
	collecting := make(chan error)
	go func() {
		metrics, err := g.collect(context.Background())
		assert.Zero(t, metrics.DataPointCount())
		collecting <- err
	}()
	cancel()
	assert.NoError(t, <-collecting)
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
