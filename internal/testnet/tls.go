package testnet

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"strconv"
	"sync"
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
	s := &TLSServer{shown: make(map[string]*atomic.Pointer[tls.Certificate])}
	for _, address := range addresses {
		if isIPv6Loopback(address) {
			RequireIPv6(t)
		}
		listener, err := net.Listen("tcp", net.JoinHostPort(address, strconv.Itoa(int(s.Port))))
		require.NoError(t, err)
		s.Port = addrPort(t, listener.Addr()).Port()
		s.shown[address] = new(atomic.Pointer[tls.Certificate])
		s.Show(certificate, address)
		ServeTLS(t, listener, s.shown[address].Load)
	}
	return s
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
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				_, _ = io.Copy(io.Discard, tls.Server(conn, config)) // which makes the handshake, if the client does
				_ = conn.Close()
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close() // the test may have closed it
		running.Wait()
	})
}

// Lasting returns what changes a certificate to end so long from now.
func Lasting(d time.Duration) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.NotAfter = time.Now().Add(d) }
}
