package prometheus

import (
	"encoding/xml"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/e2e/process"
	"example.com/tcpcheckreceiver/e2e/svg"
)

var update = flag.Bool("update", false, "write docs/outage.svg, in the time of the quickstart")

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
	quickstart := func(different ...string) *process.Process {
		return startQuickstart(t, append(different, "service::telemetry::metrics::level: none")...) // there are two
	}
	open := func(different ...string) *process.Process {
		return quickstart(append(different, "service::pipelines: {metrics: {receivers: [otlp], exporters: [debug]}, metrics/print: {receivers: [otlp]}}")...)
	}
	ports := open()
	quickstart("service::pipelines::metrics/ports::receivers: [tcpcheck]", fmt.Sprintf("receivers::tcpcheck::collection_interval: %v", interval))
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
	text := p.draw()
	for decoder := xml.NewDecoder(strings.NewReader(text)); ; {
		if _, err := decoder.Token(); err != nil {
			require.ErrorIs(t, err, io.EOF)
			break
		}
	}

	if *update {
		require.NoError(t, os.WriteFile("../../docs/outage.svg", []byte(text), 0o644))
	}
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

// The measures of the picture, in pixels.
const (
	pictureWidth = 960
	plotLeft     = 196
	plotRight    = pictureWidth - 24
	lanesTop     = 108
	laneHeight   = 22
	laneGap      = 5
	timesHeight  = 130
)

// style has the colours of the picture, for a light page and for a dark one.
const style = `
.page { fill: #ffffff }
.text { fill: #1f2328 }
.quiet { fill: #59636e }
.grid { stroke: #d1d9e0 }
.event { stroke: #59636e; stroke-dasharray: 3 3 }
.up { fill: #2da44e }
.down { fill: #d1242f }
.value { fill: #ffffff; font-weight: bold }
.line0 { stroke: #0969da } .name0 { fill: #0969da }
.line1 { stroke: #bc4c00 } .name1 { fill: #bc4c00 }
.line2 { stroke: #8250df } .name2 { fill: #8250df }
@media (prefers-color-scheme: dark) {
  .page { fill: #0d1117 }
  .text { fill: #f0f6fc }
  .quiet { fill: #9198a1 }
  .grid { stroke: #3d444d }
  .event { stroke: #9198a1 }
  .up { fill: #238636 }
  .down { fill: #da3633 }
  .line0 { stroke: #58a6ff } .name0 { fill: #58a6ff }
  .line1 { stroke: #f0883e } .name1 { fill: #f0883e }
  .line2 { stroke: #bc8cff } .name2 { fill: #bc8cff }
}
`

// draw returns the picture as SVG.
func (p *picture) draw() string {
	lanesBottom := float64(lanesTop + len(p.states)*(laneHeight+laneGap))
	timesTop := lanesBottom + 52
	timesBottom := timesTop + timesHeight
	height := int(timesBottom) + 36
	c := svg.New(pictureWidth, height, "Three ports over both address families, before, during and after an outage", style)
	c.Rect(0, 0, pictureWidth, float64(height), `class="page" rx="6"`)
	c.Text(24, 34, "start", "Three ports over both address families, and an outage", `class="text" font-size="18"`)
	c.Text(24, 62, "start", canConnect, `class="text" font-family="monospace"`)
	c.Rect(220, 51, 16, 13, `class="up" rx="2"`)
	c.Text(242, 62, "start", "1, connects", `class="quiet"`)
	c.Rect(330, 51, 16, 13, `class="down" rx="2"`)
	c.Text(352, 62, "start", "0, does not", `class="quiet"`)

	for i, series := range p.states {
		p.lane(c, float64(lanesTop+i*(laneHeight+laneGap)), series)
	}
	p.drawTimes(c, timesTop, timesBottom)
	for _, event := range p.events {
		c.Line(p.x(event.at), lanesTop-6, p.x(event.at), lanesBottom, `class="event"`)
		c.Line(p.x(event.at), timesTop, p.x(event.at), timesBottom, `class="event"`)
		c.Text(p.x(event.at), lanesTop-12, "middle", event.what, `class="quiet" font-size="12"`)
	}
	p.axis(c, timesBottom+18)
	return c.String()
}

// lane draws a series of 0 and 1: a bar for each stay of a value.
func (p *picture) lane(c *svg.Canvas, top float64, series *model.SampleStream) {
	c.Text(plotLeft-12, top+laneHeight/2+4, "end", nameOf(series), `class="text"`)
	values := series.Values
	for first := 0; first < len(values); {
		after := first
		for after < len(values) && values[after].Value == values[first].Value {
			after++
		}
		from, until := p.x(values[first].Timestamp.Time()), plotRight-0.0
		if after < len(values) {
			until = p.x(values[after].Timestamp.Time()) - 2
		}
		class := "down"
		if values[first].Value == 1 {
			class = "up"
		}
		c.Rect(from, top, until-from, laneHeight, fmt.Sprintf(`class="%s" rx="2"`, class))
		c.Text((from+until)/2, top+laneHeight/2+4, "middle", fmt.Sprint(values[first].Value), `class="value" font-size="12"`)
		first = after
	}
}

// drawTimes draws the response times, with a gap where there are none.
func (p *picture) drawTimes(c *svg.Canvas, top, bottom float64) {
	const microseconds = 1e6
	highest := 1.0
	for _, series := range p.times {
		for _, sample := range series.Values {
			highest = max(highest, float64(sample.Value)*microseconds)
		}
	}
	axis := svg.NewScale(false, highest)
	y := func(value float64) float64 { return bottom - axis.Part(value)*(bottom-top) }
	c.Text(24, top-16, "start", responseTime, `class="text" font-family="monospace"`)
	for _, mark := range axis.Marks {
		c.Line(plotLeft, y(mark), plotRight, y(mark), `class="grid"`)
		c.Text(plotLeft-12, y(mark)+4, "end", fmt.Sprintf("%g µs", mark), `class="quiet" font-size="12"`)
	}
	for i, series := range p.times {
		c.Text(float64(plotRight-(len(p.times)-1-i)*180), top-16, "end", "— "+nameOf(series), fmt.Sprintf(`class="name%d"`, i%3))
		var points []svg.Point
		flush := func() {
			c.Polyline(points, fmt.Sprintf(`class="line%d" stroke-width="2"`, i%3))
			points = nil
		}
		for j, sample := range series.Values {
			if j > 0 && sample.Timestamp.Sub(series.Values[j-1].Timestamp) > p.step {
				flush()
			}
			points = append(points, svg.Point{X: p.x(sample.Timestamp.Time()), Y: y(float64(sample.Value) * microseconds)})
		}
		flush()
	}
}

// axis draws the time since the start: five marks or so, at whole numbers.
func (p *picture) axis(c *svg.Canvas, y float64) {
	length := p.end.Sub(p.start).Seconds()
	unit, name := 1.0, "s"
	if length > 120 {
		unit, name = 60, "min"
	}
	step := max(math.Round(length/unit/5), 1)
	for mark := 0.0; mark*unit <= length; mark += step {
		x := p.x(p.start.Add(time.Duration(mark * unit * float64(time.Second))))
		c.Text(x, y, "middle", fmt.Sprintf("%g %s", mark, name), `class="quiet" font-size="12"`)
	}
}

// x is where a time is.
func (p *picture) x(at time.Time) float64 {
	return plotLeft + (plotRight-plotLeft)*at.Sub(p.start).Seconds()/p.end.Sub(p.start).Seconds()
}
