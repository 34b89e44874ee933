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
	// Enable has the attributes of the metric, and service.name of the resource, that are
	// not enabled and would tell the two apart. It is empty if nothing would.
	Enable []string
}

// Clashes returns a Clash for each target that an earlier one clashes with, judged by what
// is emitted: by the attributes that are enabled and their values, the tags and the
// resource, in the metrics that the user wants of both.
func Clashes(config metadata.MetricsBuilderConfig, targets []*check.Target) []Clash {
	metrics := metricsOf(&config.Metrics)
	if len(metrics) > 64 {
		panic("a set of metrics has 64 bits")
	}
	var clashes []Clash
	clashed := make([]bool, len(targets))
	for i := range metrics {
		if slices.ContainsFunc(metrics[:i], metrics[i].identifiesLike) {
			continue // it was looked at together with that one
		}
		seen := make(map[string][]identity, len(targets))
		for second, t := range targets {
			mine := identity{target: second, families: familiesOf(t)}
			for k := i; k < len(metrics); k++ {
				if metrics[k].identifiesLike(metrics[i]) && metrics[k].wanted(&t.Labels) {
					mine.metrics |= 1 << k
				}
			}
			key := metrics[i].identify(&config.ResourceAttributes, t)
			for _, other := range seen[key] {
				both := mine.metrics & other.metrics
				if both == 0 || metrics[i].shows.family && mine.families&other.families == 0 || clashed[second] {
					continue
				}
				k := 0
				for both&(1<<k) == 0 {
					k++
				}
				clashed[second] = true
				clashes = append(clashes, Clash{
					First: other.target, Second: second, Metric: metrics[k].name, Enable: metrics[k].wouldTell(&config, targets[other.target], t),
				})
			}
			seen[key] = append(seen[key], mine)
		}
	}
	return clashes
}

// identity is what else, besides its key, tells the points of a target from those of
// others.
type identity struct {
	target   int
	metrics  uint64 // those that are wanted, as a set
	families uint8  // those of which there may be a point, as a set
}

// familiesOf returns the set of the families of which a target may have a point.
func familiesOf(t *check.Target) (set uint8) {
	for i, family := range check.Families {
		if len(t.Families) == 0 || slices.Contains(t.Families, family) {
			set |= 1 << i
		}
	}
	return set
}

// identifiesLike reports whether another metric has the same attributes of a target.
func (m *metric) identifiesLike(other metric) bool {
	return m.shows.family == other.shows.family && (m.normalize == nil) == (other.normalize == nil) && slices.Equal(m.identifying(), other.identifying())
}

// identifying returns the attributes whose values are the target's own, sorted.
func (m *metric) identifying() []string {
	var names []string
	for _, name := range m.attributes {
		if text, number := m.attribute(name, &check.Target{Host: "h", Port: 1, Labels: check.Labels{Name: "n"}}, labels{}); text != "" || number != 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// identify returns what the points of a target have in common that is its own.
func (m *metric) identify(resource *metadata.ResourceAttributesConfig, t *check.Target) string {
	var key strings.Builder
	add := func(text string) {
		key.WriteString(text)
		key.WriteByte(0)
	}
	if resource.ServiceName.Enabled {
		add(t.Labels.Service)
	}
	if resource.DatadogHostName.Enabled && t.Labels.EmptyHostname {
		add("without a host")
	}
	for _, name := range m.attributes {
		text, number := m.attribute(name, t, labels{})
		add(text)
		add(strconv.FormatInt(number, 10))
	}
	tags := slices.SortedFunc(slices.Values(t.Labels.Tags), func(a, b check.Tag) int { return strings.Compare(a.Key, b.Key) })
	for _, tag := range tags {
		add(tag.Key)
		add(tag.Value)
	}
	return key.String()
}

// wouldTell returns the attributes that are not enabled and would tell two targets apart.
func (m *metric) wouldTell(config *metadata.MetricsBuilderConfig, a, b *check.Target) []string {
	var names []string
	for _, name := range []string{"tcpcheck.instance", "server.address", "server.port"} {
		textA, numberA := m.attribute(name, a, labels{})
		textB, numberB := m.attribute(name, b, labels{})
		if !m.has(name) && (textA != textB || numberA != numberB) {
			names = append(names, name)
		}
	}
	if !m.has("network.type") && familiesOf(a)&familiesOf(b) == 0 {
		names = append(names, "network.type")
	}
	if !config.ResourceAttributes.ServiceName.Enabled && a.Labels.Service != b.Labels.Service {
		names = append(names, "service.name")
	}
	return names
}
