package report

import (
	"crypto/tls"
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

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/metadata"
	"example.com/tcpcheckreceiver/internal/report/reporttest"
)

// The points are those that the generated builder would make of each target, whatever
// attributes and strategies a user chooses, and the end of each series that no longer has
// a value.
func TestPointsAgreeWithTheGeneratedBuilder(t *testing.T) {
	emitted := make(map[string]bool) // metrics
	for seed := range uint64(40) {
		random := rand.New(rand.NewPCG(seed, 1))
		config, targets := randomMetrics(random), randomTargets(random)
		p := NewPoints(receivertest.NewNopSettings(metadata.Type), config)
		series := make([]*Series, len(targets))
		for i := range targets {
			series[i] = p.NewSeries(&targets[i], start)
		}
		live := make(map[string]bool)
		for range 4 {
			unknown := random.IntN(3) == 0
			batch, reports := newBatch(p), randomReports(random, targets, unknown)
			for i := range reports {
				batch.add(series[i], &reports[i])
			}
			want := make(map[string]bool)
			points := batch.metrics()
			for _, rm := range points.ResourceMetrics().All() {
				for _, m := range rm.ScopeMetrics().At(0).Metrics().All() {
					emitted[m.Name()] = true
				}
			}
			got, ended := valuesAndSeries(points, make(map[string]bool))
			expected, _ := valuesAndSeries(generated(config, reports, series), want)
			if !assert.ElementsMatch(t, expected, got, "seed %d", seed) {
				return
			}
			if unknown {
				maps.Copy(want, live) // nothing ends of what nothing is known
			}
			maps.DeleteFunc(live, func(series string, _ bool) bool { return want[series] })
			if !assert.ElementsMatch(t, slices.Collect(maps.Keys(live)), ended, "seed %d", seed) {
				return
			}
			live = want
		}
	}
	emitted[metadata.MetricsInfo.TcpcheckMachineOutage.Name] = true // TestPointsOfTheMachine has it
	assert.Len(t, emitted, reflect.TypeOf(metadata.MetricsInfo).NumField(), "each metric has values, here and in generated")
}

// randomMetrics enables a random selection of all metrics and attributes.
func randomMetrics(random *rand.Rand) metadata.MetricsBuilderConfig {
	config := metadata.NewDefaultMetricsBuilderConfig()
	strategies := []string{"min", "max", "sum", "avg"}
	metrics := reflect.ValueOf(&config.Metrics).Elem()
	for i := range metrics.NumField() {
		m := metrics.Field(i)
		m.FieldByName("Enabled").SetBool(random.IntN(5) > 0)
		m.FieldByName("AggregationStrategy").SetString(strategies[random.IntN(len(strategies))])
		keys := m.FieldByName("EnabledAttributes")
		keys.SetZero()
		attributes := attributesOf(metrics.Type().Field(i).Name)
		for k := range attributes.Len() {
			if random.IntN(3) > 0 {
				keys.Set(reflect.Append(keys, attributes.Index(k).Convert(keys.Type().Elem())))
			}
		}
	}
	return config
}

// attributesOf returns all attributes of a metric, by the name of its field.
func attributesOf(metric string) reflect.Value {
	return reflect.ValueOf(metadata.MetricsInfo).FieldByName(metric).FieldByName("Attributes")
}

func randomTargets(random *rand.Rand) []check.Target {
	targets := make([]check.Target, 20)
	for i := range targets {
		targets[i] = check.Target{Host: fmt.Sprintf("host%d", random.IntN(3)), Port: uint16(80 + random.IntN(2))}
		l := &targets[i].Labels
		if random.IntN(2) == 0 {
			targets[i].TLS = &check.TLS{}
			if random.IntN(2) == 0 {
				targets[i].Dialog = &check.Dialog{}
			}
		}
		// With its tag, no target is labelled as another one.
		l.Name, l.Tags = []string{"a-b", "a b", "c"}[random.IntN(3)], []check.Tag{{Key: "number", Value: fmt.Sprint(i)}}
		l.Service, l.EmptyHostname, l.CollectResponseTime = []string{"", "s"}[random.IntN(2)], random.IntN(4) == 0, random.IntN(2) == 0
	}
	return targets
}

