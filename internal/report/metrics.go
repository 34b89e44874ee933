package report

import (
	"slices"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/metadata"
)

// metric is one metric as the user wants it.
type metric struct {
	name       string
	enabled    bool
	strategy   string
	attributes []string
	// shows says what of an identity an attribute tells.
	shows struct{ family, address, translated, errorType, errorSource bool }
	// certificate has those of the attributes that are of certificates.
	certificate []certificateAttribute
	receiver    string // its ID
	// normalize is what becomes of the attribute instance.
	normalize func(string) string
	integer   bool // or a double
	// staleWhenGone says that a series without a value is gone. The others keep their last one:
	// what was counted so far, and how long the last resolution took.
	staleWhenGone bool
	// dials says that the values are of the addresses that are dialled.
	dials bool
	// session says that the values are of what goes on over a connection. Those metrics come last.
	session bool
	// machine says that the values are of the machine, and not of a target.
	machine bool
	// possible reports whether a target can have a value; nil means that each can.
	possible func(*check.Target) bool
	// emit gives w the values that a report on a target has.
	emit func(w *writer, s *Series, r *check.Report)
	// template makes a point of any value, of which the builder makes the metric.
	template func(b *metadata.MetricsBuilder)
}

// metricsOf returns those metrics that are enabled. To add one, describe it here.
func metricsOf(c *metadata.MetricsConfig) []metric {
	info, now := metadata.MetricsInfo, pcommon.Timestamp(1)
	collected := func(t *check.Target) bool { return t.Labels.CollectResponseTime }
	isName := func(t *check.Target) bool { _, literal := t.Literal(); return !literal }
	isAutomatic := func(t *check.Target) bool { return isName(t) && len(t.Families) == 0 }
	// A target without TLS has none of its metrics, so that it cannot clash with another one in them.
	hasTLS := func(t *check.Target) bool { return t.TLS != nil }
	hasDialog := func(t *check.Target) bool { return t.Dialog != nil }
	all := []metric{
		{
			name: info.NetworkTCPCanConnect.Name, enabled: c.NetworkTCPCanConnect.Enabled, strategy: c.NetworkTCPCanConnect.AggregationStrategy,
			attributes: names(c.NetworkTCPCanConnect.EnabledAttributes), integer: true, staleWhenGone: true, dials: true, emit: emitCanConnect, normalize: normalizeTag,
			template: func(b *metadata.MetricsBuilder) {
				b.RecordNetworkTCPCanConnectDataPoint(now, 0, "", "", 0, 0, "", "", "", 0, "", "")
			},
		},
		{
			name: info.NetworkTCPResponseTime.Name, enabled: c.NetworkTCPResponseTime.Enabled, strategy: c.NetworkTCPResponseTime.AggregationStrategy,
			attributes: names(c.NetworkTCPResponseTime.EnabledAttributes), staleWhenGone: true, dials: true, emit: emitResponseTime, possible: collected,
			template: func(b *metadata.MetricsBuilder) {
				b.RecordNetworkTCPResponseTimeDataPoint(now, 0, "", "", 0, 0, "", "", "", "", "")
			},
		},
		{
			name: info.TcpcheckChecks.Name, enabled: c.TcpcheckChecks.Enabled, strategy: c.TcpcheckChecks.AggregationStrategy,
			attributes: names(c.TcpcheckChecks.EnabledAttributes), integer: true, emit: emitChecks,
			template: func(b *metadata.MetricsBuilder) { b.RecordTcpcheckChecksDataPoint(now, 0, "", "", 0, 0) },
		},
		{
			name: info.TcpcheckDNSLookupDuration.Name, enabled: c.TcpcheckDNSLookupDuration.Enabled, strategy: c.TcpcheckDNSLookupDuration.AggregationStrategy,
			attributes: names(c.TcpcheckDNSLookupDuration.EnabledAttributes), emit: emitLookupDuration, possible: isName,
			template: func(b *metadata.MetricsBuilder) { b.RecordTcpcheckDNSLookupDurationDataPoint(now, 0, "", "", 0, 0) },
		},
		{
			name: info.TcpcheckErrors.Name, enabled: c.TcpcheckErrors.Enabled, strategy: c.TcpcheckErrors.AggregationStrategy,
			attributes: names(c.TcpcheckErrors.EnabledAttributes), integer: true, emit: emitErrors,
			template: func(b *metadata.MetricsBuilder) { b.RecordTcpcheckErrorsDataPoint(now, 0, "", "", 0, 0, 0, 0) },
		},
		{
			name: info.TcpcheckFamilyOmitted.Name, enabled: c.TcpcheckFamilyOmitted.Enabled, strategy: c.TcpcheckFamilyOmitted.AggregationStrategy,
			attributes: names(c.TcpcheckFamilyOmitted.EnabledAttributes), integer: true, staleWhenGone: true, emit: emitFamilyOmitted, possible: isAutomatic,
			template: func(b *metadata.MetricsBuilder) { b.RecordTcpcheckFamilyOmittedDataPoint(now, 0, "", "", 0, 0) },
		},
		{
			name: info.TcpcheckMachineOutage.Name, enabled: c.TcpcheckMachineOutage.Enabled, strategy: c.TcpcheckMachineOutage.AggregationStrategy,
			attributes: names(c.TcpcheckMachineOutage.EnabledAttributes), integer: true, staleWhenGone: true, emit: emitMachineOutage, machine: true,
			template: func(b *metadata.MetricsBuilder) { b.RecordTcpcheckMachineOutageDataPoint(now, 0, 0, "") },
		},
		{
			name: info.TcpcheckSynRetransmits.Name, enabled: c.TcpcheckSynRetransmits.Enabled, strategy: c.TcpcheckSynRetransmits.AggregationStrategy,
			attributes: names(c.TcpcheckSynRetransmits.EnabledAttributes), integer: true, staleWhenGone: true, dials: true, emit: emitSYNRetransmits,
			template: func(b *metadata.MetricsBuilder) { b.RecordTcpcheckSynRetransmitsDataPoint(now, 0, "", "", 0, 0, "") },
		},
		{
			name: info.TcpcheckDialogDuration.Name, enabled: c.TcpcheckDialogDuration.Enabled, strategy: c.TcpcheckDialogDuration.AggregationStrategy,
			attributes: names(c.TcpcheckDialogDuration.EnabledAttributes), staleWhenGone: true, dials: true, session: true, possible: hasDialog, emit: emitDialogDuration,
			template: func(b *metadata.MetricsBuilder) { b.RecordTcpcheckDialogDurationDataPoint(now, 0, "", "", 0, 0, "") },
		},
		{
			name: info.TcpcheckDialogOk.Name, enabled: c.TcpcheckDialogOk.Enabled, strategy: c.TcpcheckDialogOk.AggregationStrategy,
			attributes: names(c.TcpcheckDialogOk.EnabledAttributes), integer: true, staleWhenGone: true, dials: true, session: true, possible: hasDialog, emit: emitDialogOK,
			template: func(b *metadata.MetricsBuilder) { b.RecordTcpcheckDialogOkDataPoint(now, 0, "", "", 0, 0, "") },
		},
		{
			name: info.TcpcheckTLSCertificateTimeLeft.Name, enabled: c.TcpcheckTLSCertificateTimeLeft.Enabled, strategy: c.TcpcheckTLSCertificateTimeLeft.AggregationStrategy,
			attributes: names(c.TcpcheckTLSCertificateTimeLeft.EnabledAttributes), staleWhenGone: true, dials: true, session: true, possible: hasTLS, emit: emitTimeLeft,
			template: func(b *metadata.MetricsBuilder) {
				b.RecordTcpcheckTLSCertificateTimeLeftDataPoint(now, 0, "", "", 0, "", 0, "", "", "", "", "", "", "", false)
			},
		},
		{
			name: info.TcpcheckTLSCertificateChainTimeLeft.Name, enabled: c.TcpcheckTLSCertificateChainTimeLeft.Enabled, strategy: c.TcpcheckTLSCertificateChainTimeLeft.AggregationStrategy,
			attributes: names(c.TcpcheckTLSCertificateChainTimeLeft.EnabledAttributes), staleWhenGone: true, dials: true, session: true, possible: hasTLS, emit: emitChainTimeLeft,
			template: func(b *metadata.MetricsBuilder) {
				b.RecordTcpcheckTLSCertificateChainTimeLeftDataPoint(now, 0, "", "", 0, "", 0, "", "", "", "", "")
			},
		},
		{
			name: info.TcpcheckTLSCertificates.Name, enabled: c.TcpcheckTLSCertificates.Enabled, strategy: c.TcpcheckTLSCertificates.AggregationStrategy,
			attributes: names(c.TcpcheckTLSCertificates.EnabledAttributes), integer: true, staleWhenGone: true, session: true, possible: hasTLS, emit: emitCertificates,
			template: func(b *metadata.MetricsBuilder) { b.RecordTcpcheckTLSCertificatesDataPoint(now, 0, "", "", 0) },
		},
		{
			name: info.TcpcheckTLSHandshakeDuration.Name, enabled: c.TcpcheckTLSHandshakeDuration.Enabled, strategy: c.TcpcheckTLSHandshakeDuration.AggregationStrategy,
			attributes: names(c.TcpcheckTLSHandshakeDuration.EnabledAttributes), staleWhenGone: true, dials: true, session: true, possible: hasTLS, emit: emitHandshakeDuration,
			template: func(b *metadata.MetricsBuilder) {
				b.RecordTcpcheckTLSHandshakeDurationDataPoint(now, 0, "", "", 0, 0, "", "", "")
			},
		},
		{
			name: info.TcpcheckTLSVerified.Name, enabled: c.TcpcheckTLSVerified.Enabled, strategy: c.TcpcheckTLSVerified.AggregationStrategy,
			attributes: names(c.TcpcheckTLSVerified.EnabledAttributes), integer: true, staleWhenGone: true, dials: true, session: true, possible: hasTLS, emit: emitVerified,
			template: func(b *metadata.MetricsBuilder) { b.RecordTcpcheckTLSVerifiedDataPoint(now, 0, "", "", 0, 0, "") },
		},
	}
	for i := range all {
		m := &all[i]
		m.shows.family, m.shows.errorType = m.has("network.type"), m.has("error.type")
		m.shows.errorSource = m.has("tcpcheck.error.source")
		m.shows.address = m.has("network.peer.address") || m.has("address")
		m.shows.translated = m.has("tcpcheck.nat64.address")
		m.certificate = certificateAttributes(m.attributes)
	}
	return slices.DeleteFunc(all, func(m metric) bool { return !m.enabled })
}

