//go:build linux

package main

import (
	"fmt"
	"html"
	"math"
	"strings"
	"time"
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

// line is a figure in a panel.
type line struct {
	name, colour string
	points       []point
	medians      *verdict // nil for a figure that is not to be flat
}

// chart draws a run as SVG: the figures over time, and what happened when.
func chart(r *report) string {
	panels := panelsOf(r)
	c := &canvas{plan: r.run.plan}
	height := plotTop + len(panels)*panelHeight
	fmt.Fprintf(&c.b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" font-family="Helvetica, Arial, sans-serif" font-size="13" fill="%s" role="img">`+"\n",
		chartWidth, height, chartWidth, height, colourText)
	title := fmt.Sprintf("A collector with %d changing targets, for %v", len(r.run.world.configured(r.run.number)), duration(r.run.plan.duration))
	fmt.Fprintf(&c.b, "<title>%s</title>\n", html.EscapeString(title))
	fmt.Fprintf(&c.b, `<rect width="%d" height="%d" fill="#ffffff"/>`+"\n", chartWidth, height)
	c.text(plotLeft, 26, "start", 17, colourText, title)
	c.legend(plotLeft, 52)
	for i, p := range panels {
		c.panel(plotTop+i*panelHeight, p, r.run.reloads)
	}
	c.b.WriteString("</svg>\n")
	return c.b.String()
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
	b    strings.Builder
	plan plan
}

func (c *canvas) text(x, y int, anchor string, size int, colour, text string) {
	fmt.Fprintf(&c.b, `<text x="%d" y="%d" text-anchor="%s" font-size="%d" fill="%s">%s</text>`+"\n", x, y, anchor, size, colour, html.EscapeString(text))
}

// legend explains the marks that all panels share.
func (c *canvas) legend(x, y int) {
	fmt.Fprintf(&c.b, `<line x1="%d" y1="%d" x2="%d" y2="%d" stroke="%s" stroke-dasharray="3 3"/>`+"\n", x+6, y-12, x+6, y+3, colourReload)
	c.text(x+16, y, "start", 13, colourText, "reload (SIGHUP)")
	fmt.Fprintf(&c.b, `<rect x="%d" y="%d" width="16" height="13" fill="%s"/>`+"\n", x+150, y-11, colourCut)
	c.text(x+172, y, "start", 13, colourText, "OTLP exporter cut off")
	fmt.Fprintf(&c.b, `<line x1="%d" y1="%d" x2="%d" y2="%d" stroke="%s" stroke-width="5"/>`+"\n", x+340, y-4, x+364, y-4, colourMedian)
	c.text(x+370, y, "start", 13, colourText, "median of the middle third and of the last third")
}

// panel draws a panel with its plot at a height.
func (c *canvas) panel(top int, p panel, reloads []reloaded) {
	axis := newScale(p)
	bottom := top + plotHeight
	y := func(value float64) float64 { return float64(bottom) - axis.part(value)*plotHeight }

	fmt.Fprintf(&c.b, `<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s"/>`+"\n",
		c.x(c.plan.cut), top, c.x(c.plan.restore)-c.x(c.plan.cut), plotHeight, colourCut)
	for _, value := range axis.marks {
		fmt.Fprintf(&c.b, `<line x1="%d" y1="%.1f" x2="%d" y2="%.1f" stroke="%s"/>`+"\n", plotLeft, y(value), plotRight, y(value), colourGrid)
		c.text(plotLeft-8, int(y(value))+4, "end", 12, colourText, thousands(value))
	}
	for _, reload := range reloads {
		fmt.Fprintf(&c.b, `<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="%s" stroke-dasharray="3 3"/>`+"\n",
			c.x(reload.at), top, c.x(reload.at), bottom, colourReload)
	}
	for tenth := range 11 {
		at := c.plan.duration / 10 * time.Duration(tenth)
		c.text(int(c.x(at)), bottom+16, "middle", 12, colourText, duration(at))
	}
	c.text(plotLeft, top-8, "start", 14, colourText, p.title)
	x := plotRight
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
		c.median(c.plan.middle, y(l.medians.middle))
		c.median(c.plan.last, y(l.medians.last))
	}
	var path strings.Builder
	for _, point := range l.points {
		if point.at >= 0 && point.at <= c.plan.duration {
			fmt.Fprintf(&path, "%.1f,%.1f ", c.x(point.at), y(point.value))
		}
	}
	fmt.Fprintf(&c.b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="1.3" stroke-linejoin="round"/>`+"\n", strings.TrimSpace(path.String()), l.colour)
}

func (c *canvas) median(w window, y float64) {
	fmt.Fprintf(&c.b, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s" stroke-width="5"/>`+"\n", c.x(w.from)+3, y, c.x(w.until)-3, y, colourMedian)
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
