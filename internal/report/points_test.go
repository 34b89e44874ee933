package report

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/filter"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.uber.org/goleak"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/metadata"
	"example.com/tcpcheckreceiver/internal/report/reporttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pointsOfOne returns what makes lines of the points of each report on one target.
func pointsOfOne(t *testing.T, config metadata.MetricsBuilderConfig) func(check.Report) []string {
	p := NewPoints(receivertest.NewNopSettings(metadata.Type), config)
	s := p.NewSeries(&check.Target{Host: "h", Port: 1, Labels: check.Labels{Name: "a"}}, start)
	return func(r check.Report) []string {
		r.Time = time.Unix(1, 0)
		b := newBatch(p)
		b.add(s, &r)
		return reporttest.Lines(t, b.metrics())
	}
}

// Where no metric is enabled, or the user's filters take the resource out, there are no
// points. The failures are counted nevertheless.
func TestNoPoints(t *testing.T) {
	disabled := metadata.NewDefaultMetricsBuilderConfig()
	for _, enabled := range []*bool{
		&disabled.Metrics.NetworkTCPCanConnect.Enabled, &disabled.Metrics.NetworkTCPResponseTime.Enabled, &disabled.Metrics.TcpcheckDNSLookupDuration.Enabled,
		&disabled.Metrics.TcpcheckChecks.Enabled, &disabled.Metrics.TcpcheckErrors.Enabled, &disabled.Metrics.TcpcheckFamilyOmitted.Enabled, &disabled.Metrics.TcpcheckSynRetransmits.Enabled,
	} {
		*enabled = false
	}
	filtered := reporttest.DefaultMetrics()
	filtered.ResourceAttributes.ServiceName.MetricsExclude = []filter.Config{{Strict: "s"}}
	for name, config := range map[string]metadata.MetricsBuilderConfig{"no metric": disabled, "the resource is filtered": filtered} {
		t.Run(name, func(t *testing.T) {
			p := NewPoints(receivertest.NewNopSettings(metadata.Type), config)
			target := &check.Target{Host: "h", Port: 1, Labels: check.Labels{Name: "a", Service: "s"}}
			for range 2 {
				s := p.NewSeries(target, start)
				b := newBatch(p)
				b.add(s, &check.Report{Target: target, Results: []check.Result{failed(netip.MustParseAddr("192.0.2.1"), check.Timeout)}})
				assert.Zero(t, b.metrics().ResourceMetrics().Len())
				assert.Equal(t, []tally{{tallied{family: check.IPv4, errorType: check.Timeout}, 1}}, s.tallies)
			}
		})
	}
}

// Checks are counted for each family, and those that failed for each reason, over all reports of
// a target.
func TestChecksAreCounted(t *testing.T) {
	v4, v6 := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	var s Series
	for _, results := range [][]check.Result{
		{failed(v4, check.Timeout), failed(v6, check.Timeout), connected(v4)},
		{failed(v4, check.ConnectionRefused), failed(v6, check.Timeout)},
		{failed(v4, check.Timeout), failed(v4.Next(), check.Timeout)},
		{{Family: check.IPv4, Status: check.Unchecked, Err: errors.New("too many open files")}},
		{failed(v6, check.Timeout), {Family: check.IPv4, Address: v4, Status: check.Unconfirmed, ErrorType: check.Timeout}},
		{{Family: check.IPv6, Status: check.Unresolved, ErrorType: check.DNSTimeout}},
	} {
		s.count(&check.Report{Results: results}, true, false)
	}
	assert.ElementsMatch(t, []tally{
		{tallied{family: check.IPv4, errorType: ""}, 6},
		{tallied{family: check.IPv4, errorType: check.Timeout}, 4},
		{tallied{family: check.IPv4, errorType: check.ConnectionRefused}, 1},
		{tallied{family: check.IPv6, errorType: ""}, 4},
		{tallied{family: check.IPv6, errorType: check.Timeout}, 3},
		{tallied{family: check.IPv6, errorType: check.DNSTimeout}, 1},
	}, s.tallies)
}

