package testnet

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TLSServer is a port of IP addresses of this machine that shows certificates.
type TLSServer struct {
	Port  uint16
	shown map[string]*atomic.Pointer[tls.Certificate] // by address
}

// NewTLSServer returns a server that shows a certificate at addresses, until the end of the test.
func NewTLSServer(t testing.TB, certificate tls.Certificate, addresses ...string) *TLSServer {
	t.Helper()
	listeners := listenAtAll(t, addresses)
	s := &TLSServer{Port: addrPort(t, listeners[0].Addr()).Port(), shown: make(map[string]*atomic.Pointer[tls.Certificate])}
	for i, address := range addresses {
		s.shown[address] = new(atomic.Pointer[tls.Certificate])
		s.Show(certificate, address)
		ServeTLS(t, listeners[i], s.shown[address].Load)
	}
	return s
}

// listenAtAll returns listeners at one port of all addresses.
func listenAtAll(t testing.TB, addresses []string) []net.Listener {
	t.Helper()
	if slices.ContainsFunc(addresses, isIPv6Loopback) {
		RequireIPv6(t)
	}
	for range 10 { // others may have taken the port of the first one at the next
		var listeners []net.Listener
		port := "0"
		for _, address := range addresses {
			listener, err := net.Listen("tcp", net.JoinHostPort(address, port))
			if err != nil {
				break
			}
			listeners = append(listeners, listener)
			port = strconv.Itoa(int(addrPort(t, listener.Addr()).Port()))
		}
		if len(listeners) == len(addresses) {
			return listeners
		}
		for _, listener := range listeners {
			require.NoError(t, listener.Close())
		}
	}
	require.FailNow(t, "no port is free at all addresses", "%v", addresses)
	return nil
}

// Show has another certificate shown at addresses of the server.
func (s *TLSServer) Show(certificate tls.Certificate, addresses ...string) {
	for _, address := range addresses {
		s.shown[address].Store(&certificate)
	}
}

// ServeTLS makes a TLS handshake over each connection that a listener accepts, and closes it when the client does, until
// the end of the test. It shows the certificate that shown returns.
func ServeTLS(t testing.TB, listener net.Listener, shown func() *tls.Certificate) {
	t.Helper()
	config := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return shown(), nil }}
	serveOn(t, listener, func(conn net.Conn) {
		_, _ = io.Copy(io.Discard, tls.Server(conn, config)) // which makes the handshake, if the client does
	})
}

// Lasting returns what changes a certificate to end so long from now.
func Lasting(d time.Duration) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.NotAfter = time.Now().Add(d) }
}
