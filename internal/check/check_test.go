package check

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestConntrackRate(t *testing.T) {
	for _, test := range []struct {
		conntrack Conntrack
		want      int
	}{
		{Conntrack{}, 0},
		{Conntrack{Max: 262144}, 0},
		{Conntrack{Max: 262144, TimeWait: -time.Second}, 0},
		{Conntrack{Max: 262144, TimeWait: time.Second / 2}, 524288},
		{Conntrack{Count: 7, Max: 262144, TimeWait: 2 * time.Minute}, 2184},
		{Conntrack{Max: 10, TimeWait: time.Minute}, 0},
	} {
		assert.Equal(t, test.want, test.conntrack.Rate(), "%+v", test.conntrack)
	}
}

func TestErrorTypeWords(t *testing.T) {
	for errorType, want := range map[ErrorType]string{
		ConnectionRefused: "connection refused", AdministrativelyProhibited: "administratively prohibited", Timeout: "timeout", DNSNotFound: "dns not found",
		Other: "another reason", "": "",
	} {
		assert.Equal(t, want, errorType.Words())
	}
}

func TestFamilies(t *testing.T) {
	for _, test := range []struct {
		family, other Family
		text          string
	}{
		{IPv4, IPv6, "ipv4"},
		{IPv6, IPv4, "ipv6"},
	} {
		assert.Equal(t, test.text, test.family.String())
		assert.Equal(t, test.other, test.family.Other())
	}
	assert.Empty(t, Family(0).String())
	for address, want := range map[string]Family{"192.0.2.1": IPv4, "::ffff:192.0.2.1": IPv4, "2001:db8::1": IPv6, "::192.0.2.1": IPv6} {
		assert.Equal(t, want, FamilyOf(netip.MustParseAddr(address)), address)
	}
}

func TestTranslated(t *testing.T) {
	assert.Empty(t, Translated{}.String())
	assert.False(t, Translated{}.Addr().IsValid())
	assert.Equal(t, "192.0.2.1", Translated{192, 0, 2, 1}.String())
	assert.Equal(t, netip.MustParseAddr("192.0.2.1"), Translated{192, 0, 2, 1}.Addr())
}

func TestPatterns(t *testing.T) {
	patterns := func(expressions ...string) (patterns []*regexp.Regexp) {
		for _, expression := range expressions {
			patterns = append(patterns, regexp.MustCompile(expression))
		}
		return patterns
	}
	for _, test := range []struct {
		name             string
		include, exclude []string
		want             bool
	}{
		{"none", nil, nil, true},
		{"included", []string{"can_connect"}, nil, true},
		{"included by the last one", []string{"errors", "^network"}, nil, true},
		{"not included", []string{"errors", "^connect"}, nil, false},
		{"excluded", nil, []string{"errors", "connect$"}, false},
		{"not excluded", nil, []string{"errors", "^connect"}, true},
		{"included and excluded", []string{"tcp"}, []string{"can"}, false},
		{"included, and not excluded", []string{"tcp"}, []string{"errors"}, true},
		{"neither", []string{"errors"}, []string{"omitted"}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			assert.Equal(t, test.want, Patterns{patterns(test.include...), patterns(test.exclude...)}.Match("network.tcp.can_connect"))
		})
	}
}

func TestTarget(t *testing.T) {
	for _, test := range []struct {
		host, hostPort string
		literal        netip.Addr
	}{
		{"web.example", "web.example:443", netip.Addr{}},
		{"192.0.2.1", "192.0.2.1:443", netip.MustParseAddr("192.0.2.1")},
		{"2001:db8::1", "[2001:db8::1]:443", netip.MustParseAddr("2001:db8::1")},
		{"fe80::1%eth0", "[fe80::1%eth0]:443", netip.MustParseAddr("fe80::1%eth0")},
		{"::ffff:192.0.2.1", "[::ffff:192.0.2.1]:443", netip.MustParseAddr("192.0.2.1")},
		{"192.0.2", "192.0.2:443", netip.Addr{}},
	} {
		target := Target{Host: test.host, Port: 443}
		assert.Equal(t, test.hostPort, target.HostPort())
		literal, ok := target.Literal()
		assert.Equal(t, test.literal, literal, test.host)
		assert.Equal(t, test.literal.IsValid(), ok, test.host)
	}
}

func TestReport(t *testing.T) {
	up, refused := Result{Status: Up}, Result{Status: Down, ErrorType: ConnectionRefused}
	silent, unresolved := Result{Status: Down, ErrorType: Timeout}, Result{Status: Unresolved, ErrorType: DNSTimeout}
	fault, lost := Result{Status: Unchecked, Err: errors.New("too many open files")}, Result{Status: Unchecked, Err: fmt.Errorf("dial: %w", os.ErrDeadlineExceeded)}
	untimed := Result{Status: Unchecked, Err: context.Canceled}
	for _, test := range []struct {
		name             string
		results          []Result
		complete, silent bool
	}{
		{"not done", nil, false, false},
		{"up", []Result{up}, true, false},
		{"refused", []Result{up, refused}, true, false},
		{"silent", []Result{silent}, true, true},
		{"one of them is silent", []Result{up, silent, up}, true, true},
		{"the name servers are silent", []Result{up, unresolved}, true, true},
		{"a fault of this machine", []Result{fault}, false, false},
		{"a fault of this machine at the end", []Result{up, fault}, false, false},
		{"another fault of this machine", []Result{untimed, up}, false, false},
		{"lost on this machine", []Result{up, lost}, false, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			report := Report{Results: test.results}
			assert.Equal(t, test.complete, report.Complete())
			assert.Equal(t, test.silent, report.Silent())
		})
	}
}

// What stands for a value that is not there is no such value.
func TestSentinels(t *testing.T) {
	assert.Negative(t, UnknownRetransmits)
	assert.Negative(t, UntilError)
}