// The IPv4 address behind a translator is an attribute of its series, up and down. A series that began before the
// prefix of the network was known ends once it is, if the attribute is shown.
func TestPointsBehindNAT64(t *testing.T) {
	for shown, want := range map[bool][][]string{
		false: {{"{} can_connect{} 1"}, {"{} can_connect{} 0"}, {"{} can_connect{} 1"}},
		true: {
			{"{} can_connect{} 1"},
			{"{} can_connect{tcpcheck.nat64.address=192.0.2.1} 0", "{} can_connect{} ended"},
			{"{} can_connect{tcpcheck.nat64.address=192.0.2.1} 1"},
		},
	} {
		config := reporttest.DefaultMetrics()
		config.Metrics.NetworkTCPCanConnect.EnabledAttributes = nil
		if shown {
			config.Metrics.NetworkTCPCanConnect.EnabledAttributes = []metadata.NetworkTCPCanConnectMetricAttributeKey{metadata.NetworkTCPCanConnectMetricAttributeKeyTcpcheckNat64Address}
		}
		config.Metrics.TcpcheckErrors.Enabled = false
		points := pointsOfOne(t, config)
		for i, result := range []check.Result{connected(viaNAT64), translated(failed(viaNAT64, check.Timeout)), translated(connected(viaNAT64))} {
			result.SYNRetransmits = check.UnknownRetransmits
			assert.Equal(t, want[i], points(check.Report{Results: []check.Result{result}}), "%v, check %d", shown, i)
		}
	}
}

// Of a metric that the user's patterns leave out, and of the response time where it is not
// collected, there is no point.
func TestUnwantedMetrics(t *testing.T) {
	errorsOnly := check.Patterns{Include: []*regexp.Regexp{regexp.MustCompile("errors")}}
	up, refused := connected(netip.MustParseAddr("192.0.2.1")), failed(netip.MustParseAddr("192.0.2.1"), check.ConnectionRefused)
	up.HandshakeTime, up.SYNRetransmits, refused.SYNRetransmits = time.Second, check.UnknownRetransmits, check.UnknownRetransmits
	for _, test := range []struct {
		name   string
		labels check.Labels
		result check.Result
		want   []string
	}{
		{"up", check.Labels{}, up, []string{"can_connect"}},
		{"up, with its response time", check.Labels{CollectResponseTime: true}, up, []string{"can_connect", "response_time"}},
		{"refused, with its response time", check.Labels{CollectResponseTime: true}, refused, []string{"can_connect", "errors"}},
		{"refused, and only the errors are wanted", check.Labels{CollectResponseTime: true, Metrics: errorsOnly}, refused, []string{"errors"}},
		{"up, and only the errors are wanted", check.Labels{CollectResponseTime: true, Metrics: errorsOnly}, up, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := NewPoints(receivertest.NewNopSettings(metadata.Type), reporttest.DefaultMetrics())
			target := &check.Target{Host: "h", Port: 1, Labels: test.labels}
			b := newBatch(p)
			b.add(p.NewSeries(target, start), &check.Report{Target: target, Results: []check.Result{test.result}})
			var got []string
			for _, line := range reporttest.Lines(t, b.metrics()) {
				name, _, _ := strings.Cut(strings.TrimPrefix(line, "{} "), "{")
				got = append(got, name)
			}
			assert.Equal(t, test.want, got)
		})
	}
}

