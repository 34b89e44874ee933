package scrape

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/receiver/receivertest"

	"example.com/tcpcheckreceiver/internal/metadata"
	"example.com/tcpcheckreceiver/receiver/probe"
	"example.com/tcpcheckreceiver/receiver/target"
)

// The recorder reports what the generated builder would, whatever attributes and
// strategies a user chooses, and the end of each series that is no longer reported.
func TestRecorderAgreesWithTheGeneratedBuilder(t *testing.T) {
	for seed := range uint64(150) {
		random := rand.New(rand.NewPCG(seed, 1))
		config, targets := randomMetrics(random), randomTargets(random)
		r := newRecorder(receivertest.NewNopSettings(metadata.Type), config, targets)
		reported := make(map[string]bool) // series
		for range 4 {
			unknown := random.IntN(3) == 0
			outcomes := randomOutcomes(random, targets, unknown)
			want := make(map[string]bool)
			got, ended := valuesAndSeries(r.record(1, outcomes), make(map[string]bool))
			expected, _ := valuesAndSeries(generated(config, targets, outcomes, r.errors), want)
			if !assert.ElementsMatch(t, expected, got, "seed %d", seed) {
				return
			}
			if unknown {
				maps.Copy(want, reported) // nothing ends of what nothing is known
			}
			maps.DeleteFunc(reported, func(series string, _ bool) bool { return want[series] })
			if !assert.ElementsMatch(t, slices.Collect(maps.Keys(reported)), ended, "seed %d", seed) {
				return
			}
			reported = want
		}
	}
}

func randomMetrics(random *rand.Rand) metadata.MetricsBuilderConfig {
	config := metadata.NewDefaultMetricsBuilderConfig()
	strategies := []string{"min", "max", "sum", "avg"}
	m := &config.Metrics
	m.NetworkTCPCanConnect.EnabledAttributes = some(random, metadata.MetricsInfo.NetworkTCPCanConnect.Attributes, m.NetworkTCPCanConnect.EnabledAttributes)
	m.TcpcheckErrors.EnabledAttributes = some(random, metadata.MetricsInfo.TcpcheckErrors.Attributes, m.TcpcheckErrors.EnabledAttributes)
	m.TcpcheckDNSLookupDuration.EnabledAttributes = some(random, metadata.MetricsInfo.TcpcheckDNSLookupDuration.Attributes, m.TcpcheckDNSLookupDuration.EnabledAttributes)
	m.NetworkTCPResponseTime.EnabledAttributes = some(random, metadata.MetricsInfo.NetworkTCPResponseTime.Attributes, m.NetworkTCPResponseTime.EnabledAttributes)
	m.TcpcheckSynRetransmits.EnabledAttributes = some(random, metadata.MetricsInfo.TcpcheckSynRetransmits.Attributes, m.TcpcheckSynRetransmits.EnabledAttributes)
	m.TcpcheckFamilyOmitted.EnabledAttributes = some(random, metadata.MetricsInfo.TcpcheckFamilyOmitted.Attributes, m.TcpcheckFamilyOmitted.EnabledAttributes)
	for _, enabled := range []*bool{&m.NetworkTCPCanConnect.Enabled, &m.TcpcheckErrors.Enabled, &m.TcpcheckDNSLookupDuration.Enabled, &m.NetworkTCPResponseTime.Enabled, &m.TcpcheckSynRetransmits.Enabled, &m.TcpcheckFamilyOmitted.Enabled} {
		*enabled = random.IntN(5) > 0
	}
	for _, strategy := range []*string{&m.NetworkTCPCanConnect.AggregationStrategy, &m.TcpcheckErrors.AggregationStrategy, &m.TcpcheckDNSLookupDuration.AggregationStrategy, &m.NetworkTCPResponseTime.AggregationStrategy, &m.TcpcheckSynRetransmits.AggregationStrategy, &m.TcpcheckFamilyOmitted.AggregationStrategy} {
		*strategy = strategies[random.IntN(len(strategies))]
	}
	return config
}

// some returns a random selection of names, as the type of keys.
func some[K ~string](random *rand.Rand, names []string, _ []K) []K {
	var selected []K
	for _, name := range names {
		if random.IntN(3) > 0 {
			selected = append(selected, K(name))
		}
	}
	return selected
}

