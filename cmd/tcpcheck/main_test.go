package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/testnet"
)

// ran is what came of running the command.
type ran struct {
	status    status
	out, errs string
}

func runWith(ctx context.Context, args ...string) ran {
	var out, errs bytes.Buffer
	status := run(ctx, args, &out, &errs)
	return ran{status, out.String(), errs.String()}
}

func TestStatus(t *testing.T) {
	up, closed := testnet.Listen(t, "tcp4", "127.0.0.1:0").String(), testnet.ClosedPort(t, "127.0.0.1").String()
	for name, test := range map[string]struct {
		args []string
		want status
		says string // of what is printed
	}{
		"up":            {[]string{up}, statusOK, `127\.0\.0\.1:\d+ +ipv4 +127\.0\.0\.1 +up +[\d.]+[mµn]?s\n$`},
		"twice":         {[]string{up, up}, statusOK, `^.*\n.* up .*\n$`},
		"closed":        {[]string{closed}, statusCritical, ` ipv4 +127\.0\.0\.1 +down +connection refused\n$`},
		"up and closed": {[]string{up, closed}, statusCritical, `^.*\n.* up .*\n.* down .*\n$`},
		"no such name":  {[]string{"--timeout", "1s", "nowhere.invalid:80"}, statusUnknown, `nowhere\.invalid:80: (the name does not exist|no name server answered|the name servers do not)`},
		"help":          {[]string{"--help"}, statusOK, `(?s)Usage:\n  tcpcheck \[flags\] \[--config file\] \[host:port\.\.\.\].*--family.*--timeout`},
		"slow":          {[]string{"--warn", "1ns", up}, statusWarning, ` up `},
		"very slow":     {[]string{"--crit", "1ns", "-o", "nagios", up}, statusCritical, `^TCPCHECK CRITICAL - 127\.0\.0\.1:\d+: 1 of 1 addresses connected \| '.*'=`},
		"json":          {[]string{"-o", "json", closed}, statusCritical, `"error_type": "connection_refused"`},
		"junit":         {[]string{"-o", "junit", closed}, statusCritical, `<failure message="connection refused" type="connection_refused">`},
	} {
		t.Run(name, func(t *testing.T) {
			got := runWith(context.Background(), test.args...)
			assert.Equal(t, test.want, got.status, got)
			assert.Regexp(t, test.says, got.out+got.errs)
		})
	}
}

// The one who suffered first: a service that listens on IPv4 alone. The README shows it.
func TestOneFamily(t *testing.T) {
	testnet.RequireIPv6(t)
	port := fmt.Sprint(testnet.Listen(t, "tcp4", "127.0.0.1:0").Port())
	got := runWith(context.Background(), "--family", "ipv4,ipv6", "localhost:"+port)
	require.Equal(t, statusWarning, got.status, got)
	assert.Contains(t, got.out, "localhost:"+port+": It connects over ipv4 and is refused over ipv6")
}

// Of an address that leads to a translator, what is behind it is said once, in a note or in the hint.
func TestBehindNAT64(t *testing.T) {
	target := &check.Target{Host: "web.example", Port: 443}
	native := check.Result{Family: check.IPv4, Address: netip.MustParseAddr("192.0.2.1"), Status: check.Up}
	up := check.Result{Family: check.IPv6, Address: netip.MustParseAddr("64:ff9b::c000:201"), Translated: check.Translated{192, 0, 2, 1}, Status: check.Up}
	refused := up
	refused.Status, refused.Err, refused.ErrorType = check.Down, errors.New("refused"), check.ConnectionRefused
	const behind = "64:ff9b::c000:201 is 192.0.2.1 behind NAT64, so ipv6 says nothing about an IPv6 address of the service."
	for name, test := range map[string]struct {
		results []check.Result
		notes   string // a line for each
	}{
		"up":          {[]check.Result{native, up}, "web.example:443: " + behind + "\n"},
		"no ipv4":     {[]check.Result{up}, "web.example:443: " + behind + "\n"},
		"refused":     {[]check.Result{native, refused}, "web.example:443: It connects over ipv4 and is refused over ipv6. " + behind + " See the translator, "},
		"not of ipv6": {[]check.Result{native}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			reports := []check.Report{{Target: target, Results: test.results}}
			notes := notesOf(reports)
			assert.True(t, strings.HasPrefix(notes, test.notes), notes)
			assert.Equal(t, min(1, len(test.notes)), strings.Count(notes, "\n"), notes)
			made := jsonTargets(reports, limits{})[0]
			assert.Len(t, made.Notes, min(1, len(test.notes)))
			for i, r := range test.results {
				assert.Equal(t, r.Translated.String(), made.Results[i].NAT64)
			}
		})
	}
}

