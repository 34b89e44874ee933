package report

import (
	"sync"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	collector "go.opentelemetry.io/collector/receiver"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/metadata"
)

// template is what the generated builder makes for the targets of a resource: the
// resource, the scope and the enabled metrics, without points.
type template struct {
	metrics pmetric.ResourceMetrics
	// index has the place of each metric in it, and sizes how many points each had in
	// the last batch.
	index, sizes []int
	uses         int // targets that have it
}

// templates makes the template of each resource.
type templates struct {
	builder *metadata.MetricsBuilder
	metrics []metric

	mu   sync.Mutex
	made map[resourceKey]*template
}

// resourceKey is what tells one resource from another.
type resourceKey struct {
	service       string
	emptyHostname bool
}

func resourceOf(t *check.Target) resourceKey {
	return resourceKey{t.Labels.Service, t.Labels.EmptyHostname}
}

func newTemplates(set collector.Settings, config metadata.MetricsBuilderConfig, metrics []metric) templates {
	return templates{builder: metadata.NewMetricsBuilder(config, set), metrics: metrics, made: make(map[resourceKey]*template)}
}

// of returns the template of the resource of a target, or nil if the user's filters take
// that out, or if no metric is enabled.
func (t *templates) of(target *check.Target) *template {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := resourceOf(target)
	if made, ok := t.made[key]; ok {
		made.use()
		return made
	}
	for i := range t.metrics {
		t.metrics[i].template(t.builder)
	}
	emitted := t.builder.Emit(metadata.WithResource(key.resource(t.builder.NewResourceBuilder()))).ResourceMetrics()
	if emitted.Len() == 0 {
		t.made[key] = nil
		return nil
	}
	made := &template{metrics: emitted.At(0), index: make([]int, len(t.metrics)), sizes: make([]int, len(t.metrics)), uses: 1}
	for place, m := range made.metrics.ScopeMetrics().At(0).Metrics().All() {
		pointsOf(m).RemoveIf(func(pmetric.NumberDataPoint) bool { return true })
		for i := range t.metrics {
			if t.metrics[i].name == m.Name() {
				made.index[i] = place
			}
		}
	}
	t.made[key] = made
	return made
}

// use takes note of one more target that has the template, if there is one.
func (t *template) use() {
	if t != nil {
		t.uses++
	}
}

// release forgets the template of a target that is gone, unless others have it.
func (t *templates) release(target *check.Target) {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := resourceOf(target)
	made := t.made[key]
	if made != nil {
		made.uses--
	}
	if made == nil || made.uses == 0 {
		delete(t.made, key)
	}
}

// resource returns the resource as the user wants it.
func (k resourceKey) resource(builder *metadata.ResourceBuilder) pcommon.Resource {
	if k.service != "" {
		builder.SetServiceName(k.service)
	}
	if k.emptyHostname {
		builder.SetDatadogHostName("")
	}
	return builder.Emit()
}

// batch is points as OpenTelemetry has them: each resource once, and in it each metric
// once, with the points of all targets, but for those that end a series, and for those
// that follow such a one.
type batch struct {
	points    *Points
	metrics   pmetric.Metrics
	resources map[*template]*resource
	ended     map[endedKey]bool
}

// endedKey is what tells a series that has ended from others: its target may be back, with
// another Series.
type endedKey struct {
	check.Key
	seriesKey
}

// resource is a resource of a batch.
type resource struct {
	template *template
	metrics  pmetric.MetricSlice
	points   []pmetric.NumberDataPointSlice // by metric
}

// metricsOf returns points, which are in the order of their times within each series.
func (p *Points) metricsOf(points []point) pmetric.Metrics {
	b := &batch{points: p, metrics: pmetric.NewMetrics(), resources: make(map[*template]*resource), ended: make(map[endedKey]bool)}
	for i := range points {
		b.add(&points[i])
	}
	b.remember()
	b.metrics.ResourceMetrics().RemoveIf(func(rm pmetric.ResourceMetrics) bool {
		metrics := rm.ScopeMetrics().At(0).Metrics()
		metrics.RemoveIf(func(m pmetric.Metric) bool { return pointsOf(m).Len() == 0 })
		return metrics.Len() == 0
	})
	return b.metrics
}

func (b *batch) add(p *point) {
	if len(b.ended) > 0 && b.ended[endedKey{p.series.target.Key(), p.seriesKey}] {
		// What comes after the end of a series comes after it in the batch as well.
		b.remember()
		clear(b.resources)
		clear(b.ended)
	}
	r, m := b.resource(p.series.template), &b.points.metrics[p.metric]
	var added pmetric.NumberDataPoint
	switch {
	case p.ends:
		b.ended[endedKey{p.series.target.Key(), p.seriesKey}] = true
		added = r.stale(p.metric).AppendEmpty()
		added.SetFlags(pmetric.DefaultDataPointFlags.WithNoRecordedValue(true))
	case m.integer:
		added = r.points[p.metric].AppendEmpty()
		added.SetIntValue(int64(p.number))
	default:
		added = r.points[p.metric].AppendEmpty()
		added.SetDoubleValue(p.number)
	}
	added.SetStartTimestamp(p.series.start)
	added.SetTimestamp(p.time)
	m.put(added.Attributes(), p.series.target, p.identity)
}

// resource returns the resource that a template is of.
func (b *batch) resource(t *template) *resource {
	if r, ok := b.resources[t]; ok {
		return r
	}
	filled := b.metrics.ResourceMetrics().AppendEmpty()
	t.metrics.CopyTo(filled)
	r := &resource{template: t, metrics: filled.ScopeMetrics().At(0).Metrics(), points: make([]pmetric.NumberDataPointSlice, len(t.index))}
	for i, place := range t.index {
		r.points[i] = pointsOf(r.metrics.At(place))
		r.points[i].EnsureCapacity(t.sizes[i])
	}
	b.resources[t] = r
	return r
}

// remember has the templates know how many points each metric has.
func (b *batch) remember() {
	for t, r := range b.resources {
		for i, points := range r.points {
			t.sizes[i] = points.Len()
		}
	}
}

// stale returns where a point of metric i goes that ends a series: a metric of its own
// with the same name. The Prometheus exporter (v0.155.0 to v0.161.0; v0.165.1 no longer)
// takes no notice of the points that follow such a one in the same metric.
func (r *resource) stale(i int) pmetric.NumberDataPointSlice {
	added := r.metrics.AppendEmpty()
	r.template.metrics.ScopeMetrics().At(0).Metrics().At(r.template.index[i]).CopyTo(added)
	return pointsOf(added)
}

// pointsOf returns the points of a metric; ours are gauges and sums.
func pointsOf(m pmetric.Metric) pmetric.NumberDataPointSlice {
	if m.Type() == pmetric.MetricTypeSum {
		return m.Sum().DataPoints()
	}
	return m.Gauge().DataPoints()
}
