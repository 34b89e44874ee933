// Package chart draws the charts of the documentation.
package chart

import (
	"bytes"
	"encoding/xml"
	"image/color"
	"io"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// The colours of the charts.
var (
	Blue   = color.RGBA{0x09, 0x69, 0xda, 0xff}
	Orange = color.RGBA{0xbc, 0x4c, 0x00, 0xff}
	Purple = color.RGBA{0x82, 0x50, 0xdf, 0xff}
	Green  = color.RGBA{0x2d, 0xa4, 0x4e, 0xff}
	Red    = color.RGBA{0xd1, 0x24, 0x2f, 0xff}
	Pink   = color.RGBA{0xff, 0xd8, 0xd3, 0xff}
	Gray   = color.RGBA{0x8c, 0x95, 0x9f, 0xff}
)

func init() { plot.DefaultFont = font.Font{Typeface: "Liberation", Variant: "Sans"} }

// New returns a plot without data.
func New(title string) *plot.Plot {
	p := plot.New()
	p.Title.Text = title
	p.Title.Padding = vg.Points(6)
	p.Legend.Top, p.Legend.YOffs = true, vg.Points(16) // beside the title
	p.Legend.Padding = vg.Points(4)                    // a reader's font may be wider
	return p
}

// Line adds a line, with an entry in the legend unless it has no name.
func Line(p *plot.Plot, name string, points plotter.XYs, width vg.Length, colour color.Color) {
	line := &plotter.Line{XYs: points, LineStyle: draw.LineStyle{Color: colour, Width: width}}
	p.Add(line)
	if name != "" {
		p.Legend.Add(name+"   ", line)
	}
}

// Mark adds a dashed line at x, from the bottom to the top.
func Mark(p *plot.Plot, x float64, colour color.Color) {
	p.Add(plotterFunc(func(c draw.Canvas, p *plot.Plot) {
		toX, _ := p.Transforms(&c)
		style := draw.LineStyle{Color: colour, Width: vg.Points(1), Dashes: []vg.Length{vg.Points(3), vg.Points(3)}}
		c.StrokeLine2(style, toX(x), c.Min.Y, toX(x), c.Max.Y)
	}))
}

// Band adds a background from one x to another.
func Band(p *plot.Plot, from, until float64, colour color.Color) {
	p.Add(plotterFunc(func(c draw.Canvas, p *plot.Plot) {
		toX, _ := p.Transforms(&c)
		left, right := toX(from), toX(until)
		c.FillPolygon(colour, []vg.Point{{X: left, Y: c.Min.Y}, {X: right, Y: c.Min.Y}, {X: right, Y: c.Max.Y}, {X: left, Y: c.Max.Y}})
	}))
}

// Text adds a text whose middle is at a point.
func Text(p *plot.Plot, x, y float64, text string) {
	p.Add(plotterFunc(func(c draw.Canvas, p *plot.Plot) {
		toX, toY := p.Transforms(&c)
		style := p.Legend.TextStyle
		style.XAlign = draw.XCenter
		c.FillText(style, vg.Point{X: toX(x), Y: toY(y)}, text)
	}))
}

// plotterFunc implements plot.Plotter.
type plotterFunc func(draw.Canvas, *plot.Plot)

func (f plotterFunc) Plot(c draw.Canvas, p *plot.Plot) { f(c, p) }

// Save writes plots to an SVG file, one below the other with their axes in line.
func Save(file string, width, height vg.Length, plots ...*plot.Plot) error {
	canvas := vgsvg.New(width, height)
	page := draw.New(canvas)
	page.FillPolygon(color.White, []vg.Point{{}, {X: width}, {X: width, Y: height}, {Y: height}})
	rows := make([][]*plot.Plot, len(plots))
	for i, p := range plots {
		p.BackgroundColor = nil
		rows[i] = []*plot.Plot{p}
	}
	const pad = vg.Length(12)
	tiles := draw.Tiles{Rows: len(plots), Cols: 1, PadTop: pad, PadBottom: pad, PadLeft: pad, PadRight: 2 * pad, PadY: pad}
	for i, row := range plot.Align(rows, tiles, page) {
		plots[i].Draw(row[0])
	}
	var text bytes.Buffer
	if _, err := canvas.WriteTo(&text); err != nil {
		return err
	}
	fonts := bytes.ReplaceAll(text.Bytes(), []byte("font-family:Liberation Sans"), []byte("font-family:Liberation Sans,Arial,sans-serif"))
	return os.WriteFile(file, fonts, 0o644)
}

// RequireSVG requires that a file is SVG that a browser reads, with all of texts.
func RequireSVG(t testing.TB, file string, texts ...string) {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	for _, wanted := range texts {
		require.Contains(t, string(text), wanted)
	}
	require.NotContains(t, string(text), "NaN")
	for decoder := xml.NewDecoder(bytes.NewReader(text)); ; {
		if _, err := decoder.Token(); err != nil {
			require.ErrorIs(t, err, io.EOF)
			return
		}
	}
}
