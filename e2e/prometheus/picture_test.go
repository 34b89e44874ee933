package prometheus

import (
	"flag"
	"fmt"
	"image/color"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"

	"example.com/tcpcheckreceiver/e2e/chart"
	"example.com/tcpcheckreceiver/e2e/harness"
)

var update = flag.Bool("update", false, "write docs/outage.svg, in the time of the quickstart, or the tables of docs/migrating-from-blackbox-exporter.md")

// pictureChecks is how many checks there are before each event of the outage, and
// after the last one.
const pictureChecks = 12

// The quickstart's ports over an outage, and the picture of it that the server's
// data make: the ports are closed, then opened with one of them bound to the
// wrong address, and then as they were. The quickstart's configuration is run by
// two collectors, so that its ports can close while they are checked.
func TestPicture(t *testing.T) {
	interval := 15 * time.Second / scale
	if *update {
		interval = 5 * time.Second // the quickstart's own
	}
	quickstart := func(different ...string) *harness.Program {
		return startQuickstart(t, append(different, "service::telemetry::metrics::level: none")...) // there are two, of which one has the page
	}
	open := func(different ...string) *harness.Program {
		return quickstart(append(different, "service::extensions: []", "service::pipelines: {metrics: {receivers: [otlp], exporters: [debug]}, metrics/print: {receivers: [otlp]}}")...)
	}
	ports := open()
	quickstart("service::pipelines::metrics/ports::receivers: [tcpcheck]", fmt.Sprintf("receivers::tcpcheck::collection_interval: %v", interval), flush)
	s := startServer(t, quickstartPages, "scrape_interval: 500ms", fmt.Sprintf("scrape_interval: %v", interval))

	s.awaitSome(canConnect)
	p := &picture{start: time.Now().Add(interval), step: interval}
	checks, began := 0, p.start
	var middles []time.Time // of the time before each event, and after the last one
	next := func(event string) {
		checks += pictureChecks
		s.awaitSome(fmt.Sprintf(`count_over_time(%s{tcpcheck_instance="closed", network_type="ipv4"}[1h]) > %d`, canConnect, checks))
		middles, began = append(middles, began.Add(time.Since(began)/2)), time.Now()
		if event != "" {
			p.events = append(p.events, pictured{time.Now(), event})
		}
	}
	next("stopped")
	ports.Stop()
	next("started, bound to 127.0.0.1")
	ports = open("receivers::otlp::protocols::http::endpoint: 127.0.0.1:14318")
	next("bound to [::]")
	ports.Stop()
	open()
	next("")
	p.end = time.Now()
	p.states, p.times = s.matrix(p, canConnect), s.matrix(p, responseTime)

	lanes := map[string]string{ // before, down, bound to one address, after
		"v4 only, ipv4": "1011",
		"v4 only, ipv6": "0000",
		"both, ipv4":    "1011",
		"both, ipv6":    "1001",
		"closed, ipv4":  "0000",
		"closed, ipv6":  "0000",
	}
	require.Len(t, p.states, len(lanes))
	for _, series := range p.states {
		var states string
		for _, middle := range middles {
			states += fmt.Sprint(valueAt(series, middle))
		}
		assert.Equal(t, lanes[nameOf(series)], states, nameOf(series))
	}
	require.Len(t, p.times, 3)
	for _, series := range p.times {
		assert.False(t, slices.ContainsFunc(series.Values, func(sample model.SamplePair) bool {
			return sample.Timestamp.Time().Sub(middles[1]).Abs() < p.step
		}), "%s has a response time while it is down", nameOf(series))
	}
	file := filepath.Join(t.TempDir(), "outage.svg")
	if *update {
		file = "../../docs/outage.svg"
	}
	require.NoError(t, p.draw(file))
	chart.RequireSVG(t, file, nameOf(p.times[0]), "stopped")
}

const (
	canConnect   = "network_tcp_can_connect"
	responseTime = "network_tcp_response_time_seconds"
)

// matrix returns what an expression was, over the time of a picture, sorted by
// instance and family.
func (s *server) matrix(p *picture, expression string) model.Matrix {
	s.t.Helper()
	answer, _, err := s.api.QueryRange(s.t.Context(), expression, promv1.Range{Start: p.start, End: p.end, Step: p.step})
	require.NoError(s.t, err)
	matrix := answer.(model.Matrix)
	slices.SortFunc(matrix, func(a, b *model.SampleStream) int { return strings.Compare(nameOf(a), nameOf(b)) })
	return matrix
}

func nameOf(series *model.SampleStream) string {
	return string(series.Metric["tcpcheck_instance"] + ", " + series.Metric["network_type"])
}

// valueAt returns the last value of a series until a time.
func valueAt(series *model.SampleStream, at time.Time) model.SampleValue {
	value := model.SampleValue(math.NaN())
	for _, sample := range series.Values {
		if !sample.Timestamp.Time().After(at) {
			value = sample.Value
		}
	}
	return value
}

// picture is an outage as a server has it.
type picture struct {
	start, end    time.Time
	step          time.Duration // between two samples
	events        []pictured
	states, times model.Matrix
}

// pictured is something that happened.
type pictured struct {
	at   time.Time
	what string
}

// draw writes the picture as SVG.
func (p *picture) draw(file string) error {
	states, times := chart.New(canConnect+": green connects, red does not"), chart.New(responseTime+", µs")
	var names []string
	for i, series := range p.states {
		lane := float64(len(p.states) - 1 - i)
		names = append([]string{nameOf(series)}, names...)
		for from := 0; from < len(series.Values); { // a bar for each stay of a value
			value, next := series.Values[from].Value, from+1
			for next < len(series.Values) && series.Values[next].Value == value {
				next++
			}
			until, colour := p.end, chart.Red
			if next < len(series.Values) {
				until = series.Values[next].Timestamp.Time()
			}
			if value == 1 {
				colour = chart.Green
			}
			chart.Line(states, "", plotter.XYs{{X: p.x(series.Values[from].Timestamp.Time()), Y: lane}, {X: p.x(until), Y: lane}}, 14, colour)
			from = next
		}
	}
	states.NominalY(names...)
	states.Y.Min, states.Y.Max = -0.6, float64(len(names))

	for i, series := range p.times {
		var points plotter.XYs
		flush := func(name string) {
			chart.Line(times, name, points, 2, []color.Color{chart.Blue, chart.Orange, chart.Purple}[i%3])
			points = nil
		}
		for j, sample := range series.Values {
			if j > 0 && sample.Timestamp.Sub(series.Values[j-1].Timestamp) > p.step { // a gap where there are none
				flush("")
			}
			points = append(points, plotter.XY{X: p.x(sample.Timestamp.Time()), Y: float64(sample.Value) * 1e6})
		}
		flush(nameOf(series))
	}
	times.X.Label.Text, times.Y.Min = "minutes", 0
	for _, panel := range []*plot.Plot{states, times} {
		panel.X.Min, panel.X.Max = 0, p.x(p.end)
		for _, event := range p.events {
			chart.Mark(panel, p.x(event.at), chart.Gray)
		}
	}
	for _, event := range p.events {
		chart.Text(states, p.x(event.at), states.Y.Max-0.5, event.what)
	}
	return chart.Save(file, 720, 440, states, times)
}

// x is where a time is, in minutes.
func (p *picture) x(at time.Time) float64 { return at.Sub(p.start).Minutes() }