// names returns keys as text.
func names[K ~string](keys []K) []string {
	names := make([]string, len(keys))
	for i, key := range keys {
		names[i] = string(key)
	}
	return names
}

// wanted reports whether the user wants the metric of a target that is so labelled.
func (m *metric) wanted(l *check.Labels) bool { return l.Metrics.Match(m.name) }

// identity is what tells the values of a target apart that are of one metric.
type identity struct {
	family      check.Family
	source      check.ErrorSource
	translated  check.Translated // of the address
	address     string           // empty if none is known
	errorType   check.ErrorType
	certificate shownCertificate
}

// put puts the attributes of a point of a target onto it, without those that have no
// value, and then the target's tags.
func (m *metric) put(attributes pcommon.Map, t *check.Target, id identity) {
	attributes.EnsureCapacity(len(m.attributes) + len(t.Labels.Tags))
	for _, name := range m.attributes {
		if text, number := m.attribute(name, t, id); number != 0 {
			attributes.PutInt(name, number)
		} else if text != "" {
			attributes.PutStr(name, text)
		}
	}
	if id.certificate != (shownCertificate{}) {
		m.putCertificate(attributes, t, id.certificate.Value())
	}
	for _, tag := range t.Labels.Tags {
		attributes.PutStr(tag.Key, tag.Value)
	}
}

