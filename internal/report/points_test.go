package report

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.uber.org/goleak"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/metadata"
	"example.com/tcpcheckreceiver/internal/report/reporttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// defaultMetrics are the metrics with the receiver's default strategies.
func defaultMetrics() metadata.MetricsBuilderConfig {
	config := metadata.NewDefaultMetricsBuilderConfig()
	config.Metrics.NetworkTCPCanConnect.AggregationStrategy = metadata.AggregationStrategyMin
	config.Metrics.NetworkTCPResponseTime.AggregationStrategy = metadata.AggregationStrategyMax
	return config
}

// pointsOfOne returns what makes lines of the points of each report on one target.
func pointsOfOne(t *testing.T, config metadata.MetricsBuilderConfig) func(check.Report) []string {
	p := NewPoints(receivertest.NewNopSettings(metadata.Type), config)
	s := p.NewSeries(&check.Target{Host: "h", Port: 1, Labels: check.Labels{Name: "a"}})
	return func(r check.Report) []string {
		r.Time = time.Unix(1, 0)
		b := p.NewBatch()
		b.Add(s, &r)
		return reporttest.Lines(t, b.Metrics())
	}
}

// A family that this machine lacks has a point of its own, which ends with it.
func TestFamilyOmitted(t *testing.T) {
	lines := pointsOfOne(t, defaultMetrics())
	omitted := func(omissions ...check.Omission) []string {
		return slices.DeleteFunc(lines(check.Report{Results: []check.Result{connected(v4)}, Omissions: omissions}), func(line string) bool { return !strings.Contains(line, "omitted") })
	}
	series := "{} family.omitted{network.type=ipv6 server.address=h server.port=1 tcpcheck.instance=a} "
	machine, name := check.Omission{Family: check.IPv6, Reason: check.MachineLacksFamily}, check.Omission{Family: check.IPv6, Reason: check.NameLacksFamily}
	assert.Empty(t, omitted(name))
	assert.Equal(t, []string{series + "1"}, omitted(machine))
	assert.Equal(t, []string{series + "1"}, omitted(machine))
	assert.Equal(t, []string{series + "ended"}, omitted())
	assert.Empty(t, omitted())
}

// A fault of this machine ends nothing, whatever attributes there are: an alert that
// fires goes on. What has ended meanwhile ends afterwards.
func TestLocalFaultEndsNothing(t *testing.T) {
	merged := defaultMetrics()
	merged.Metrics.NetworkTCPCanConnect.EnabledAttributes = nil
	for name, config := range map[string]metadata.MetricsBuilderConfig{"by default": defaultMetrics(), "merged": merged} {
		t.Run(name, func(t *testing.T) {
			address := netip.MustParseAddr("192.0.2.1")
			refused := check.Result{Family: check.IPv4, Address: address, Status: check.Down, Err: errors.New("refused"), ErrorType: check.ConnectionRefused}
			faulty := check.Result{Family: check.IPv4, Address: address, Status: check.Unchecked, Err: errors.New("too many open files")}
			points := pointsOfOne(t, config)
			canConnect := func(results ...check.Result) []string {
				lines := points(check.Report{Results: results})
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
			unconfirmed := check.Result{Family: check.IPv4, Status: check.Unconfirmed, Err: errors.New("timeout"), ErrorType: check.DNSTimeout}
			assert.Equal(t, []string{"ended"}, canConnect(unconfirmed))
			assert.Empty(t, canConnect(unconfirmed), "once")
		})
	}
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
