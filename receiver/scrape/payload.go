package scrape

import (
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	collector "go.opentelemetry.io/collector/receiver"

	"example.com/tcpcheckreceiver/internal/metadata"
	"example.com/tcpcheckreceiver/receiver/target"
)

// resource is what tells one resource from another.
type resource struct {
	service       string
	emptyHostname bool
}

func resourceOf(t *target.Target) resource { return resource{t.Service, t.EmptyHostname} }

// shell is what the generated builder makes for a resource: the resource, the
// scope and the enabled metrics, without points.
type shell struct {
	metrics pmetric.ResourceMetrics
	// points is how many points each metric had at the last collection.
	points map[string]int
}

// newShells returns a shell for each resource of targets, but for those that the
// user's filters take out.
func newShells(set collector.Settings, config metadata.MetricsBuilderConfig, targets []target.Target) map[resource]*shell {
	shells := make(map[resource]*shell)
	builder := metadata.NewMetricsBuilder(config, set)
	for i := range targets {
		r := resourceOf(&targets[i])
		if _, ok := shells[r]; ok {
			continue
		}
		// A metric without a point would not be emitted.
		now := pcommon.NewTimestampFromTime(time.Now())
		builder.RecordNetworkTCPCanConnectDataPoint(now, 0, "", "", 0, 0, "", "", "", 0, "")
		builder.RecordTcpcheckErrorsDataPoint(now, 0, "", "", 0, 0, 0)
		builder.RecordTcpcheckDNSLookupDurationDataPoint(now, 0, "", "", 0, 0)
		builder.RecordNetworkTCPResponseTimeDataPoint(now, 0, "", "", 0, 0, "", "", "", "")
		builder.RecordTcpcheckSynRetransmitsDataPoint(now, 0, "", "", 0, 0, "")
		builder.RecordTcpcheckFamilyOmittedDataPoint(now, 0, "", "", 0, 0)
		emitted := builder.Emit(metadata.WithResource(r.build(builder.NewResourceBuilder())))
		if emitted.ResourceMetrics().Len() == 0 {
			shells[r] = nil
			continue
		}
		s := &shell{metrics: emitted.ResourceMetrics().At(0), points: make(map[string]int)}
		for _, m := range s.metrics.ScopeMetrics().At(0).Metrics().All() {
			pointsOf(m).RemoveIf(func(pmetric.NumberDataPoint) bool { return true })
		}
		shells[r] = s
	}
	return shells
}

// build returns the resource as the user wants it.
func (r resource) build(builder *metadata.ResourceBuilder) pcommon.Resource {
	if r.service != "" {
		builder.SetServiceName(r.service)
	}
	if r.emptyHostname {
		builder.SetDatadogHostName("")
	}
	return builder.Emit()
}

// payload is the metrics of one collection: each resource once, and in it each
// metric once, with the points of all targets, but for the ends of series.
type payload struct {
	metrics pmetric.Metrics
	shells  map[resource]*shell
	filled  map[resource]map[string]pmetric.NumberDataPointSlice
	index   map[resource]int // of the filled ones
}

func newPayload(shells map[resource]*shell) *payload {
	return &payload{
		metrics: pmetric.NewMetrics(), shells: shells,
		filled: make(map[resource]map[string]pmetric.NumberDataPointSlice, len(shells)),
		index:  make(map[resource]int, len(shells)),
	}
}

// points returns where the points of a metric of a resource go, or false if they
// go nowhere.
func (p *payload) points(r resource, metric string) (pmetric.NumberDataPointSlice, bool) {
	metrics, ok := p.filled[r]
	if !ok && p.shells[r] != nil {
		metrics = make(map[string]pmetric.NumberDataPointSlice)
		p.index[r] = p.metrics.ResourceMetrics().Len()
		rm := p.metrics.ResourceMetrics().AppendEmpty()
		p.shells[r].metrics.CopyTo(rm)
		for _, m := range rm.ScopeMetrics().At(0).Metrics().All() {
			metrics[m.Name()] = pointsOf(m)
			metrics[m.Name()].EnsureCapacity(p.shells[r].points[m.Name()])
		}
		p.filled[r] = metrics
	}
	points, ok := metrics[metric]
	return points, ok
}

// alone returns where a point goes that is to be the only one of a metric: another
// one of the same name. The resource is one that points has been called for.
func (p *payload) alone(r resource, metric string) pmetric.NumberDataPointSlice {
	metrics := p.metrics.ResourceMetrics().At(p.index[r]).ScopeMetrics().At(0).Metrics()
	added := metrics.AppendEmpty()
	for _, m := range p.shells[r].metrics.ScopeMetrics().At(0).Metrics().All() {
		if m.Name() == metric {
			m.CopyTo(added)
		}
	}
	return pointsOf(added)
}

// finish returns the metrics, without those that have no points.
func (p *payload) finish() pmetric.Metrics {
	for r, metrics := range p.filled {
		for name, points := range metrics {
			p.shells[r].points[name] = points.Len()
		}
	}
	p.metrics.ResourceMetrics().RemoveIf(func(rm pmetric.ResourceMetrics) bool {
		metrics := rm.ScopeMetrics().At(0).Metrics()
		metrics.RemoveIf(func(m pmetric.Metric) bool { return pointsOf(m).Len() == 0 })
		return metrics.Len() == 0
	})
	return p.metrics
}

// pointsOf returns the points of a metric; ours are gauges and sums.
func pointsOf(m pmetric.Metric) pmetric.NumberDataPointSlice {
	if m.Type() == pmetric.MetricTypeSum {
		return m.Sum().DataPoints()
	}
	return m.Gauge().DataPoints()
}
