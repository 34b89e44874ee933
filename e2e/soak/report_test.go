package soak

import (
	"cmp"
	"fmt"
	"image/color"
	"maps"
	"math"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"

	"example.com/tcpcheckreceiver/e2e/chart"
	"example.com/tcpcheckreceiver/e2e/harness"
)

// report is what a run has shown.
type report struct {
	run      *run
	verdicts []verdict
	errors   map[string]int // lines of level error, or of this machine's faults, by message
	panics   []string
	lines    int // of log
}

func newReport(r *run) *report {
	report := &report{run: r, errors: make(map[string]int), panics: r.stderr}
	for _, f := range r.figures.flat() {
		report.verdicts = append(report.verdicts, judge(f, r.plan))
	}
	for line := range strings.Lines(r.collector.Output()) {
		report.lines++
		if strings.Contains(line, "panic") || strings.HasPrefix(line, "fatal error:") {
			report.panics = append(report.panics, line)
		}
		// Time, level, caller, message and fields.
		if fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t"); len(fields) > 3 && (fields[1] == "error" || strings.Contains(fields[3], "unable to check some instances")) {
			report.errors[fields[3]]++
		}
	}
	return report
}

// facts returns what there is to say besides the figures that are to be flat, as pairs
// of a name and a value.
func (r *report) facts() [][2]string {
	run, p, now := r.run, r.run.plan, time.Now()
	page, otlp := &run.page.history, &run.otlp.history
	cut, restored := run.start.Add(p.cut), run.start.Add(p.restore)
	reloads := fmt.Sprint(len(run.reloads))
	if len(run.reloads) > 0 {
		slowest := slices.MaxFunc(run.reloads, func(a, b reload) int { return cmp.Compare(a.took, b.took) })
		reloads += fmt.Sprintf(", each ready again within %v", slowest.took.Round(time.Millisecond))
	}
	found := [][2]string{
		{"duration", fmt.Sprintf("%s on %d cores, Linux", duration(p.duration), runtime.NumCPU())},
		{"targets", fmt.Sprintf("%d of %d at a time, a third of them each from the configuration, a file and a server by HTTP, checked every %v with a timeout of %v",
			len(run.configured()), len(run.world.targets), interval, timeout)},
		{"changes of targets", fmt.Sprint(run.world.changes)},
		{"changes of the lists of the file and the server", fmt.Sprint(run.number)},
		{"reloads", reloads},
		{"checks whose results were seen on the Prometheus page", fmt.Sprint(page.between(run.start, now))},
		{"checks whose results came by OTLP", fmt.Sprintf("%d, with %d points", otlp.between(run.start, now), run.delivered.Load())},
		{"of those made during the cut-off", fmt.Sprintf("%d came by OTLP, after it; %d were seen on the page", otlp.between(cut, restored), page.between(cut, restored))},
		{"samples without a page, during reloads", fmt.Sprint(run.missing)},
		{"lines of log", fmt.Sprint(r.lines)},
	}
	for _, message := range slices.Sorted(maps.Keys(r.errors)) {
		found = append(found, [2]string{"of them errors", fmt.Sprintf("%d × %s", r.errors[message], message)})
	}
	return append(found,
		[2]string{"panics", fmt.Sprint(len(r.panics))},
		[2]string{"time to end after SIGTERM", run.stopping.Round(time.Millisecond).String()},
		[2]string{"targets in the last results on the Prometheus page", run.page.last.String()},
		[2]string{"targets in the last results by OTLP", run.otlp.last.String()},
	)
}

// problems says what was wrong with the run.
func (r *report) problems() []string {
	var found []string
	for _, v := range r.verdicts {
		if !v.flat {
			found = append(found, fmt.Sprintf("not flat: %s", v.figure.name))
		}
	}
	for _, line := range r.panics {
		found = append(found, "panic: "+line)
	}
	for message, count := range r.errors {
		// The exporter's losses at a reload during the cut-off are meant to be.
		if !strings.HasPrefix(message, "Exporting failed.") {
			found = append(found, fmt.Sprintf("%d errors in the log: %s", count, message))
		}
	}
	for _, c := range []comparison{r.run.page.last, r.run.otlp.last} {
		if c.wrong > 0 || c.right == 0 {
			found = append(found, fmt.Sprintf("targets in the last results: %v", c))
		}
		found = append(found, c.examples...)
	}
	return found
}

// markdown is the report, for a terminal and for reliability.md.
func (r *report) markdown() string {
	var b strings.Builder
	b.WriteString("| | middle third | last third | change | allowed | flat | peak |\n| --- | --- | --- | --- | --- | --- | --- |\n")
	for _, v := range r.verdicts {
		b.WriteString(v.row())
	}
	b.WriteString("\n| | |\n| --- | --- |\n")
	for _, fact := range r.facts() {
		fmt.Fprintf(&b, "| %s | %s |\n", fact[0], fact[1])
	}
	return b.String()
}

