package scrape

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"example.com/tcpcheckreceiver/internal/metadata"
	"example.com/tcpcheckreceiver/receiver/probe"
	"example.com/tcpcheckreceiver/receiver/target"
)

func compile(patterns ...string) []*regexp.Regexp {
	var compiled []*regexp.Regexp
	for _, pattern := range patterns {
		compiled = append(compiled, regexp.MustCompile(pattern))
	}
	return compiled
}

var (
	v4    = netip.MustParseAddr("192.0.2.1")
	other = netip.MustParseAddr("192.0.2.2")
	v6    = netip.MustParseAddr("2001:db8::1")
)

func connected(address netip.Addr) probe.Result {
	return probe.Result{Family: target.FamilyOf(address), Address: address}
}

func failed(address netip.Addr, errorType probe.ErrorType) probe.Result {
	return probe.Result{Family: target.FamilyOf(address), Address: address, Err: errors.New("it failed"), ErrorType: errorType}
}

// What is logged at each of a series of checks.
func TestJournal(t *testing.T) {
	local := probe.Result{Family: target.IPv4, Address: v4, Err: errors.New("too many open files"), LocalFault: true}
	hintIPv4 := "The service listens on ipv4 only. To serve both families, bind it to [::] as well. If it is meant to be so, ask only for that family: address_families: [ipv4], or ipv4_only: true."
	for _, test := range []struct {
		name   string
		checks [][]probe.Result
		want   [][]string // per check
	}{
		{
			name:   "up and up again",
			checks: [][]probe.Result{{connected(v4)}, {connected(v4)}},
			want:   [][]string{nil, nil},
		},
		{
			name:   "down at first, and while it lasts",
			checks: [][]probe.Result{{failed(v4, probe.Timeout)}, {failed(v4, probe.Timeout)}, {failed(v4, probe.ConnectionRefused)}},
			want:   [][]string{{"warn Cannot connect to web (web.example:443) over ipv4, 192.0.2.1: timeout"}, nil, nil},
		},
		{
			name:   "up, down, up",
			checks: [][]probe.Result{{connected(v4)}, {failed(v4, probe.Timeout)}, {connected(v4)}},
			want:   [][]string{nil, {"warn Cannot connect to web (web.example:443) over ipv4, 192.0.2.1: timeout, up since 0"}, {"info Connected again to web (web.example:443) over ipv4, 192.0.2.1, down since 1"}},
		},
		{
			name:   "each address on its own",
			checks: [][]probe.Result{{connected(v4), failed(other, probe.Timeout)}, {failed(v4, probe.Timeout), connected(other)}},
			want: [][]string{
				{"warn Cannot connect to web (web.example:443) over ipv4, 192.0.2.2: timeout"},
				{"warn Cannot connect to web (web.example:443) over ipv4, 192.0.2.1: timeout, up since 0", "info Connected again to web (web.example:443) over ipv4, 192.0.2.2, down since 0"},
			},
		},
		{
			name:   "one family refuses",
			checks: [][]probe.Result{{connected(v4), failed(v6, probe.ConnectionRefused)}, {connected(v4), failed(v6, probe.ConnectionRefused)}},
			want:   [][]string{{"warn Cannot connect to web (web.example:443) over ipv6, 2001:db8::1: connection_refused, hint: " + hintIPv4}, nil},
		},
		{
			name:   "one family is silent",
			checks: [][]probe.Result{{failed(v4, probe.Timeout), connected(v6)}},
			want: [][]string{{"warn Cannot connect to web (web.example:443) over ipv4, 192.0.2.1: timeout, hint: The host is reached over ipv6 only: look at its ipv4 address in DNS, its route and its firewall." +
				" If it is meant to be so, ask only for that family: address_families: [ipv6]."}},
		},
		{
			name:   "a name that never resolved",
			checks: [][]probe.Result{{{Err: errors.New("no such host"), ErrorType: probe.DNSNotFound}}, {connected(v4)}},
			want:   [][]string{{"warn Cannot connect to web (web.example:443): dns_not_found"}, {"info The name resolves again, or has no such address: web (web.example:443), down since 0"}},
		},
		{
			name:   "an address that is gone",
			checks: [][]probe.Result{{failed(v4, probe.Timeout)}, {connected(other)}, {connected(v4)}},
			want:   [][]string{{"warn Cannot connect to web (web.example:443) over ipv4, 192.0.2.1: timeout"}, {"info No longer an address of the target: web (web.example:443) over ipv4, 192.0.2.1, down since 0"}, nil},
		},
		{
			name:   "rotating addresses that connect",
			checks: [][]probe.Result{{connected(v4)}, {connected(other)}, {connected(v4)}},
			want:   [][]string{nil, nil, nil},
		},
		{
			name:   "a fault of this machine changes nothing",
			checks: [][]probe.Result{{connected(v4)}, {local}, {connected(v4)}, {failed(v4, probe.Timeout)}, {local}, {failed(v4, probe.Timeout)}},
			want:   [][]string{nil, nil, nil, {"warn Cannot connect to web (web.example:443) over ipv4, 192.0.2.1: timeout, up since 0"}, nil, nil},
		},
		{
			name:   "a check that was ended changes nothing",
			checks: [][]probe.Result{{failed(v4, probe.Timeout)}, {}, {failed(v4, probe.Timeout)}},
			want:   [][]string{{"warn Cannot connect to web (web.example:443) over ipv4, 192.0.2.1: timeout"}, nil, nil},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			core, logs := observer.New(zapcore.DebugLevel)
			j := newJournal(zap.New(core), []target.Target{{Name: "web", Host: "web.example", Port: 443}})
			for n, results := range test.checks {
				j.observe(0, &probe.Outcome{Results: results}, time.Unix(int64(n), 0))
				assert.Equal(t, test.want[n], logLines(t, logs), "check %d", n)
			}
		})
	}
}

