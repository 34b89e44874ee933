package probe

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/testnet"
)

// tlsClient is a client's configuration, or why it cannot be loaded.
type tlsClient struct {
	config *tls.Config
	err    error
}

func (c tlsClient) Load() (*tls.Config, error) { return c.config, c.err }

// serve calls handle with each connection to the address that it returns, until the test ends.
func serve(t *testing.T, handle func(net.Conn)) netip.AddrPort {
	t.Helper()
	return testnet.Serve(t, "tcp4", "127.0.0.1:0", handle)
}

// speak has a server make the handshake, and wait for the client to close.
func speak(config *tls.Config) func(net.Conn) {
	return func(conn net.Conn) {
		server := tls.Server(conn, config)
		if server.Handshake() == nil {
			_, _ = io.Copy(io.Discard, server)
		}
	}
}

// say has a server answer with a text, whatever the client says.
func say(text string) func(net.Conn) {
	return func(conn net.Conn) {
		_, _ = conn.Read(make([]byte, 1))
		_, _ = conn.Write([]byte(text))
		_, _ = io.Copy(io.Discard, conn)
	}
}

// What a handshake finds.
func TestHandshake(t *testing.T) {
	root := testnet.NewAuthority(t)
	stranger := testnet.NewAuthority(t)
	intermediate := root.Intermediate()
	const host = "127.0.0.1"
	good := intermediate.Issue([]string{host, "web.example"})
	ends := func(in time.Duration) func(*x509.Certificate) {
		return func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = time.Now().Add(in).AddDate(0, 0, -90), time.Now().Add(in)
		}
	}
	with := func(certificate tls.Certificate, changes ...func(*tls.Config)) func(net.Conn) {
		config := &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS10} //nolint:gosec // servers that are old
		for _, change := range changes {
			change(config)
		}
		return speak(config)
	}
	wants := func(auth tls.ClientAuthType, version uint16) func(*tls.Config) {
		return func(c *tls.Config) { c.ClientAuth, c.ClientCAs, c.MaxVersion = auth, root.Pool(), version }
	}
	upTo := func(version uint16) func(*tls.Config) {
		return func(c *tls.Config) { c.MaxVersion = version }
	}
	client := root.Issue(nil)
	shows := func(certificate tls.Certificate) func(*check.TLS, *tls.Config) {
		return func(_ *check.TLS, c *tls.Config) {
			c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &certificate, nil }
		}
	}
	lone := good
	lone.Certificate = lone.Certificate[:1]
	for _, test := range []struct {
		name    string
		server  func(net.Conn)
		client  func(*check.TLS, *tls.Config)
		want    check.ErrorType // empty if it is verified
		says    string
		showing bool // a certificate
	}{
		{name: "verified", server: with(good), showing: true},
		{name: "verified, by TLS 1.2", server: with(good, upTo(tls.VersionTLS12)), showing: true},
		{name: "another server name", server: with(good), client: func(c *check.TLS, _ *tls.Config) { c.ServerName = "web.example" }, showing: true},
		{name: "a root that is trusted alone", server: with(good), client: func(_ *check.TLS, c *tls.Config) { c.RootCAs = stranger.Pool() }, want: check.TLSUnknownAuthority, showing: true},
		{name: "without its intermediate", server: with(lone), want: check.TLSUnknownAuthority, showing: true},
		{name: "self-issued", server: with(stranger.Issue([]string{host})), want: check.TLSUnknownAuthority, showing: true},
		{name: "expired", server: with(intermediate.Issue([]string{host}, ends(-time.Hour))), want: check.TLSCertificateExpired, showing: true},
		{name: "expired, and not verified", server: with(intermediate.Issue([]string{host}, ends(-time.Hour))), client: func(_ *check.TLS, c *tls.Config) { c.InsecureSkipVerify = true }, showing: true},
		{name: "expired intermediate", server: with(root.Intermediate(ends(-time.Hour)).Issue([]string{host})), want: check.TLSCertificateExpired, showing: true},
		{name: "not yet valid", server: with(intermediate.Issue([]string{host}, ends(91*24*time.Hour))), want: check.TLSCertificateNotYetValid, showing: true},
		{name: "for another name", server: with(intermediate.Issue([]string{"other.example"})), want: check.TLSNameMismatch, showing: true},
		{name: "for no name", server: with(intermediate.Issue(nil)), want: check.TLSNameMismatch, showing: true},
		{name: "for clients alone", server: with(intermediate.Issue([]string{host}, func(c *x509.Certificate) {
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
		})), want: check.TLSCertificateInvalid, showing: true},
		{name: "TLS 1.1 alone", server: with(good, upTo(tls.VersionTLS11)), want: check.TLSProtocolVersion},
		{name: "TLS 1.3 is too new for the client", server: with(good, func(c *tls.Config) { c.MinVersion = tls.VersionTLS13 }), client: func(_ *check.TLS, c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }, want: check.TLSProtocolVersion},
		{name: "a client certificate is required, by TLS 1.3", server: with(good, wants(tls.RequireAndVerifyClientCert, tls.VersionTLS13)), want: check.TLSClientCertificateRequired},
		{name: "a client certificate is required, by TLS 1.2", server: with(good, wants(tls.RequireAndVerifyClientCert, tls.VersionTLS12)), want: check.TLSClientCertificateRequired},
		{name: "a client certificate is asked for, by TLS 1.3", server: with(good, wants(tls.RequestClientCert, tls.VersionTLS13)), showing: true},
		{name: "a client certificate is asked for, by TLS 1.2", server: with(good, wants(tls.RequestClientCert, tls.VersionTLS12)), showing: true},
		{name: "the client's certificate is accepted, by TLS 1.3", server: with(good, wants(tls.RequireAndVerifyClientCert, tls.VersionTLS13)), client: shows(client), showing: true},
		{name: "the client's certificate is accepted, by TLS 1.2", server: with(good, wants(tls.RequireAndVerifyClientCert, tls.VersionTLS12)), client: shows(client), showing: true},
		{name: "the client's certificate is refused, by TLS 1.3", server: with(good, wants(tls.RequireAndVerifyClientCert, tls.VersionTLS13)), client: shows(stranger.Issue(nil)), want: check.TLSAlert},
		{name: "the client's certificate is refused, by TLS 1.2", server: with(good, wants(tls.RequireAndVerifyClientCert, tls.VersionTLS12)), client: shows(stranger.Issue(nil)), want: check.TLSAlert},
		{name: "no protocol in common", server: with(good, func(c *tls.Config) { c.NextProtos = []string{"h2"} }), client: func(c *check.TLS, _ *tls.Config) { c.ALPN = []string{"imap"} }, want: check.TLSAlert, says: "application protocol"},
		{name: "no certificate for that name", server: speak(&tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, errors.New("none") }}), want: check.TLSAlert}, //nolint:gosec // it is no server of use
		{name: "HTTP", server: say("HTTP/1.1 400 Bad Request\r\n\r\n"), want: check.TLSNotTLS},
		{name: "SSH", server: say("SSH-2.0-OpenSSH_9.2p1 Debian\r\n"), want: check.TLSNotTLS},
		{name: "an alert without a handshake", server: say("\x15\x03\x01\x00\x02\x02\x70"), want: check.TLSAlert, says: "unrecognized name"},
		{name: "a record that is no message", server: say("\x16\x03\x03\x00\x04\x02\x00\x00\x00"), want: check.TLSProtocolError},
		{name: "it closes", server: func(conn net.Conn) { _, _ = conn.Read(make([]byte, 4096)) }, want: check.TLSConnectionClosed},
		{name: "it closes within a record", server: func(conn net.Conn) {
			_, _ = conn.Read(make([]byte, 4096))
			_, _ = conn.Write([]byte("\x16\x03\x03\x00\x40\x02"))
		}, want: check.TLSConnectionClosed},
		{name: "it resets", server: func(conn net.Conn) { _ = conn.(*net.TCPConn).SetLinger(0) }, want: check.TLSConnectionClosed},
	} {
		t.Run(test.name, func(t *testing.T) {
			address := serve(t, test.server)
			config := &tls.Config{RootCAs: root.Pool(), MinVersion: tls.VersionTLS12}
			checked := literal(address)
			checked.TLS = &check.TLS{Client: tlsClient{config: config}}
			if test.client != nil {
				test.client(checked.TLS, config)
			}
			report := NewSystem(0).Session(&checked).Check(context.Background(), time.Now, unknownHost)
			require.Len(t, report.TLS, 1)
			result := report.TLS[0]
			assert.Equal(t, check.IPv4, result.Family)
			assert.Equal(t, address.Addr(), result.Address)
			assert.Equal(t, test.want, result.ErrorType, "%v", result.Err)
			assert.Equal(t, test.want == "", result.Status == check.Up, "%v", result.Err)
			if test.says != "" {
				require.ErrorContains(t, result.Err, test.says)
			}
			require.Equal(t, test.showing, result.Certificate != nil)
			assert.Equal(t, test.showing, result.HandshakeTime > 0)
		})
	}
}

