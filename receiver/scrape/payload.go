package scrape

import (
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"example.com/tcpcheckreceiver/receiver/target"
)

// payload is the metrics of one collection: a resource for each distinct one,
// and in it each metric once, with the points of all targets.
type payload struct {
	metrics   pmetric.Metrics
	resources map[resource]resourcePoints
}

// resource is what tells one resource from another.
type resource struct {
	service       string
	emptyHostname bool
}

func resourceOf(t *target.Target) resource { return resource{t.Service, t.EmptyHostname} }

// resourcePoints are the metrics of a resource, and where the points of each of
// them go.
type resourcePoints struct {
	metrics pmetric.MetricSlice
	points  map[string]pmetric.NumberDataPointSlice
}

func newPayload() *payload {
	return &payload{metrics: pmetric.NewMetrics(), resources: make(map[resource]resourcePoints)}
}

// add moves the points that a builder emitted into the payload: without the
// attributes that have no value, and with tags.
func (p *payload) add(emitted pmetric.Metrics, r resource, tags []target.Tag) {
	if emitted.ResourceMetrics().Len() == 0 {
		return
	}
	from := emitted.ResourceMetrics().At(0)
	metrics := from.ScopeMetrics().At(0).Metrics()
	to, ok := p.resources[r]
	if !ok {
		to = p.newResource(from)
		p.resources[r] = to
	}
	for i := range metrics.Len() {
		m := metrics.At(i)
		points := pointsOf(m)
		for j := range points.Len() {
			label(points.At(j).Attributes(), tags)
		}
		if all, ok := to.points[m.Name()]; ok {
			points.MoveAndAppendTo(all)
			continue
		}
		moved := to.metrics.AppendEmpty()
		m.MoveTo(moved)
		to.points[moved.Name()] = pointsOf(moved)
	}
}

// newResource appends a resource like that of from, without metrics.
func (p *payload) newResource(from pmetric.ResourceMetrics) resourcePoints {
	rm := p.metrics.ResourceMetrics().AppendEmpty()
	rm.SetSchemaUrl(from.SchemaUrl())
	from.Resource().MoveTo(rm.Resource())
	sm := rm.ScopeMetrics().AppendEmpty()
	from.ScopeMetrics().At(0).Scope().MoveTo(sm.Scope())
	return resourcePoints{metrics: sm.Metrics(), points: make(map[string]pmetric.NumberDataPointSlice)}
}

// pointsOf returns the points of a metric; ours are gauges and sums.
func pointsOf(m pmetric.Metric) pmetric.NumberDataPointSlice {
	if m.Type() == pmetric.MetricTypeSum {
		return m.Sum().DataPoints()
	}
	return m.Gauge().DataPoints()
}

func label(attributes pcommon.Map, tags []target.Tag) {
	attributes.RemoveIf(func(_ string, value pcommon.Value) bool {
		return value.Type() == pcommon.ValueTypeStr && value.Str() == ""
	})
	for _, tag := range tags {
		attributes.PutStr(tag.Key, tag.Value)
	}
}