// A family that this machine lacks has a point of its own, which ends with it.
func TestFamilyOmitted(t *testing.T) {
	lines := pointsOfOne(t, reporttest.DefaultMetrics())
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
	merged := reporttest.DefaultMetrics()
	merged.Metrics.NetworkTCPCanConnect.EnabledAttributes = nil
	for name, config := range map[string]metadata.MetricsBuilderConfig{"by default": reporttest.DefaultMetrics(), "merged": merged} {
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
			unresolved := check.Result{Family: check.IPv4, Status: check.Unresolved, Err: errors.New("timeout"), ErrorType: check.DNSTimeout}
			assert.Equal(t, []string{"ended"}, canConnect(unresolved))
			assert.Empty(t, canConnect(unresolved), "once")
		})
	}
}

// Between a failure and the verdict there is no value and no end of the series, whatever
// attributes there are; of an address that is new, there is none either. The attempts are
// counted.
func TestUnconfirmed(t *testing.T) {
	config, merged := reporttest.DefaultMetrics(), reporttest.DefaultMetrics()
	config.Metrics.TcpcheckChecks.Enabled, merged.Metrics.TcpcheckChecks.Enabled = true, true
	merged.Metrics.NetworkTCPCanConnect.EnabledAttributes, merged.Metrics.NetworkTCPResponseTime.EnabledAttributes = nil, nil
	for name, config := range map[string]metadata.MetricsBuilderConfig{"by default": config, "merged": merged} {
		t.Run(name, func(t *testing.T) {
			p := NewPoints(receivertest.NewNopSettings(metadata.Type), config)
			s := p.NewSeries(&check.Target{Host: "h", Port: 1, Labels: check.Labels{Name: "a", CollectResponseTime: true}}, start)
			lines := func(results ...check.Result) []string {
				b := newBatch(p)
				b.add(s, &check.Report{Time: time.Unix(1, 0), Results: results})
				var short []string
				for _, line := range reporttest.Lines(t, b.metrics()) {
					name, _, _ := strings.Cut(strings.TrimPrefix(line, "{} "), "{")
					name, _, _ = strings.Cut(name, " ")
					short = append(short, name+line[strings.LastIndex(line, " "):])
				}
				return short
			}
			up, down := connected(v4), failed(v4, check.Timeout)
			up.SYNRetransmits, down.SYNRetransmits, up.HandshakeTime = check.UnknownRetransmits, check.UnknownRetransmits, time.Second
			unconfirmed, upOther := down, up
			upOther.Address = other
			unconfirmed.Status = check.Unconfirmed
			assert.Equal(t, []string{"checks 1", "errors 1"}, lines(unconfirmed), "a new one")
			assert.Equal(t, []string{"can_connect 1", "checks 2", "errors 1", "response_time s"}, lines(up))
			assert.Equal(t, []string{"checks 3", "errors 2"}, lines(unconfirmed))
			assert.Equal(t, []string{"can_connect 0", "checks 4", "errors 3", "response_time ended"}, lines(down))
			assert.Equal(t, []string{"can_connect 1", "checks 5", "errors 3", "response_time s"}, lines(up))
			assert.Equal(t, []string{"checks 6", "errors 4"}, lines(unconfirmed))
			assert.Equal(t, []string{"can_connect 1", "checks 7", "errors 4", "response_time s"}, lines(up))
			if name == "merged" {
				assert.Equal(t, []string{"checks 9", "errors 5"}, lines(upOther, unconfirmed), "one of two")
				assert.Equal(t, []string{"checks 11", "errors 6"}, lines(unconfirmed, upOther), "one of two")
				assert.Equal(t, []string{"can_connect 0", "checks 13", "errors 7", "response_time s"}, lines(upOther, down), "one of two")
			}
		})
	}
}

