package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/testnet"
)

// echo answers each line that a client says by a text, until the client closes the connection.
func echo(conn net.Conn, answer string) {
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		if _, err := io.WriteString(conn, answer); err != nil {
			return
		}
	}
}

// instanceFile returns a file of instances that has one of an address, with other options as well.
func instanceFile(t *testing.T, at netip.AddrPort, options string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "instances.yaml")
	require.NoError(t, os.WriteFile(path, fmt.Appendf(nil, "instances: [{name: a, endpoint: %q, %s}]", at, options), 0o600))
	return path
}

func TestDialogs(t *testing.T) {
	authority := testnet.NewAuthority(t)
	inTLS := "tls: {ca_file: " + rootFile(t, authority) + "}, "
	certificate := authority.Issue([]string{"127.0.0.1"})
	serve := func(answer string) netip.AddrPort {
		return testnet.Serve(t, "tcp4", "127.0.0.1:0", func(conn net.Conn) { echo(conn, answer) })
	}
	works, refuses, silent := serve("+PONG\r\n"), serve("-NOAUTH\r\n"), serve("")
	secured := testnet.Serve(t, "tcp4", "127.0.0.1:0", func(conn net.Conn) {
		echo(tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}), "+PONG\r\n")
	})
	closed := testnet.ClosedPort(t, "127.0.0.1")
	const (
		ping    = `steps: [{send: "PING secret\r\n"}, {expect: '^\+PONG$'}]`
		soon    = "timeout: 0.3, " + ping
		refusal = `unexpected answer: steps\[1\] \(expect\): the service said &#34;-NOAUTH\\r\\n&#34;`
		seconds = `[\d.]+[mµn]?s`
	)
	for name, test := range map[string]struct {
		at      netip.AddrPort
		options string
		args    []string
		want    status
		says    string // of what is printed
	}{
		"ok":             {works, ping, nil, statusOK, `^TARGET .* RESULT +TIME +DIALOG +DURATION +REASON +SENDER\n127\.0\.0\.1:\d+ +ipv4 +127\.0\.0\.1 +up +` + seconds + ` +ok +` + seconds + `\n$`},
		"another answer": {refuses, soon, nil, statusCritical, ` up +` + seconds + ` +failed +unexpected answer\n127\.0\.0\.1:\d+: The dialogue with 127\.0\.0\.1 fails: steps\[1\] \(expect\): the service said "-NOAUTH\\r\\n"\.\n$`},
		"no answer":      {silent, soon, nil, statusCritical, ` up .* failed +dialog timeout\n`},
		"closed":         {closed, ping, nil, statusCritical, ` down +connection refused\n$`},
		"over TLS":       {secured, inTLS + ping, nil, statusOK, ` TIME +TLS +HANDSHAKE +LASTS +DIALOG +DURATION .*\n.* verified +` + seconds + ` +\d+d +ok +` + seconds + `\n$`},
		"no TLS":         {works, inTLS + ping, nil, statusCritical, ` up +` + seconds + ` +failed +the server speaks something else\n$`},
		"not verified":   {secured, "tls: {}, " + ping, nil, statusCritical, ` failed +` + seconds + ` +\d+d +unknown authority\n$`},
		"no STARTTLS": {
			refuses, inTLS + `timeout: 0.3, steps: [{send: "STARTTLS\r\n"}, {expect: "^220 "}, {starttls: true}]`, nil, statusCritical,
			` up +` + seconds + ` +failed +starttls refused\n.* steps\[1\] \(expect\): the service said "-NOAUTH\\r\\n"\.\n$`,
		},
		"again and again": {refuses, soon, []string{"-c", "2", "-i", "1ms"}, statusCritical, `^TARGET .*\n.* failed .*\n.* fails: .*\n.* failed .*\n\nTARGET .* SENT `},
		"nagios":          {refuses, soon, []string{"-o", "nagios"}, statusCritical, `^TCPCHECK CRITICAL - 127\.0\.0\.1:\d+: 1 of 1 addresses connected, 0 of 1 answered as expected \| `},
		"nagios, TLS":     {secured, inTLS + ping, []string{"-o", "nagios"}, statusOK, `: 1 of 1 addresses connected, 1 of 1 verified, 1 of 1 answered as expected \| `},
		"junit":           {refuses, soon, []string{"-o", "junit"}, statusCritical, `tests="2" failures="1" errors="0">(?s).* dialogue" time="0">\n    <failure message="` + refusal + `" type="unexpected_answer">`},
		"junit, closed":   {closed, ping, []string{"-o", "junit"}, statusCritical, `tests="1" failures="1" errors="0">`},
		"json":            {refuses, soon, []string{"-o", "json"}, statusCritical, `"dialog": \{\n +"result": "failed",\n +"error_type": "unexpected_answer",\n +"error": "steps\[1\] \(expect\): the service said \\"-NOAUTH`},
		"json, closed":    {closed, inTLS + ping, []string{"-o", "json"}, statusCritical, `"error_type": "connection_refused",\n +"error": "[^"]*"\n +\}\n`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := runWith(context.Background(), append([]string{"--config", instanceFile(t, test.at, test.options)}, test.args...)...)
			assert.Equal(t, test.want, got.status, got)
			assert.Regexp(t, test.says, got.out+got.errs)
			assert.NotContains(t, got.out+got.errs, "secret")
		})
	}
}

