//go:build linux

package main

import (
	"fmt"
	"math"
	"time"

	"example.com/tcpcheckreceiver/e2e/svg"
)

// The measures of the chart, in pixels.
const (
	chartWidth  = 960
	plotLeft    = 64
	plotRight   = chartWidth - 36
	plotTop     = 92 // of the first panel
	plotHeight  = 96
	panelHeight = plotHeight + 54
)

// The colours of the chart.
const (
	colourText   = "#24292f"
	colourGrid   = "#d8dee4"
	colourReload = "#8250df"
	colourCut    = "#ffd8d3"
	colourFirst  = "#0550ae"
	colourSecond = "#bc4c00"
	colourMedian = "#8c959f"
)

// panel is a part of the chart with an axis of its own.
type panel struct {
	title       string
	logarithmic bool
	lines       []line
}

// highest returns the highest value of a panel, 1 at least.
func (p panel) highest() float64 {
	highest := 1.0
	for _, l := range p.lines {
		for _, point := range l.points {
			highest = max(highest, point.value)
		}
	}
	return highest
}

// line is a figure in a panel.
type line struct {
	name, colour string
	points       []point
	medians      *verdict // nil for a figure that is not to be flat
}

// chart draws a run as SVG: the figures over time, and what happened when.
func chart(r *report) string {
	panels := panelsOf(r)
	height := plotTop + len(panels)*panelHeight
	title := fmt.Sprintf("A collector with %d changing targets, for %v", len(r.run.world.configured(r.run.number)), duration(r.run.plan.duration))
	c := &canvas{Canvas: svg.New(chartWidth, height, title, ""), plan: r.run.plan}
	c.Rect(0, 0, chartWidth, float64(height), `fill="#ffffff"`)
	c.text(plotLeft, 26, "start", 17, colourText, title)
	c.legend(plotLeft, 52)
	for i, p := range panels {
		c.panel(float64(plotTop+i*panelHeight), p, r.run.reloads)
	}
	return c.String()
}

func panelsOf(r *report) []panel {
	lineOf := func(name, colour string, f *figure) line {
		l := line{name: name, colour: colour, points: f.all()}
		for i := range r.verdicts {
			if r.verdicts[i].figure == f {
				l.medians = &r.verdicts[i]
			}
		}
		return l
	}
	f := r.run.figures
	return []panel{
		{"Memory, MiB", false, []line{lineOf("resident", colourFirst, &f.resident), lineOf("Go heap", colourSecond, &f.heap)}},
		{"Open file descriptors (logarithmic)", true, []line{lineOf("", colourFirst, &f.descriptors)}},
		{"Threads", false, []line{lineOf("", colourFirst, &f.threads)}},
		{"Goroutines (logarithmic)", true, []line{lineOf("", colourFirst, &f.goroutines)}},
		{"Series on the Prometheus page", false, []line{lineOf("can_connect", colourFirst, &f.resultSeries), lineOf("errors", colourSecond, &f.errorMap)}},
		{"Points delivered over OTLP, thousands in total", false, []line{{colour: colourFirst, points: f.delivered.all()}}},
	}
}

// canvas is a chart that is being drawn.
type canvas struct {
	*svg.Canvas
	plan plan
}

func (c *canvas) text(x, y float64, anchor string, size int, colour, text string) {
	c.Text(x, y, anchor, text, fmt.Sprintf(`font-size="%d" fill="%s"`, size, colour))
}

// dashed draws the mark of a reload.
func (c *canvas) dashed(x, top, bottom float64) {
	c.Line(x, top, x, bottom, fmt.Sprintf(`stroke="%s" stroke-dasharray="3 3"`, colourReload))
}

// thick draws the mark of a median.
func (c *canvas) thick(from, until, y float64) {
	c.Line(from, y, until, y, fmt.Sprintf(`stroke="%s" stroke-width="5"`, colourMedian))
}

// legend explains the marks that all panels share.
func (c *canvas) legend(x, y float64) {
	c.dashed(x+6, y-12, y+3)
	c.text(x+16, y, "start", 13, colourText, "reload (SIGHUP)")
	c.Rect(x+150, y-11, 16, 13, fmt.Sprintf(`fill="%s"`, colourCut))
	c.text(x+172, y, "start", 13, colourText, "OTLP exporter cut off")
	c.thick(x+340, x+364, y-4)
	c.text(x+370, y, "start", 13, colourText, "median of the middle third and of the last third")
}

// panel draws a panel with its plot at a height.
func (c *canvas) panel(top float64, p panel, reloads []reloaded) {
	axis := svg.NewScale(p.logarithmic, p.highest())
	bottom := top + plotHeight
	y := func(value float64) float64 { return bottom - axis.Part(value)*plotHeight }

	c.Rect(c.x(c.plan.cut), top, c.x(c.plan.restore)-c.x(c.plan.cut), plotHeight, fmt.Sprintf(`fill="%s"`, colourCut))
	for _, value := range axis.Marks {
		c.Line(plotLeft, y(value), plotRight, y(value), fmt.Sprintf(`stroke="%s"`, colourGrid))
		c.text(plotLeft-8, y(value)+4, "end", 12, colourText, thousands(value))
	}
	for _, reload := range reloads {
		c.dashed(c.x(reload.at), top, bottom)
	}
	for tenth := range 11 {
		at := c.plan.duration / 10 * time.Duration(tenth)
		c.text(c.x(at), bottom+16, "middle", 12, colourText, duration(at))
	}
	c.text(plotLeft, top-8, "start", 14, colourText, p.title)
	x := float64(plotRight)
	for _, l := range p.lines {
		c.line(l, y)
		if l.name != "" {
			c.text(x, top-8, "end", 13, l.colour, "— "+l.name)
			x -= 120
		}
	}
}

// line draws the points of a line, over its medians.
func (c *canvas) line(l line, y func(float64) float64) {
	if l.medians != nil && !math.IsNaN(l.medians.middle) {
		c.thick(c.x(c.plan.middle.from)+3, c.x(c.plan.middle.until)-3, y(l.medians.middle))
		c.thick(c.x(c.plan.last.from)+3, c.x(c.plan.last.until)-3, y(l.medians.last))
	}
	var points []svg.Point
	for _, point := range l.points {
		if point.at >= 0 && point.at <= c.plan.duration {
			points = append(points, svg.Point{X: c.x(point.at), Y: y(point.value)})
		}
	}
	c.Polyline(points, fmt.Sprintf(`stroke="%s" stroke-width="1.3"`, l.colour))
}

// x is where a time of the run is.
func (c *canvas) x(at time.Duration) float64 {
	return plotLeft + (plotRight-plotLeft)*at.Seconds()/c.plan.duration.Seconds()
}

// thousands writes a number with commas, and a fraction only where there is one.
func thousands(value float64) string {
	if value != math.Trunc(value) {
		return fmt.Sprintf("%g", value)
	}
	digits := fmt.Sprintf("%.0f", value)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// duration writes a time in minutes where it is whole ones, and else in seconds.
func duration(d time.Duration) string {
	switch {
	case d == 0:
		return "0"
	case d%time.Minute == 0:
		return fmt.Sprintf("%d min", d/time.Minute)
	}
	return fmt.Sprintf("%g s", d.Seconds())
}