func TestInterrupted(t *testing.T) {
	ctx, end := context.WithCancel(context.Background())
	end()
	got := runWith(ctx, "127.0.0.1:1")
	assert.Equal(t, statusUnknown, got.status)
	assert.Regexp(t, `127\.0\.0\.1:1 +unchecked +it was interrupted\n$`, got.out)
}

func TestRepeat(t *testing.T) {
	up, closed := testnet.Listen(t, "tcp4", "127.0.0.1:0").String(), testnet.ClosedPort(t, "127.0.0.1").String()
	got := runWith(context.Background(), "-c", "3", "-i", "1ms", up, closed, "127.0.0.1:1")
	assert.Equal(t, statusCritical, got.status, got)
	rows, summary, _ := strings.Cut(got.out, "\n\n")
	assert.Equal(t, 1, strings.Count(rows, "TARGET"), rows)
	assert.Len(t, regexp.MustCompile(`(?m)^`+up+` .* up +[\d.]+.?s$`).FindAllString(rows, -1), 3, rows)
	assert.Len(t, regexp.MustCompile(`(?m)^`+closed+` .* connection refused$`).FindAllString(rows, -1), 3, rows)
	const seconds = ` +[\d.]+[nµm]?s`
	assert.Regexp(t, `^TARGET .* SENT +UP +MIN +AVG +MAX +STDDEV +RETRANSMITS\n`+
		up+` +ipv4 +127\.0\.0\.1 +3 +3`+seconds+seconds+seconds+seconds+` +0\n`+
		closed+` +ipv4 +127\.0\.0\.1 +3 +0 +0\n127\.0\.0\.1:1 .*\n$`, summary)
}

// An interval alone is for checks until the command is interrupted, whose summary comes nevertheless.
func TestUntilInterrupted(t *testing.T) {
	ctx, end := context.WithCancel(context.Background())
	defer end()
	var connections atomic.Int32
	target := testnet.ListenFunc(t, "tcp4", "127.0.0.1:0", func() {
		if connections.Add(1) == 3 {
			end()
		}
	}).String()
	got := runWith(ctx, "--interval", "1ms", target)
	assert.Equal(t, statusOK, got.status, got)
	assert.Regexp(t, `\n\nTARGET .*\n127\.0\.0\.1:\d+ +ipv4 +127\.0\.0\.1 +[2-9]\d* +[2-9]\d* `, got.out) // the third one may be cut short

	got = runWith(ctx, "--count", "0", target) // before the first one
	assert.Equal(t, statusUnknown, got.status, got)
}

func TestTally(t *testing.T) {
	address := netip.MustParseAddr("192.0.2.1")
	var sum tally
	for _, r := range []check.Result{
		{Status: check.Up, HandshakeTime: 2 * time.Millisecond, SYNRetransmits: 1},
		{Status: check.Up, HandshakeTime: 4 * time.Millisecond, SYNRetransmits: check.UnknownRetransmits},
		{Status: check.Up, HandshakeTime: 6 * time.Millisecond},
		{Status: check.Down, SYNRetransmits: 3},
		{Status: check.Unchecked, SYNRetransmits: check.UnknownRetransmits},
	} {
		r.Address = address
		sum.add(&r)
	}
	sum.add(&check.Result{Status: check.Down, ErrorType: check.NoAddress})
	assert.Equal(t, [3]int{4, 3, 4}, [3]int{sum.sent, sum.up, sum.retransmits})
	assert.Equal(t, [4]string{"2ms", "4ms", "6ms", "1.63ms"}, sum.times())
}

