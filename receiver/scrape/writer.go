package scrape

import (
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"example.com/tcpcheckreceiver/internal/metadata"
)

// writer writes the points of a metric, unit by unit.
type writer struct {
	metric    *metric
	start, ts pcommon.Timestamp
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

// begin begins a unit whose points go into points, and reports whether there are
// any such points: the user may have taken out the resource.
func (w *writer) begin(points pmetric.NumberDataPointSlice, ok bool) bool {
	w.points = points
	if w.metric.merges {
		w.series = make(map[string]*merged)
	}
	return ok
}

// emit writes the point of a value, or merges it into one that is equal.
func (w *writer) emit(s sample, value float64) {
	w.sample = s
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
	w.series = nil
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
