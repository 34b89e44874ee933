package source

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/discovery/targetgroup"
	"github.com/stretchr/testify/require"
)

// groupsOf returns groups of one target each, decoded as a server by HTTP gives them.
func groupsOf(tb testing.TB, from, n int) []*targetgroup.Group {
	var text strings.Builder
	for i := range n {
		i += from // as many are gone from the front, and new at the end
		fmt.Fprintf(&text, `,{"targets":["10.%d.%d.%d:443"],"labels":{"team":"payments","site":"eu-1","rack":"r%d","name":"web-%d"}}`, i>>16, i>>8&255, i&255, i%40, i)
	}
	var groups []*targetgroup.Group
	require.NoError(tb, json.Unmarshal([]byte("["+text.String()[1:]+"]"), &groups))
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
