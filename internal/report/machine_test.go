package report

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"example.com/tcpcheckreceiver/internal/check"
)

func noConntrack() check.Conntrack { return check.Conntrack{} }

// What is logged of the connection tracking table, once for each change.
func TestMachine(t *testing.T) {
	const (
		filling = "the connection tracking table of this machine is filling"
		full    = "the connection tracking table of this machine is full, so it drops what the checks send, and targets that do not answer are left unchecked"
		room    = "the connection tracking table of this machine has room again"
	)
	size := func(message string, count int) string {
		return fmt.Sprintf("%s: %d of 1200 entries (nf_conntrack_max). A check that connects leaves an entry for 2m0s, so there is room for 10 checks a second "+
			"if nothing else uses the table: check less often, raise nf_conntrack_max, or exempt the checks from tracking", message, count)
	}
	fine := []check.Report{{Results: []check.Result{connected(v4)}}}
	lost := []check.Report{{Results: []check.Result{connected(v4), {Family: check.IPv4, Address: other, Status: check.Unchecked, Err: fmt.Errorf("dial: %w", check.ErrConntrackFull)}}}}
	type collection struct {
		reports []check.Report
		count   int
		want    string
	}
	for name, collections := range map[string][]collection{
		"there is none":   {{fine, 0, ""}},
		"it has room":     {{fine, 960, ""}},
		"it fills":        {{fine, 100, ""}, {fine, 961, size(filling, 961)}, {fine, 1199, ""}},
		"around the mark": {{fine, 961, size(filling, 961)}, {fine, 900, ""}, {fine, 961, ""}, {fine, 840, ""}, {fine, 961, size(filling, 961)}},
		"it is full, and is not": {
			{fine, 961, size(filling, 961)},
			{lost, 1200, size(full, 1200)},
			{lost, 1199, ""},
			{fine, 1100, ""},
			{fine, 900, size(room, 900)},
			{fine, 961, ""},
			{fine, 100, ""},
			{lost, 1200, size(full, 1200)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			core, logs := observer.New(zapcore.DebugLevel)
			var table check.Conntrack
			g := NewMachine(zap.New(core), func() check.Conntrack { return table }).Watch(1)
			for n, c := range collections {
				table = check.Conntrack{Count: c.count, Max: 1200, TimeWait: 2 * time.Minute}
				if c.count == 0 {
					table = check.Conntrack{}
				}
				g.Observe(c.reports, 0)
				got := ""
				for _, entry := range logs.TakeAll() {
					got += entry.Message
				}
				assert.Equal(t, c.want, got, "collection %d", n)
			}
		})
	}
}

// What fits into the table is said where it is known, and nothing of a table of which the
// size is not.
func TestConntrackIsKnownInPart(t *testing.T) {
	for _, test := range []struct {
		table check.Conntrack
		want  []string
	}{
		{check.Conntrack{Count: 90, Max: 100}, []string{"the connection tracking table of this machine is filling: 90 of 100 entries (nf_conntrack_max)."}},
		{check.Conntrack{Count: 90, TimeWait: time.Minute}, nil},
	} {
		core, logs := observer.New(zapcore.DebugLevel)
		NewMachine(zap.New(core), func() check.Conntrack { return test.table }).Watch(1).Observe(nil, 0)
		var got []string
		for _, entry := range logs.All() {
			got = append(got, entry.Message)
			assert.Equal(t, map[string]any{"nf_conntrack_count": int64(90), "nf_conntrack_max": int64(100), "checks_per_second": int64(0)}, entry.ContextMap())
		}
		assert.Equal(t, test.want, got)
	}
}

// A line says that it may be this machine, where many addresses stop answering at once.
func TestManySilentAtOnce(t *testing.T) {
	for _, test := range []struct {
		name            string
		targets, silent int
		want            bool
	}{
		{"few", 9, 9, false},
		{"all", 10, 10, true},
		{"a quarter", 40, 10, true},
		{"less than a quarter", 41, 10, false},
		{"many of many", 10000, 100, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			core, logs := observer.New(zapcore.DebugLevel)
			NewMachine(zap.New(core), noConntrack).Watch(test.targets).Observe(nil, test.silent)
			assert.Equal(t, test.want, logs.Len() == 1, logs.All())
		})
	}
}

// A family that this machine lacks is said once for all targets, whatever their
// intervals, and again at each change.
func TestFamiliesThatTheMachineLacks(t *testing.T) {
	core, logs := observer.New(zapcore.DebugLevel)
	m := NewMachine(zap.New(core), noConntrack)
	often, seldom := m.Watch(2), m.Watch(1)
	lacks := check.Report{Omissions: []check.Omission{{Family: check.IPv6, Reason: check.MachineLacksFamily}}}
	name := check.Report{Omissions: []check.Omission{{Family: check.IPv4, Reason: check.NameLacksFamily}}}
	for _, collection := range []struct {
		of      *Watch
		reports []check.Report
		want    []string
	}{
		{often, []check.Report{lacks, name}, nil}, // of the other one, nothing is known
		{seldom, []check.Report{lacks}, []string{"2 of 3 instances are not checked over ipv6: this machine has no ipv6 address from which it could reach theirs"}},
		{often, []check.Report{lacks, name}, nil},
		{often, []check.Report{{}, name}, []string{"1 of 3 instances are not checked over ipv6: this machine has no ipv6 address from which it could reach theirs"}},
		{seldom, []check.Report{{}}, []string{"all instances that have an ipv6 address are checked over ipv6 again"}},
		{often, []check.Report{{}, {}}, nil},
	} {
		collection.of.Observe(collection.reports, 0)
		var got []string
		for _, entry := range logs.TakeAll() {
			got = append(got, entry.Message)
		}
		assert.Equal(t, collection.want, got)
	}
}
