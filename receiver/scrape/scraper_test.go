package scrape

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
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
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
	"golang.org/x/sync/semaphore"

	"example.com/tcpcheckreceiver/internal/metadata"
	"example.com/tcpcheckreceiver/internal/testnet"
	"example.com/tcpcheckreceiver/receiver/probe"
	"example.com/tcpcheckreceiver/receiver/target"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newTarget(name string, address netip.AddrPort) target.Target {
	return target.Target{
		Name: name, Host: address.Addr().String(), Port: address.Port(),
		Timeout: 10 * time.Second, Interval: 15 * time.Second, CacheDuration: target.UntilError,
	}
}

// defaultMetrics are the metrics with the receiver's default strategies.
func defaultMetrics() metadata.MetricsBuilderConfig {
	config := metadata.NewDefaultMetricsBuilderConfig()
	config.Metrics.NetworkTCPCanConnect.AggregationStrategy = metadata.AggregationStrategyMin
	config.Metrics.NetworkTCPResponseTime.AggregationStrategy = metadata.AggregationStrategyMax
	return config
}

func newScraper(config metadata.MetricsBuilderConfig, targets ...target.Target) *Scraper {
	return New(context.Background(), receivertest.NewNopSettings(metadata.Type), config, targets, nil, NewMachine(zap.NewNop()))
}

// points returns a line for each point: "resource metric{attributes} value",
// sorted, but for a response time, which is only required to be positive.
func points(t *testing.T, metrics pmetric.Metrics) []string {
	t.Helper()
	var lines []string
	for _, rm := range metrics.ResourceMetrics().All() {
		resource := attributes(rm.Resource().Attributes().AsRaw())
		require.Equal(t, 1, rm.ScopeMetrics().Len())
		require.Equal(t, metadata.ScopeName, rm.ScopeMetrics().At(0).Scope().Name())
		seen := map[string]bool{}
		for _, metric := range rm.ScopeMetrics().At(0).Metrics().All() {
			if ended := pointsOf(metric).At(0).Flags().NoRecordedValue(); ended {
				require.Equal(t, 1, pointsOf(metric).Len(), "the end of a series stands alone")
			} else {
				require.False(t, seen[metric.Name()], "%s is there twice", metric.Name())
				seen[metric.Name()] = true
			}
			for _, point := range pointsOf(metric).All() {
				value := fmt.Sprint(point.IntValue())
				if point.Flags().NoRecordedValue() {
					value = "ended"
				} else if point.ValueType() == pmetric.NumberDataPointValueTypeDouble {
					assert.Positive(t, point.DoubleValue())
					value = "s"
				}
				lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s %s%s %s", resource, shortName.Replace(metric.Name()), attributes(point.Attributes().AsRaw()), value)))
			}
		}
	}
	slices.Sort(lines)
	return lines
}

// shortName leaves the namespace off a metric's name.
var shortName = strings.NewReplacer("network.tcp.", "", "tcpcheck.", "")

func attributes(raw map[string]any) string {
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(raw)) {
		parts = append(parts, fmt.Sprintf("%s=%v", key, raw[key]))
	}
	return "{" + strings.Join(parts, " ") + "}"
}

func scrape(t *testing.T, s *Scraper) pmetric.Metrics {
	t.Helper()
	metrics, err := s.ScrapeMetrics(context.Background())
	require.NoError(t, err)
	return metrics
}

