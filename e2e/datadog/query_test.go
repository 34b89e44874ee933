package datadog

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// query is a query of metrics, as monitors and dashboards have them: how the
// series of a group become one, of which metric, and what makes a group.
type query struct {
	aggregator string
	metric     string
	scope      []string // tags, or *
	by         []string // keys of tags
}

var queryPattern = regexp.MustCompile(`^(avg|min|max|sum):([a-z_.]+)\{([^{}]+)\}(?: by \{([^{}]+)\})?(?:\.as_count\(\))?$`)

// parseQuery returns the query of a text.
func parseQuery(t *testing.T, text string) query {
	t.Helper()
	parts := queryPattern.FindStringSubmatch(text)
	require.NotNil(t, parts, "%q is no query that is known here", text)
	q := query{aggregator: parts[1], metric: parts[2], scope: strings.Split(parts[3], ",")}
	if parts[4] != "" {
		q.by = strings.Split(parts[4], ",")
	}
	return q
}

// keys returns the keys of all tags that the query names.
func (q query) keys() []string {
	found := slices.Clone(q.by)
	for _, tag := range q.scope {
		if key, _, ok := strings.Cut(tag, ":"); ok {
			found = append(found, key)
		}
	}
	return found
}

// evaluate returns the values over time of each group, of the points that arrived.
// A group's name is the values of its tags, with a comma between.
func (q query) evaluate(points []point) map[string][]float64 {
	aggregate := aggregators[q.aggregator]
	atTimes := make(map[string]map[int64][]float64)
	for _, p := range points {
		group, ok := q.group(p)
		if !ok {
			continue
		}
		if atTimes[group] == nil {
			atTimes[group] = make(map[int64][]float64)
		}
		atTimes[group][p.seconds] = append(atTimes[group][p.seconds], p.value)
	}
	overTime := make(map[string][]float64)
	for group, at := range atTimes {
		for _, seconds := range slices.Sorted(maps.Keys(at)) {
			overTime[group] = append(overTime[group], aggregate(at[seconds]))
		}
	}
	return overTime
}

// group returns the group that a point belongs to, if it is the query's at all.
func (q query) group(p point) (string, bool) {
	var name []string
	for _, key := range q.by {
		name = append(name, p.tags[key])
	}
	for _, tag := range q.scope {
		key, value, ok := strings.Cut(tag, ":")
		if ok && p.tags[key] != value {
			return "", false
		}
	}
	return strings.Join(name, ","), p.metric == q.metric && !slices.Contains(name, "")
}

var aggregators = map[string]func([]float64) float64{
	"min": slices.Min[[]float64],
	"max": slices.Max[[]float64],
	"sum": sum,
	"avg": func(values []float64) float64 { return sum(values) / float64(len(values)) },
}

func sum(values []float64) float64 {
	total := 0.0
	for _, value := range values {
		total += value
	}
	return total
}
