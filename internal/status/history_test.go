package status

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"example.com/tcpcheckreceiver/internal/check"
)

var (
	v4    = netip.MustParseAddr("192.0.2.1")
	other = netip.MustParseAddr("192.0.2.2")
	v6    = netip.MustParseAddr("2001:db8::1")
	start = time.Unix(1_800_000_000, 0) // when a bucket and an hour begin
)

func result(address netip.Addr, status check.Status) check.Result {
	r := check.Result{Family: check.FamilyOf(address), Address: address, Status: status}
	if status == check.Up {
		r.HandshakeTime = 10 * time.Millisecond
	} else {
		r.Err = errors.New("it failed")
	}
	return r
}

// lines returns what a history shows at a time: each endpoint with the marks that are not empty, as text.
func lines(h *History, now time.Time) map[string]string {
	shown := make(map[string]string)
	for r, past := range h.Lines(now) {
		var text strings.Builder
		for i := range Buckets {
			if m := past.Strip.At(i); m != 0 {
				fmt.Fprintf(&text, "%d:%d ", i, m)
			}
		}
		shown[r.Address.String()] = strings.TrimSpace(text.String())
	}
	return shown
}

// What is shown after reports at minutes.
func TestHistory(t *testing.T) {
	type report struct {
		minute  int
		results []check.Result
	}
	up, down := result(v4, check.Up), result(v4, check.Down)
	for _, test := range []struct {
		name    string
		reports []report
		now     int // in minutes
		want    map[string]string
	}{
		{"nothing", nil, 0, map[string]string{}},
		{"up", []report{{0, []check.Result{up}}}, 0, map[string]string{"192.0.2.1": "71:1"}},
		{"both in a bucket", []report{{0, []check.Result{up}}, {4, []check.Result{down}}}, 4, map[string]string{"192.0.2.1": "71:3"}},
		{"one after the other", []report{{0, []check.Result{up}}, {5, []check.Result{down}}}, 5, map[string]string{"192.0.2.1": "70:1 71:2"}},
		{"a pause", []report{{0, []check.Result{up}}, {20, []check.Result{down}}}, 25, map[string]string{"192.0.2.1": "66:1 70:2"}},
		{"the oldest", []report{{0, []check.Result{up}}}, 359, map[string]string{"192.0.2.1": "0:1"}},
		{"too old", []report{{0, []check.Result{up}}}, 360, map[string]string{"192.0.2.1": ""}},
		{"much too old", []report{{0, []check.Result{up}}, {100_000, []check.Result{down}}}, 100_000, map[string]string{"192.0.2.1": "71:2"}},
		{"the clock is set back", []report{{60, []check.Result{up}}, {0, []check.Result{down}}}, 0, map[string]string{"192.0.2.1": "71:3"}},
		{"unresolved is down", []report{{0, []check.Result{result(v4, check.Unresolved)}}}, 0, map[string]string{"192.0.2.1": "71:2"}},
		{"unchecked", []report{{0, []check.Result{result(v4, check.Unchecked)}}}, 0, map[string]string{"192.0.2.1": "71:4"}},
		{"unconfirmed", []report{{0, []check.Result{result(v4, check.Unconfirmed)}}}, 0, map[string]string{"192.0.2.1": ""}},
		{"not done", []report{{0, nil}}, 0, map[string]string{}},
		{
			"another address of the family goes on, that of the other family does not",
			[]report{{0, []check.Result{up, result(v6, check.Up)}}, {5, []check.Result{result(other, check.Up)}}},
			5,
			map[string]string{"192.0.2.2": "70:1 71:1"},
		},
		{
			"an address that comes beside another one is new",
			[]report{{0, []check.Result{up}}, {5, []check.Result{result(other, check.Down), up}}},
			5,
			map[string]string{"192.0.2.1": "70:1 71:1", "192.0.2.2": "71:2"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			at := func(minutes int) time.Time { return start.Add(time.Duration(minutes) * time.Minute) }
			h := NewHistory(1)
			for _, r := range test.reports {
				h.Observe(&check.Report{Time: at(r.minute), Results: r.results})
			}
			assert.Equal(t, test.want, lines(h, at(test.now)))
		})
	}
}

// The average is that of the handshakes of six hours, and an address is unchecked since the first check that was so.
func TestHistoryTimes(t *testing.T) {
	h := NewHistory(1)
	observe := func(minute int, status check.Status, took time.Duration) {
		r := result(v4, status)
		r.HandshakeTime = took
		h.Observe(&check.Report{Time: start.Add(time.Duration(minute) * time.Minute), Results: []check.Result{r}})
	}
	past := func(minute int) (of Past) {
		for _, p := range h.Lines(start.Add(time.Duration(minute) * time.Minute)) {
			of = p
		}
		return of
	}
	observe(0, check.Up, 10*time.Millisecond)
	observe(59, check.Up, 20*time.Millisecond)
	assert.InDelta(t, 0.015, past(59).Average.Seconds(), 1e-6)
	observe(60, check.Up, 45*time.Millisecond)
	assert.InDelta(t, 0.025, past(60).Average.Seconds(), 1e-6)
	assert.InDelta(t, 0.045, past(360).Average.Seconds(), 1e-6)
	assert.Zero(t, past(420).Average)
	observe(61, check.Unchecked, 0)
	observe(62, check.Unchecked, 0)
	assert.Equal(t, start.Add(61*time.Minute), past(62).Unchecked)
	observe(63, check.Down, 0)
	assert.Zero(t, past(63).Unchecked)
}