// attribute returns the value of an attribute: a text, or a number that is not 0. It has none of those of
// certificates.
func (m *metric) attribute(name string, t *check.Target, id identity) (text string, number int64) {
	switch name {
	case "tcpcheck.instance":
		text = t.Labels.Name
	case "instance":
		text = t.Labels.Name
		if m.normalize != nil {
			text = m.normalize(text)
		}
	case "server.address", "target_host":
		text = t.Host
	case "server.port", "port":
		number = int64(t.Port)
	case "url":
		text = t.HostPort()
	case "network.type":
		text = id.family.String()
	case "network.peer.address", "address":
		text = id.address
	case "error.type":
		text = string(id.errorType)
	case pathOfFile:
		text = t.File()
	case "tcpcheck.receiver":
		text = m.receiver
	case "tcpcheck.error.source":
		text = id.source.String()
	case "tcpcheck.nat64.address":
		text = id.translated.String()
	}
	return text, number
}

// visible returns an identity without what no attribute shows.
func (m *metric) visible(id identity) identity {
	if !m.shows.family {
		id.family = 0
	}
	if !m.shows.address {
		id.address = ""
	}
	if !m.shows.translated {
		id.translated = check.Translated{}
	}
	if !m.shows.errorType {
		id.errorType = ""
	}
	if !m.shows.errorSource {
		id.source = 0
	}
	return id
}

func (m *metric) has(attribute string) bool { return slices.Contains(m.attributes, attribute) }

// aggregate returns the value of a point that stands for others, of which the value so
// far is known, with one more. An average is a sum until all are there.
func (m *metric) aggregate(sofar, value float64) float64 {
	switch m.strategy {
	case metadata.AggregationStrategyMin:
		return min(sofar, value)
	case metadata.AggregationStrategyMax:
		return max(sofar, value)
	}
	return sofar + value
}