// logLines returns the line of each entry since the last call.
func logLines(t *testing.T, logs *observer.ObservedLogs) []string {
	t.Helper()
	var lines []string
	for _, entry := range logs.TakeAll() {
		lines = append(lines, logLine(t, entry))
	}
	return lines
}

// logLine returns "level message: error.type, up since check, hint: text" after
// it has made sure that the fields say what the message says.
func logLine(t *testing.T, entry observer.LoggedEntry) string {
	t.Helper()
	fields := entry.ContextMap()
	require.Equal(t, "web", fields["tcpcheck.instance"])
	require.Equal(t, "web.example:443", fields["endpoint"])
	for _, key := range []string{"network.type", "network.peer.address"} {
		if value, ok := fields[key]; ok {
			require.Contains(t, entry.Message, value)
		}
	}
	line := fmt.Sprintf("%s %s", entry.Level, entry.Message)
	if errorType, ok := fields["error.type"]; ok {
		line += fmt.Sprintf(": %v", errorType)
	}
	for _, key := range []string{"up_since", "down_since", "since"} {
		if since, ok := fields[key].(time.Time); ok {
			line += fmt.Sprintf(", %s %d", strings.ReplaceAll(key, "_", " "), since.Unix())
		}
	}
	if hint, ok := fields["hint"]; ok {
		line += fmt.Sprintf(", hint: %s", hint)
	}
	return line
}

// A target that flaps is logged a few times, and once more when it has settled.
func TestJournalOfAFlappingTarget(t *testing.T) {
	core, logs := observer.New(zapcore.DebugLevel)
	j := newJournal(zap.New(core), []target.Target{{Name: "web", Host: "web.example", Port: 443}})
	result := map[bool]probe.Result{true: connected(v4), false: failed(v4, probe.Timeout)}
	now := time.Unix(0, 0)
	for n := range 1000 {
		j.observe(0, &probe.Outcome{Results: []probe.Result{result[n%2 == 0]}}, now)
		now = now.Add(15 * time.Second)
	}
	assert.Len(t, logs.FilterLevelExact(zapcore.WarnLevel).All(), 4) // three outages, and that it flaps
	assert.Len(t, logs.TakeAll(), flapChanges)

	settled := now
	for now.Sub(settled) <= flapWindow {
		j.observe(0, &probe.Outcome{Results: []probe.Result{result[true]}}, now)
		now = now.Add(15 * time.Second)
	}
	entries := logs.TakeAll()
	require.Len(t, entries, 1)
	assert.Equal(t, "info No longer flapping: web (web.example:443) over ipv4, 192.0.2.1, since 15000", logLine(t, entries[0]))

	j.observe(0, &probe.Outcome{Results: []probe.Result{result[false]}}, now)
	assert.Len(t, logs.TakeAll(), 1, "a later change is logged again")
}

// Every reason that probe knows is a value of the error.type attribute.
func TestErrorTypesAreInTheContract(t *testing.T) {
	for _, errorType := range probe.ErrorTypes {
		assert.Contains(t, metadata.MapAttributeErrorType, string(errorType))
	}
	assert.Len(t, metadata.MapAttributeErrorType, len(probe.ErrorTypes))
}