// randomReports returns a report on each target. If unknown, each of them has a
// local fault, and perhaps other results, or no result at all.
func randomReports(random *rand.Rand, targets []check.Target, unknown bool) []check.Report {
	reports := make([]check.Report, len(targets))
	for i := range reports {
		reports[i].Target, reports[i].Time = &targets[i], time.Unix(0, 1)
		if targets[i].TLS != nil {
			reports[i].Session = randomHandshakes(random, unknown)
		}
		if unknown {
			if random.IntN(2) == 0 {
				continue
			}
			reports[i].Results = []check.Result{{Family: check.IPv4, Address: netip.AddrFrom4([4]byte{192, 0, 2, 99}), Status: check.Unchecked, Err: errors.New("failed"), SYNRetransmits: -1}}
		}
		for _, family := range check.Families {
			first := random.IntN(4)
			for n := range random.IntN(3) { // no address is there twice
				address := netip.AddrFrom4([4]byte{192, 0, 2, byte(first + n)})
				result := check.Result{Family: family, Address: address, Status: check.Up, HandshakeTime: time.Duration(1+random.IntN(4)) * time.Second, SYNRetransmits: random.IntN(3) - 1}
				if family == check.IPv6 && first+n > 1 {
					result.Translated = check.Translated{198, 51, 100, byte(random.IntN(3))}
				}
				switch random.IntN(6) {
				case 0:
					result.Status, result.Err, result.ErrorType = check.Down, errors.New("failed"), check.ErrorTypes[random.IntN(len(check.ErrorTypes))]
				case 1:
					if n == 0 {
						result.Status, result.Err, result.ErrorType, result.Address = check.Down, errors.New("failed"), check.NoAddress, netip.Addr{}
					}
				}
				reports[i].Results = append(reports[i].Results, result)
			}
			if random.IntN(4) == 0 {
				reasons := []check.OmissionReason{check.MachineLacksFamily, check.NameLacksFamily}
				reports[i].Omissions = append(reports[i].Omissions, check.Omission{Family: family, Reason: reasons[random.IntN(2)]})
			}
			reports[i].Lookups = append(reports[i].Lookups, check.Lookup{Family: family, Time: time.Duration(random.IntN(4)) * time.Second})
		}
		if len(reports[i].Results) == 0 {
			reports[i].Results = []check.Result{{Status: check.Down, Err: errors.New("failed"), ErrorType: check.DNSNotFound, SYNRetransmits: -1}}
		}
	}
	return reports
}

// randomHandshakes returns a report on certificates, or nil. If unknown, there is one, with a local fault.
func randomHandshakes(random *rand.Rand, unknown bool) *check.SessionReport {
	r := &check.SessionReport{}
	if unknown {
		r.TLS = []check.TLSResult{{Family: check.IPv4, Address: netip.AddrFrom4([4]byte{192, 0, 2, 99}), Status: check.Unchecked, Err: errors.New("failed"), Lack: check.LacksOther}}
	} else if random.IntN(8) == 0 {
		return nil
	}
	first := random.IntN(3)
	for n := range random.IntN(4) {
		result := check.TLSResult{Family: check.IPv4, Address: netip.AddrFrom4([4]byte{192, 0, 2, byte(first + n)}), Status: check.Up}
		switch random.IntN(5) {
		case 0:
			result.Status, result.Err = check.Unchecked, errors.New("refused")
		case 1:
			result.Status, result.Err, result.ErrorType = check.Down, errors.New("failed"), check.TLSTimeout
		case 2:
			result.Status, result.Err, result.ErrorType = check.Down, errors.New("failed"), check.TLSNameMismatch
			fallthrough
		default:
			ends := time.Unix(int64(random.IntN(10)-5), 1)
			result.HandshakeTime, result.Certificate = time.Second, &check.Certificate{
				Subject: []string{"", "CN=a"}[random.IntN(2)], Issuer: []string{"CN=b", "CN=c"}[random.IntN(2)], SerialNumber: []string{"0A", "FF"}[random.IntN(2)],
				SHA256: [32]byte{byte(random.IntN(3)), 0xab}, NotAfter: ends.Add(time.Minute), ChainNotAfter: ends,
				Version: []uint16{tls.VersionTLS12, tls.VersionTLS13}[random.IntN(2)], CipherSuite: []uint16{tls.TLS_AES_128_GCM_SHA256, 0xfafa}[random.IntN(2)],
				Stapled: random.IntN(2) == 0,
			}
		}
		r.TLS = append(r.TLS, result)
		talked := check.DialogResult{Family: result.Family, Address: result.Address, Status: check.Up, Time: time.Second}
		switch random.IntN(4) {
		case 0:
			talked.Status, talked.Err, talked.Time = check.Unchecked, errors.New("no handshake"), 0
		case 1:
			talked.Status, talked.Err, talked.ErrorType, talked.Time = check.Down, errors.New("failed"), check.UnexpectedAnswer, 0
		}
		r.Dialogs = append(r.Dialogs, talked)
	}
	return r
}