// What a report says of what is not checked is as old as the report.
func TestHistoryRest(t *testing.T) {
	h, shown := NewHistory(7), Instance{}
	h.Observe(&check.Report{Time: start, Results: []check.Result{result(v4, check.Up)}})
	h.Rest(&shown)
	assert.Empty(t, shown)
	h.Observe(&check.Report{Time: start, Denied: []netip.Addr{v4}, Omissions: []check.Omission{{Family: check.IPv6}}, Excesses: []check.Excess{{Found: 2}}})
	h.Rest(&shown)
	assert.Equal(t, Instance{Denied: []netip.Addr{v4}, Omissions: []check.Omission{{Family: check.IPv6}}, Excesses: []check.Excess{{Found: 2}}}, shown)
	h.Observe(&check.Report{Time: start, Results: []check.Result{result(v4, check.Up)}})
	h.Rest(&shown)
	assert.Empty(t, shown.Denied)
	assert.Equal(t, uint64(7), h.ID())
}

// A few events are kept, the older ones as far as there is room.
func TestEvents(t *testing.T) {
	target := &check.Target{Host: "h"}
	for _, test := range []struct {
		name        string
		texts, want []string
	}{
		{"none", nil, nil},
		{"two", []string{"a", "b"}, []string{"a", "b"}},
		{"the last three", []string{"a", "b", "c", "d"}, []string{"b", "c", "d"}},
		{"two of 140 bytes", []string{"a", strings.Repeat("b", 140), strings.Repeat("c", 140)}, []string{strings.Repeat("b", 140), strings.Repeat("c", 140)}},
		{"too long", []string{"abc", strings.Repeat("é", 200)}, []string{strings.Repeat("é", 138) + "…"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := NewHistory(1)
			for _, text := range test.texts {
				h.Add(&Event{Time: start, Name: "n", Severity: Warn, Text: text, Target: &check.Target{}})
			}
			var got []string
			for _, e := range h.Events(target) {
				assert.Same(t, target, e.Target)
				assert.Equal(t, Event{Time: start, Name: "n", Severity: Warn, Text: e.Text, Target: target}, e)
				got = append(got, e.Text)
			}
			assert.Equal(t, test.want, got)
		})
	}
}

func TestRecent(t *testing.T) {
	var r Recent
	assert.Empty(t, r.Events())
	for i := range 2*mostRecent + 10 {
		r.Add(&Event{Text: fmt.Sprint(i, strings.Repeat("x", 2*recentText))})
	}
	events := r.Events()
	assert.Len(t, events, mostRecent)
	for i, e := range events {
		assert.True(t, strings.HasPrefix(e.Text, fmt.Sprint(mostRecent+10+i)))
		assert.LessOrEqual(t, len(e.Text), recentText)
	}
}

// Where there is no page, nothing is kept.
func TestNobodyLooks(t *testing.T) {
	var h *History
	var r *Recent
	report, event := &check.Report{Time: start, Results: []check.Result{result(v4, check.Up)}}, &Event{}
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		h.Observe(report)
		h.Add(event)
		r.Add(event)
	}))
}

// A check of what is known already takes no memory.
func TestObserveAllocatesNothing(t *testing.T) {
	h := NewHistory(1)
	report := &check.Report{Time: start, Results: []check.Result{result(v4, check.Up), result(v6, check.Down)}, Omissions: []check.Omission{{Family: check.IPv6}}}
	h.Observe(report)
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		report.Time = report.Time.Add(time.Minute)
		h.Observe(report)
	}))
}

// The history of a target with two addresses and as many events as are kept takes a KiB at most.
func TestHistorySize(t *testing.T) {
	const targets = 10_000
	report := &check.Report{Time: start, Results: []check.Result{result(v4, check.Up), result(v6, check.Down)}, Omissions: []check.Omission{{Family: check.IPv6}}}
	histories := make([]*History, targets)
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	for i := range histories {
		h := NewHistory(uint64(i)) //nolint:gosec // it is not negative
		h.Observe(report)
		for n := range mostEvents {
			h.Add(&Event{Time: start, Name: "tcpcheck.address.down", Text: fmt.Sprint(n, strings.Repeat("x", mostText/mostEvents-1))})
		}
		histories[i] = h
	}
	each := (heap() - before) / targets
	runtime.KeepAlive(histories)
	t.Logf("%d bytes a target", each)
	assert.LessOrEqual(t, each, uint64(1024))
}

func TestIDs(t *testing.T) {
	ids := make(map[uint64]bool)
	for _, receiver := range []string{"tcpcheck", "tcpcheck/a"} {
		for _, key := range []check.Key{{}, {Host: "a"}, {Name: "a"}, {Port: 1}, {Host: "a", Name: "b", Port: 443}} {
			ids[IDOf(receiver, key)] = true
		}
	}
	assert.Len(t, ids, 10)
}

func TestWords(t *testing.T) {
	assert.Equal(t, "unknown up down unchecked", fmt.Sprint(Unknown, Up, Down, Unchecked))
	assert.Equal(t, "info warn error", fmt.Sprint(Info, Warn, Error))
}