// What is told of a certificate.
func TestCertificate(t *testing.T) {
	root := testnet.NewAuthority(t)
	soon := time.Now().Add(24 * time.Hour).Truncate(time.Second).UTC()
	intermediate := root.Intermediate(func(c *x509.Certificate) { c.NotAfter = soon })
	issued := intermediate.Issue([]string{"127.0.0.1"})
	issued.OCSPStaple = []byte("staple")
	address := serve(t, speak(&tls.Config{Certificates: []tls.Certificate{issued}, NextProtos: []string{"h2"}, MinVersion: tls.VersionTLS13}))
	checked := literal(address)
	checked.TLS = &check.TLS{Client: tlsClient{config: &tls.Config{RootCAs: root.Pool(), MinVersion: tls.VersionTLS12}}, ALPN: []string{"http/1.1", "h2"}}
	report := NewSystem(0).Session(&checked).Check(context.Background(), time.Now, unknownHost)
	require.Len(t, report.TLS, 1)
	got := report.TLS[0].Certificate
	require.NotNil(t, got)
	assert.Equal(t, "CN=leaf", got.Subject)
	assert.Equal(t, "CN=intermediate", got.Issuer)
	assert.Equal(t, issued.Leaf.NotAfter, got.NotAfter)
	assert.Equal(t, issued.Leaf.NotBefore, got.NotBefore)
	assert.Equal(t, soon, got.ChainNotAfter)
	assert.Equal(t, "h2", got.Protocol)
	assert.True(t, got.Stapled)
	assert.EqualValues(t, tls.VersionTLS13, got.Version)
	assert.NotZero(t, got.CipherSuite)
	assert.NotZero(t, got.SHA256)
	assert.Equal(t, fmt.Sprintf("%X", issued.Leaf.SerialNumber.Bytes()), got.SerialNumber)
}

