package source

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	httpsd "github.com/prometheus/prometheus/discovery/http"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	"github.com/stretchr/testify/require"
)

// textOf returns groups of one target each, as a server by HTTP gives them.
func textOf(from, n int) []byte {
	var text strings.Builder
	for i := range n {
		i += from // as many are gone from the front, and new at the end
		fmt.Fprintf(&text, `,{"targets":["10.%d.%d.%d:443"],"labels":{"team":"payments","site":"eu-1","rack":"r%d","name":"web-%d"}}`, i>>16, i>>8&255, i&255, i%40, i)
	}
	return []byte("[" + text.String()[1:] + "]")
}

// groupsOf returns these groups, decoded.
func groupsOf(tb testing.TB, from, n int) []*targetgroup.Group {
	var groups []*targetgroup.Group
	require.NoError(tb, json.Unmarshal(textOf(from, n), &groups))
	for i, group := range groups {
		group.Source = fmt.Sprint(i)
	}
	return groups
}

// BenchmarkFound is what an answer of 10,000 targets takes once it is decoded, by whether
// it is new, has no change, or has a hundredth of others and all of them at other places.
func BenchmarkFound(b *testing.B) {
	const n = 10_000
	first, shifted := groupsOf(b, 0, n), groupsOf(b, n/100, n)
	options, err := load(b, "scrape_configs: [{job_name: j, static_configs: [{targets: [h]}]}]")
	require.NoError(b, err)
	for name, second := range map[string][]*targetgroup.Group{"new": nil, "same": first, "shifted": shifted} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				w := newWatcher(options, []string{"url"})
				apply := func(groups []*targetgroup.Group) {
					w.observe(&event{found: w.found[0], by: w.found[0].by[0], groups: options.jobs[0].groups(groups)}, time.Now())
					w.update(time.Now())
					now := w.current()
					require.Len(b, now.ToCheck(now.Check([]string{"url"})).Targets, n)
				}
				if second == nil {
					apply(first)
					continue
				}
				b.StopTimer()
				apply(first)
				b.StartTimer()
				apply(second)
			}
		})
	}
}

// BenchmarkDecodeGroups is what Prometheus' library takes to decode such an answer.
func BenchmarkDecodeGroups(b *testing.B) {
	for b.Loop() {
		groupsOf(b, 0, 10_000)
	}
}

// BenchmarkHTTPChanges is what it takes to find what is new in an answer of 100,000 targets, of
// which a hundredth is.
func BenchmarkHTTPChanges(b *testing.B) {
	const n = 100_000
	first, second := textOf(0, n), textOf(n/100, n)
	s := &httpSource{SDConfig: &httpsd.SDConfig{URL: "http://h"}}
	_, known, err := s.changes(first)
	require.NoError(b, err)
	s.known = known
	b.ReportAllocs()
	for b.Loop() {
		groups, _, err := s.changes(second)
		require.NoError(b, err)
		require.Len(b, groups, 2*n/100)
	}
}
