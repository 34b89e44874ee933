package receiver

import (
	"crypto/tls"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/report/reporttest"
	"example.com/tcpcheckreceiver/internal/testnet"
)

// trusting is a client that trusts an authority.
type trusting struct{ authority *testnet.Authority }

func (c trusting) Load() (*tls.Config, error) {
	return &tls.Config{RootCAs: c.authority.Pool(), MinVersion: tls.VersionTLS12}, nil
}

const loopback = "127.0.0.1"

// addressOf returns the address of a server at loopback.
func addressOf(server *testnet.TLSServer) netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr(loopback), server.Port)
}

// The values of TLS come with each report after the first handshake, and so do the errors, each once.
func TestCheckTLS(t *testing.T) {
	authority := testnet.NewAuthority(t)
	good, bad := authority.Issue([]string{"127.0.0.1"}), authority.Issue([]string{"other.example"})
	server := testnet.NewTLSServer(t, good, loopback)
	secured, plain := checked("secured", addressOf(server)), checked("plain", testnet.Listen(t, "tcp4", "127.0.0.1:0"))
	secured.TLS = &check.TLS{Client: trusting{authority}, Interval: time.Hour}
	config := reporttest.DefaultMetrics()
	config.Metrics.TcpcheckChecks.Enabled = true
	c := newChecker(t, config, secured, plain)
	values := func() map[string]float64 {
		values := make(map[string]float64)
		for _, rm := range c.collect(t).ResourceMetrics().All() {
			for _, m := range rm.ScopeMetrics().At(0).Metrics().All() {
				for _, point := range reporttest.Points(m).All() {
					if name, _ := point.Attributes().Get("tcpcheck.instance"); name.Str() == "secured" && !point.Flags().NoRecordedValue() {
						values[m.Name()] = point.DoubleValue() + float64(point.IntValue())
					}
				}
			}
		}
		return values
	}
	shake := func() {
		outcome := c.checkTLS(c.running, c.targets[0], 0, func() {})
		assert.Equal(t, 1, outcome.Dials)
		assert.False(t, outcome.Silent)
	}
	assert.NotContains(t, values(), "tcpcheck.tls.verified", "there was no handshake yet")
	shake()
	for range 2 {
		got := values()
		assert.InDelta(t, 1, got["tcpcheck.tls.verified"], 0)
		assert.InDelta(t, 1, got["tcpcheck.tls.certificates"], 0)
		assert.InDelta(t, (60 * 24 * time.Hour).Seconds(), got["tcpcheck.tls.certificate.time_left"], 24*3600)
		assert.InDelta(t, got["tcpcheck.tls.certificate.time_left"], got["tcpcheck.tls.certificate_chain.time_left"], 0)
		assert.Positive(t, got["tcpcheck.tls.handshake.duration"])
		assert.NotContains(t, got, "tcpcheck.errors")
	}
	server.Show(bad, loopback)
	shake()
	for range 2 {
		got := values()
		assert.InDelta(t, 1, got["network.tcp.can_connect"], 0)
		assert.InDelta(t, 0, got["tcpcheck.tls.verified"], 0)
		assert.InDelta(t, 1, got["tcpcheck.errors"], 0)
	}
	assert.InDelta(t, 8, values()["tcpcheck.checks"], 0, "six of connections, two of certificates")
	server.Show(good, loopback)
	shake()
	assert.InDelta(t, 1, values()["tcpcheck.tls.verified"], 0)
	var messages []string
	for _, entry := range c.logs.All() {
		messages = append(messages, entry.Message)
	}
	at := `"secured" (` + secured.HostPort() + `)`
	require.Len(t, messages, 4)
	assert.Contains(t, messages[1], "there is another certificate of "+at)
	assert.Equal(t, "TLS of "+at+" over ipv4 fails: name mismatch", messages[0])
	assert.Equal(t, "the certificate of "+at+" over ipv4 is verified again", messages[2])
}

// A target that comes to be checked for its certificates, and one that no longer is.
func TestChangeOfTLS(t *testing.T) {
	authority := testnet.NewAuthority(t)
	good := authority.Issue([]string{"127.0.0.1"})
	plain := checked("a", addressOf(testnet.NewTLSServer(t, good, loopback)))
	with := func(interval time.Duration) check.Target {
		changed := plain
		changed.TLS = &check.TLS{Client: trusting{authority}, Interval: interval}
		return changed
	}
	l := newListed(t, reporttest.DefaultMetrics(), plain)
	target := func() *target { return l.named("a") }
	assert.Nil(t, target().tls)
	assert.Zero(t, l.handshakes.Stats().Targets)

	l.change(check.List{Targets: pointers(with(time.Hour))})
	l.checkTLS(l.running, target(), 0, func() {})
	last := target().tls.last
	require.NotNil(t, last)
	assert.Equal(t, 1, l.handshakes.Stats().Targets)

	first := target().tls
	l.change(check.List{Targets: pointers(with(2 * time.Hour))})
	assert.NotSame(t, first, target().tls)
	assert.Same(t, last, target().tls.last, "what is known stays")
	assert.Equal(t, 1, l.handshakes.Stats().Targets)

	l.change(check.List{Targets: pointers(plain)})
	assert.Nil(t, target().tls)
	assert.Zero(t, l.handshakes.Stats().Targets)
	assert.Zero(t, l.checkTLS(l.running, target(), 0, func() {}))

	l.change(check.List{Targets: pointers(with(time.Hour))})
	removed := target()
	l.change(check.List{})
	assert.Zero(t, l.handshakes.Stats().Targets)
	assert.Zero(t, l.checkTLS(l.running, removed, 0, func() {}))
}
