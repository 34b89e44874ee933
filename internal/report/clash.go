package report

import (
	"slices"
	"strconv"
	"strings"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/metadata"
)

// Clash is two targets of which a metric would have the same series, so that nobody could
// tell whose a point is.
type Clash struct {
	First, Second int // of the targets, in their order
	Metric        string
	// Enable has the attributes, of the metric or the resource, that are not enabled and
	// would tell the two apart. It is empty if nothing would.
	Enable []string
}

// Clashes returns a Clash for each target that an earlier one clashes with, judged by what
// is emitted: by the attributes that are enabled and their values, the tags and the
// resource, in the metrics that the user wants of both.
func Clashes(config *metadata.MetricsBuilderConfig, targets []*check.Target) []Clash {
	var clashes []Clash
	clashed := make([]bool, len(targets))
	keys := make(map[check.Key]int, len(targets))
	for _, t := range targets {
		keys[t.Key()]++
	}
	for _, m := range ofTargets(config) {
		owner := make(map[string]int)
		for i, t := range targets {
			if m.showsKey() && keys[t.Key()] == 1 {
				continue // which is most of them
			}
			if !m.wanted(&t.Labels) || m.possible != nil && !m.possible(t) {
				continue
			}
			for _, family := range m.families(t) {
				key := m.identify(&config.ResourceAttributes, t, family)
				first, taken := owner[key]
				switch {
				case !taken:
					owner[key] = i
				case first != i && !clashed[i]:
					clashed[i] = true
					clashes = append(clashes, Clash{first, i, m.name, m.missing(config, targets[first], t)})
				}
			}
		}
	}
	return clashes
}

// ShowKeys reports whether the targets of a Clash have one key in any case: every metric tells
// those with different ones apart.
func ShowKeys(config *metadata.MetricsBuilderConfig) bool {
	return !slices.ContainsFunc(ofTargets(config), func(m metric) bool { return !m.showsKey() })
}

// ofTargets returns the metrics of targets that are enabled.
func ofTargets(config *metadata.MetricsBuilderConfig) []metric {
	return slices.DeleteFunc(metricsOf(&config.Metrics), func(m metric) bool { return m.machine })
}

// showsKey reports whether the points of two targets with different keys differ in their attributes.
func (m *metric) showsKey() bool {
	return m.has("tcpcheck.instance") && m.has("server.address") && m.has("server.port")
}

// families returns the families by which the points of a target can be told apart.
func (m *metric) families(t *check.Target) []check.Family {
	if literal, ok := t.Literal(); ok {
		return []check.Family{check.FamilyOf(literal)}
	}
	if m.shows.family && len(t.Families) > 0 {
		return t.Families
	}
	return check.Families
}

// identify returns what the points of a target over a family have in common. A target
// without a host (EmptyHostname) is not told from another one by that alone: a page of
// the Prometheus exporter does not show it.
func (m *metric) identify(resource *metadata.ResourceAttributesConfig, t *check.Target, family check.Family) string {
	var key strings.Builder
	add := func(part string) {
		key.WriteString(part)
		key.WriteByte(0)
	}
	if resource.ServiceName.Enabled {
		add(t.Labels.Service)
	}
	for _, name := range m.attributes {
		add(m.text(name, t, family))
	}
	tags, byKey := t.Labels.Tags, func(a, b check.Tag) int { return strings.Compare(a.Key, b.Key) }
	if !slices.IsSortedFunc(tags, byKey) {
		tags = slices.SortedFunc(slices.Values(tags), byKey)
	}
	for _, tag := range tags {
		add(tag.Key)
		add(tag.Value)
	}
	return key.String()
}

// text returns the value of an attribute as text. Of the addresses, only that of a literal
// is known.
func (m *metric) text(name string, t *check.Target, family check.Family) string {
	id := identity{family: family}
	if literal, ok := t.Literal(); ok && m.dials {
		id.address = literal.String()
	}
	text, number := m.attribute(name, t, id)
	if number != 0 {
		return strconv.FormatInt(number, 10)
	}
	return text
}

// missing returns the attributes that are not enabled and would tell two targets apart.
func (m *metric) missing(config *metadata.MetricsBuilderConfig, a, b *check.Target) []string {
	var names []string
	for _, name := range []string{"tcpcheck.instance", "server.address", "server.port"} {
		if !m.has(name) && m.text(name, a, 0) != m.text(name, b, 0) {
			names = append(names, name)
		}
	}
	if !m.shows.family && len(a.Families) == 1 && len(b.Families) == 1 && a.Families[0] != b.Families[0] {
		names = append(names, "network.type")
	}
	if !config.ResourceAttributes.ServiceName.Enabled && a.Labels.Service != b.Labels.Service {
		names = append(names, "service.name of the resource")
	}
	return names
}
