package report

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/metadata"
	"example.com/tcpcheckreceiver/internal/state"
)

var (
	v4    = netip.MustParseAddr("192.0.2.1")
	other = netip.MustParseAddr("192.0.2.2")
	v6    = netip.MustParseAddr("2001:db8::1")
	// viaNAT64 leads to v4.
	viaNAT64 = netip.MustParseAddr("64:ff9b::c000:201")
)

// translated returns a result whose address leads to v4.
func translated(r check.Result) check.Result {
	r.Translated = v4.As4()
	return r
}

func connected(address netip.Addr) check.Result {
	return check.Result{Family: check.FamilyOf(address), Address: address, Status: check.Up}
}

func failed(address netip.Addr, errorType check.ErrorType) check.Result {
	return check.Result{Family: check.FamilyOf(address), Address: address, Status: check.Down, Err: errors.New("it failed"), ErrorType: errorType}
}

// watched is a target whose changes are logged.
type watched struct {
	known state.Target
	log   Log
}

func newWatched(logger *zap.Logger, name string) *watched {
	target := &check.Target{Host: name + ".example", Port: 443, Labels: check.Labels{Name: name}}
	return &watched{log: NewLog(NewJournal(logger), target)}
}

func (w *watched) observe(report *check.Report, now time.Time) {
	report.Time = now
	w.log.Flush(report, &w.known)
	w.log.Write(report, w.known.Observe(report))
}

