//go:build linux

package main

import (
	"cmp"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"time"
)

// report is what a run has shown.
type report struct {
	run      *soakRun
	verdicts []verdict
	facts    []fact
}

// fact is a number of the report.
type fact struct{ name, value string }

func newReport(r *soakRun) *report {
	report := &report{run: r}
	for _, f := range r.figures.flat() {
		report.verdicts = append(report.verdicts, judge(f, r.plan))
	}
	report.facts = facts(r)
	return report
}

// facts returns what there is to say besides the figures that are to be flat.
func facts(r *soakRun) []fact {
	p, now := r.plan, time.Now()
	cut, restored := r.start.Add(p.cut), r.start.Add(p.restore)
	reloads := fmt.Sprint(len(r.reloads))
	if len(r.reloads) > 0 {
		slowest := slices.MaxFunc(r.reloads, func(a, b reloaded) int { return cmp.Compare(a.took, b.took) })
		reloads += fmt.Sprintf(", each ready again within %v", slowest.took.Round(time.Millisecond))
	}
	found := []fact{
		{"duration", fmt.Sprintf("%s on %d cores, Linux", duration(p.duration), runtime.NumCPU())},
		{"targets", fmt.Sprintf("%d of %d in each configuration, checked every %v with a timeout of %v", len(r.world.configured(r.number)), len(r.world.targets), interval, timeout)},
		{"changes of targets", fmt.Sprint(r.world.changes)},
		{"reloads", reloads},
		{"collections on the Prometheus page", fmt.Sprint(r.sampler.latest.between(r.start, now))},
		{"collections that came by OTLP", fmt.Sprintf("%d, with %d points", r.sink.latest.between(r.start, now), r.sink.delivered.Load())},
		{"of those made during the cut-off", fmt.Sprintf("%d of %d came by OTLP, after it", r.sink.latest.between(cut, restored), r.sampler.latest.between(cut, restored))},
		{"samples without a page, during reloads", fmt.Sprint(r.sampler.missing)},
		{"lines of log", fmt.Sprint(r.collector.output.lines)},
	}
	for _, message := range slices.Sorted(maps.Keys(r.collector.output.errors)) {
		found = append(found, fact{"of them errors", fmt.Sprintf("%d × %s", r.collector.output.errors[message], message)})
	}
	return append(found,
		fact{"panics", fmt.Sprint(len(r.collector.output.panics))},
		fact{"time to end after SIGTERM", r.stopping.Round(time.Millisecond).String()},
		fact{"targets in the last collection on the Prometheus page", r.page.String()},
		fact{"targets in the last collection by OTLP", r.otlp.String()},
	)
}

func (c comparison) String() string {
	return fmt.Sprintf("%d right, %d wrong (%d addresses connect, %d do not)", c.right, c.wrong, c.up, c.down)
}

// problems says what was wrong with the run.
func (r *report) problems() []string {
	var found []string
	for _, v := range r.verdicts {
		if !v.flat {
			found = append(found, fmt.Sprintf("not flat: %s", v.figure.name))
		}
	}
	output := r.run.collector.output
	for _, line := range output.panics {
		found = append(found, "panic: "+line)
	}
	for message, count := range output.errors {
		// The exporter's losses at a reload during the cut-off are meant to be.
		if !strings.HasPrefix(message, "Exporting failed.") {
			found = append(found, fmt.Sprintf("%d errors in the log: %s", count, message))
		}
	}
	for _, c := range []comparison{r.run.page, r.run.otlp} {
		if c.wrong > 0 || c.right == 0 {
			found = append(found, fmt.Sprintf("targets in the last collection: %v", c))
		}
		for _, example := range c.examples {
			found = append(found, "  "+example)
		}
	}
	if requests := r.run.sink.faulty.Load(); requests > 0 {
		found = append(found, fmt.Sprintf("%d requests by OTLP were no metrics", requests))
	}
	return found
}

// good reports whether nothing was wrong.
func (r *report) good() bool { return len(r.problems()) == 0 }

// text is the report for a terminal.
func (r *report) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-26s %10s %10s %10s %10s %6s %10s\n", "median of the", "middle", "last third", "change", "allowed", "flat", "peak")
	for _, v := range r.verdicts {
		cells := v.cells()
		fmt.Fprintf(&b, "%-26s %10s %10s %10s %10s %6s %10s\n", cells[0], cells[1], cells[2], cells[3], cells[4], cells[5], cells[6])
	}
	b.WriteString("\n")
	for _, f := range r.facts {
		fmt.Fprintf(&b, "%s: %s\n", f.name, f.value)
	}
	for _, problem := range r.problems() {
		fmt.Fprintln(&b, "WRONG:", problem)
	}
	if r.good() {
		b.WriteString("The run was good.\n")
	}
	return b.String()
}

// markdown is the report for reliability.md.
func (r *report) markdown() string {
	var b strings.Builder
	b.WriteString("| | middle third | last third | change | allowed | flat | peak |\n| --- | --- | --- | --- | --- | --- | --- |\n")
	for _, v := range r.verdicts {
		cells := v.cells()
		fmt.Fprintf(&b, "| %s |\n", strings.Join(cells[:], " | "))
	}
	b.WriteString("\n| | |\n| --- | --- |\n")
	for _, f := range r.facts {
		fmt.Fprintf(&b, "| %s | %s |\n", f.name, f.value)
	}
	return b.String()
}

// cells are a verdict as text: the name, the median of the middle and of the last
// third, the change, what is allowed, whether it is flat, and the peak.
func (v verdict) cells() [7]string {
	name := v.figure.name
	precision := 0
	if v.figure.unit != "" {
		name += ", " + v.figure.unit
		precision = 1
	}
	number := func(value float64) string { return fmt.Sprintf("%.*f", precision, value) }
	flat := "no"
	if v.flat {
		flat = "yes"
	}
	return [7]string{name, number(v.middle), number(v.last), fmt.Sprintf("%+.*f", precision, v.last-v.middle), number(v.allowed), flat, number(v.peak)}
}