// generated records each report by the generated builder, which knows nothing of tags;
// series have what was counted.
func generated(config metadata.MetricsBuilderConfig, reports []check.Report, series []*Series) pmetric.Metrics {
	all := pmetric.NewMetrics()
	for i := range reports {
		builder := metadata.NewMetricsBuilder(config, receivertest.NewNopSettings(metadata.Type))
		t := reports[i].Target
		name, port := t.Labels.Name, int64(t.Port)
		for k := range reports[i].Results {
			recordGenerated(builder, t, &reports[i].Results[k])
		}
		recordHandshakes(builder, t, reports[i].Session)
		for _, lookup := range reports[i].Lookups {
			builder.RecordTcpcheckDNSLookupDurationDataPoint(1, lookup.Time.Seconds(), name, t.Host, port, networkType(lookup.Family))
		}
		for _, o := range reports[i].Omissions {
			if o.Reason == check.MachineLacksFamily {
				builder.RecordTcpcheckFamilyOmittedDataPoint(1, 1, name, t.Host, port, networkType(o.Family))
			}
		}
		for _, c := range series[i].tallies {
			if c.errorType == "" {
				builder.RecordTcpcheckChecksDataPoint(1, c.results, name, t.Host, port, networkType(c.family))
			} else {
				builder.RecordTcpcheckErrorsDataPoint(1, c.results, name, t.Host, port, networkType(c.family), metadata.MapAttributeErrorType[string(c.errorType)], metadata.MapAttributeTcpcheckErrorSource[c.source.String()])
			}
		}
		resource := resourceKey{t.Labels.Service, t.Labels.EmptyHostname}.resource(builder.NewResourceBuilder())
		emitted := builder.Emit(metadata.WithResource(resource))
		for _, rm := range emitted.ResourceMetrics().All() {
			for _, m := range rm.ScopeMetrics().At(0).Metrics().All() {
				for _, point := range pointsOf(m).All() {
					point.Attributes().RemoveIf(func(_ string, value pcommon.Value) bool { return value.AsString() == "" })
					for _, tag := range t.Labels.Tags {
						point.Attributes().PutStr(tag.Key, tag.Value)
					}
				}
			}
		}
		emitted.ResourceMetrics().MoveAndAppendTo(all.ResourceMetrics())
	}
	return all
}

func recordGenerated(builder *metadata.MetricsBuilder, t *check.Target, result *check.Result) {
	port, family, address := int64(t.Port), networkType(result.Family), ""
	if result.Address.IsValid() {
		address = result.Address.String()
	}
	if result.Status == check.Up || result.Status == check.Down {
		value := int64(0)
		if result.Status == check.Up {
			value = 1
		}
		builder.RecordNetworkTCPCanConnectDataPoint(1, value, t.Labels.Name, t.Host, port, family, address, normalizeTag(t.Labels.Name), t.Host, port, address, result.Translated.String())
	}
	if t.Labels.CollectResponseTime && result.Status == check.Up {
		builder.RecordNetworkTCPResponseTimeDataPoint(1, result.HandshakeTime.Seconds(), t.Labels.Name, t.Host, port, family, address, t.HostPort(), t.Labels.Name, address, result.Translated.String())
	}
	if result.SYNRetransmits >= 0 {
		builder.RecordTcpcheckSynRetransmitsDataPoint(1, int64(result.SYNRetransmits), t.Labels.Name, t.Host, port, family, address)
	}
}

func recordHandshakes(builder *metadata.MetricsBuilder, t *check.Target, r *check.SessionReport) {
	if r == nil {
		return
	}
	name, port, different := t.Labels.Name, int64(t.Port), make(map[byte]bool)
	for _, result := range r.TLS {
		family, address := networkType(result.Family), result.Address.String()
		if result.Status != check.Unchecked {
			verified := int64(0)
			if result.Status == check.Up {
				verified = 1
			}
			builder.RecordTcpcheckTLSVerifiedDataPoint(1, verified, name, t.Host, port, family, address)
		}
		if c := result.Certificate; c != nil {
			different[c.SHA256[0]] = true
			hash := fmt.Sprintf("0%dAB%060d", c.SHA256[0], 0)
			version := map[uint16]string{tls.VersionTLS12: "1.2", tls.VersionTLS13: "1.3"}[c.Version]
			cipher := map[uint16]string{tls.TLS_AES_128_GCM_SHA256: "TLS_AES_128_GCM_SHA256", 0xfafa: "0xFAFA"}[c.CipherSuite]
			builder.RecordTcpcheckTLSHandshakeDurationDataPoint(1, 1, name, t.Host, port, family, address, version, cipher)
			builder.RecordTcpcheckTLSCertificateTimeLeftDataPoint(1, float64(c.NotAfter.Unix()), name, t.Host, port, "", family, address,
				c.Subject, c.Issuer, hash, c.SerialNumber, version, cipher, c.Stapled)
			builder.RecordTcpcheckTLSCertificateChainTimeLeftDataPoint(1, float64(c.ChainNotAfter.Unix()), name, t.Host, port, "", family, address,
				c.Subject, c.Issuer, hash, c.SerialNumber)
		}
	}
	for _, result := range r.Dialogs {
		family, address := networkType(result.Family), result.Address.String()
		switch result.Status {
		case check.Up:
			builder.RecordTcpcheckDialogOkDataPoint(1, 1, name, t.Host, port, family, address)
			builder.RecordTcpcheckDialogDurationDataPoint(1, 1, name, t.Host, port, family, address)
		case check.Down:
			builder.RecordTcpcheckDialogOkDataPoint(1, 0, name, t.Host, port, family, address)
		default:
		}
	}
	if len(different) > 0 {
		builder.RecordTcpcheckTLSCertificatesDataPoint(1, int64(len(different)), name, t.Host, port)
	}
}