// What is logged at each of a series of checks.
func TestLog(t *testing.T) {
	local := check.Result{Family: check.IPv4, Address: v4, Status: check.Unchecked, Err: errors.New("too many open files")}
	refused6 := "It connects over ipv4 and is refused over ipv6: nothing listens there, or a firewall answers in its place. " +
		"See what the service is bound to (ss -ltn on its host): 0.0.0.0 is ipv4 only, and [::] in its place is both on most systems. If ipv4 alone is meant, write address_families: [ipv4]."
	silent4 := "It connects over ipv6 and not over ipv4. See whether 192.0.2.1 is still an address of the host, and the route and the firewalls on the way. " +
		"If ipv6 alone is meant, write address_families: [ipv6]."
	behind4 := "64:ff9b::c000:201 is 192.0.2.1 behind NAT64, so ipv6 says nothing about an IPv6 address of the service. " +
		"See whether the service works at 192.0.2.1, and the translator on the way to it."
	for _, test := range []struct {
		name   string
		checks [][]check.Result
		want   [][]string // per check
	}{
		{
			name:   "up and up again",
			checks: [][]check.Result{{connected(v4)}, {connected(v4)}},
			want:   [][]string{nil, nil},
		},
		{
			name:   "down at first, and while it lasts",
			checks: [][]check.Result{{failed(v4, check.Timeout)}, {failed(v4, check.Timeout)}},
			want:   [][]string{{`warn cannot connect to "web" (192.0.2.1:443) over ipv4: timeout`}, nil},
		},
		{
			name:   "another reason",
			checks: [][]check.Result{{failed(v4, check.ConnectionRefused)}, {failed(v4, check.Timeout)}, {failed(v4, check.Timeout)}, {connected(v4)}},
			want: [][]string{
				{`warn cannot connect to "web" (192.0.2.1:443) over ipv4: connection refused`},
				{`warn cannot connect to "web" (192.0.2.1:443) over ipv4: timeout, no longer connection refused, down since 0`},
				nil,
				{`info connected again to "web" (192.0.2.1:443) over ipv4, down since 0`},
			},
		},
		{
			name:   "a reason that has no name",
			checks: [][]check.Result{{failed(v4, check.Other)}},
			want:   [][]string{{`warn cannot connect to "web" (192.0.2.1:443) over ipv4: it failed`}},
		},
		{
			name:   "up, down, up",
			checks: [][]check.Result{{connected(v4)}, {failed(v4, check.Timeout)}, {connected(v4)}},
			want:   [][]string{nil, {`warn cannot connect to "web" (192.0.2.1:443) over ipv4: timeout, up since 0`}, {`info connected again to "web" (192.0.2.1:443) over ipv4, down since 1`}},
		},
		{
			name:   "each address on its own",
			checks: [][]check.Result{{connected(v4), failed(other, check.Timeout)}, {failed(v4, check.Timeout), connected(other)}},
			want: [][]string{
				{`warn cannot connect to "web" (192.0.2.2:443) over ipv4: timeout`},
				{`warn cannot connect to "web" (192.0.2.1:443) over ipv4: timeout, up since 0`, `info connected again to "web" (192.0.2.2:443) over ipv4, down since 0`},
			},
		},
		{
			name:   "one family refuses",
			checks: [][]check.Result{{connected(v4), failed(v6, check.ConnectionRefused)}, {connected(v4), failed(v6, check.ConnectionRefused)}},
			want:   [][]string{{`warn cannot connect to "web" ([2001:db8::1]:443) over ipv6: connection refused, hint: ` + refused6}, nil},
		},
		{
			name:   "a translator, while it lasts, and once it is known",
			checks: [][]check.Result{{failed(viaNAT64, check.Timeout)}, {translated(failed(viaNAT64, check.Timeout))}, {translated(connected(viaNAT64))}, {translated(failed(viaNAT64, check.Timeout))}, {connected(v4)}},
			want: [][]string{
				{`warn cannot connect to "web" ([64:ff9b::c000:201]:443) over ipv6: timeout`},
				nil,
				{`info connected again to "web" ([64:ff9b::c000:201]:443, 192.0.2.1 behind NAT64) over ipv6, down since 0`},
				{`warn cannot connect to "web" ([64:ff9b::c000:201]:443, 192.0.2.1 behind NAT64) over ipv6: timeout, up since 2, hint: ` + behind4},
				{`info "web" ([64:ff9b::c000:201]:443, 192.0.2.1 behind NAT64) over ipv6 is no longer an address of the target, down since 3`},
			},
		},
		{
			name:   "one family is silent",
			checks: [][]check.Result{{failed(v4, check.Timeout), connected(v6)}},
			want:   [][]string{{`warn cannot connect to "web" (192.0.2.1:443) over ipv4: timeout, hint: ` + silent4}},
		},
		{
			name:   "both families refuse, and one comes back",
			checks: [][]check.Result{{failed(v4, check.ConnectionRefused), failed(v6, check.ConnectionRefused)}, {connected(v4), failed(v6, check.ConnectionRefused)}},
			want: [][]string{
				{`warn cannot connect to "web" (192.0.2.1:443) over ipv4: connection refused`, `warn cannot connect to "web" ([2001:db8::1]:443) over ipv6: connection refused`},
				{`info connected again to "web" (192.0.2.1:443) over ipv4, down since 0, hint: ` + refused6},
			},
		},
		{
			name:   "a name that never resolved",
			checks: [][]check.Result{{{Status: check.Down, Err: errors.New("no such host"), ErrorType: check.DNSNotFound}}, {connected(v4)}},
			want:   [][]string{{`warn cannot connect to "web" (web.example:443): dns not found`}, {`info "web" (web.example:443) resolves again, or has no such address, down since 0`}},
		},
		{
			name:   "an address that is gone",
			checks: [][]check.Result{{failed(v4, check.Timeout)}, {connected(other)}, {connected(v4)}},
			want:   [][]string{{`warn cannot connect to "web" (192.0.2.1:443) over ipv4: timeout`}, {`info "web" (192.0.2.1:443) over ipv4 is no longer an address of the target, down since 0`}, nil},
		},
		{
			name:   "rotating addresses that connect",
			checks: [][]check.Result{{connected(v4)}, {connected(other)}, {connected(v4)}},
			want:   [][]string{nil, nil, nil},
		},
		{
			name:   "a fault of this machine changes nothing",
			checks: [][]check.Result{{connected(v4)}, {local}, {connected(v4)}, {failed(v4, check.Timeout)}, {local}, {failed(v4, check.Timeout)}},
			want:   [][]string{nil, nil, nil, {`warn cannot connect to "web" (192.0.2.1:443) over ipv4: timeout, up since 0`}, nil, nil},
		},
		{
			name:   "a check that was ended changes nothing",
			checks: [][]check.Result{{failed(v4, check.Timeout)}, {}, {failed(v4, check.Timeout)}},
			want:   [][]string{{`warn cannot connect to "web" (192.0.2.1:443) over ipv4: timeout`}, nil, nil},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			core, logs := observer.New(zapcore.DebugLevel)
			w := newWatched(zap.New(core), "web")
			for n, results := range test.checks {
				w.observe(&check.Report{Results: results}, time.Unix(int64(n), 0))
				assert.Equal(t, test.want[n], logLines(t, logs), "check %d", n)
			}
		})
	}
}