// What is wrong with the steps of a configuration is said as the collector does.
func TestBadSteps(t *testing.T) {
	got := runWith(context.Background(), "--config", instanceFile(t, netip.MustParseAddrPort("127.0.0.1:1"), "steps: [{expect: '('}, {}]"))
	assert.Equal(t, ran{statusUnknown, "", "instances[0] \"a\" .steps[0].expect: \"(\" is not a regular expression: error parsing regexp: missing closing ): `(`\n" +
		"instances[0] \"a\" .steps[1]: it has 0 of expect, send and starttls; write one of them\nSee tcpcheck --help.\n"}, got)
}

// What is told of an address, of whose layers each may have failed.
func TestLayers(t *testing.T) {
	now := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	v4, other := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	up := check.Result{Family: check.IPv4, Address: v4, Status: check.Up, HandshakeTime: 12 * time.Millisecond}
	refused := check.Result{Family: check.IPv4, Address: v4, Status: check.Down, ErrorType: check.ConnectionRefused, Err: errors.New("refused")}
	below := errors.New("what is below failed")
	verified := check.TLSResult{Status: check.Up, HandshakeTime: 25 * time.Millisecond, Certificate: &check.Certificate{ChainNotAfter: now.Add(36 * time.Hour)}}
	alert := check.TLSResult{Status: check.Down, ErrorType: check.TLSTimeout, Err: errors.New("i/o timeout")}
	unshaken := check.TLSResult{Status: check.Unchecked, Err: below}
	done := check.DialogResult{Status: check.Up, Time: 3 * time.Millisecond}
	failed := check.DialogResult{Status: check.Down, ErrorType: check.UnexpectedAnswer, Err: errors.New(`steps[0] (expect): the service said "x"`)}
	untold := check.DialogResult{Status: check.Unchecked, Err: below}
	const note = `
h:1: The dialogue with 192.0.2.1 fails: steps[0] (expect): the service said "x".`
	for name, test := range map[string]struct {
		address  netip.Addr // of the session; that of the connection, if it is not valid
		result   check.Result
		shaken   []check.TLSResult
		talked   []check.DialogResult
		want     status
		says     string // the table, without its header and with one space between its cells
		failures int    // of JUnit
		errors   int
	}{
		"ok":             {result: up, talked: []check.DialogResult{done}, says: "up 12ms ok 3ms"},
		"fails":          {result: up, talked: []check.DialogResult{failed}, want: statusCritical, says: "up 12ms failed unexpected answer" + note, failures: 1},
		"no connection":  {result: refused, talked: []check.DialogResult{untold}, want: statusCritical, says: "down connection refused", failures: 1},
		"none this time": {result: up, talked: []check.DialogResult{untold}, want: statusUnknown, says: "up 12ms unchecked what is below failed", errors: 1},
		"was not held":   {result: up, talked: []check.DialogResult{}, want: statusUnknown, says: "up 12ms unchecked no dialogue was held", errors: 1},
		"of an address that is not connected to": {
			address: other, result: up, talked: []check.DialogResult{done},
			says: "up 12ms\nh:1 ipv4 192.0.2.2 ok 3ms",
		},
		"over TLS":       {result: up, shaken: []check.TLSResult{verified}, talked: []check.DialogResult{done}, says: "up 12ms verified 25ms 1d ok 3ms"},
		"fails over TLS": {result: up, shaken: []check.TLSResult{verified}, talked: []check.DialogResult{failed}, want: statusCritical, says: "up 12ms verified 25ms 1d failed unexpected answer" + note, failures: 1},
		"no TLS":         {result: up, shaken: []check.TLSResult{alert}, talked: []check.DialogResult{untold}, want: statusCritical, says: "up 12ms failed timeout", failures: 1},
		"TLS is refused": {result: up, shaken: []check.TLSResult{unshaken}, talked: []check.DialogResult{failed}, want: statusCritical, says: "up 12ms failed unexpected answer" + note, failures: 1},
		"a file is gone": {result: up, shaken: []check.TLSResult{unshaken}, talked: []check.DialogResult{untold}, want: statusUnknown, says: "up 12ms unchecked what is below failed", errors: 1},
		"neither":        {result: refused, shaken: []check.TLSResult{unshaken}, talked: []check.DialogResult{untold}, want: statusCritical, says: "down connection refused", failures: 1},
		"neither was held": {
			result: up, shaken: []check.TLSResult{}, talked: []check.DialogResult{},
			want: statusUnknown, says: "up 12ms unchecked no handshake was made", errors: 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			if !test.address.IsValid() {
				test.address = v4
			}
			for i := range test.shaken {
				test.shaken[i].Family, test.shaken[i].Address = check.IPv4, test.address
			}
			for i := range test.talked {
				test.talked[i].Family, test.talked[i].Address = check.IPv4, test.address
			}
			target := &check.Target{Host: "h", Port: 1, Dialog: &check.Dialog{}}
			if test.shaken != nil {
				target.TLS = &check.TLS{}
			}
			reports := []check.Report{{Target: target, Results: []check.Result{test.result}, Session: &check.SessionReport{Time: now, TLS: test.shaken, Dialogs: test.talked}}}
			assert.Equal(t, test.want, limits{}.worst(reports))
			var table, suite bytes.Buffer
			require.NoError(t, writeTable(&table, reports, limits{}))
			_, rows, _ := strings.Cut(table.String(), "\n")
			assert.Equal(t, "h:1 ipv4 192.0.2.1 "+test.says+"\n", regexp.MustCompile(" +").ReplaceAllString(rows, " "))
			require.NoError(t, writeJUnit(&suite, reports, limits{}))
			assert.Contains(t, suite.String(), fmt.Sprintf(` failures="%d" errors="%d">`, test.failures, test.errors))
		})
	}
}