func TestConfig(t *testing.T) {
	up, closed := testnet.Listen(t, "tcp4", "127.0.0.1:0"), testnet.ClosedPort(t, "127.0.0.1")
	t.Setenv("TCPCHECK_TEST_PORT", fmt.Sprint(up.Port()))
	for name, test := range map[string]struct {
		text string
		args []string
		want status
		says string
	}{
		"a collector's": {"receivers:\n  tcpcheck: {instances: [{name: a, host: 127.0.0.1, port: '${env:TCPCHECK_TEST_PORT}'}]}\n  otlp: {}\n", nil, statusOK, `\n127\.0\.0\.1:\d+ .* up .*\n$`},
		"two receivers": {
			fmt.Sprintf("receivers:\n  tcpcheck/a: {instances: [{name: a, endpoint: %q}]}\n  tcp_probe/b: {defaults: {timeout: 1s}, instances: [{name: b, endpoint: %q}]}", up, closed),
			nil, statusCritical, `\n` + closed.String() + ` .* down .*\n` + up.String() + ` .* up `,
		},
		"and an argument":     {fmt.Sprintf("instances: [{name: a, endpoint: %q}]", up), []string{closed.String()}, statusCritical, closed.String() + ` .*\n` + up.String()},
		"a conf.yaml":         {fmt.Sprintf("init_config:\ninstances:\n- {name: a, host: 127.0.0.1, port: %d, tags: [x]}", up.Port()), nil, statusOK, ` up `},
		"jobs":                {fmt.Sprintf("receivers: {tcpcheck: {scrape_configs: [{job_name: j, static_configs: [{targets: [%q]}]}]}}", up), nil, statusOK, ` up `},
		"a source that fails": {fmt.Sprintf("receivers: {tcpcheck: {instances: [{name: a, endpoint: %q}], scrape_configs: [{job_name: j, http_sd_configs: [{url: 'http://%s'}]}]}}", up, closed), nil, statusUnknown, `^the list of scrape_configs\[0\]\.http_sd_configs\[0\] is missing: .*refused\n(?s).* up `},
		"a silent source":     {"receivers: {tcpcheck: {scrape_configs: [{job_name: j, file_sd_configs: [{files: [/nowhere/*.yaml]}]}]}}", []string{"--timeout", "100ms"}, statusUnknown, `is missing: .*\nthere is no target to check\n`},
		"certificates":        {"receivers: {tcpcheck: {certificate_files: [a.crt]}}", nil, statusUnknown, `^certificate_files: they are not read.*\nthere is no target to check\n`},
		"observers":           {"extensions: {host_observer: {}}\nreceivers: {tcpcheck: {observers: [{observer: host_observer, rule: 'type == \"hostport\"'}]}}", nil, statusUnknown, `^observers: they are not asked.*\nthere is no target to check\n`},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "config.yaml")
			require.NoError(t, os.WriteFile(path, []byte(test.text), 0o600))
			got := runWith(context.Background(), append([]string{"--config", path}, test.args...)...)
			assert.Equal(t, test.want, got.status, got)
			assert.Regexp(t, test.says, got.errs+got.out)
		})
	}
}

// The configurations of the repository are taken, but for those that have no receiver of ours.
func TestExamples(t *testing.T) {
	t.Setenv("TARGET_HOST", "127.0.0.1")
	paths, err := filepath.Glob("../../examples/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			got := runWith(context.Background(), "--timeout", "1s", "--config", path)
			if !regexp.MustCompile(`(?m)^  (tcpcheck|tcp_probe)(/.*)?:`).Match(text) {
				assert.Contains(t, got.errs, "has no receiver", got)
				return
			}
			assert.NotContains(t, got.errs, "--help", got)
			assert.True(t, strings.HasPrefix(got.out, "TARGET"), got)
		})
	}
}

// saidBy is an error that somebody is the sender of.
type saidBy struct {
	error
	sender netip.Addr
}

func (e saidBy) Sender() netip.Addr           { return e.sender }
func (e saidBy) Source() check.ErrorSource    { return check.ICMP }
func (e saidBy) Message() string              { return "host unreachable" }
func (e saidBy) LocalAddress() netip.AddrPort { return netip.AddrPort{} }

// twoReports are those of a target that is up over one family, and of one of which little is known.
func twoReports() []check.Report {
	target := &check.Target{Host: "h", Port: 80, Timeout: 10 * time.Second}
	v4, v6 := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	return []check.Report{
		{Target: target, Results: []check.Result{
			{Family: check.IPv4, Address: v4, Status: check.Up, HandshakeTime: 12_345_678 * time.Nanosecond},
			{Family: check.IPv6, Address: v6, Status: check.Down, ErrorType: check.HostUnreachable, Err: saidBy{errors.New("no route"), netip.MustParseAddr("2001:db8::fe")}},
		}},
		{Target: target, Omissions: []check.Omission{{Family: check.IPv6, Reason: check.MachineLacksFamily}}, Excesses: []check.Excess{{Family: check.IPv4, Found: 40, Checked: 32}}, Results: []check.Result{
			{Family: check.IPv4, Address: v4, Status: check.Unchecked, Err: errors.New("no file left"), SYNRetransmits: check.UnknownRetransmits},
			{Family: check.IPv4, Status: check.Down, ErrorType: check.Other, Err: errors.New("strange"), SYNRetransmits: check.UnknownRetransmits},
		}},
	}
}