func randomTargets(random *rand.Rand) []target.Target {
	names := []string{"a-b", "a b", "c"} // the first two are equal once normalised
	targets := make([]target.Target, 20)
	for i := range targets {
		targets[i] = target.Target{
			Name: names[random.IntN(3)], Host: fmt.Sprintf("host%d", random.IntN(3)), Port: uint16(80 + random.IntN(2)),
			CollectResponseTime: random.IntN(2) == 0,
			Service:             []string{"", "s"}[random.IntN(2)], EmptyHostname: random.IntN(4) == 0,
		}
		if random.IntN(2) == 0 {
			targets[i].Tags = []target.Tag{{Key: "tag", Value: fmt.Sprint(random.IntN(2))}}
		}
	}
	return targets
}

// randomOutcomes returns an outcome for each target. If unknown, each of them has a
// local fault, and perhaps other results, or no result at all.
func randomOutcomes(random *rand.Rand, targets []target.Target, unknown bool) []probe.Outcome {
	outcomes := make([]probe.Outcome, len(targets))
	for i := range outcomes {
		if unknown {
			if random.IntN(2) == 0 {
				continue
			}
			outcomes[i].Results = []probe.Result{{Family: target.IPv4, Address: netip.AddrFrom4([4]byte{192, 0, 2, 99}), Err: errors.New("failed"), LocalFault: true, SYNRetransmits: -1}}
		}
		for _, family := range target.Families {
			first := random.IntN(4)
			for n := range random.IntN(3) { // no address is there twice
				address := netip.AddrFrom4([4]byte{192, 0, 2, byte(first + n)})
				result := probe.Result{Family: family, Address: address, HandshakeTime: time.Duration(1+random.IntN(4)) * time.Second, SYNRetransmits: random.IntN(3) - 1}
				switch random.IntN(6) {
				case 0:
					result.Err, result.ErrorType = errors.New("failed"), probe.ErrorTypes[random.IntN(len(probe.ErrorTypes))]
				case 1:
					if n == 0 {
						result.Err, result.ErrorType, result.Address = errors.New("failed"), probe.NoAddress, netip.Addr{}
					}
				}
				outcomes[i].Results = append(outcomes[i].Results, result)
			}
			if random.IntN(4) == 0 {
				reasons := []probe.OmissionReason{probe.MachineLacksFamily, probe.NameLacksFamily}
				outcomes[i].Omissions = append(outcomes[i].Omissions, probe.Omission{Family: family, Reason: reasons[random.IntN(2)]})
			}
			outcomes[i].Lookups = append(outcomes[i].Lookups, probe.Lookup{Family: family, Time: time.Duration(random.IntN(4)) * time.Second})
		}
		if len(outcomes[i].Results) == 0 {
			outcomes[i].Results = []probe.Result{{Err: errors.New("failed"), ErrorType: probe.DNSNotFound, SYNRetransmits: -1}}
		}
	}
	return outcomes
}

// generated records by a generated builder for each resource and set of tags,
// which it knows nothing of.
func generated(config metadata.MetricsBuilderConfig, targets []target.Target, outcomes []probe.Outcome, counted [][]failures) pmetric.Metrics {
	all := pmetric.NewMetrics()
	done := make([]bool, len(targets))
	for first := range targets {
		if done[first] {
			continue
		}
		builder := metadata.NewMetricsBuilder(config, receivertest.NewNopSettings(metadata.Type))
		alike := &targets[first]
		for i := range targets {
			t := &targets[i]
			if resourceOf(t) != resourceOf(alike) || fmt.Sprint(t.Tags) != fmt.Sprint(alike.Tags) {
				continue
			}
			done[i] = true
			for k := range outcomes[i].Results {
				recordGenerated(builder, t, &outcomes[i].Results[k])
			}
			for _, lookup := range outcomes[i].Lookups {
				builder.RecordTcpcheckDNSLookupDurationDataPoint(1, lookup.Time.Seconds(), t.Name, t.Host, int64(t.Port), networkType(lookup.Family))
			}
			for _, o := range outcomes[i].Omissions {
				if o.Reason == probe.MachineLacksFamily {
					builder.RecordTcpcheckFamilyOmittedDataPoint(1, 1, t.Name, t.Host, int64(t.Port), networkType(o.Family))
				}
			}
			for _, f := range counted[i] {
				builder.RecordTcpcheckErrorsDataPoint(1, f.count, t.Name, t.Host, int64(t.Port), networkType(f.family), metadata.MapAttributeErrorType[string(f.errorType)])
			}
		}
		emitted := builder.Emit(metadata.WithResource(resourceOf(alike).build(builder.NewResourceBuilder())))
		for _, rm := range emitted.ResourceMetrics().All() {
			for _, m := range rm.ScopeMetrics().At(0).Metrics().All() {
				for _, point := range pointsOf(m).All() {
					point.Attributes().RemoveIf(func(_ string, value pcommon.Value) bool { return value.AsString() == "" })
					for _, tag := range alike.Tags {
						point.Attributes().PutStr(tag.Key, tag.Value)
					}
				}
			}
		}
		emitted.ResourceMetrics().MoveAndAppendTo(all.ResourceMetrics())
	}
	return all
}

