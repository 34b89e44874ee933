package scrape

import (
	"slices"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	collector "go.opentelemetry.io/collector/receiver"

	"example.com/tcpcheckreceiver/internal/metadata"
	"example.com/tcpcheckreceiver/receiver/probe"
	"example.com/tcpcheckreceiver/receiver/target"
)

// recorder turns the outcomes of checks into metrics.
//
// The generated builder compares each new point with every earlier one that it
// holds, to merge those that the user's choice of attributes makes equal. So it
// is never given more than the targets whose points can be equal: as a rule a
// single one.
type recorder struct {
	targets []target.Target
	errors  []map[failure]int64 // failed checks so far, per target
	passes  []pass
}

// failure is what errors are counted by.
type failure struct {
	family    target.Family
	errorType probe.ErrorType
}

// pass records some of the metrics of all targets.
type pass struct {
	builder *metadata.MetricsBuilder
	units   []unit
}

func newRecorder(set collector.Settings, config metadata.MetricsBuilderConfig, targets []target.Target) *recorder {
	r := &recorder{targets: targets, errors: make([]map[failure]int64, len(targets)), passes: newPasses(set, config, targets)}
	for i := range r.errors {
		r.errors[i] = make(map[failure]int64)
	}
	return r
}

// record counts the failures among outcomes, one per target, and returns the
// points of all of them.
func (r *recorder) record(ts pcommon.Timestamp, outcomes []probe.Outcome) pmetric.Metrics {
	for i := range outcomes {
		r.countErrors(i, outcomes[i].Results)
	}
	p := newPayload()
	for _, pass := range r.passes {
		resources := pass.builder.NewResourceBuilder()
		for _, unit := range pass.units {
			for _, i := range unit {
				r.recordTarget(pass.builder, ts, i, &outcomes[i])
			}
			first := &r.targets[unit[0]] // all have its tags and its resource
			emitted := pass.builder.Emit(metadata.WithResource(newResource(resources, first)))
			p.add(emitted, resourceOf(first), first.Tags)
		}
	}
	return p.metrics
}

func newResource(builder *metadata.ResourceBuilder, t *target.Target) pcommon.Resource {
	if t.Service != "" {
		builder.SetServiceName(t.Service)
	}
	if t.EmptyHostname {
		builder.SetDatadogHostName("")
	}
	return builder.Emit()
}

func (r *recorder) countErrors(i int, results []probe.Result) {
	for _, result := range results {
		if result.ErrorType != "" {
			r.errors[i][failure{result.Family, result.ErrorType}]++
		}
	}
}

// recordTarget gives builder the points of one target. Those of a metric that
// builder has disabled go nowhere.
func (r *recorder) recordTarget(builder *metadata.MetricsBuilder, ts pcommon.Timestamp, i int, outcome *probe.Outcome) {
	t := &r.targets[i]
	port := int64(t.Port)
	canConnect := t.Metrics.Match(metadata.MetricsInfo.NetworkTCPCanConnect.Name)
	responseTime := t.CollectResponseTime && t.Metrics.Match(metadata.MetricsInfo.NetworkTCPResponseTime.Name)
	retransmits := t.Metrics.Match(metadata.MetricsInfo.NetworkTCPSynRetransmits.Name)
	for _, result := range outcome.Results {
		family, address := networkType(result.Family), addressText(&result)
		if canConnect && !result.LocalFault && !result.Speculative {
			builder.RecordNetworkTCPCanConnectDataPoint(ts, toInt(result.Connected()), t.Name, t.Host, port, family, address, normalizeTag(t.Name), t.Host, port, address)
		}
		if responseTime && result.Connected() {
			builder.RecordNetworkTCPResponseTimeDataPoint(ts, result.HandshakeTime.Seconds(), t.Name, t.Host, port, family, address, t.HostPort(), t.Name, address)
		}
		if retransmits && result.SYNRetransmits >= 0 {
			builder.RecordNetworkTCPSynRetransmitsDataPoint(ts, int64(result.SYNRetransmits), t.Name, t.Host, port, family, address)
		}
	}
	if t.Metrics.Match(metadata.MetricsInfo.NetworkTCPResolveTime.Name) {
		for _, lookup := range outcome.Lookups {
			builder.RecordNetworkTCPResolveTimeDataPoint(ts, lookup.Time.Seconds(), t.Name, t.Host, port, networkType(lookup.Family))
		}
	}
	if t.Metrics.Match(metadata.MetricsInfo.NetworkTCPErrors.Name) {
		r.recordErrors(builder, ts, i)
	}
}

func (r *recorder) recordErrors(builder *metadata.MetricsBuilder, ts pcommon.Timestamp, i int) {
	t := &r.targets[i]
	for _, family := range slices.Concat([]target.Family{0}, target.Families) {
		for _, errorType := range probe.ErrorTypes {
			if count := r.errors[i][failure{family, errorType}]; count > 0 {
				builder.RecordNetworkTCPErrorsDataPoint(ts, count, t.Name, t.Host, int64(t.Port), networkType(family), metadata.MapAttributeErrorType[string(errorType)])
			}
		}
	}
}

// networkType returns the attribute's value, whose text is empty for the zero
// family.
func networkType(f target.Family) metadata.AttributeNetworkType {
	return metadata.MapAttributeNetworkType[f.String()]
}

func addressText(r *probe.Result) string {
	if !r.Address.IsValid() {
		return ""
	}
	return r.Address.String()
}

func toInt(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