func TestFormats(t *testing.T) {
	const table = `TARGET  FAMILY  ADDRESS      RESULT     TIME    REASON            SENDER
h:80    ipv4    192.0.2.1    up         12.3ms
h:80    ipv6    2001:db8::1  down               host unreachable  2001:db8::fe
h:80    ipv4    192.0.2.1    unchecked          no file left
h:80    ipv4                 down               strange
h:80: (the hint)
h:80: ipv6 is not checked: this machine has no ipv6 address from which it could reach them.
h:80: 32 of its 40 ipv4 addresses are checked.
`
	hint := regexp.MustCompile(`It connects[^"<\n]*`)
	for name, want := range map[string]string{
		"table":  table,
		"nagios": "TCPCHECK CRITICAL - 2 targets: 1 of 4 addresses connected | 'h:80 ipv4 192.0.2.1'=0.012345678s;0.01;;0;10\n" + table,
		"json": `[
  {
    "server_address": "h",
    "server_port": 80,
    "status": "WARNING",
    "results": [
      {
        "network_type": "ipv4",
        "network_peer_address": "192.0.2.1",
        "result": "up",
        "response_time_seconds": 0.012345678,
        "syn_retransmits": 0
      },
      {
        "network_type": "ipv6",
        "network_peer_address": "2001:db8::1",
        "result": "down",
        "syn_retransmits": 0,
        "error_type": "host_unreachable",
        "error": "no route",
        "sender": "2001:db8::fe"
      }
    ],
    "notes": [
      "(the hint)"
    ]
  },
  {
    "server_address": "h",
    "server_port": 80,
    "status": "CRITICAL",
    "results": [
      {
        "network_type": "ipv4",
        "network_peer_address": "192.0.2.1",
        "result": "unchecked",
        "error": "no file left"
      },
      {
        "network_type": "ipv4",
        "result": "down",
        "error_type": "_OTHER",
        "error": "strange"
      }
    ],
    "notes": [
      "ipv6 is not checked: this machine has no ipv6 address from which it could reach them.",
      "32 of its 40 ipv4 addresses are checked."
    ]
  }
]
`,
		"junit": `<?xml version="1.0" encoding="UTF-8"?>
<testsuite name="tcpcheck" tests="4" failures="3" errors="1">
  <testcase classname="tcpcheck" name="h:80 ipv4 192.0.2.1" time="0.012345678">
    <failure message="WARNING: the handshake took 12.3ms"></failure>
  </testcase>
  <testcase classname="tcpcheck" name="h:80 ipv6 2001:db8::1" time="0">
    <failure message="host unreachable, said by 2001:db8::fe" type="host_unreachable">(the hint)</failure>
  </testcase>
  <testcase classname="tcpcheck" name="h:80 ipv4 192.0.2.1" time="0">
    <error message="no file left">ipv6 is not checked: this machine has no ipv6 address from which it could reach them.&#xA;32 of its 40 ipv4 addresses are checked.</error>
  </testcase>
  <testcase classname="tcpcheck" name="h:80 ipv4" time="0">
    <failure message="strange" type="_OTHER">ipv6 is not checked: this machine has no ipv6 address from which it could reach them.&#xA;32 of its 40 ipv4 addresses are checked.</failure>
  </testcase>
</testsuite>
`,
	} {
		t.Run(name, func(t *testing.T) {
			var text bytes.Buffer
			write, err := formatOf(name)
			require.NoError(t, err)
			require.NoError(t, write(&text, twoReports(), limits{warning: 10 * time.Millisecond}))
			assert.Equal(t, want, hint.ReplaceAllString(text.String(), "(the hint)"))
		})
	}
}

func TestSlow(t *testing.T) {
	const handshake = 10 * time.Millisecond
	up := check.Result{Status: check.Up, HandshakeTime: handshake}
	down := check.Result{Status: check.Down, ErrorType: check.Timeout}
	for name, test := range map[string]struct {
		limits  limits
		results []check.Result
		want    status
	}{
		"no limits":                 {limits{}, []check.Result{up}, statusOK},
		"at the limits":             {limits{handshake, handshake}, []check.Result{up}, statusOK},
		"slow":                      {limits{warning: handshake - 1}, []check.Result{up}, statusWarning},
		"very slow":                 {limits{1, handshake - 1}, []check.Result{up}, statusCritical},
		"very slow, one family":     {limits{critical: 1}, []check.Result{up, down}, statusCritical},
		"slow, and one not checked": {limits{warning: 1}, []check.Result{up, {Status: check.Unchecked}}, statusWarning},
		"one not checked":           {limits{}, []check.Result{up, {Status: check.Unchecked}}, statusUnknown},
		"down, and one not checked": {limits{}, []check.Result{down, {Status: check.Unchecked}}, statusCritical},
		"one not resolved":          {limits{}, []check.Result{up, {Status: check.Unresolved, ErrorType: check.DNSFailure}}, statusWarning},
		"a family without address":  {limits{}, []check.Result{up, {Status: check.Down, ErrorType: check.NoAddress}}, statusWarning},
		"nothing":                   {limits{critical: 1}, nil, statusUnknown},
	} {
		assert.Equal(t, test.want, test.limits.status(&check.Report{Results: test.results}), name)
	}
}

func TestShort(t *testing.T) {
	for d, want := range map[time.Duration]string{0: "0s", 999: "999ns", 1234: "1.23µs", 12_345: "12.3µs", 999_999: "1ms", 10 * time.Second: "10s"} {
		assert.Equal(t, want, short(d))
	}
}
