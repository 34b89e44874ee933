package scrape

import (
	"slices"
	"strconv"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"example.com/tcpcheckreceiver/internal/metadata"
	"example.com/tcpcheckreceiver/receiver/probe"
	"example.com/tcpcheckreceiver/receiver/target"
)

// metric is one metric as the user wants it.
type metric struct {
	name       string
	integer    bool // or a double
	strategy   string
	attributes []attribute
	// record gives emit each value of one target, and what it was measured of.
	record func(r *recorder, i int, outcome *probe.Outcome, emit func(sample, float64))
	units  []unit
	// ends says that a series without a value has ended. The others keep their
	// last one: what was counted so far, and how long the last resolution took.
	ends bool
	// perFamily says that a target has one value of each family at most.
	perFamily bool
	// merges says that the points of a unit can be equal but for their values,
	// since the user took away the attributes that would tell them apart.
	merges bool
}

// unit is the targets whose points of a metric can be equal but for their values.
// They have the same tags and resource. With the attributes that identify a target,
// each target is a unit.
type unit struct {
	targets []int // indices
	// reported are the series that had a value at the last collection, if the
	// metric's series end: by sample, or by the key of a metric that merges.
	reported []reported
	merged   map[string]*merged
}

// reported is a sample that had a value, and whether it has one now.
type reported struct {
	sample
	current bool
}

// sample is what a value was measured of.
type sample struct {
	target    *target.Target
	family    target.Family
	address   string // empty if none is known
	errorType probe.ErrorType
}

// attribute is an attribute of a metric: the port of the target, or a text.
type attribute struct {
	name string
	port bool
	text func(*sample) string
}

// enabledMetrics returns the metrics that config enables, for targets.
func enabledMetrics(c *metadata.MetricsConfig, targets []target.Target) []metric {
	var metrics []metric
	add := func(enabled bool, m metric) {
		if enabled {
			m.divide(targets)
			metrics = append(metrics, m)
		}
	}
	info := metadata.MetricsInfo
	add(c.NetworkTCPCanConnect.Enabled, metric{
		name: info.NetworkTCPCanConnect.Name, integer: true, ends: true, record: recordCanConnect,
		strategy: c.NetworkTCPCanConnect.AggregationStrategy, attributes: attributesOf(c.NetworkTCPCanConnect.EnabledAttributes, normalizeTag),
	})
	add(c.TcpcheckErrors.Enabled, metric{
		name: info.TcpcheckErrors.Name, integer: true, record: recordErrors,
		strategy: c.TcpcheckErrors.AggregationStrategy, attributes: attributesOf(c.TcpcheckErrors.EnabledAttributes, nil),
	})
	add(c.TcpcheckDNSLookupDuration.Enabled, metric{
		name: info.TcpcheckDNSLookupDuration.Name, perFamily: true, record: recordResolveTime,
		strategy: c.TcpcheckDNSLookupDuration.AggregationStrategy, attributes: attributesOf(c.TcpcheckDNSLookupDuration.EnabledAttributes, nil),
	})
	add(c.NetworkTCPResponseTime.Enabled, metric{
		name: info.NetworkTCPResponseTime.Name, ends: true, record: recordResponseTime,
		strategy: c.NetworkTCPResponseTime.AggregationStrategy, attributes: attributesOf(c.NetworkTCPResponseTime.EnabledAttributes, nil),
	})
	add(c.TcpcheckSynRetransmits.Enabled, metric{
		name: info.TcpcheckSynRetransmits.Name, integer: true, ends: true, record: recordSYNRetransmits,
		strategy: c.TcpcheckSynRetransmits.AggregationStrategy, attributes: attributesOf(c.TcpcheckSynRetransmits.EnabledAttributes, nil),
	})
	add(c.TcpcheckFamilyOmitted.Enabled, metric{
		name: info.TcpcheckFamilyOmitted.Name, integer: true, ends: true, perFamily: true, record: recordFamilyOmitted,
		strategy: c.TcpcheckFamilyOmitted.AggregationStrategy, attributes: attributesOf(c.TcpcheckFamilyOmitted.EnabledAttributes, nil),
	})
	return metrics
}

