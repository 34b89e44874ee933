// Package svg draws the charts of the documentation.
package svg

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// Canvas is a picture that is being drawn, in pixels from its upper left corner.
// What a mark looks like is said by attributes of SVG, such as class="up".
type Canvas struct {
	b strings.Builder
}

// New returns an empty canvas. The title is what is read out in place of the
// picture, and style is CSS.
func New(width, height int, title, style string) *Canvas {
	c := &Canvas{}
	fmt.Fprintf(&c.b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" font-family="Helvetica, Arial, sans-serif" font-size="13" role="img">`+"\n", width, height, width, height)
	fmt.Fprintf(&c.b, "<title>%s</title>\n", html.EscapeString(title))
	if style != "" {
		fmt.Fprintf(&c.b, "<style>\n%s\n</style>\n", strings.TrimSpace(style))
	}
	return c
}

// Text writes a line of text; the anchor is start, middle or end.
func (c *Canvas) Text(x, y float64, anchor, text, attributes string) {
	fmt.Fprintf(&c.b, `<text x="%s" y="%s" text-anchor="%s" %s>%s</text>`+"\n", pixels(x), pixels(y), anchor, attributes, html.EscapeString(text))
}

// Line draws a line between two points.
func (c *Canvas) Line(x1, y1, x2, y2 float64, attributes string) {
	fmt.Fprintf(&c.b, `<line x1="%s" y1="%s" x2="%s" y2="%s" %s/>`+"\n", pixels(x1), pixels(y1), pixels(x2), pixels(y2), attributes)
}

// Rect draws a rectangle with its upper left corner at a point.
func (c *Canvas) Rect(x, y, width, height float64, attributes string) {
	fmt.Fprintf(&c.b, `<rect x="%s" y="%s" width="%s" height="%s" %s/>`+"\n", pixels(x), pixels(y), pixels(width), pixels(height), attributes)
}

// Point is a place on a canvas.
type Point struct{ X, Y float64 }

// Polyline draws lines from each point to the next one.
func (c *Canvas) Polyline(points []Point, attributes string) {
	var places []string
	for _, point := range points {
		places = append(places, pixels(point.X)+","+pixels(point.Y))
	}
	fmt.Fprintf(&c.b, `<polyline points="%s" fill="none" stroke-linejoin="round" %s/>`+"\n", strings.Join(places, " "), attributes)
}

// String returns the picture as it is now.
func (c *Canvas) String() string { return c.b.String() + "</svg>\n" }

// pixels writes a measure to a tenth.
func pixels(value float64) string { return fmt.Sprint(math.Round(10*value) / 10) }
