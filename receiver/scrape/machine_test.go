package scrape

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"example.com/tcpcheckreceiver/internal/metadata"
	"example.com/tcpcheckreceiver/receiver/probe"
	"example.com/tcpcheckreceiver/receiver/target"
)

// closedPort is an address of targets that are never dialled.
var closedPort = netip.MustParseAddrPort("127.0.0.1:1")

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
	fine := []probe.Outcome{{Results: []probe.Result{connected(v4)}}}
	lost := []probe.Outcome{{Results: []probe.Result{connected(v4), {Family: target.IPv4, Address: other, Err: fmt.Errorf("dial: %w", probe.ErrConntrackFull), LocalFault: true}}}}
	type collection struct {
		outcomes []probe.Outcome
		count    int
		want     string
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
			m := NewMachine(zap.New(core))
			for n, c := range collections {
				table := probe.Conntrack{Count: c.count, Max: 1200, TimeWait: 2 * time.Minute}
				if c.count == 0 {
					table = probe.Conntrack{}
				}
				m.readConntrack = func() probe.Conntrack { return table }
				m.observe(c.outcomes)
				got := ""
				for _, entry := range logs.TakeAll() {
					got += entry.Message
				}
				assert.Equal(t, c.want, got, "collection %d", n)
			}
		})
	}
}

// A line says that it may be this machine, where many addresses stop answering at once.
func TestManySilentAtOnce(t *testing.T) {
	silentResult := failed(v4, probe.Timeout)
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
			targets := make([]target.Target, test.targets)
			for i := range targets {
				targets[i] = newTarget(fmt.Sprint(i), closedPort)
			}
			s := newScraper(defaultMetrics(), targets...)
			s.logger = zap.New(core)
			for i := range test.silent {
				s.journal.observe(i, &probe.Outcome{Results: []probe.Result{silentResult}}, time.Unix(0, 0))
			}
			s.observeSilence(s.journal.silent)
			assert.Equal(t, test.want, logs.Len() == 1, logs.All())
		})
	}
}

// A family that this machine lacks is said once for all targets, whatever their
// intervals, and again at each change.
func TestFamiliesThatTheMachineLacks(t *testing.T) {
	core, logs := observer.New(zapcore.DebugLevel)
	m := NewMachine(zap.New(core))
	join := func(targets ...target.Target) *Scraper {
		return New(context.Background(), receivertest.NewNopSettings(metadata.Type), defaultMetrics(), targets, nil, m)
	}
	often, seldom := join(newTarget("a", closedPort), newTarget("b", closedPort)), join(newTarget("c", closedPort))
	lacks := probe.Outcome{Omissions: []probe.Omission{{Family: target.IPv6, Reason: probe.MachineLacksFamily}}}
	name := probe.Outcome{Omissions: []probe.Omission{{Family: target.IPv4, Reason: probe.NameLacksFamily}}}
	for _, collection := range []struct {
		of       *Scraper
		outcomes []probe.Outcome
		want     []string
	}{
		{often, []probe.Outcome{lacks, name}, nil}, // of the other one, nothing is known
		{seldom, []probe.Outcome{lacks}, []string{"2 of 3 instances are not checked over ipv6: this machine has no ipv6 address from which it could reach theirs"}},
		{often, []probe.Outcome{lacks, name}, nil},
		{often, []probe.Outcome{{}, name}, []string{"1 of 3 instances are not checked over ipv6: this machine has no ipv6 address from which it could reach theirs"}},
		{seldom, []probe.Outcome{{}}, []string{"all instances that have an ipv6 address are checked over ipv6 again"}},
		{often, []probe.Outcome{{}, {}}, nil},
	} {
		m.observeOmissions(collection.of, collection.outcomes)
		var got []string
		for _, entry := range logs.TakeAll() {
			got = append(got, entry.Message)
		}
		assert.Equal(t, collection.want, got)
	}
}