// row is a verdict as text: the name, the median of the middle and of the last third, the
// change, what is allowed, whether it is flat, and the peak.
func (v verdict) row() string {
	name, format := v.figure.name, "| %s | %.0f | %.0f | %+.0f | %.0f | %s | %.0f |\n"
	if v.figure.unit != "" {
		name, format = name+", "+v.figure.unit, strings.ReplaceAll(format, "0f", "1f")
	}
	flat := map[bool]string{true: "yes", false: "no"}[v.flat]
	return fmt.Sprintf(format, name, v.middle, v.last, v.last-v.middle, v.allowed, flat, v.peak)
}

// duration writes a time in minutes where it is whole ones, and else in seconds.
func duration(d time.Duration) string {
	if d%time.Minute == 0 {
		return fmt.Sprintf("%d min", d/time.Minute)
	}
	return fmt.Sprintf("%g s", d.Seconds())
}

// The lines of reliability.md between which the figures are.
const (
	beginFigures = "<!-- soak: begin -->\n"
	endFigures   = "<!-- soak: end -->\n"
)

// write replaces the figures in reliability.md, and its chart.
func (r *report) write(folder string) {
	t, file := r.run.t, filepath.Join(folder, "reliability.md")
	text := harness.Read(t, file)
	before, rest, begins := strings.Cut(text, beginFigures)
	_, after, ends := strings.Cut(rest, endFigures)
	require.True(t, begins && ends, "%s has no lines %q and %q", file, beginFigures, endFigures)
	harness.Write(t, file, before+beginFigures+"\n"+r.markdown()+"\n"+endFigures+after)
	require.NoError(t, r.draw(filepath.Join(folder, "reliability.svg")))
}

// draw draws the run as SVG: the figures over time, and what happened when.
func (r *report) draw(file string) error {
	f := r.run.figures
	heading := r.panel("A collector with changing targets: resident memory and Go heap, MiB\n"+
		"dashed: a reload; red: the OTLP exporter is cut off; gray: the medians of the middle and of the last third", false, &f.resident, &f.heap)
	return chart.Save(file, 720, 900,
		heading,
		r.panel("Open file descriptors (logarithmic)", true, &f.descriptors),
		r.panel("Threads", false, &f.threads),
		r.panel("Goroutines (logarithmic)", true, &f.goroutines),
		r.panel("Series on the Prometheus page", false, &f.resultSeries, &f.errorMap),
		r.panel("Points delivered over OTLP, thousands in total", false, &f.delivered),
	)
}

var colours = []color.Color{chart.Blue, chart.Orange}

// panel returns a plot of figures over the minutes of the run.
func (r *report) panel(title string, logarithmic bool, figures ...*figure) *plot.Plot {
	p := chart.New(title)
	if logarithmic {
		p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	}
	plan := r.run.plan
	chart.Band(p, plan.cut.Minutes(), plan.restore.Minutes(), chart.Pink)
	for _, reload := range r.run.reloads {
		chart.Mark(p, reload.at.Minutes(), chart.Purple)
	}
	for i, f := range figures {
		var points plotter.XYs
		for _, point := range f.points {
			if point.at <= plan.duration {
				points = append(points, plotter.XY{X: point.at.Minutes(), Y: point.value})
			}
		}
		if v := judge(f, plan); v.figure != &r.run.figures.delivered && !math.IsNaN(v.middle) {
			chart.Line(p, "", plotter.XYs{{X: plan.middle.from.Minutes(), Y: v.middle}, {X: plan.middle.until.Minutes(), Y: v.middle}}, 4, chart.Gray)
			chart.Line(p, "", plotter.XYs{{X: plan.last.from.Minutes(), Y: v.last}, {X: plan.last.until.Minutes(), Y: v.last}}, 4, chart.Gray)
		}
		name := f.name
		if len(figures) == 1 {
			name = ""
		}
		chart.Line(p, name, points, 1, colours[i])
	}
	p.X.Min, p.X.Max = 0, plan.duration.Minutes()
	if !logarithmic {
		p.Y.Min = 0
	}
	return p
}

// The chart is a document that a browser reads, with every figure in it.
func TestChart(t *testing.T) {
	r := &report{run: &run{plan: newPlan(10*time.Minute, 9), figures: newFigures(), reloads: []reload{{at: time.Minute}}}}
	for _, figure := range append(r.run.figures.flat(), &r.run.figures.delivered) {
		figure.add(time.Minute, 10)
		figure.add(8*time.Minute, 2000)
	}
	file := filepath.Join(t.TempDir(), "chart.svg")
	require.NoError(t, r.draw(file))
	chart.RequireSVG(t, file, "Open file descriptors (logarithmic)", "Threads", "Goroutines (logarithmic)",
		"Series on the Prometheus page", "Go heap", "2000")
}
