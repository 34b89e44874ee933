package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"strings"
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
		"up":                {[]string{up}, statusOK, `127\.0\.0\.1:\d+ +ipv4 +127\.0\.0\.1 +up +[\d.]+[mµn]?s\n$`},
		"twice":             {[]string{up, up}, statusOK, `^.*\n.* up .*\n$`},
		"closed":            {[]string{closed}, statusCritical, ` ipv4 +127\.0\.0\.1 +down +connection refused\n$`},
		"up and closed":     {[]string{up, closed}, statusCritical, `^.*\n.* up .*\n.* down .*\n$`},
		"a family it lacks": {[]string{"--family", "ipv6", up}, statusUnknown, `"127\.0\.0\.1:\d+" is an ipv4 address, but`},
		"no such name":      {[]string{"--timeout", "1s", "nowhere.invalid:80"}, statusUnknown, `nowhere\.invalid:80: (the name does not exist|no name server answered|the name servers do not)`},
		"help":              {[]string{"--help"}, statusOK, `(?s)Usage:\n  tcpcheck \[flags\] host:port\.\.\..*--family.*--timeout`},
		"nothing":           {nil, statusUnknown, `^there is no target; write host:port, such as localhost:22\nSee tcpcheck --help\.\n$`},
		"no port":           {[]string{"localhost", up}, statusUnknown, `^"localhost" is not host:port`},
		"two mistakes":      {[]string{"a:0", "https://b:1"}, statusUnknown, `^".*\n".*\nSee`},
		"no such family":    {[]string{"--family", "ipv5", up}, statusUnknown, `^--family: "ipv5" is no address family`},
		"no time":           {[]string{"--timeout", "0s", up}, statusUnknown, `^--timeout: 0s is not more than 0`},
		"no duration":       {[]string{"--timeout", "soon", up}, statusUnknown, `^invalid argument "soon" for "--timeout"`},
		"no such flag":      {[]string{"--wrong", up}, statusUnknown, `^unknown flag: --wrong`},
	} {
		t.Run(name, func(t *testing.T) {
			got := runWith(context.Background(), test.args...)
			assert.Equal(t, test.want, got.status, got)
			assert.Regexp(t, test.says, got.out+got.errs)
		})
	}
}

var update = flag.Bool("update", false, "write what the command prints into README.md")

// The one who suffered first: a service that listens on IPv4 alone. The README shows it.
func TestOneFamily(t *testing.T) {
	testnet.RequireIPv6(t)
	port := fmt.Sprint(testnet.Listen(t, "tcp4", "127.0.0.1:0").Port())
	got := runWith(context.Background(), "--family", "ipv4,ipv6", "localhost:"+port)
	require.Equal(t, statusWarning, got.status, got)
	assert.Contains(t, got.out, "localhost:"+port+": It connects over ipv4 and is refused over ipv6")

	const file = "../../README.md"
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	shown := regexp.MustCompile("(?s)```\n(TARGET .*?)```").FindSubmatch(text)
	require.NotNil(t, shown)
	const portThere = "18080" // which has as many digits
	printed := strings.ReplaceAll(got.out, port, portThere)
	if *update {
		require.NoError(t, os.WriteFile(file, bytes.Replace(text, shown[1], []byte(printed), 1), 0o600))
		return
	}
	timeless := func(text string) string {
		text = regexp.MustCompile(`up +[\d.]+.?s`).ReplaceAllString(text, "up time")
		return regexp.MustCompile(` +`).ReplaceAllString(text, " ")
	}
	assert.Equal(t, timeless(printed), timeless(string(shown[1])), "run the test with -update")
}

func TestInterrupted(t *testing.T) {
	ctx, end := context.WithCancel(context.Background())
	end()
	got := runWith(ctx, "127.0.0.1:1")
	assert.Equal(t, statusUnknown, got.status)
	assert.Regexp(t, `127\.0\.0\.1:1 +unchecked +it was interrupted\n$`, got.out)
}

// saidBy is an error that somebody is the sender of.
type saidBy struct {
	error
	sender netip.Addr
}

func (e saidBy) Sender() netip.Addr { return e.sender }

func TestTable(t *testing.T) {
	target := &check.Target{Host: "h", Port: 80}
	v4, v6 := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	reports := []check.Report{
		{Target: target, Results: []check.Result{
			{Family: check.IPv4, Address: v4, Status: check.Up, HandshakeTime: 12_345_678 * time.Nanosecond},
			{Family: check.IPv6, Address: v6, Status: check.Down, ErrorType: check.HostUnreachable, Err: saidBy{errors.New("no route"), netip.MustParseAddr("2001:db8::fe")}},
		}},
		{Target: target, Omissions: []check.Omission{{Family: check.IPv6, Reason: check.MachineLacksFamily}}, Excesses: []check.Excess{{Family: check.IPv4, Found: 40, Checked: 32}}, Results: []check.Result{
			{Family: check.IPv4, Address: v4, Status: check.Unchecked, Err: errors.New("no file left")},
			{Family: check.IPv4, Status: check.Down, ErrorType: check.Other, Err: errors.New("strange")},
		}},
	}
	var text bytes.Buffer
	require.NoError(t, writeTable(&text, reports))
	hint := regexp.MustCompile(`It connects.*`)
	assert.Equal(t, `TARGET  FAMILY  ADDRESS      RESULT     TIME    REASON            SENDER
h:80    ipv4    192.0.2.1    up         12.3ms
h:80    ipv6    2001:db8::1  down               host unreachable  2001:db8::fe
h:80    ipv4    192.0.2.1    unchecked          no file left
h:80    ipv4                 down               strange
h:80: (the hint)
h:80: ipv6 is not checked: this machine has no ipv6 address from which it could reach them.
h:80: 32 of its 40 ipv4 addresses are checked.
`, hint.ReplaceAllString(text.String(), "(the hint)"))
	assert.Equal(t, statusWarning, statusOf(reports[:1]))
	assert.Equal(t, statusCritical, statusOf(reports))
}

func TestShort(t *testing.T) {
	for d, want := range map[time.Duration]string{0: "0s", 999: "999ns", 1234: "1.23µs", 12_345: "12.3µs", 999_999: "1ms", 10 * time.Second: "10s"} {
		assert.Equal(t, want, short(d))
	}
}