func networkType(family check.Family) metadata.AttributeNetworkType {
	return metadata.MapAttributeNetworkType[family.String()]
}

// valuesAndSeries returns a line for each point that has a value, with all that it
// says but for its times, and the series of each that says that it has none. It adds
// to series those that have a value and can end.
func valuesAndSeries(metrics pmetric.Metrics, series map[string]bool) (lines, ended []string) {
	for _, rm := range metrics.ResourceMetrics().All() {
		for _, m := range rm.ScopeMetrics().At(0).Metrics().All() {
			for _, point := range pointsOf(m).All() {
				name := fmt.Sprint(rm.SchemaUrl(), reporttest.Attributes(rm.Resource().Attributes().AsRaw()), m.Name(), m.Unit(), m.Description(), m.Type(),
					reporttest.Attributes(point.Attributes().AsRaw()))
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

// Whatever metadata.yaml has is reported: each metric is one of metricsOf, and each of its
// attributes has a value.
func TestEveryMetricIsReported(t *testing.T) {
	config := metadata.NewDefaultMetricsBuilderConfig()
	enabled := reflect.ValueOf(&config.Metrics).Elem()
	for i := range enabled.NumField() {
		m := enabled.Field(i)
		m.FieldByName("Enabled").SetBool(true)
		keys, attributes := m.FieldByName("EnabledAttributes"), attributesOf(enabled.Type().Field(i).Name)
		keys.SetZero()
		for k := range attributes.Len() {
			keys.Set(reflect.Append(keys, attributes.Index(k).Convert(keys.Type().Elem())))
		}
	}
	target := check.Target{Host: "h", Port: 1, TLS: &check.TLS{}, Labels: check.Labels{Name: "a"}}
	file := FileTarget("f")
	reported := make(map[string]*metric)
	metrics := metricsOf(&config.Metrics)
	for i := range metrics {
		reported[metrics[i].name] = &metrics[i]
	}
	templates := newTemplates(receivertest.NewNopSettings(metadata.Type), config, metrics)
	made := make(map[string]bool)
	for _, m := range templates.of(&target).metrics.ScopeMetrics().At(0).Metrics().All() {
		made[m.Name()] = true
	}
	described := reflect.ValueOf(metadata.MetricsInfo)
	for i := range described.NumField() {
		name := described.Field(i).FieldByName("Name").String()
		assert.True(t, made[name], "%s has no template", name)
		m := reported[name]
		if !assert.NotNil(t, m, "%s is not one of metricsOf", name) {
			continue
		}
		m.receiver = "tcpcheck"
		shown := m.shown(&check.Certificate{Subject: "CN=a", Issuer: "CN=b", SerialNumber: "01", Version: tls.VersionTLS13, CipherSuite: tls.TLS_AES_128_GCM_SHA256})
		point := pcommon.NewMap()
		m.put(point, &target, identity{check.IPv6, check.Peer, check.Translated{192, 0, 2, 1}, "64:ff9b::c000:201", check.Timeout, shown})
		ofFile := pcommon.NewMap()
		m.put(ofFile, file, identity{certificate: shown})
		attributes := attributesOf(described.Type().Field(i).Name)
		for k := range attributes.Len() {
			_, has := point.Get(attributes.Index(k).String())
			_, hasFile := ofFile.Get(attributes.Index(k).String())
			assert.True(t, has || hasFile, "%s: %s has no value", name, attributes.Index(k))
		}
	}
}