// A certificate that is not verified ends with the first of those that the server showed.
func TestChainOfWhatIsShown(t *testing.T) {
	root := testnet.NewAuthority(t)
	past := time.Now().Add(-24 * time.Hour).Truncate(time.Second).UTC()
	issued := root.Intermediate(func(c *x509.Certificate) { c.NotBefore, c.NotAfter = past.AddDate(-1, 0, 0), past }).Issue([]string{"127.0.0.1"})
	checked := literal(serve(t, speak(&tls.Config{Certificates: []tls.Certificate{issued}, MinVersion: tls.VersionTLS12})))
	checked.TLS = &check.TLS{Client: tlsClient{config: &tls.Config{RootCAs: root.Pool(), MinVersion: tls.VersionTLS12}}}
	report := NewSystem(0).Session(&checked).Check(context.Background(), time.Now, unknownHost)
	require.NotNil(t, report.TLS[0].Certificate)
	assert.Equal(t, past, report.TLS[0].Certificate.ChainNotAfter)
	assert.Equal(t, issued.Leaf.NotAfter, report.TLS[0].Certificate.NotAfter)
}

// What this machine lacks says nothing about the certificate, and neither does a port that is closed.
func TestHandshakeUnchecked(t *testing.T) {
	up, closed := testnet.Listen(t, "tcp4", "127.0.0.1:0"), testnet.ClosedPort(t, "127.0.0.1")
	for _, test := range []struct {
		name    string
		address netip.AddrPort
		client  tlsClient
		from    string
		lack    check.Lack
		says    string
	}{
		{"a file is gone", up, tlsClient{err: errors.New("ca.pem: no such file")}, "", check.LacksCertificates, "ca.pem: no such file"},
		{"refused", closed, tlsClient{config: &tls.Config{}}, "", "", "refused"},                                     //nolint:gosec // it is not used
		{"no such source address", up, tlsClient{config: &tls.Config{}}, "192.0.2.99", check.LacksSourceAddress, ""}, //nolint:gosec // it is not used
	} {
		t.Run(test.name, func(t *testing.T) {
			checked := literal(test.address)
			checked.TLS = &check.TLS{Client: test.client}
			if test.from != "" {
				checked.Outgoing = &check.Outgoing{Sources: []netip.Addr{netip.MustParseAddr(test.from)}}
			}
			report := NewSystem(0).Session(&checked).Check(context.Background(), time.Now, unknownHost)
			require.Len(t, report.TLS, 1)
			assert.Equal(t, check.Unchecked, report.TLS[0].Status)
			assert.Equal(t, test.lack, report.TLS[0].Lack)
			assert.ErrorContains(t, report.TLS[0].Err, test.says)
		})
	}
}

// A server that says nothing, one that says a byte now and then, and one that never stops: each ends at the
// timeout, and when ctx does.
func TestHandshakeEnds(t *testing.T) {
	silent := func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }
	endless := func(conn net.Conn) {
		record := append([]byte("\x16\x03\x03\x40\x00\x02\x00\xff\xff"), bytes.Repeat([]byte{1}, 1<<14)...)
		for {
			if _, err := conn.Write(record); err != nil {
				return
			}
		}
	}
	for name, server := range map[string]func(net.Conn){"silent": silent, "endless": endless} {
		t.Run(name, func(t *testing.T) {
			checked := literal(serve(t, server))
			checked.TLS = &check.TLS{Client: tlsClient{config: &tls.Config{MinVersion: tls.VersionTLS12}}}
			checked.Timeout = 50 * time.Millisecond
			report := NewSystem(0).Session(&checked).Check(context.Background(), time.Now, unknownHost)
			require.Len(t, report.TLS, 1)
			assert.Equal(t, check.Down, report.TLS[0].Status)
			if name == "silent" {
				assert.Equal(t, check.TLSTimeout, report.TLS[0].ErrorType)
			}
			checked.Timeout = time.Hour
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			assert.Empty(t, NewSystem(0).Session(&checked).Check(ctx, time.Now, unknownHost).TLS)
		})
	}
}