// A dialogue in JSON is there for each address that the layer below it lets through.
func TestDialogsInJSON(t *testing.T) {
	works := testnet.Serve(t, "tcp4", "127.0.0.1:0", func(conn net.Conn) { echo(conn, "+PONG\r\n") })
	got := runWith(context.Background(), "-o", "json", "--config", instanceFile(t, works, `steps: [{send: "PING\r\n"}, {expect: '^\+PONG$'}]`))
	require.Equal(t, statusOK, got.status, got)
	var targets []jsonTarget
	require.NoError(t, json.Unmarshal([]byte(got.out), &targets), got)
	require.Len(t, targets, 1)
	require.Len(t, targets[0].Results, 1)
	result := targets[0].Results[0]
	assert.Nil(t, result.TLS)
	require.NotNil(t, result.Dialog)
	assert.Equal(t, "ok", result.Dialog.Result)
	assert.Positive(t, *result.Dialog.Seconds)
	assert.Empty(t, result.Dialog.ErrorType+result.Dialog.Error)
	assert.Empty(t, targets[0].Notes)
}

// What a service says is no performance data.
func TestNagiosAnswer(t *testing.T) {
	says := testnet.Serve(t, "tcp4", "127.0.0.1:0", func(conn net.Conn) { _, _ = io.WriteString(conn, "no | x=1\n") })
	got := runWith(context.Background(), "-o", "nagios", "--config", instanceFile(t, says, `steps: [{expect: "^yes"}]`))
	assert.Equal(t, 1, strings.Count(got.out, "|"), got)
	assert.Contains(t, got.out, `the service said "no \x7c x=1\n", the connection was closed.`)
}

// Addresses at which a dialogue fails for the same reason are told in one sentence.
func TestFailedSteps(t *testing.T) {
	at := func(address, text string) check.DialogResult {
		a := netip.MustParseAddr(address)
		return check.DialogResult{Family: check.FamilyOf(a), Address: a, Status: check.Down, ErrorType: check.UnexpectedAnswer, Err: errors.New(text)}
	}
	r := check.Report{Session: &check.SessionReport{Dialogs: []check.DialogResult{at("192.0.2.1", "x"), at("192.0.2.2", "y"), at("2001:db8::1", "x")}}}
	assert.Equal(t, []string{"The dialogue with 192.0.2.1, 2001:db8::1 fails: x.", "The dialogue with 192.0.2.2 fails: y."}, failedSteps(&r))
}
