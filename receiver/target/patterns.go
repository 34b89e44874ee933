package target

import "regexp"

// Patterns select metrics by name, as the Datadog Agent's metric_patterns do:
// a pattern matches anywhere in the name unless it is anchored. The zero value
// selects every metric.
type Patterns struct {
	Include []*regexp.Regexp // empty: every metric
	Exclude []*regexp.Regexp // wins over Include
}

// Match reports whether the metric of this name is selected.
func (p Patterns) Match(name string) bool {
	return !matchAny(p.Exclude, name) && (len(p.Include) == 0 || matchAny(p.Include, name))
}

func matchAny(patterns []*regexp.Regexp, name string) bool {
	for _, pattern := range patterns {
		if pattern.MatchString(name) {
			return true
		}
	}
	return false
}