// attributesOf returns the attributes of these names. The text of instance is the
// target's name, put through normalize unless that is nil.
func attributesOf[K ~string](keys []K, normalize func(string) string) []attribute {
	attributes := make([]attribute, len(keys))
	for i, key := range keys {
		attributes[i] = attribute{name: string(key), port: ports[string(key)], text: texts[string(key)]}
		if key == "instance" && normalize != nil {
			attributes[i].text = func(s *sample) string { return normalize(s.target.Name) }
		}
	}
	return attributes
}

// ports are the attributes that are the port of the target.
var ports = map[string]bool{"server.port": true, "port": true}

// texts are what the other attributes say.
var texts = map[string]func(*sample) string{
	"tcpcheck.instance":    func(s *sample) string { return s.target.Name },
	"instance":             func(s *sample) string { return s.target.Name },
	"server.address":       func(s *sample) string { return s.target.Host },
	"target_host":          func(s *sample) string { return s.target.Host },
	"url":                  func(s *sample) string { return s.target.HostPort() },
	"network.type":         func(s *sample) string { return s.family.String() },
	"network.peer.address": func(s *sample) string { return s.address },
	"address":              func(s *sample) string { return s.address },
	"error.type":           func(s *sample) string { return string(s.errorType) },
}

// put puts the attributes of a sample onto a point, without those that have no
// value, and the tags of its target.
func (m *metric) put(attributes pcommon.Map, s *sample) {
	attributes.EnsureCapacity(len(m.attributes) + len(s.target.Tags))
	for i := range m.attributes {
		a := &m.attributes[i]
		if a.port {
			attributes.PutInt(a.name, int64(s.target.Port))
		} else if text := a.text(s); text != "" {
			attributes.PutStr(a.name, text)
		}
	}
	for _, tag := range s.target.Tags {
		attributes.PutStr(tag.Key, tag.Value)
	}
}

// key joins the attributes of a sample. Those that are equal are of one series, if
// tags and resource are, too.
func (m *metric) key(s *sample) string {
	parts := make([]string, len(m.attributes))
	for i := range m.attributes {
		if a := &m.attributes[i]; a.port {
			parts[i] = strconv.Itoa(int(s.target.Port))
		} else {
			parts[i] = a.text(s)
		}
	}
	return strings.Join(parts, "\x00")
}

// divide sets the units, and whether they merge points.
func (m *metric) divide(targets []target.Target) {
	index := make(map[string]int)
	for i := range targets {
		t := &targets[i]
		parts := []string{m.key(&sample{target: t}), t.Service, strconv.FormatBool(t.EmptyHostname)}
		for _, tag := range t.Tags {
			parts = append(parts, tag.Key, tag.Value)
		}
		key := strings.Join(parts, "\x00")
		u, ok := index[key]
		if !ok {
			u = len(m.units)
			index[key] = u
			m.units = append(m.units, unit{})
		}
		m.units[u].targets = append(m.units[u].targets, i)
	}
	has := func(name string) bool {
		return slices.ContainsFunc(m.attributes, func(a attribute) bool { return a.name == name })
	}
	perTarget := has("network.type") && (has("network.peer.address") || has("address") || has("error.type") || m.perFamily)
	m.merges = !perTarget || len(m.units) < len(targets)
}

// merge returns the value of a point that n equal ones, of which the value so far
// is known, become with one more. An average is a sum until all are there.
func (m *metric) merge(sofar, value float64) float64 {
	switch m.strategy {
	case metadata.AggregationStrategyMin:
		return min(sofar, value)
	case metadata.AggregationStrategyMax:
		return max(sofar, value)
	}
	return sofar + value
}