func recordGenerated(builder *metadata.MetricsBuilder, t *target.Target, result *probe.Result) {
	port, family, address := int64(t.Port), networkType(result.Family), ""
	if result.Address.IsValid() {
		address = result.Address.String()
	}
	if !result.LocalFault && !result.Speculative {
		value := int64(0)
		if result.Connected() {
			value = 1
		}
		builder.RecordNetworkTCPCanConnectDataPoint(1, value, t.Name, t.Host, port, family, address, normalizeTag(t.Name), t.Host, port, address)
	}
	if t.CollectResponseTime && result.Connected() {
		builder.RecordNetworkTCPResponseTimeDataPoint(1, result.HandshakeTime.Seconds(), t.Name, t.Host, port, family, address, t.HostPort(), t.Name, address)
	}
	if result.SYNRetransmits >= 0 {
		builder.RecordTcpcheckSynRetransmitsDataPoint(1, int64(result.SYNRetransmits), t.Name, t.Host, port, family, address)
	}
}

func networkType(family target.Family) metadata.AttributeNetworkType {
	return metadata.MapAttributeNetworkType[family.String()]
}

// valuesAndSeries returns a line for each point that has a value, with all that it
// says but for its times, and the series of each that says that it has none. It adds
// to series those that have a value and can end.
func valuesAndSeries(metrics pmetric.Metrics, series map[string]bool) (lines, ended []string) {
	for _, rm := range metrics.ResourceMetrics().All() {
		for _, m := range rm.ScopeMetrics().At(0).Metrics().All() {
			for _, point := range pointsOf(m).All() {
				name := fmt.Sprint(rm.SchemaUrl(), attributes(rm.Resource().Attributes().AsRaw()), m.Name(), m.Unit(), m.Description(), m.Type(),
					attributes(point.Attributes().AsRaw()))
				if point.Flags().NoRecordedValue() {
					ended = append(ended, name)
					continue
				}
				lines = append(lines, fmt.Sprint(name, point.ValueType(), point.IntValue(), point.DoubleValue()))
				series[name] = m.Type() == pmetric.MetricTypeGauge && m.Name() != metadata.MetricsInfo.TcpcheckDNSLookupDuration.Name
			}
		}
	}
	maps.DeleteFunc(series, func(_ string, ends bool) bool { return !ends })
	return lines, ended
}

// Whatever metadata.yaml has is recorded: each metric has a place among enabledMetrics and
// in the shells, and each of its attributes a value.
func TestEveryMetricIsRecorded(t *testing.T) {
	config := metadata.NewDefaultMetricsBuilderConfig()
	enabled := reflect.ValueOf(&config.Metrics).Elem()
	for i := range enabled.NumField() {
		enabled.Field(i).FieldByName("Enabled").SetBool(true)
	}
	one := target.Target{Name: "a", Host: "h", Port: 1}
	r := newRecorder(receivertest.NewNopSettings(metadata.Type), config, []target.Target{one})
	recorded := make(map[string]bool)
	for _, m := range r.metrics {
		recorded[m.name] = true
	}
	p := newPayload(r.shells)
	described := reflect.ValueOf(metadata.MetricsInfo)
	for i := range described.NumField() {
		name := described.Field(i).FieldByName("Name").String()
		assert.True(t, recorded[name], "%s is not among enabledMetrics", name)
		_, ok := p.points(resourceOf(&one), name)
		assert.True(t, ok, "%s is not among newShells", name)
		attributes := described.Field(i).FieldByName("Attributes")
		for k := range attributes.Len() {
			attribute := attributes.Index(k).String()
			assert.NotEqual(t, ports[attribute], texts[attribute] != nil, "%s: %s is to be a port or a text", name, attribute)
		}
	}
}
