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
	refused6 := "It connects over ipv4 and is refused over ipv6: nothing listens there, or a firewall answers in its place. " +
		"See what the service is bound to (ss -ltn on its host): 0.0.0.0 is ipv4 only, and [::] in its place is both on most systems. If ipv4 alone is meant, write address_families: [ipv4]."
	silent4 := "It connects over ipv6 and not over ipv4. See whether 192.0.2.1 is still an address of the host, and the route and the firewalls on the way. " +
		"If ipv6 alone is meant, write address_families: [ipv6]."
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
			checks: [][]probe.Result{{failed(v4, probe.Timeout)}, {failed(v4, probe.Timeout)}},
			want:   [][]string{{`warn cannot connect to "web" (192.0.2.1:443) over ipv4: timeout`}, nil},
		},
		{
			name:   "another reason",
			checks: [][]probe.Result{{failed(v4, probe.ConnectionRefused)}, {failed(v4, probe.Timeout)}, {failed(v4, probe.Timeout)}, {connected(v4)}},
			want: [][]string{
				{`warn cannot connect to "web" (192.0.2.1:443) over ipv4: connection refused`},
				{`warn cannot connect to "web" (192.0.2.1:443) over ipv4: timeout, no longer connection refused, down since 0`},
				nil,
				{`info connected again to "web" (192.0.2.1:443) over ipv4, down since 0`},
			},
		},
		{
			name:   "a reason that has no name",
			checks: [][]probe.Result{{failed(v4, probe.Other)}},
			want:   [][]string{{`warn cannot connect to "web" (192.0.2.1:443) over ipv4: it failed`}},
		},
		{
			name:   "up, down, up",
			checks: [][]probe.Result{{connected(v4)}, {failed(v4, probe.Timeout)}, {connected(v4)}},
			want:   [][]string{nil, {`warn cannot connect to "web" (192.0.2.1:443) over ipv4: timeout, up since 0`}, {`info connected again to "web" (192.0.2.1:443) over ipv4, down since 1`}},
		},
		{
			name:   "each address on its own",
			checks: [][]probe.Result{{connected(v4), failed(other, probe.Timeout)}, {failed(v4, probe.Timeout), connected(other)}},
			want: [][]string{
				{`warn cannot connect to "web" (192.0.2.2:443) over ipv4: timeout`},
				{`warn cannot connect to "web" (192.0.2.1:443) over ipv4: timeout, up since 0`, `info connected again to "web" (192.0.2.2:443) over ipv4, down since 0`},
			},
		},
		{
			name:   "one family refuses",
			checks: [][]probe.Result{{connected(v4), failed(v6, probe.ConnectionRefused)}, {connected(v4), failed(v6, probe.ConnectionRefused)}},
			want:   [][]string{{`warn cannot connect to "web" ([2001:db8::1]:443) over ipv6: connection refused, hint: ` + refused6}, nil},
		},
		{
			name:   "one family is silent",
			checks: [][]probe.Result{{failed(v4, probe.Timeout), connected(v6)}},
			want:   [][]string{{`warn cannot connect to "web" (192.0.2.1:443) over ipv4: timeout, hint: ` + silent4}},
		},
		{
			name:   "both families refuse, and one comes back",
			checks: [][]probe.Result{{failed(v4, probe.ConnectionRefused), failed(v6, probe.ConnectionRefused)}, {connected(v4), failed(v6, probe.ConnectionRefused)}},
			want: [][]string{
				{`warn cannot connect to "web" (192.0.2.1:443) over ipv4: connection refused`, `warn cannot connect to "web" ([2001:db8::1]:443) over ipv6: connection refused`},
				{`info connected again to "web" (192.0.2.1:443) over ipv4, down since 0, hint: ` + refused6},
			},
		},
		{
			name:   "a name that never resolved",
			checks: [][]probe.Result{{{Err: errors.New("no such host"), ErrorType: probe.DNSNotFound}}, {connected(v4)}},
			want:   [][]string{{`warn cannot connect to "web" (web.example:443): dns not found`}, {`info "web" (web.example:443) resolves again, or has no such address, down since 0`}},
		},
		{
			name:   "an address that is gone",
			checks: [][]probe.Result{{failed(v4, probe.Timeout)}, {connected(other)}, {connected(v4)}},
			want:   [][]string{{`warn cannot connect to "web" (192.0.2.1:443) over ipv4: timeout`}, {`info "web" (192.0.2.1:443) over ipv4 is no longer an address of the target, down since 0`}, nil},
		},
		{
			name:   "rotating addresses that connect",
			checks: [][]probe.Result{{connected(v4)}, {connected(other)}, {connected(v4)}},
			want:   [][]string{nil, nil, nil},
		},
		{
			name:   "a fault of this machine changes nothing",
			checks: [][]probe.Result{{connected(v4)}, {local}, {connected(v4)}, {failed(v4, probe.Timeout)}, {local}, {failed(v4, probe.Timeout)}},
			want:   [][]string{nil, nil, nil, {`warn cannot connect to "web" (192.0.2.1:443) over ipv4: timeout, up since 0`}, nil, nil},
		},
		{
			name:   "a check that was ended changes nothing",
			checks: [][]probe.Result{{failed(v4, probe.Timeout)}, {}, {failed(v4, probe.Timeout)}},
			want:   [][]string{{`warn cannot connect to "web" (192.0.2.1:443) over ipv4: timeout`}, nil, nil},
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

// The hint says what is known, and tells nobody to open a service of this machine to the
// network.
func TestFamilyHint(t *testing.T) {
	loop4, loop6 := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::1")
	nameless := probe.Result{Family: target.IPv6, Err: errors.New("none"), ErrorType: probe.NoAddress}
	unresolved := probe.Result{Family: target.IPv6, Err: errors.New("no answer"), ErrorType: probe.DNSTimeout}
	local := probe.Result{Family: target.IPv6, Address: v6, Err: errors.New("too many open files"), LocalFault: true}
	for _, test := range []struct {
		name    string
		results []probe.Result
		want    []string // parts
		not     []string
	}{
		{"both connect", []probe.Result{connected(v4), connected(v6)}, nil, nil},
		{"both fail", []probe.Result{failed(v4, probe.Timeout), failed(v6, probe.Timeout)}, nil, nil},
		{"one family alone", []probe.Result{failed(v4, probe.Timeout)}, nil, nil},
		{"one of two addresses of a family", []probe.Result{connected(v4), failed(other, probe.Timeout)}, nil, nil},
		{"a fault of this machine", []probe.Result{connected(v4), local}, nil, nil},
		{
			"ipv6 is refused",
			[]probe.Result{connected(v4), failed(v6, probe.ConnectionRefused)},
			[]string{"is refused over ipv6: nothing listens there, or a firewall answers in its place.", "[::] in its place is both", "address_families: [ipv4]"},
			[]string{"as well"},
		},
		{
			"ipv6 is refused on loopback",
			[]probe.Result{connected(loop4), failed(loop6, probe.ConnectionRefused)},
			[]string{"127.0.0.1 together with ::1 is both", "address_families: [ipv4]"},
			[]string{"[::]"},
		},
		{
			"ipv4 is refused",
			[]probe.Result{failed(v4, probe.ConnectionRefused), connected(v6)},
			[]string{"is refused over ipv4", "[::] with IPV6_V6ONLY is ipv6 only", "address_families: [ipv6]"},
			[]string{"0.0.0.0"},
		},
		{
			"ipv4 is refused on loopback",
			[]probe.Result{failed(loop4, probe.ConnectionRefused), connected(loop6)},
			[]string{"::1 together with 127.0.0.1 is both", "address_families: [ipv6]"},
			[]string{"0.0.0.0"},
		},
		{
			"ipv6 is refused, and ipv4 connects on loopback",
			[]probe.Result{connected(loop4), failed(v6, probe.ConnectionRefused)},
			[]string{"127.0.0.1 together with ::1 is both"},
			[]string{"[::]"},
		},
		{
			"two addresses fail, each for its own reason",
			[]probe.Result{connected(v4), failed(v6.Next(), probe.Timeout), failed(v6, probe.ConnectionRefused)},
			[]string{"is refused over ipv6"},
			[]string{"2001:db8::2"},
		},
		{
			"the same, and the line is about the other one",
			[]probe.Result{connected(v4), failed(v6, probe.ConnectionRefused), failed(v6.Next(), probe.Timeout)},
			[]string{"2001:db8::2 is still an address"},
			[]string{"is refused"},
		},
		{"ipv6 is silent", []probe.Result{connected(v4), failed(v6, probe.Timeout)}, []string{"2001:db8::1 is still an address of the host", "route", "firewalls"}, []string{"listens"}},
		{"the name has no ipv6 address", []probe.Result{connected(v4), nameless}, []string{"over ipv6, in which its name has no address", "DNS"}, []string{"listens", "firewall"}},
		{"the name did not resolve", []probe.Result{connected(v4), unresolved}, []string{"over ipv6, in which its name was not resolved", "name servers"}, []string{"listens", "firewall"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			hint := familyHint(test.results, &test.results[len(test.results)-1])
			assert.Equal(t, len(test.want) == 0, hint == "", hint)
			for _, part := range test.want {
				assert.Contains(t, hint, part)
			}
			for _, part := range test.not {
				assert.NotContains(t, hint, part)
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

// logLine returns "level message, up since check, hint: text" after
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
	if errorType, ok := fields["error.type"].(string); ok {
		if errorType == string(probe.Other) {
			errorType = "it failed"
		}
		require.Contains(t, entry.Message, ": "+strings.ReplaceAll(errorType, "_", " "))
	}
	line := fmt.Sprintf("%s %s", entry.Level, entry.Message)
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
	assert.Equal(t, `info "web" (192.0.2.1:443) over ipv4 is no longer flapping: connected, since 15000`, logLine(t, entries[0]))

	j.observe(0, &probe.Outcome{Results: []probe.Result{result[false]}}, now)
	assert.Len(t, logs.TakeAll(), 1, "a later change is logged again")
}

// Reasons that change all the time fill no log, and hide neither the recovery nor the next
// outage.
func TestJournalOfChangingReasons(t *testing.T) {
	core, logs := observer.New(zapcore.DebugLevel)
	j := newJournal(zap.New(core), []target.Target{{Name: "web", Host: "web.example", Port: 443}})
	now := time.Unix(0, 0)
	check := func(result probe.Result) {
		j.observe(0, &probe.Outcome{Results: []probe.Result{result}}, now)
		now = now.Add(15 * time.Second)
	}
	for range 20 { // ten minutes
		check(failed(v4, probe.Timeout))
		check(failed(v4, probe.HostUnreachable))
	}
	lines := logLines(t, logs)
	require.Len(t, lines, 1+flapChanges)
	assert.Contains(t, lines[flapChanges], `"web" (192.0.2.1:443) over ipv4 is down for changing reasons`)
	check(connected(v4))
	check(failed(v4, probe.Timeout))
	check(connected(v4))
	assert.Equal(t, []string{
		`info connected again to "web" (192.0.2.1:443) over ipv4, down since 0`,
		`warn cannot connect to "web" (192.0.2.1:443) over ipv4: timeout, up since 600`,
		`info connected again to "web" (192.0.2.1:443) over ipv4, down since 615`,
	}, logLines(t, logs))
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
	gone := `warn no longer checking "web" (web.example:443) over ipv6: the name has no such address any more`
	back := `info checking "web" (web.example:443) over ipv6 again`
	tooMany := `warn checking only the first 64 of 100 addresses of "web" (web.example:443) over ipv4`
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
				{`warn cannot connect to "web" (web.example:443) over ipv6: dns failure`},
				{`info "web" (web.example:443) over ipv6 resolves again, or has no such address, down since 0`},
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
	assert.Equal(t, `too many lines about "web" (web.example:443): the next ones are counted until `+time.Unix(0, 0).Add(flapWindow).Format(time.TimeOnly), entries[maxLines].Message)

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
	assert.Equal(t, fmt.Sprintf(`%d lines about "web" (web.example:443) were not logged: 10 of its addresses are down`, checks*20-10-maxLines), entries[0].Message)
	assert.Len(t, entries[0].ContextMap()["addresses_down"], 10)
}