func TestScrape(t *testing.T) {
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
		targets []target.Target
		want    []string
	}{
		{
			name:    "an address that connects",
			targets: []target.Target{newTarget("web", up)},
			want: []string{
				line("{} can_connect{network.peer.address=127.0.0.1 network.type=ipv4 server.address=127.0.0.1 server.port=$1 tcpcheck.instance=web} 1", up),
			},
		},
		{
			name: "an address that connects, with its response time",
			targets: []target.Target{func() target.Target {
				t := newTarget("web", up6)
				t.CollectResponseTime = true
				return t
			}()},
			want: []string{
				line("{} can_connect{network.peer.address=::1 network.type=ipv6 server.address=::1 server.port=$1 tcpcheck.instance=web} 1", up6),
				line("{} response_time{network.peer.address=::1 network.type=ipv6 server.address=::1 server.port=$1 tcpcheck.instance=web} s", up6),
			},
		},
		{
			name: "an address that refuses has no response time",
			targets: []target.Target{func() target.Target {
				t := newTarget("web", closed)
				t.CollectResponseTime = true
				return t
			}()},
			want: []string{
				line("{} can_connect{network.peer.address=127.0.0.1 network.type=ipv4 server.address=127.0.0.1 server.port=$1 tcpcheck.instance=web} 0", closed),
				line("{} errors{error.type=connection_refused network.type=ipv4 server.address=127.0.0.1 server.port=$1 tcpcheck.instance=web} 1", closed),
			},
		},
		{
			name: "services and hostnames make resources, tags go onto every point",
			targets: []target.Target{
				func() target.Target {
					t := newTarget("a", closed)
					t.Service, t.Tags = "payments", []target.Tag{{Key: "env", Value: "prod"}}
					return t
				}(),
				func() target.Target {
					t := newTarget("b", up)
					t.Service, t.EmptyHostname = "payments", true
					return t
				}(),
				func() target.Target {
					t := newTarget("c", up)
					t.Service, t.Tags = "payments", []target.Tag{{Key: "env", Value: "test"}}
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
			targets: []target.Target{func() target.Target {
				t := newTarget("My web-server (1)", up)
				t.CollectResponseTime = true
				return t
			}()},
			want: []string{
				line("{} can_connect{address=127.0.0.1 instance=My_web_server_1 port=$1 target_host=127.0.0.1} 1", up),
				line("{} response_time{address=127.0.0.1 instance=My web-server (1) url=127.0.0.1:$1} s", up),
			},
		},
		{
			name: "targets that the chosen attributes no longer tell apart are merged",
			config: func(c *metadata.MetricsConfig) {
				c.NetworkTCPCanConnect.EnabledAttributes = []metadata.NetworkTCPCanConnectMetricAttributeKey{"server.address"}
				c.TcpcheckErrors.EnabledAttributes = []metadata.TcpcheckErrorsMetricAttributeKey{"error.type"}
			},
			targets: []target.Target{newTarget("a", up), newTarget("b", closed), newTarget("c", closed), newTarget("d", up6)},
			want: []string{
				"{} can_connect{server.address=127.0.0.1} 0",
				"{} can_connect{server.address=::1} 1",
				"{} errors{error.type=connection_refused} 2",
			},
		},
		{
			name: "any address that connects is enough with max",
			config: func(c *metadata.MetricsConfig) {
				c.NetworkTCPCanConnect.EnabledAttributes = []metadata.NetworkTCPCanConnectMetricAttributeKey{"tcpcheck.instance"}
				c.NetworkTCPCanConnect.AggregationStrategy = metadata.AggregationStrategyMax
				c.TcpcheckErrors.Enabled = false
			},
			targets: []target.Target{newTarget("a", up), newTarget("a", closed)},
			want:    []string{"{} can_connect{tcpcheck.instance=a} 1"},
		},
		{
			name:    "SYNs sent again",
			config:  func(c *metadata.MetricsConfig) { c.TcpcheckSynRetransmits.Enabled = runtime.GOOS == "linux" },
			targets: []target.Target{newTarget("up", up), newTarget("closed", closed)},
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
			targets: []target.Target{func() target.Target {
				t := newTarget("web", closed)
				t.Metrics = target.Patterns{Exclude: compile("errors$")}
				return t
			}()},
			want: []string{
				line("{} can_connect{network.peer.address=127.0.0.1 network.type=ipv4 server.address=127.0.0.1 server.port=$1 tcpcheck.instance=web} 0", closed),
			},
		},
		{
			name:    "all metrics disabled",
			targets: []target.Target{newTarget("web", closed)},
			config: func(c *metadata.MetricsConfig) {
				c.NetworkTCPCanConnect.Enabled, c.TcpcheckErrors.Enabled, c.NetworkTCPResponseTime.Enabled = false, false, false
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			config := defaultMetrics()
			if test.config != nil {
				test.config(&config.Metrics)
			}
			assert.ElementsMatch(t, test.want, points(t, scrape(t, newScraper(config, test.targets...))))
		})
	}
}

func TestErrorsAreCumulative(t *testing.T) {
	s := newScraper(defaultMetrics(), newTarget("web", testnet.ClosedPort(t, "127.0.0.1")))
	for n := range int64(3) {
		for _, metric := range scrape(t, s).ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().All() {
			if metric.Name() != "tcpcheck.errors" {
				continue
			}
			assert.Equal(t, pmetric.AggregationTemporalityCumulative, metric.Sum().AggregationTemporality())
			assert.True(t, metric.Sum().IsMonotonic())
			assert.Equal(t, n+1, metric.Sum().DataPoints().At(0).IntValue())
		}
	}
}

// A family that this machine lacks has a point of its own, which ends with it.
func TestFamilyOmitted(t *testing.T) {
	r := newRecorder(receivertest.NewNopSettings(metadata.Type), defaultMetrics(), []target.Target{{Name: "a", Host: "h", Port: 1}})
	omitted := func(omissions ...probe.Omission) []string {
		lines := points(t, r.record(1, []probe.Outcome{{Results: []probe.Result{connected(v4)}, Omissions: omissions}}))
		return slices.DeleteFunc(lines, func(line string) bool { return !strings.Contains(line, "omitted") })
	}
	series := "{} family.omitted{network.type=ipv6 server.address=h server.port=1 tcpcheck.instance=a} "
	machine, name := probe.Omission{Family: target.IPv6, Reason: probe.MachineLacksFamily}, probe.Omission{Family: target.IPv6, Reason: probe.NameLacksFamily}
	assert.Empty(t, omitted(name))
	assert.Equal(t, []string{series + "1"}, omitted(machine))
	assert.Equal(t, []string{series + "1"}, omitted(machine))
	assert.Equal(t, []string{series + "ended"}, omitted())
	assert.Empty(t, omitted())
}

// A series keeps its attributes while the target goes up, down and up.
func TestSeriesKeepTheirAttributes(t *testing.T) {
	closed := testnet.ClosedPort(t, "127.0.0.1")
	s := newScraper(defaultMetrics(), newTarget("web", closed))
	series := func() (text string, value int64) {
		for _, metric := range scrape(t, s).ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().All() {
			if metric.Name() == metadata.MetricsInfo.NetworkTCPCanConnect.Name {
				require.Equal(t, 1, metric.Gauge().DataPoints().Len())
				point := metric.Gauge().DataPoints().At(0)
				return attributes(point.Attributes().AsRaw()), point.IntValue()
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
	metrics := scrape(t, newScraper(defaultMetrics(),
		newTarget("a", testnet.Listen(t, "tcp4", "127.0.0.1:0")), newTarget("b", testnet.ClosedPort(t, "::1"))))
	timestamps := map[string]bool{}
	for _, metric := range metrics.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().All() {
		for _, point := range pointsOf(metric).All() {
			timestamps[point.Timestamp().String()] = true
		}
	}
	assert.Len(t, timestamps, 1)
}

// The response time of a target that goes down ends, once, and comes back.
func TestResponseTimeEnds(t *testing.T) {
	closed := testnet.ClosedPort(t, "127.0.0.1")
	a := newTarget("a", closed)
	a.CollectResponseTime = true
	s := newScraper(defaultMetrics(), a)
	ofResponseTime := func() []string {
		return slices.DeleteFunc(points(t, scrape(t, s)), func(line string) bool { return !strings.Contains(line, "response_time") })
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

// A fault of this machine ends nothing, whatever attributes there are: an alert that
// fires goes on. What has ended meanwhile ends afterwards.
func TestLocalFaultEndsNothing(t *testing.T) {
	merged := defaultMetrics()
	merged.Metrics.NetworkTCPCanConnect.EnabledAttributes = nil
	for name, config := range map[string]metadata.MetricsBuilderConfig{"by default": defaultMetrics(), "merged": merged} {
		t.Run(name, func(t *testing.T) {
			address := netip.MustParseAddr("192.0.2.1")
			refused := probe.Result{Family: target.IPv4, Address: address, Err: errors.New("refused"), ErrorType: probe.ConnectionRefused}
			faulty := probe.Result{Family: target.IPv4, Address: address, Err: errors.New("too many open files"), LocalFault: true}
			r := newRecorder(receivertest.NewNopSettings(metadata.Type), config, []target.Target{{Name: "a", Host: "h", Port: 1}})
			canConnect := func(results ...probe.Result) []string {
				lines := points(t, r.record(1, []probe.Outcome{{Results: results}}))
				lines = slices.DeleteFunc(lines, func(line string) bool { return !strings.Contains(line, "can_connect") })
				for i, line := range lines {
					lines[i] = line[strings.LastIndex(line, " ")+1:]
				}
				return lines
			}
			assert.Equal(t, []string{"0"}, canConnect(refused))
			assert.Empty(t, canConnect(faulty))
			assert.Empty(t, canConnect(), "cut short")
			assert.Equal(t, []string{"0"}, canConnect(refused))
			assert.Empty(t, canConnect(faulty))
			speculative := probe.Result{Family: target.IPv4, Err: errors.New("timeout"), ErrorType: probe.DNSTimeout, Speculative: true}
			assert.Equal(t, []string{"ended"}, canConnect(speculative))
			assert.Empty(t, canConnect(speculative), "once")
		})
	}
}

// What this machine was unable to check is no point and a partial scrape error.
func TestLocalFault(t *testing.T) {
	up := testnet.Listen(t, "tcp4", "127.0.0.1:0")
	s := newScraper(defaultMetrics(), newTarget("a", netip.MustParseAddrPort("[fe80::1%nosuchif]:80")), newTarget("b", up))
	metrics, err := s.ScrapeMetrics(context.Background())
	assert.Equal(t, []string{
		fmt.Sprintf("{} can_connect{network.peer.address=127.0.0.1 network.type=ipv4 server.address=127.0.0.1 server.port=%d tcpcheck.instance=b} 1", up.Port()),
	}, points(t, metrics))
	assert.True(t, scrapererror.IsPartialScrapeError(err))
	assert.EqualError(t, err, "a fault of this machine, and not of its targets, left addresses unchecked (1): no such network interface")
}

// Those that were silent start last the next time, so that nobody waits behind them.
func TestSilentTargetsStartLast(t *testing.T) {
	silent, up, refused := testnet.BlackHole(t), testnet.Listen(t, "tcp4", "127.0.0.1:0"), testnet.ClosedPort(t, "127.0.0.1")
	targets := []target.Target{
		newTarget("silent 0", silent), newTarget("up 1", up), newTarget("silent 2", silent), newTarget("refused 3", refused), newTarget("up 4", up),
	}
	for i := range targets {
		targets[i].Timeout = 20 * time.Millisecond
	}
	for places, limit := range map[string]*semaphore.Weighted{"as many as there are": nil, "one": semaphore.NewWeighted(1)} {
		t.Run(places, func(t *testing.T) {
			s := New(context.Background(), receivertest.NewNopSettings(metadata.Type), defaultMetrics(), targets, limit, NewMachine(zap.NewNop()))
			for range 2 {
				metrics, err := s.ScrapeMetrics(context.Background())
				require.NoError(t, err)
				assert.Len(t, points(t, metrics), 5+3, "one each, and an error for those that are down")
				assert.Equal(t, []int{1, 3, 4, 0, 2}, s.order)
			}
		})
	}
}

// Collections that take longer than two intervals are logged once, and their end.
func TestLateCollection(t *testing.T) {
	core, logs := observer.New(zapcore.DebugLevel)
	silent := newTarget("silent", testnet.BlackHole(t))
	silent.Timeout, silent.Interval = 20*time.Millisecond, time.Millisecond
	set := receivertest.NewNopSettings(metadata.Type)
	set.Logger = zap.New(core)
	s := New(context.Background(), set, defaultMetrics(), []target.Target{silent}, nil, NewMachine(zap.NewNop()))
	collect := func() {
		_, err := s.ScrapeMetrics(context.Background())
		require.NoError(t, err)
	}
	collect()
	collect()
	s.interval = time.Hour
	collect()
	var texts []string
	for _, entry := range logs.All() {
		if _, ok := entry.ContextMap()["duration"]; ok {
			texts = append(texts, entry.Level.String()+" "+strings.SplitAfter(entry.Message, "intervals")[0])
		}
	}
	assert.Equal(t, []string{"warn a collection took longer than two intervals", "info collections take less than two intervals"}, texts)
}

// A collection that is ended gives the points of the checks that were done.
func TestScrapeEnded(t *testing.T) {
	running, cancel := context.WithCancel(context.Background())
	silent := newTarget("silent", testnet.BlackHole(t))
	s := New(running, receivertest.NewNopSettings(metadata.Type), defaultMetrics(), []target.Target{silent}, nil, NewMachine(zap.NewNop()))
	scraping := make(chan error)
	go func() {
		metrics, err := s.ScrapeMetrics(context.Background())
		assert.Zero(t, metrics.DataPointCount())
		scraping <- err
	}()
	cancel()
	assert.NoError(t, <-scraping)
}

func TestNormalizeTag(t *testing.T) {
	for text, want := range map[string]string{
		"web":             "web",
		"My web-server":   "My_web_server",
		"a,b+c*d-e/f":     "a_b_c_d_e_f",
		"(a)[b]{c}":       "a_b_c",
		"a  -  b":         "a_b",
		"a__b":            "a_b",
		"a_._b":           "a.b",
		"a - . - b.c":     "a.b.c",
		"_a_":             "a",
		"tab\tnewline\nx": "tab_newline_x",
		"---":             "",
	} {
		assert.Equal(t, want, normalizeTag(text), "%q", text)
	}
}
