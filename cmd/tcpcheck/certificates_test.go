package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/testnet"
)

// rootFile returns a file with the certificate of an authority.
func rootFile(t *testing.T, authority *testnet.Authority) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "root.pem")
	require.NoError(t, os.WriteFile(path, authority.PEM(), 0o600))
	return path
}

// hasEnded is a change of a certificate by which it has ended.
func hasEnded(c *x509.Certificate) {
	c.NotBefore, c.NotAfter = time.Now().AddDate(0, 0, -90), time.Now().Add(-36*time.Hour)
}

func TestTLS(t *testing.T) {
	authority := testnet.NewAuthority(t)
	root := rootFile(t, authority)
	serve := func(certificate tls.Certificate) string {
		return fmt.Sprintf("127.0.0.1:%d", testnet.NewTLSServer(t, certificate, "127.0.0.1").Port)
	}
	good, other := serve(authority.Issue([]string{"127.0.0.1"})), serve(authority.Issue([]string{"web.example"}))
	expired := serve(authority.Issue([]string{"127.0.0.1"}, hasEnded))
	up, closed := testnet.Listen(t, "tcp4", "127.0.0.1:0").String(), testnet.ClosedPort(t, "127.0.0.1").String()
	const seconds = `[\d.]+[mµn]?s`
	for name, test := range map[string]struct {
		args []string
		want status
		says string // of what is printed
	}{
		"verified":            {[]string{"--ca-file", root, good}, statusOK, `^TARGET .* RESULT +TIME +TLS +HANDSHAKE +LASTS +REASON +SENDER\n127\.0\.0\.1:\d+ +ipv4 +127\.0\.0\.1 +up +` + seconds + ` +verified +` + seconds + ` +59d\n$`},
		"of unknown issue":    {[]string{good}, statusCritical, ` up +` + seconds + ` +failed +` + seconds + ` +59d +unknown authority\n$`},
		"expired":             {[]string{"--ca-file", root, expired}, statusCritical, ` up +` + seconds + ` +failed +` + seconds + ` +-1d +certificate expired\n$`},
		"for another name":    {[]string{"--ca-file", root, other}, statusCritical, ` failed .* name mismatch\n$`},
		"for the server name": {[]string{"--ca-file", root, "--server-name", "web.example", other}, statusOK, ` verified `},
		"no TLS":              {[]string{"--ca-file", root, up}, statusCritical, ` up +` + seconds + ` +failed +connection closed\n$`},
		"closed":              {[]string{"--ca-file", root, closed}, statusCritical, ` down +connection refused\n$`},
		"one of two":          {[]string{"--ca-file", root, good, expired}, statusCritical, ` verified .*\n.* failed `},
		"again and again":     {[]string{"--ca-file", root, "-c", "2", "-i", "1ms", expired}, statusCritical, `(?s) failed .*\n.* failed .*\n\nTARGET .* SENT `},
		"nagios":              {[]string{"--ca-file", root, "-o", "nagios", good, expired}, statusCritical, `^TCPCHECK CRITICAL - 2 targets: 2 of 2 addresses connected, 1 of 2 verified \| `},
		"junit":               {[]string{"--ca-file", root, "-o", "junit", expired}, statusCritical, `tests="2" failures="1" errors="0">(?s).* TLS" time="[^"]*">\n    <failure message="certificate expired" type="tls_certificate_expired">`},
	} {
		t.Run(name, func(t *testing.T) {
			got := runWith(context.Background(), append([]string{"--tls"}, test.args...)...)
			assert.Equal(t, test.want, got.status, got)
			assert.Regexp(t, test.says, got.out+got.errs)
		})
	}
}

// Two addresses of a name that show different certificates: it is said which one shows which.
func TestDifferentCertificates(t *testing.T) {
	authority := testnet.NewAuthority(t)
	server := testnet.NewTLSServer(t, authority.Issue([]string{"localhost"}), "127.0.0.1", "::1")
	server.Show(authority.Issue([]string{"localhost"}, hasEnded), "::1")
	target := fmt.Sprintf("localhost:%d", server.Port)
	got := runWith(context.Background(), "--tls", "--ca-file", rootFile(t, authority), "--family", "ipv4,ipv6", target)
	assert.Equal(t, statusCritical, got.status, got)
	const at = `\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC`
	assert.Regexp(t, ` ipv4 +127\.0\.0\.1 +up .* verified .*\n.* ipv6 +::1 +up .* failed .* certificate expired\n`+
		target+`: Its addresses show 2 different certificates: until `+at+`, shown by 127\.0\.0\.1; until `+at+`, shown by ::1\.\n`, got.out)
}