// The hint says what is known, and tells nobody to open a service of this machine to the
// network.
func TestFamilyHint(t *testing.T) {
	loop4, loop6 := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::1")
	nameless := check.Result{Family: check.IPv6, Status: check.Down, Err: errors.New("none"), ErrorType: check.NoAddress}
	unresolved := check.Result{Family: check.IPv6, Status: check.Down, Err: errors.New("no answer"), ErrorType: check.DNSTimeout}
	local := check.Result{Family: check.IPv6, Address: v6, Status: check.Unchecked, Err: errors.New("too many open files")}
	for _, test := range []struct {
		name    string
		results []check.Result
		want    []string // parts
		not     []string
	}{
		{"both connect", []check.Result{connected(v4), connected(v6)}, nil, nil},
		{"both fail", []check.Result{failed(v4, check.Timeout), failed(v6, check.Timeout)}, nil, nil},
		{"one family alone", []check.Result{failed(v4, check.Timeout)}, nil, nil},
		{"one of two addresses of a family", []check.Result{connected(v4), failed(other, check.Timeout)}, nil, nil},
		{"a fault of this machine", []check.Result{connected(v4), local}, nil, nil},
		{
			"ipv6 is refused",
			[]check.Result{connected(v4), failed(v6, check.ConnectionRefused)},
			[]string{"is refused over ipv6: nothing listens there, or a firewall answers in its place.", "[::] in its place is both", "address_families: [ipv4]"},
			[]string{"as well"},
		},
		{
			"ipv6 is refused on loopback",
			[]check.Result{connected(loop4), failed(loop6, check.ConnectionRefused)},
			[]string{"127.0.0.1 together with ::1 is both", "address_families: [ipv4]"},
			[]string{"[::]"},
		},
		{
			"ipv4 is refused",
			[]check.Result{failed(v4, check.ConnectionRefused), connected(v6)},
			[]string{"is refused over ipv4", "[::] with IPV6_V6ONLY is ipv6 only", "address_families: [ipv6]"},
			[]string{"0.0.0.0"},
		},
		{
			"ipv4 is refused on loopback",
			[]check.Result{failed(loop4, check.ConnectionRefused), connected(loop6)},
			[]string{"::1 together with 127.0.0.1 is both", "address_families: [ipv6]"},
			[]string{"0.0.0.0"},
		},
		{
			"ipv6 is refused, and ipv4 connects on loopback",
			[]check.Result{connected(loop4), failed(v6, check.ConnectionRefused)},
			[]string{"127.0.0.1 together with ::1 is both"},
			[]string{"[::]"},
		},
		{
			"two addresses fail, each for its own reason",
			[]check.Result{connected(v4), failed(v6.Next(), check.Timeout), failed(v6, check.ConnectionRefused)},
			[]string{"is refused over ipv6"},
			[]string{"2001:db8::2"},
		},
		{
			"the same, and the line is about the other one",
			[]check.Result{connected(v4), failed(v6, check.ConnectionRefused), failed(v6.Next(), check.Timeout)},
			[]string{"2001:db8::2 is still an address"},
			[]string{"is refused"},
		},
		{"ipv6 is silent", []check.Result{connected(v4), failed(v6, check.Timeout)}, []string{"2001:db8::1 is still an address of the host", "route", "firewalls"}, []string{"listens"}},
		{
			"ipv6 is ipv4 behind NAT64, and refused",
			[]check.Result{connected(v4), translated(failed(viaNAT64, check.ConnectionRefused))},
			[]string{"It connects over ipv4 and is refused over ipv6. 64:ff9b::c000:201 is 192.0.2.1 behind NAT64, so ipv6 says nothing about an IPv6 address of the service. See the translator, ", "address_families: [ipv4]"},
			[]string{"listens", "[::]"},
		},
		{
			"ipv6 is ipv4 behind NAT64, and silent",
			[]check.Result{connected(v4), translated(failed(viaNAT64, check.Timeout))},
			[]string{"It connects over ipv4 and not over ipv6. 64:ff9b::c000:201 is 192.0.2.1 behind NAT64", "the firewalls from there to 192.0.2.1."},
			[]string{"still an address"},
		},
		{
			"ipv6 is ipv4 behind NAT64, and ipv4 is refused",
			[]check.Result{failed(v4, check.ConnectionRefused), translated(connected(viaNAT64))},
			[]string{"It connects over ipv6 and is refused over ipv4. 64:ff9b::c000:201 is 192.0.2.1 behind NAT64", "192.0.2.1 is still an address of the host"},
			[]string{"listens", "IPV6_V6ONLY", "address_families"},
		},
		{
			"ipv6 is ipv4 behind NAT64 and an address of the service, and ipv4 is refused",
			[]check.Result{failed(v4, check.ConnectionRefused), translated(connected(viaNAT64)), connected(v6)},
			[]string{"[::] with IPV6_V6ONLY is ipv6 only"},
			[]string{"NAT64"},
		},
		{
			"ipv6 is ipv4 behind NAT64, and alone",
			[]check.Result{translated(failed(viaNAT64, check.Timeout))},
			[]string{"64:ff9b::c000:201 is 192.0.2.1 behind NAT64, so ipv6 says nothing about an IPv6 address of the service. See whether the service works at 192.0.2.1"},
			[]string{"It connects"},
		},
		{
			"ipv6 is ipv4 behind NAT64, and both fail",
			[]check.Result{failed(v4, check.Timeout), translated(failed(viaNAT64, check.Timeout))},
			[]string{"behind NAT64"},
			[]string{"It connects"},
		},
		{"the same, and the line is about ipv4", []check.Result{translated(failed(viaNAT64, check.Timeout)), failed(v4, check.Timeout)}, nil, nil},
		{"ipv6 is ipv4 behind NAT64, and both connect", []check.Result{connected(v4), translated(connected(viaNAT64))}, nil, nil},
		{
			"the name did not resolve, and ipv6 was ipv4 behind NAT64",
			[]check.Result{connected(v4), translated(failed(viaNAT64, check.DNSTimeout))},
			[]string{"over ipv6, in which its name was not resolved", "name servers"},
			[]string{"NAT64"},
		},
		{"the same, and there is no ipv4", []check.Result{translated(failed(viaNAT64, check.DNSTimeout))}, nil, nil},
		{"the name has no ipv6 address", []check.Result{connected(v4), nameless}, []string{"over ipv6, in which its name has no address", "DNS"}, []string{"listens", "firewall"}},
		{"the name did not resolve", []check.Result{connected(v4), unresolved}, []string{"over ipv6, in which its name was not resolved", "name servers"}, []string{"listens", "firewall"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			hint := Hint(&check.Target{}, test.results, &test.results[len(test.results)-1])
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

// Where a target has name servers of its own, the hint names them, and not the files of this machine.
func TestFamilyHintNamesServers(t *testing.T) {
	own := &check.Target{Servers: []netip.AddrPort{netip.MustParseAddrPort("10.0.0.53:53"), netip.MustParseAddrPort("[2001:db8::53]:5353")}}
	for errorType, want := range map[check.ErrorType][2]string{
		check.DNSTimeout: {"See the name servers that /etc/resolv.conf names.", "See the name servers of its resolver, 10.0.0.53:53, [2001:db8::53]:5353."},
		check.DNSFailure: {"See the name servers that /etc/resolv.conf names.", "See the name servers of its resolver, 10.0.0.53:53, [2001:db8::53]:5353."},
		check.NoAddress:  {"See its records in DNS and the hosts file.", "See its records at the name servers of its resolver, 10.0.0.53:53, [2001:db8::53]:5353."},
	} {
		results := []check.Result{connected(v4), {Family: check.IPv6, Status: check.Down, Err: errors.New("none"), ErrorType: errorType}}
		assert.Contains(t, Hint(&check.Target{}, results, nil), want[0])
		assert.Contains(t, Hint(own, results, nil), want[1])
	}
}

// Of several addresses that fail, the hint is about the one that the line is about, or else
// about one that is refused.
func TestFamilyHintOfSeveral(t *testing.T) {
	silent, refused, unreachable := failed(v6, check.Timeout), failed(v6.Next(), check.ConnectionRefused), failed(v6.Next().Next(), check.HostUnreachable)
	const refusedOver, stillAnAddress = "is refused over ipv6", " is still an address of the host"
	for _, test := range []struct {
		name   string
		failed []check.Result
		about  int // of these, or -1
		want   string
	}{
		{"the first one", []check.Result{silent, refused, unreachable}, 0, "2001:db8::1" + stillAnAddress},
		{"the one that is refused", []check.Result{silent, refused, unreachable}, 1, refusedOver},
		{"the last one", []check.Result{silent, refused, unreachable}, 2, "2001:db8::3" + stillAnAddress},
		{"none of them", []check.Result{silent, refused, unreachable}, -1, refusedOver},
		{"none of them, and the first is refused", []check.Result{refused, silent}, -1, refusedOver},
		{"none of them, and none is refused", []check.Result{silent, unreachable}, -1, "2001:db8::1" + stillAnAddress},
	} {
		t.Run(test.name, func(t *testing.T) {
			results := append([]check.Result{connected(v4)}, test.failed...)
			var about *check.Result
			if test.about >= 0 {
				about = &results[1+test.about]
			}
			assert.Contains(t, Hint(&check.Target{}, results, about), test.want)
		})
	}
}

// The fields of a line say which endpoint of which target it is about, as far as it is known.
func TestLogFields(t *testing.T) {
	for _, test := range []struct {
		endpoint   state.Endpoint
		translated check.Translated
		want       map[string]any
	}{
		{want: map[string]any{}},
		{endpoint: state.Endpoint{Family: check.IPv6}, want: map[string]any{"network.type": "ipv6"}},
		{endpoint: state.Endpoint{Family: check.IPv4, Address: v4}, want: map[string]any{"network.type": "ipv4", "network.peer.address": "192.0.2.1"}},
		{
			endpoint: state.Endpoint{Family: check.IPv6, Address: viaNAT64}, translated: check.Translated{192, 0, 2, 1},
			want: map[string]any{"network.type": "ipv6", "network.peer.address": "64:ff9b::c000:201", "tcpcheck.nat64.address": "192.0.2.1"},
		},
	} {
		core, logs := observer.New(zapcore.DebugLevel)
		w := newWatched(zap.New(core), "web")
		w.log.Write(&check.Report{Time: time.Unix(1, 0)}, []state.Change{{Kind: state.FamilyBack, Endpoint: test.endpoint, Translated: test.translated}})
		test.want["tcpcheck.instance"], test.want["server.address"], test.want["server.port"] = "web", "web.example", int64(443)
		assert.Equal(t, test.want, logs.All()[0].ContextMap())
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
	require.Equal(t, "web.example", fields["server.address"])
	require.Equal(t, int64(443), fields["server.port"])
	for _, key := range []string{"network.type", "network.peer.address"} {
		if value, ok := fields[key]; ok {
			require.Contains(t, entry.Message, value)
		}
	}
	if errorType, ok := fields["error.type"].(string); ok {
		if errorType == string(check.Other) {
			errorType = "it failed"
		}
		if strings.HasPrefix(entry.Message, "cannot connect") {
			require.Contains(t, entry.Message, ": "+strings.ReplaceAll(errorType, "_", " "))
		}
	}
	line := fmt.Sprintf("%s %s", entry.Level, entry.Message)
	for _, key := range []string{"up_since", "down_since", "since"} {
		if text, ok := fields["tcpcheck."+key].(string); ok {
			since, err := time.Parse(time.RFC3339Nano, text)
			require.NoError(t, err)
			line += fmt.Sprintf(", %s %d", strings.ReplaceAll(key, "_", " "), since.Unix())
		}
	}
	if hint, ok := fields["tcpcheck.hint"]; ok {
		line += fmt.Sprintf(", hint: %s", hint)
	}
	return line
}

// A target that flaps is logged a few times, and once more when it has settled.
func TestLogOfAFlappingTarget(t *testing.T) {
	core, logs := observer.New(zapcore.DebugLevel)
	w := newWatched(zap.New(core), "web")
	result := map[bool]check.Result{true: connected(v4), false: failed(v4, check.Timeout)}
	now := time.Unix(0, 0)
	for n := range 1000 {
		w.observe(&check.Report{Results: []check.Result{result[n%2 == 0]}}, now)
		now = now.Add(15 * time.Second)
	}
	assert.Len(t, logs.FilterLevelExact(zapcore.WarnLevel).All(), 4) // three outages, and that it flaps
	assert.Len(t, logs.TakeAll(), state.FlapChanges)

	settled := now
	for now.Sub(settled) <= state.FlapWindow {
		w.observe(&check.Report{Results: []check.Result{result[true]}}, now)
		now = now.Add(15 * time.Second)
	}
	entries := logs.TakeAll()
	require.Len(t, entries, 1)
	assert.Equal(t, `info "web" (192.0.2.1:443) over ipv4 is no longer flapping: connected, since 15000`, logLine(t, entries[0]))

	w.observe(&check.Report{Results: []check.Result{result[false]}}, now)
	assert.Len(t, logs.TakeAll(), 1, "a later change is logged again")
}

// Reasons that change all the time fill no log, and hide neither the recovery nor the next
// outage.
func TestLogOfChangingReasons(t *testing.T) {
	core, logs := observer.New(zapcore.DebugLevel)
	w := newWatched(zap.New(core), "web")
	now := time.Unix(0, 0)
	observe := func(result check.Result) {
		w.observe(&check.Report{Results: []check.Result{result}}, now)
		now = now.Add(15 * time.Second)
	}
	for range 20 { // ten minutes
		observe(failed(v4, check.Timeout))
		observe(failed(v4, check.HostUnreachable))
	}
	lines := logLines(t, logs)
	require.Len(t, lines, 1+state.FlapChanges)
	assert.Contains(t, lines[state.FlapChanges], `"web" (192.0.2.1:443) over ipv4 is down for changing reasons`)
	observe(connected(v4))
	observe(failed(v4, check.Timeout))
	observe(connected(v4))
	assert.Equal(t, []string{
		`info connected again to "web" (192.0.2.1:443) over ipv4, down since 0`,
		`warn cannot connect to "web" (192.0.2.1:443) over ipv4: timeout, up since 600`,
		`info connected again to "web" (192.0.2.1:443) over ipv4, down since 615`,
	}, logLines(t, logs))
}

// Every reason that probe knows is a value of the error.type attribute.
func TestErrorTypesAreInTheContract(t *testing.T) {
	for _, errorType := range check.ErrorTypes {
		assert.Contains(t, metadata.MapAttributeErrorType, string(errorType))
	}
	assert.Len(t, metadata.MapAttributeErrorType, len(check.ErrorTypes))
}

// What is logged of the families of a target that are not checked, or not whole.
func TestLogOfFamilies(t *testing.T) {
	both, ipv4Only := []check.Result{connected(v4), connected(v6)}, []check.Result{connected(v4)}
	lacks := func(reason check.OmissionReason) []check.Omission {
		return []check.Omission{{Family: check.IPv6, Reason: reason}}
	}
	excess := []check.Excess{{Family: check.IPv4, Found: 100, Checked: 64}}
	gone := `warn no longer checking "web" (web.example:443) over ipv6: the name has no such address any more`
	back := `info checking "web" (web.example:443) over ipv6 again`
	tooMany := `warn checking only the first 64 of 100 addresses of "web" (web.example:443) over ipv4`
	for _, test := range []struct {
		name   string
		checks []check.Report
		want   [][]string // per check
	}{
		{
			name:   "a name that has one family",
			checks: []check.Report{{Results: ipv4Only, Omissions: lacks(check.NameLacksFamily)}},
			want:   [][]string{nil},
		},
		{
			name: "a name loses a family and has it again",
			checks: []check.Report{
				{Results: both},
				{Results: ipv4Only, Omissions: lacks(check.NameLacksFamily)},
				{Results: ipv4Only, Omissions: lacks(check.NameLacksFamily)},
				{Results: both},
				{Results: both},
			},
			want: [][]string{nil, {gone}, nil, {back}, nil},
		},
		{
			name:   "this machine loses a family, which is said of all targets at once",
			checks: []check.Report{{Results: both}, {Results: ipv4Only, Omissions: lacks(check.MachineLacksFamily)}, {Results: both}},
			want:   [][]string{nil, nil, nil},
		},
		{
			name: "a lookup failed, of a family that the name has not",
			checks: []check.Report{
				{Results: []check.Result{connected(v4), {Family: check.IPv6, Status: check.Unresolved, Err: errors.New("it failed"), ErrorType: check.DNSFailure}}},
				{Results: ipv4Only, Omissions: lacks(check.NameLacksFamily)},
			},
			want: [][]string{
				{`warn cannot connect to "web" (web.example:443) over ipv6: dns failure`},
				{`info "web" (web.example:443) over ipv6 resolves again, or has no such address, down since 0`},
			},
		},
		{
			name:   "more addresses than are checked",
			checks: []check.Report{{Results: both, Excesses: excess}, {Results: both, Excesses: excess}, {Results: both}, {Results: both, Excesses: excess}},
			want:   [][]string{{tooMany}, nil, nil, {tooMany}},
		},
		{
			name: "an address that is denied, and is one that was down",
			checks: []check.Report{
				{Results: []check.Result{failed(v4, check.Timeout)}},
				{Denied: []netip.Addr{v4}},
				{Denied: []netip.Addr{v4}},
				{Results: ipv4Only},
				{Results: ipv4Only, Denied: []netip.Addr{v6}},
			},
			want: [][]string{
				{`warn cannot connect to "web" (192.0.2.1:443) over ipv4: timeout`},
				{`info "web" (192.0.2.1:443) over ipv4 is no longer an address of the target, down since 0`, `warn not checking "web" (192.0.2.1:443) over ipv4: it is one of the denied addresses`},
				nil,
				nil,
				{`warn not checking "web" ([2001:db8::1]:443) over ipv6: it is one of the denied addresses`},
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			core, logs := observer.New(zapcore.DebugLevel)
			w := newWatched(zap.New(core), "web")
			for n := range test.checks {
				w.observe(&test.checks[n], time.Unix(int64(n), 0))
				assert.Equal(t, test.want[n], logLines(t, logs), "check %d", n)
			}
		})
	}
}

// A target whose addresses are new at every check does not fill the log, and takes no
// lines from others.
func TestLogIsBounded(t *testing.T) {
	core, logs := observer.New(zapcore.DebugLevel)
	w, second := newWatched(zap.New(core), "web"), newWatched(zap.New(core), "other")
	now := time.Unix(0, 0)
	address := v4
	observe := func() {
		results := make([]check.Result, 10)
		for k := range results {
			address = address.Next()
			results[k] = failed(address, check.Timeout)
		}
		w.observe(&check.Report{Results: results}, now)
		now = now.Add(time.Second)
	}
	const checks = 500
	for range checks {
		observe()
	}
	entries := logs.TakeAll()
	assert.Len(t, entries, maxLines+1)
	assert.Equal(t, `too many lines about "web" (web.example:443): the next ones are counted until `+time.Unix(0, 0).Add(state.FlapWindow).Format(time.TimeOnly), entries[maxLines].Message)

	second.observe(&check.Report{Results: []check.Result{failed(v4, check.Timeout)}}, now)
	assert.Len(t, logs.TakeAll(), 1)

	// Nothing happens any more, and the time is over.
	now = now.Add(state.FlapWindow)
	results := make([]check.Result, 10)
	for k := range results {
		results[k] = failed(address, check.Timeout)
		address = netip.MustParseAddr(address.String()).Prev()
	}
	w.observe(&check.Report{Results: results}, now)
	entries = logs.TakeAll()
	require.Len(t, entries, 1)
	// 10 lines in the first check, 20 in each of the others.
	assert.Equal(t, fmt.Sprintf(`%d lines about "web" (web.example:443) were not logged: 10 of its addresses are down`, checks*20-10-maxLines), entries[0].Message)
	assert.Len(t, entries[0].ContextMap()["addresses_down"], 10)
}

// Of many lines, the first ones are logged, and what the others left unsaid as soon as the
// time is over.
func TestLogOfManyLines(t *testing.T) {
	start := time.Unix(1_000_000, 0)
	for _, test := range []struct {
		down      int // addresses
		logged    []int
		addresses int // in the line that says what was left unsaid
	}{
		{down: 20, logged: []int{20, 0, 0, 20}},
		{down: 21, logged: []int{21, 0, 1, 20}, addresses: 20},
		{down: 22, logged: []int{21, 0, 1, 20}, addresses: 20},
	} {
		t.Run(fmt.Sprint(test.down), func(t *testing.T) {
			core, logs := observer.New(zapcore.DebugLevel)
			w := newWatched(zap.New(core), "web")
			down, up := make([]check.Result, test.down), make([]check.Result, 20)
			address := v4
			for i := range down {
				down[i] = failed(address, check.Timeout)
				if i < len(up) {
					up[i] = connected(address)
				}
				address = address.Next()
			}
			for n, report := range []check.Report{
				{Time: start, Results: down},
				{Time: start.Add(state.FlapWindow - 1), Results: down},
				{Time: start.Add(state.FlapWindow), Results: down},
				{Time: start.Add(state.FlapWindow), Results: append(up, down[20:]...)},
			} {
				w.observe(&report, report.Time)
				entries := logs.TakeAll()
				require.Len(t, entries, test.logged[n], "report %d", n)
				if n == 2 && len(entries) > 0 {
					fields := entries[0].ContextMap()
					assert.Equal(t, int64(test.down-20), fields["lines"])
					assert.Equal(t, int64(test.down), fields["down"])
					assert.Len(t, fields["addresses_down"], test.addresses)
				}
			}
		})
	}
}

// What lines left unsaid is said when their time is over: at the first check that is done,
// of what was down until then.
func TestLogFlush(t *testing.T) {
	core, logs := observer.New(zapcore.DebugLevel)
	w := newWatched(zap.New(core), "web")
	now := time.Unix(0, 0)
	for range 2 * maxLines {
		w.observe(&check.Report{Results: []check.Result{failed(v4, check.Timeout), failed(other, check.Timeout)}}, now)
		w.observe(&check.Report{Results: []check.Result{failed(v4, check.Timeout)}}, now.Add(time.Second))
		now = now.Add(2 * time.Second)
	}
	logs.TakeAll()
	now = now.Add(state.FlapWindow)
	w.observe(&check.Report{}, now)
	assert.Empty(t, logs.TakeAll(), "it was cut short")
	w.observe(&check.Report{Results: []check.Result{connected(v4)}}, now)
	lines := logs.TakeAll()
	require.Len(t, lines, 2)
	assert.Contains(t, lines[0].Message, "were not logged: 1 of its addresses are down")
	assert.Contains(t, lines[1].Message, "connected again")
}

// An endpoint that flapped has settled up, or down for a reason.
func TestLogOfSettled(t *testing.T) {
	for want, result := range map[string]check.Result{
		`info "web" (192.0.2.1:443) over ipv4 is no longer flapping: connected, since 7`:          connected(v4),
		`info "web" (192.0.2.1:443) over ipv4 is no longer flapping: connection refused, since 7`: failed(v4, check.ConnectionRefused),
	} {
		core, logs := observer.New(zapcore.DebugLevel)
		w := newWatched(zap.New(core), "web")
		change := state.Change{Kind: state.Settled, Endpoint: state.Endpoint{Family: check.IPv4, Address: v4}, Result: &result, Since: time.Unix(7, 0)}
		w.log.Write(&check.Report{Time: time.Unix(8, 0), Results: []check.Result{result}}, []state.Change{change})
		assert.Equal(t, result.Status == check.Up, logs.All()[0].ContextMap()["tcpcheck.connected"])
		assert.Equal(t, []string{want}, logLines(t, logs))
	}
}
