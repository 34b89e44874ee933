package receiver

import (
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"regexp"
	"sync/atomic"
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

// values returns those of an instance that come now, by the names of the metrics.
func (c *checker) values(t *testing.T, instance string) map[string]float64 {
	t.Helper()
	values := make(map[string]float64)
	for _, rm := range c.collect(t).ResourceMetrics().All() {
		for _, m := range rm.ScopeMetrics().At(0).Metrics().All() {
			for _, point := range reporttest.Points(m).All() {
				if name, _ := point.Attributes().Get("tcpcheck.instance"); name.Str() == instance && !point.Flags().NoRecordedValue() {
					values[m.Name()] = point.DoubleValue() + float64(point.IntValue())
				}
			}
		}
	}
	return values
}

// The values of TLS come with each report after the first handshake, and so do the errors, each once.
func TestCheckTLS(t *testing.T) {
	authority := testnet.NewAuthority(t)
	good, bad := authority.Issue([]string{"127.0.0.1"}), authority.Issue([]string{"other.example"})
	server := testnet.NewTLSServer(t, good, loopback)
	session, plain := checked("session", addressOf(server)), checked("plain", testnet.Listen(t, "tcp4", "127.0.0.1:0"))
	session.TLS = &check.TLS{Client: trusting{authority}, Interval: time.Hour}
	config := reporttest.DefaultMetrics()
	config.Metrics.TcpcheckChecks.Enabled = true
	c := newChecker(t, config, session, plain)
	values := func() map[string]float64 { return c.values(t, "session") }
	shake := func() {
		outcome := c.checkSessions(c.running, c.targets[0], 0, func() {})
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
	at := `"session" (` + session.HostPort() + `)`
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
	assert.Nil(t, target().session)
	assert.Zero(t, l.sessions.Stats().Targets)

	l.change(check.List{Targets: pointers(with(time.Hour))})
	l.checkSessions(l.running, target(), 0, func() {})
	last := target().session.last
	require.NotNil(t, last)
	assert.Equal(t, 1, l.sessions.Stats().Targets)

	first := target().session
	l.change(check.List{Targets: pointers(with(2 * time.Hour))})
	assert.NotSame(t, first, target().session)
	assert.Same(t, last, target().session.last, "what is known stays")
	assert.Equal(t, 1, l.sessions.Stats().Targets)

	l.change(check.List{Targets: pointers(plain)})
	assert.Nil(t, target().session)
	assert.Zero(t, l.sessions.Stats().Targets)
	assert.Zero(t, l.checkSessions(l.running, target(), 0, func() {}))

	l.change(check.List{Targets: pointers(with(time.Hour))})
	removed := target()
	l.change(check.List{})
	assert.Zero(t, l.sessions.Stats().Targets)
	assert.Zero(t, l.checkSessions(l.running, removed, 0, func() {}))
}

// The values of dialogues come with each report after the first one, and a dialogue that fails is told at once.
func TestCheckDialog(t *testing.T) {
	var answer atomic.Pointer[string]
	says := func(text string) { answer.Store(&text) }
	says("+PONG\r\n")
	target := checked("cache", testnet.Serve(t, "tcp4", loopback+":0", func(conn net.Conn) {
		_, _ = io.WriteString(conn, *answer.Load())
		_ = conn.(*net.TCPConn).CloseWrite()
		_, _ = io.Copy(io.Discard, conn)
	}))
	target.Dialog = dialog()
	c := newChecker(t, reporttest.DefaultMetrics(), target)
	values := func() map[string]float64 { return c.values(t, "cache") }
	assert.NotContains(t, values(), "tcpcheck.dialog.ok", "there was none yet")
	for _, test := range []struct {
		says string
		ok   float64
	}{{"+PONG\r\n", 1}, {"-LOADING\r\n", 0}, {"-LOADING\r\n", 0}, {"+PONG\r\n", 1}} {
		says(test.says)
		assert.Equal(t, 1, c.checkSessions(c.running, c.targets[0], 0, func() {}).Dials)
		for range 2 {
			got := values()
			assert.InDelta(t, 1, got["network.tcp.can_connect"], 0)
			assert.InDelta(t, test.ok, got["tcpcheck.dialog.ok"], 0)
			assert.Equal(t, test.ok == 1, got["tcpcheck.dialog.duration"] > 0)
		}
	}
	assert.InDelta(t, 2, values()["tcpcheck.errors"], 0, "each is counted once")
	var messages []string
	for _, entry := range c.logs.All() {
		messages = append(messages, entry.Message)
	}
	of := `the dialogue with "cache" (` + target.HostPort() + `) over ipv4 `
	assert.Equal(t, []string{of + `fails: unexpected answer: steps[0] (expect): the service said "-LOADING\r\n", the connection was closed`, of + "works again"}, messages)
}

// dialog returns one that awaits a +PONG for a little while. Each is a value of its own, as each reading
// of a list makes one.
func dialog() *check.Dialog {
	return &check.Dialog{Interval: time.Hour, Steps: []check.Step{{Expect: regexp.MustCompile(`^\+PONG`)}}}
}

// What is known of sessions stays if they are of the same layers, and goes with a layer.
func TestChangeOfDialog(t *testing.T) {
	authority := testnet.NewAuthority(t)
	plain := checked("a", addressOf(testnet.NewTLSServer(t, authority.Issue([]string{"127.0.0.1"}), loopback)))
	plain.Timeout = 100 * time.Millisecond // for an answer that does not come
	talks := plain
	talks.Dialog = dialog()
	l := newListed(t, reporttest.DefaultMetrics(), talks)
	session := func() *session { return l.named("a").session }
	l.checkSessions(l.running, l.named("a"), 0, func() {})
	first, last := session(), session().last
	require.NotNil(t, last)

	same := plain
	same.Dialog = dialog()
	l.change(check.List{Targets: pointers(same)})
	assert.Same(t, first, session(), "the list has the same steps again")

	slower := plain
	slower.Dialog = dialog()
	slower.Dialog.Interval = 2 * time.Hour
	l.change(check.List{Targets: pointers(slower)})
	assert.NotSame(t, first, session())
	assert.Same(t, last, session().last)

	both := slower
	both.TLS = &check.TLS{Client: trusting{authority}, Interval: time.Hour}
	l.change(check.List{Targets: pointers(both)})
	assert.Nil(t, session().last)

	l.change(check.List{Targets: pointers(plain)})
	assert.Nil(t, session())
	assert.Zero(t, l.sessions.Stats().Targets)
}
