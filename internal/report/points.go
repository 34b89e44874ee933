// Package report makes data points and log lines of what the checks report.
package report

import (
	"net/netip"
	"slices"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	collector "go.opentelemetry.io/collector/receiver"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/metadata"
)

// Points makes the points of reports.
//
// It builds them itself, of the attributes that the generated configuration enables.
// The generated builder compares each new point with every earlier one, which is
// quadratic, and given a target at a time it took 4 to 6 µs and 41 to 58 allocations per
// check, where BenchmarkPoints now measures 0.6 to 1.1 µs and 8 to 16.
type Points struct {
	metrics   []metric
	templates templates
	start     pcommon.Timestamp
}

// NewPoints returns what makes the points of the metrics that a user wants.
func NewPoints(set collector.Settings, config metadata.MetricsBuilderConfig) *Points {
	metrics := metricsOf(&config.Metrics)
	return &Points{
		metrics:   metrics,
		templates: newTemplates(set, config, metrics),
		start:     pcommon.NewTimestampFromTime(time.Now()),
	}
}

// Series is what lasts of a target from one report to the next.
type Series struct {
	target   *check.Target
	template *template
	failures []failures
	address  addressText
	live     [][]identity // that had a value in the last report, by metric
}

// failures is how many checks of a family failed for a reason.
type failures struct {
	family    check.Family
	errorType check.ErrorType
	count     int64
}

// addressText is the text of the address that a target had last: as a rule it is
// the same for years.
type addressText struct {
	address netip.Addr
	text    string
}

// NewSeries returns the Series of a target.
func (p *Points) NewSeries(t *check.Target) *Series {
	return &Series{target: t, template: p.templates.of(t), live: make([][]identity, len(p.metrics))}
}

// count counts the failures in a report.
func (s *Series) count(r *check.Report) {
	for i := range r.Results {
		result := &r.Results[i]
		if result.ErrorType == "" {
			continue
		}
		k := slices.IndexFunc(s.failures, func(f failures) bool { return f.family == result.Family && f.errorType == result.ErrorType })
		if k < 0 {
			k = len(s.failures)
			s.failures = append(s.failures, failures{family: result.Family, errorType: result.ErrorType})
		}
		s.failures[k].count++
	}
}

// identity returns that of a result.
func (s *Series) identity(r *check.Result) identity {
	id := identity{family: r.Family}
	if r.Address.IsValid() {
		if s.address.address != r.Address {
			s.address = addressText{r.Address, r.Address.String()}
		}
		id.address = s.address.text
	}
	return id
}

// Add adds the points of a report to a batch; s is that of its target. A series that had
// a value in the last report and is known to have none now ends with a point that says so
// (OpenTelemetry's flag NoRecordedValue): else a page of the Prometheus exporter goes on
// to show the response time of a target that is down.
func (b *Batch) Add(s *Series, r *check.Report) {
	s.count(r)
	if s.template == nil {
		return
	}
	w := &b.writer
	w.resource, w.series, w.time = b.resource(s.template), s, pcommon.NewTimestampFromTime(r.Time)
	complete := r.Complete()
	for i := range b.points.metrics {
		if w.metric = &b.points.metrics[i]; w.metric.wanted(&s.target.Labels) {
			w.values = w.values[:0]
			w.metric.emit(w, s, r)
			w.write(i, complete)
		}
	}
}

// writer writes the points of one metric of one report.
type writer struct {
	start    pcommon.Timestamp
	time     pcommon.Timestamp
	resource *resource
	series   *Series
	metric   *metric
	values   []value
}

// value is one value, or what several have become that nothing would tell apart.
type value struct {
	identity
	number float64
	count  int
}

// emit takes a value. Values that no attribute tells apart become one.
func (w *writer) emit(id identity, number float64) {
	id = w.metric.visible(id)
	for i := range w.values {
		if v := &w.values[i]; v.identity == id {
			v.number, v.count = w.metric.aggregate(v.number, number), v.count+1
			return
		}
	}
	w.values = append(w.values, value{id, number, 1})
}

// write writes the points of the values, of metric i; complete says that all is known of
// the target.
func (w *writer) write(i int, complete bool) {
	for k := range w.values {
		v := &w.values[k]
		if w.metric.strategy == metadata.AggregationStrategyAvg {
			v.number /= float64(v.count)
		}
		point := w.append(w.resource.points[i], v.identity)
		if w.metric.integer {
			point.SetIntValue(int64(v.number))
		} else {
			point.SetDoubleValue(v.number)
		}
	}
	if w.metric.staleWhenGone {
		w.series.live[i] = w.endGone(i, w.series.live[i], complete)
	}
}

// endGone ends the live series that have no value, and returns those that are live now. If
// not all is known of the target, none ends.
func (w *writer) endGone(i int, live []identity, complete bool) []identity {
	same := func(v value, id identity) bool { return v.identity == id }
	if slices.EqualFunc(w.values, live, same) {
		return live
	}
	now := make([]identity, 0, len(w.values))
	for _, v := range w.values {
		now = append(now, v.identity)
	}
	for _, id := range live {
		switch {
		case slices.ContainsFunc(w.values, func(v value) bool { return v.identity == id }):
		case complete:
			w.append(w.resource.stale(i), id).SetFlags(pmetric.DefaultDataPointFlags.WithNoRecordedValue(true))
		default:
			now = append(now, id)
		}
	}
	return now
}

// append appends a point without a value.
func (w *writer) append(points pmetric.NumberDataPointSlice, id identity) pmetric.NumberDataPoint {
	point := points.AppendEmpty()
	point.SetStartTimestamp(w.start)
	point.SetTimestamp(w.time)
	w.metric.put(point.Attributes(), w.series.target, id)
	return point
}

func emitCanConnect(w *writer, s *Series, r *check.Report) {
	for i := range r.Results {
		switch result := &r.Results[i]; result.Status {
		case check.Up:
			w.emit(s.identity(result), 1)
		case check.Down:
			w.emit(s.identity(result), 0)
		case check.Unchecked, check.Unconfirmed: // it is not known
		}
	}
}

func emitResponseTime(w *writer, s *Series, r *check.Report) {
	if !s.target.Labels.CollectResponseTime {
		return
	}
	for i := range r.Results {
		if result := &r.Results[i]; result.Status == check.Up {
			w.emit(s.identity(result), result.HandshakeTime.Seconds())
		}
	}
}

func emitSYNRetransmits(w *writer, s *Series, r *check.Report) {
	for i := range r.Results {
		if result := &r.Results[i]; result.SYNRetransmits != check.UnknownRetransmits {
			w.emit(s.identity(result), float64(result.SYNRetransmits))
		}
	}
}

func emitLookupDuration(w *writer, _ *Series, r *check.Report) {
	for _, lookup := range r.Lookups {
		w.emit(identity{family: lookup.Family}, lookup.Time.Seconds())
	}
}

func emitErrors(w *writer, s *Series, _ *check.Report) {
	for _, f := range s.failures {
		w.emit(identity{family: f.family, errorType: f.errorType}, float64(f.count))
	}
}

func emitFamilyOmitted(w *writer, _ *Series, r *check.Report) {
	for _, o := range r.Omissions {
		if o.Reason == check.MachineLacksFamily {
			w.emit(identity{family: o.Family}, 1)
		}
	}
}
