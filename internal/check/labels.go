package check

import (
	"regexp"
	"slices"
)

// Labels say how the reports on a target are labelled, and which of them its user
// wants.
type Labels struct {
	// Name is the instance's name. Names need not be unique.
	Name string
	// Tags go onto every point.
	Tags []Tag
	// Service becomes service.name of the resource, unless empty.
	Service string
	// EmptyHostname makes the Datadog exporter send the points without a host.
	EmptyHostname bool
	// CollectResponseTime reports how long the handshake took.
	CollectResponseTime bool
	// Metrics selects the metrics by name. The zero value selects all.
	Metrics Patterns
}

// Tag is an attribute that the user puts on every point of a target.
type Tag struct {
	Key, Value string // both not empty
}

// Patterns select metrics by name, as the Datadog Agent's metric_patterns do:
// a pattern matches anywhere in the name unless it is anchored. The zero value
// selects every metric.
type Patterns struct {
	Include []*regexp.Regexp // empty: every metric
	Exclude []*regexp.Regexp // wins over Include
}

// Match reports whether the metric of this name is selected.
func (p Patterns) Match(name string) bool {
	matches := func(pattern *regexp.Regexp) bool { return pattern.MatchString(name) }
	return !slices.ContainsFunc(p.Exclude, matches) && (len(p.Include) == 0 || slices.ContainsFunc(p.Include, matches))
}
