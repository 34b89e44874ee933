//go:build linux

package main

import (
	"encoding/xml"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A figure is flat within its tolerance and slack, up or down unless it may fall,
// and not without values.
func TestJudge(t *testing.T) {
	p := newPlan(10*time.Minute, 9)
	of := func(middle, last float64, falls bool) verdict {
		f := &figure{slack: 5, falls: falls}
		f.add(p.middle.from, middle)
		f.add(p.last.from, last)
		return judge(f, p)
	}
	assert.True(t, of(100, 115, false).flat)
	assert.True(t, of(100, 85, false).flat)
	assert.False(t, of(100, 116, false).flat)
	assert.False(t, of(100, 84, false).flat)
	assert.True(t, of(100, 84, true).flat)
	assert.False(t, of(100, 116, true).flat)
	assert.False(t, judge(&figure{slack: 5}, p).flat)
}

// The windows hold the same number of reloads, and end with the run.
func TestPlan(t *testing.T) {
	p := newPlan(10*time.Minute, 9)
	for _, w := range []window{p.middle, p.last} {
		count := 0
		for _, at := range p.reloads {
			if at >= w.from && at < w.until {
				count++
			}
		}
		assert.Equal(t, 3, count)
	}
	assert.Equal(t, p.duration, p.last.until)
	assert.NotZero(t, interval%p.trace())
}

// A target is wrong if an address is missing, has the wrong value or is one too
// many, and if it is not configured at all.
func TestCompare(t *testing.T) {
	a, b := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.2")
	named := &target{
		instance: "x", host: "x.test", multiple: true, addresses: []netip.Addr{a, b},
		peers: []*peer{{addr: netip.AddrPortFrom(a, 1), state: listening}, {addr: netip.AddrPortFrom(b, 1), state: silent}},
	}
	wrong := func(results map[result]bool) int {
		return compare([]*target{named}, collection{results: results}).wrong
	}
	assert.Equal(t, 0, wrong(map[result]bool{{"x", a}: true, {"x", b}: false}))
	assert.Equal(t, 1, wrong(map[result]bool{{"x", a}: true}))
	assert.Equal(t, 1, wrong(map[result]bool{{"x", a}: true, {"x", b}: true}))
	assert.Equal(t, 1, wrong(map[result]bool{{"x", a}: true, {"x", b}: false, {"x", netip.Addr{}}: false}))
	assert.Equal(t, 1, wrong(map[result]bool{{"x", a}: true, {"x", b}: false, {"y", a}: false}))

	named.multiple = false
	assert.Equal(t, 0, wrong(map[result]bool{{"x", a}: true}))
}

// The scheduler trace is counted and kept apart from what else there is on
// standard error.
func TestSchedTrace(t *testing.T) {
	var counts []int
	var rest []string
	trace := &schedTrace{counted: func(_ time.Time, alive int) { counts = append(counts, alive) }}
	w := &lines{each: func(line string) {
		if !trace.add(line) {
			rest = append(rest, line)
		}
	}}
	text := `SCHED 0ms: gomaxprocs=2 idleprocs=0
  P0: status=1 schedtick=0
  M0: p=0 curg=1
  G1: status=1(chan receive) m=nil lockedm=nil
  G2: status=4100(sleep) m=nil lockedm=nil
  G3: status=6() m=nil lockedm=nil
panic: a test
SCHED 1000ms: gomaxprocs=2 idleprocs=0
  G1: status=2() m=0 lockedm=nil
SCHED 2000ms: gomaxprocs=2 idleprocs=0
`
	for piece := range strings.SplitAfterSeq(text, "s") { // not line by line
		_, err := w.Write([]byte(piece))
		require.NoError(t, err)
	}
	assert.Equal(t, []int{2, 1}, counts)
	assert.Equal(t, []string{"panic: a test"}, rest)
}

// The chart is a document that a browser reads, with every figure in it.
func TestChart(t *testing.T) {
	r := &report{run: &soakRun{plan: newPlan(10*time.Minute, 9), world: &world{}, figures: newFigures(), reloads: []reloaded{{at: time.Minute}}}}
	for _, figure := range []*figure{&r.run.figures.resident, &r.run.figures.descriptors} {
		figure.add(time.Minute, 10)
		figure.add(8*time.Minute, 2000)
	}
	text := chart(r)
	for _, panel := range panelsOf(r) {
		assert.Contains(t, text, ">"+panel.title+"<")
	}
	assert.Contains(t, text, ">2,000<")
	assert.NotContains(t, text, "NaN")
	for decoder := xml.NewDecoder(strings.NewReader(text)); ; {
		if _, err := decoder.Token(); err != nil {
			require.ErrorIs(t, err, io.EOF)
			break
		}
	}
}