// No more checks fail than are made: the sums agree with the points of can_connect, whatever
// there is in the reports.
func TestErrorsAndChecks(t *testing.T) {
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 19))
		config := reporttest.DefaultMetrics()
		config.Metrics.TcpcheckChecks.Enabled = true
		p := NewPoints(receivertest.NewNopSettings(metadata.Type), config)
		s := p.NewSeries(&check.Target{Host: "h", Port: 1, Labels: check.Labels{Name: "a"}}, start)
		checks, errs := make(map[check.Family]float64), make(map[check.Family]float64)
		for range 30 {
			var results []check.Result
			for _, a := range []netip.Addr{v4, other, v6} {
				result := check.Result{Family: check.FamilyOf(a), Address: a, Status: check.Status(1 + random.IntN(5)), SYNRetransmits: check.UnknownRetransmits}
				if result.Status != check.Up && result.Status != check.Unchecked {
					result.ErrorType = check.ErrorTypes[random.IntN(len(check.ErrorTypes))]
					errs[result.Family]++
				}
				if result.Status != check.Unchecked {
					checks[result.Family]++
				}
				results = append(results, result)
			}
			b := newBatch(p)
			b.add(s, &check.Report{Time: time.Unix(1, 0), Results: results})
			counted, failures := make(map[string]float64), make(map[string]float64)
			for _, point := range series(b.metrics()) {
				family := point.key[strings.Index(point.key, "network.type=")+len("network.type="):][:4]
				switch point.metric {
				case "checks":
					counted[family] = point.value
				case "errors":
					failures[family] += point.value
				}
			}
			for _, family := range check.Families {
				require.InDelta(t, checks[family], counted[family.String()], 0)
				require.InDelta(t, errs[family], failures[family.String()], 0)
				require.LessOrEqual(t, failures[family.String()], counted[family.String()])
			}
		}
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

// All series of a target that is no longer checked end, the sums as well, and none that the
// consumer has never had.
func TestEnd(t *testing.T) {
	config := reporttest.DefaultMetrics()
	config.Metrics.TcpcheckChecks.Enabled, config.Metrics.TcpcheckDNSLookupDuration.Enabled = true, true
	sink := new(consumertest.MetricsSink)
	set := receivertest.NewNopSettings(metadata.Type)
	telemetry, err := metadata.NewTelemetryBuilder(set.TelemetrySettings)
	require.NoError(t, err)
	points := NewPoints(set, config)
	d, err := NewDelivery(set, points, time.Hour, telemetry, sink)
	require.NoError(t, err)
	flush := func() []string {
		sink.Reset()
		d.flush(context.Background())
		if len(sink.AllMetrics()) == 0 {
			return nil
		}
		return reporttest.Lines(t, sink.AllMetrics()[0])
	}
	s := points.NewSeries(&check.Target{Host: "h", Port: 1, Labels: check.Labels{Name: "web"}}, time.Unix(1, 0))
	d.End(s, time.Unix(2, 0))
	assert.Empty(t, flush(), "it had none")

	s = points.NewSeries(s.target, time.Unix(3, 0))
	v4, v6 := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::1")
	d.Add(s, &check.Report{
		Target: s.target, Time: time.Unix(4, 0), Lookups: []check.Lookup{{Family: check.IPv4, Time: time.Second}},
		Results: []check.Result{
			{Family: check.IPv4, Address: v4, Status: check.Up, SYNRetransmits: check.UnknownRetransmits},
			{Family: check.IPv6, Address: v6, Status: check.Down, ErrorType: check.Timeout, SYNRetransmits: check.UnknownRetransmits},
		},
	}, true)
	values := flush()
	assert.Len(t, values, 6)
	d.End(s, time.Unix(5, 0))
	ended := flush()
	require.Len(t, ended, len(values))
	for i, line := range ended {
		series, value, _ := strings.Cut(line, "} ")
		if series == "{" { // the resource
			series, value, _ = strings.Cut(value, "} ")
		}
		assert.Equal(t, "ended", value)
		assert.Contains(t, values[i], series)
	}
	assert.Empty(t, s.live)

	unwanted := points.NewSeries(&check.Target{Labels: check.Labels{Metrics: check.Patterns{Exclude: []*regexp.Regexp{regexp.MustCompile("")}}}}, time.Unix(6, 0))
	d.End(unwanted, time.Unix(7, 0))
	assert.Empty(t, flush())
}
