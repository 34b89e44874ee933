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
	payload   *payload
	start, ts pcommon.Timestamp
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
	sample sample // the first of them
	point  pmetric.NumberDataPoint
	value  float64
	n      int
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
	if !w.metric.merges {
		if w.metric.ends {
			w.unit.report(s)
		}
		w.setValue(w.append(), value)
		return
	}
	key := w.metric.key(&w.sample)
	if series, ok := w.series[key]; ok {
		series.value = w.metric.merge(series.value, value)
		series.n++
		return
	}
	w.series[key] = &merged{sample: s, point: w.append(), value: value, n: 1}
}

// end ends a unit. If known, all is known of its targets, and the series without a
// value have ended.
func (w *writer) end(known bool) {
	for _, series := range w.series {
		if w.metric.strategy == metadata.AggregationStrategyAvg {
			series.value /= float64(series.n)
		}
		w.setValue(series.point, series.value)
	}
	if w.metric.ends {
		w.endReported(known)
		w.endMerged(known)
	}
	w.series = nil
}

// endReported ends the samples that no longer have a value, or if it is not known of
// them, keeps them.
func (w *writer) endReported(known bool) {
	for k := range w.unit.reported {
		r := &w.unit.reported[k]
		if known && !r.current {
			w.endSeries(r.sample)
		}
	}
	if known {
		w.unit.reported = slices.DeleteFunc(w.unit.reported, func(r reported) bool { return !r.current })
	}
	for k := range w.unit.reported {
		w.unit.reported[k].current = false
	}
}

// endMerged is endReported for a metric that merges.
func (w *writer) endMerged(known bool) {
	for key, series := range w.unit.merged {
		switch _, current := w.series[key]; {
		case current:
		case known:
			w.endSeries(series.sample)
		default:
			w.series[key] = series
		}
	}
	for _, series := range w.series {
		series.point = pmetric.NumberDataPoint{} // it is the next consumer's
	}
	w.unit.merged = w.series
}

// endSeries writes the end of a series, in a metric of its own: the Prometheus
// exporter (v0.155.0, and v0.161.0 still) takes no notice of the points that follow
// such a one in the same metric.
func (w *writer) endSeries(s sample) {
	w.sample = s
	w.points = w.payload.alone(w.resource, w.metric.name)
	w.append().SetFlags(pmetric.DefaultDataPointFlags.WithNoRecordedValue(true))
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
