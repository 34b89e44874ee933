package scrape

import (
	"slices"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"example.com/tcpcheckreceiver/internal/metadata"
)

// writer writes the points of a metric, unit by unit.
type writer struct {
	metric    *metric
	start, ts pcommon.Timestamp
	ends      bool // the series without a value have ended
	payload   *payload
	unit      *unit
	resource  resource
	points    pmetric.NumberDataPointSlice
	series    map[string]*merged // of the unit, where it merges points
	// sample is that of the value which is written: here, it takes no allocation
	// of its own.
	sample sample
}

// merged is a point that is made of several.
type merged struct {
	point pmetric.NumberDataPoint
	value float64
	n     int
}

// begin begins a unit of a resource, and reports whether its points go anywhere: the
// user may have taken out the resource.
func (w *writer) begin(u *unit, r resource) bool {
	points, ok := w.payload.points(r, w.metric.name)
	w.unit, w.resource, w.points = u, r, points
	if w.metric.merges {
		w.series = make(map[string]*merged)
	}
	return ok
}

// emit writes the point of a value, or merges it into one that is equal.
func (w *writer) emit(s sample, value float64) {
	w.sample = s
	if w.ends {
		w.unit.report(s)
	}
	if !w.metric.merges {
		w.setValue(w.append(), value)
		return
	}
	key := w.metric.key(&w.sample)
	if series, ok := w.series[key]; ok {
		series.value = w.metric.merge(series.value, value)
		series.n++
		return
	}
	w.series[key] = &merged{point: w.append(), value: value, n: 1}
}

// end ends a unit.
func (w *writer) end() {
	for _, series := range w.series {
		if w.metric.strategy == metadata.AggregationStrategyAvg {
			series.value /= float64(series.n)
		}
		w.setValue(series.point, series.value)
	}
	if w.ends {
		w.endSeries()
	}
	w.series = nil
}

// endSeries writes the end of the series that no longer have a value, each in a
// metric of its own: the Prometheus exporter (v0.155.0, and v0.161.0 still) takes no
// notice of the points that follow such a one in the same metric.
func (w *writer) endSeries() {
	for _, r := range w.unit.reported {
		if r.current {
			continue
		}
		w.sample = r.sample
		if w.metric.merges {
			key := w.metric.key(&w.sample)
			if _, ok := w.series[key]; ok {
				continue // another sample is of the same series
			}
			w.series[key] = nil
		}
		w.points = w.payload.alone(w.resource, w.metric.name)
		w.append().SetFlags(pmetric.DefaultDataPointFlags.WithNoRecordedValue(true))
	}
	w.unit.settle()
}

// report takes note that a sample has a value.
func (u *unit) report(s sample) {
	for k := range u.reported {
		if u.reported[k].sample == s {
			u.reported[k].current = true
			return
		}
	}
	u.reported = append(u.reported, reported{sample: s, current: true})
}

// settle forgets the samples without a value, and makes ready for the next
// collection.
func (u *unit) settle() {
	u.reported = slices.DeleteFunc(u.reported, func(r reported) bool { return !r.current })
	for k := range u.reported {
		u.reported[k].current = false
	}
}

func (w *writer) append() pmetric.NumberDataPoint {
	point := w.points.AppendEmpty()
	point.SetStartTimestamp(w.start)
	point.SetTimestamp(w.ts)
	w.metric.put(point.Attributes(), &w.sample)
	return point
}

func (w *writer) setValue(point pmetric.NumberDataPoint, value float64) {
	if w.metric.integer {
		point.SetIntValue(int64(value))
	} else {
		point.SetDoubleValue(value)
	}
}