// What is logged of the families of a target that are not checked, or not whole.
func TestJournalOfFamilies(t *testing.T) {
	both, ipv4Only := []probe.Result{connected(v4), connected(v6)}, []probe.Result{connected(v4)}
	lacks := func(reason probe.OmissionReason) []probe.Omission {
		return []probe.Omission{{Family: target.IPv6, Reason: reason}}
	}
	excess := []probe.Excess{{Family: target.IPv4, Found: 100, Checked: 64}}
	gone, back := "warn No longer checked over ipv6, since the name has no such address any more: web (web.example:443)", "info Checked over ipv6 again: web (web.example:443)"
	tooMany := "warn Only the first 64 of 100 addresses are checked over ipv4: web (web.example:443)"
	for _, test := range []struct {
		name   string
		checks []probe.Outcome
		want   [][]string // per check
	}{
		{
			name:   "a name that has one family",
			checks: []probe.Outcome{{Results: ipv4Only, Omissions: lacks(probe.NameLacksFamily)}},
			want:   [][]string{nil},
		},
		{
			name: "a name loses a family and has it again",
			checks: []probe.Outcome{
				{Results: both},
				{Results: ipv4Only, Omissions: lacks(probe.NameLacksFamily)},
				{Results: ipv4Only, Omissions: lacks(probe.NameLacksFamily)},
				{Results: both},
				{Results: both},
			},
			want: [][]string{nil, {gone}, nil, {back}, nil},
		},
		{
			name:   "this machine loses a family, which is said of all targets at once",
			checks: []probe.Outcome{{Results: both}, {Results: ipv4Only, Omissions: lacks(probe.MachineLacksFamily)}, {Results: both}},
			want:   [][]string{nil, nil, nil},
		},
		{
			name: "a lookup failed, of a family that the name has not",
			checks: []probe.Outcome{
				{Results: []probe.Result{connected(v4), {Family: target.IPv6, Err: errors.New("it failed"), ErrorType: probe.DNSFailure, Speculative: true}}},
				{Results: ipv4Only, Omissions: lacks(probe.NameLacksFamily)},
			},
			want: [][]string{
				{"warn Cannot connect to web (web.example:443) over ipv6: dns_failure"},
				{"info The name resolves again, or has no such address: web (web.example:443) over ipv6, down since 0"},
			},
		},
		{
			name:   "more addresses than are checked",
			checks: []probe.Outcome{{Results: both, Excesses: excess}, {Results: both, Excesses: excess}, {Results: both}, {Results: both, Excesses: excess}},
			want:   [][]string{{tooMany}, nil, nil, {tooMany}},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			core, logs := observer.New(zapcore.DebugLevel)
			j := newJournal(zap.New(core), []target.Target{{Name: "web", Host: "web.example", Port: 443}})
			for n := range test.checks {
				j.observe(0, &test.checks[n], time.Unix(int64(n), 0))
				assert.Equal(t, test.want[n], logLines(t, logs), "check %d", n)
			}
		})
	}
}

// A target whose addresses are new at every check does not fill the log, and takes no
// lines from others.
func TestJournalIsBounded(t *testing.T) {
	core, logs := observer.New(zapcore.DebugLevel)
	j := newJournal(zap.New(core), []target.Target{{Name: "web", Host: "web.example", Port: 443}, {Name: "other", Host: "other.example", Port: 443}})
	now := time.Unix(0, 0)
	address := v4
	check := func() {
		results := make([]probe.Result, 10)
		for k := range results {
			address = address.Next()
			results[k] = failed(address, probe.Timeout)
		}
		j.observe(0, &probe.Outcome{Results: results}, now)
		now = now.Add(time.Second)
	}
	const checks = 500
	for range checks {
		check()
	}
	entries := logs.TakeAll()
	assert.Len(t, entries, maxLines+1)
	assert.Equal(t, "Too many lines, the next ones are counted until "+time.Unix(0, 0).Add(flapWindow).Format(time.TimeOnly)+": web (web.example:443)", entries[maxLines].Message)

	j.observe(1, &probe.Outcome{Results: []probe.Result{failed(v4, probe.Timeout)}}, now)
	assert.Len(t, logs.TakeAll(), 1)

	// Nothing happens any more, and the time is over.
	now = now.Add(flapWindow)
	results := make([]probe.Result, 10)
	for k := range results {
		results[k] = failed(address, probe.Timeout)
		address = netip.MustParseAddr(address.String()).Prev()
	}
	j.observe(0, &probe.Outcome{Results: results}, now)
	entries = logs.TakeAll()
	require.Len(t, entries, 1)
	// 10 lines in the first check, 20 in each of the others.
	assert.Equal(t, fmt.Sprintf("%d lines were not logged, and 10 addresses are down: web (web.example:443)", checks*20-10-maxLines), entries[0].Message)
	assert.Len(t, entries[0].ContextMap()["addresses_down"], 10)
}
