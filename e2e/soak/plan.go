//go:build linux

package main

import "time"

// The collector's interval and timeout. The checks of a collection take little
// more than the timeout, so that most samples fall between two collections.
const (
	interval = 5 * time.Second
	timeout  = time.Second
)

// plan says when what happens in a run, as times since its start. All of it is in
// proportion to the duration; the values for ten minutes are in the comments.
type plan struct {
	duration time.Duration
	// sample is the time between two samples of the collector.
	sample time.Duration // 1s
	// reloads are when the collector gets another configuration.
	reloads []time.Duration // 1m, 2m, and so on until 9m
	// cut and restore are when the exporter loses its peer and gets it back. The
	// collector is reloaded in between: once with a queue that has no way out,
	// and then the queue that has one again belongs to a new exporter.
	cut, restore time.Duration // 4m15s, 5m30s
	// The figures are compared in two windows with as many reloads each, after a
	// warm-up and another third, of which only the chart tells.
	middle, last window // 4m to 7m, 7m to 10m
}

// window is a part of a run.
type window struct{ from, until time.Duration }

// newPlan returns the plan of a run with a number of reloads, 9 in the comments.
func newPlan(duration time.Duration, reloads int) plan {
	tenth := duration / 10
	p := plan{
		duration: duration,
		sample:   min(max(duration/600, 500*time.Millisecond), time.Second),
		cut:      tenth * 17 / 4,
		restore:  tenth * 11 / 2,
		middle:   window{4 * tenth, 7 * tenth},
		last:     window{7 * tenth, duration},
	}
	for i := range reloads {
		p.reloads = append(p.reloads, duration*time.Duration(i+1)/time.Duration(reloads+1))
	}
	return p
}

// trace is the time between two counts of the goroutines. They come at all
// phases of a collection, since it divides no interval.
func (p plan) trace() time.Duration { return 3 * p.sample }
