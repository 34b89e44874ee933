//go:build linux

package main

// figure is something of the collector that is measured over the run and is to
// be flat.
type figure struct {
	series
	name string
	unit string // empty for a number
	// slack is the change that is allowed on top of the tolerance, so that small
	// numbers can be flat.
	slack float64
	// falls says that it is well if the figure falls, whatever raised it before.
	falls bool
}

// figures are all that is measured.
type figures struct {
	resident, heap         figure
	descriptors, threads   figure
	goroutines             figure
	resultSeries, errorMap figure
	// delivered grows: it is the points that came by OTLP so far, in thousands.
	delivered series
}

func newFigures() *figures {
	return &figures{
		resident:     figure{name: "resident memory", unit: "MiB", slack: 5, falls: true},
		heap:         figure{name: "Go heap", unit: "MiB", slack: 5, falls: true},
		descriptors:  figure{name: "open descriptors", slack: 10, falls: true},
		threads:      figure{name: "threads", slack: 5, falls: true},
		goroutines:   figure{name: "goroutines", slack: 10, falls: true},
		resultSeries: figure{name: "series of can_connect", slack: 20},
		errorMap:     figure{name: "series of errors", slack: 20},
	}
}

// flat returns the figures that are to be flat.
func (f *figures) flat() []*figure {
	return []*figure{&f.resident, &f.heap, &f.descriptors, &f.threads, &f.goroutines, &f.resultSeries, &f.errorMap}
}