// Where a configuration has tls, the certificates are those of all addresses, whichever are connected to.
func TestTLSOfConfig(t *testing.T) {
	authority := testnet.NewAuthority(t)
	port := testnet.NewTLSServer(t, authority.Issue([]string{"localhost"}), "127.0.0.1", "::1").Port
	path := filepath.Join(t.TempDir(), "collector.yaml")
	require.NoError(t, os.WriteFile(path, fmt.Appendf(nil, "receivers: {tcpcheck: {instances: [{name: a, host: localhost, port: %d, address_families: [ipv4, ipv6], tls: {ca_file: %q}}, {name: b, host: 127.0.0.1, port: %d}]}}",
		port, rootFile(t, authority), port), 0o600))
	got := runWith(context.Background(), "--config", path, "-o", "json")
	require.Equal(t, statusOK, got.status, got)
	var targets []jsonTarget
	require.NoError(t, json.Unmarshal([]byte(got.out), &targets), got)
	require.Len(t, targets, 2)
	require.Len(t, targets[0].Results, 2)
	for _, result := range targets[0].Results {
		require.NotNil(t, result.TLS)
		assert.Equal(t, "verified", result.TLS.Result)
		assert.Equal(t, "CN=leaf", result.TLS.Subject)
		assert.Equal(t, "CN=root", result.TLS.Issuer)
		assert.Len(t, result.TLS.SHA256, 64)
		assert.Positive(t, *result.TLS.Seconds)
		assert.InDelta(t, (60 * 24 * time.Hour).Seconds(), *result.TLS.TimeLeft, 24*3600)
		assert.Equal(t, result.TLS.TimeLeft, result.TLS.ChainTimeLeft)
	}
	require.Len(t, targets[1].Results, 1)
	assert.Nil(t, targets[1].Results[0].TLS)
}

// A certificate that is not known, of an address that is connected to or not.
func TestHandshakes(t *testing.T) {
	now := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	v4, other, v6 := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("2001:db8::1")
	up := func(address netip.Addr) check.Result {
		return check.Result{Family: check.FamilyOf(address), Address: address, Status: check.Up, HandshakeTime: 12 * time.Millisecond}
	}
	refused := check.Result{Family: check.IPv6, Address: v6, Status: check.Down, ErrorType: check.ConnectionRefused, Err: errors.New("refused")}
	shown := &check.Certificate{NotAfter: now.Add(240 * time.Hour), ChainNotAfter: now.Add(36 * time.Hour)}
	verified := func(address netip.Addr) check.TLSResult {
		return check.TLSResult{Family: check.FamilyOf(address), Address: address, Status: check.Up, HandshakeTime: 25 * time.Millisecond, Certificate: shown}
	}
	unchecked := func(address netip.Addr, why string) check.TLSResult {
		return check.TLSResult{Family: check.FamilyOf(address), Address: address, Status: check.Unchecked, Err: errors.New(why)}
	}
	for name, test := range map[string]struct {
		results    []check.Result
		handshakes []check.TLSResult
		want       status
		rows       string
		errors     int // of JUnit
	}{
		"verified": {[]check.Result{up(v4)}, []check.TLSResult{verified(v4)}, statusOK, "h:1     ipv4    192.0.2.1  up      12ms    verified  25ms       1d\n", 0},
		"of an address that is not connected to": {
			[]check.Result{up(v4)},
			[]check.TLSResult{verified(v4), verified(other)},
			statusOK,
			"h:1     ipv4    192.0.2.1  up      12ms    verified  25ms       1d\nh:1     ipv4    192.0.2.2                  verified  25ms       1d\n", 0,
		},
		"which refuses": {
			[]check.Result{up(v4)},
			[]check.TLSResult{verified(v4), unchecked(other, "refused")},
			statusUnknown,
			"h:1     ipv4    192.0.2.1  up      12ms    verified   25ms       1d\nh:1     ipv4    192.0.2.2                  unchecked                     refused\n", 1,
		},
		"of one that refuses": {
			[]check.Result{up(v4), refused},
			[]check.TLSResult{verified(v4), unchecked(v6, "refused")},
			statusWarning,
			"h:1     ipv4    192.0.2.1    up      12ms    verified  25ms       1d\nh:1     ipv6    2001:db8::1  down                                         connection refused\n", 0,
		},
		"a file is gone": {[]check.Result{up(v4)}, []check.TLSResult{unchecked(v4, "no such file")}, statusUnknown, "h:1     ipv4    192.0.2.1  up      12ms    unchecked                     no such file\n", 1},
		"none was made":  {[]check.Result{up(v4)}, nil, statusUnknown, "h:1     ipv4    192.0.2.1  up      12ms    unchecked                     no handshake was made\n", 1},
	} {
		t.Run(name, func(t *testing.T) {
			reports := []check.Report{{Target: &check.Target{Host: "h", Port: 1, TLS: &check.TLS{}}, Results: test.results, Session: &check.SessionReport{Time: now, TLS: test.handshakes}}}
			assert.Equal(t, test.want, limits{}.worst(reports))
			var rows, suite bytes.Buffer
			require.NoError(t, writeTrimmed(&rows, rowsOf(reports, false, false)))
			assert.Equal(t, test.rows, rows.String())
			require.NoError(t, writeJUnit(&suite, reports, limits{}))
			assert.Contains(t, suite.String(), fmt.Sprintf(` errors="%d">`, test.errors))
			assert.Len(t, jsonTargets(reports, limits{})[0].Results, bytes.Count([]byte(test.rows), []byte("\n")))
		})
	}
}

func TestColouredHandshakes(t *testing.T) {
	assert.Equal(t, "FAMILY  RESULT  TIME  TLS       HANDSHAKE  DIALOG  DURATION\nipv4    \x1b[32mup\x1b[0m      1ms   \x1b[31mfailed\x1b[0m    2ms        \x1b[32mok\x1b[0m      3ms\n",
		coloured("FAMILY  RESULT  TIME  TLS       HANDSHAKE  DIALOG  DURATION\nipv4    up      1ms   failed    2ms        ok      3ms\n"))
}

func TestDays(t *testing.T) {
	for d, want := range map[time.Duration]string{0: "0d", time.Hour: "0d", 36 * time.Hour: "1d", -time.Hour: "0d", -36 * time.Hour: "-1d"} {
		assert.Equal(t, want, days(d), d)
	}
}
