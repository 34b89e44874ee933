package probe

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/netip"
	"time"

	"example.com/tcpcheckreceiver/internal/check"
)

// tlsHandshake is one handshake, and what comes of it.
type tlsHandshake struct {
	*check.TLSResult
	turn       *turnConn
	config     *tls.Config
	serverName string
	asked      bool   // the server asked for a certificate of the client
	shown      bool   // and the client had one
	heard      []byte // what the server has said after it
}

// shake makes the handshake and completes the result. It returns the connection that is secured by it, be it
// verified or not; nil if it was not completed.
func (s *tlsHandshake) shake(ctx context.Context, protocols []string) *tls.Conn {
	verify := !s.config.InsecureSkipVerify
	// It is verified afterwards, since the certificate is to be told of in any case, and since the time that
	// it takes is not the server's.
	s.config.InsecureSkipVerify = true
	s.config.ServerName, s.config.NextProtos = s.serverName, protocols
	s.config.SessionTicketsDisabled = true
	own := s.config.GetClientCertificate
	s.config.GetClientCertificate = func(info *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		s.asked = true
		if own == nil {
			return &tls.Certificate{}, nil
		}
		s.shown = true
		return own(info)
	}
	client := tls.Client(s.turn, s.config)
	err := client.HandshakeContext(ctx)
	took := s.turn.took()
	if err == nil && s.asked && client.ConnectionState().Version >= tls.VersionTLS13 {
		err = s.awaitRefusal(client)
	}
	if err != nil {
		s.fail(err)
		return nil
	}
	state := client.ConnectionState()
	s.HandshakeTime = took
	chain, err := state.PeerCertificates, error(nil)
	if verify {
		var verified [][]*x509.Certificate
		if verified, err = s.verify(state.PeerCertificates); err == nil {
			chain = lasting(verified)
		}
	}
	s.Certificate = certificateOf(&state, chain)
	switch errorType := certificateErrorType(err, time.Now()); {
	case err == nil:
		s.Status = check.Up
	case errorType == "":
		s.Err, s.Lack = lackingError(err.Error()), check.LacksCertificates
	default:
		s.Status, s.Err, s.ErrorType = check.Down, err, errorType
	}
	return client
}

// refusalWithin is how long a server's refusal of the client's certificate is awaited, at most.
const refusalWithin = time.Second

// awaitRefusal returns the alert by which the server refuses the client's certificate, or that there is none:
// in TLS 1.3 it comes after the handshake, as far as the client knows (RFC 8446, section 4.4.2.4).
func (s *tlsHandshake) awaitRefusal(client *tls.Conn) error {
	within := min(refusalWithin, 2*s.turn.took()+100*time.Millisecond)
	s.turn.deadline = time.Now().Add(within - s.turn.waited)
	if err := s.turn.SetDeadline(time.Now().Add(within)); err != nil {
		return err
	}
	said := make([]byte, 1)
	n, err := client.Read(said)
	if s.heard = said[:n]; alertOf(err) == 0 {
		return nil // it goes on, or says something, or closes
	}
	return err
}

// fail completes the result of a handshake that was not completed.
func (s *tlsHandshake) fail(err error) {
	s.Err = err
	if s.ErrorType = handshakeErrorType(err, s.asked && !s.shown); s.ErrorType != "" {
		s.Status = check.Down
		return
	}
	s.Lack = check.LacksOther
}

// verify returns the chains from the leaf to roots that the client trusts (RFC 5280, section 6), or why it
// does not trust it.
func (s *tlsHandshake) verify(shown []*x509.Certificate) ([][]*x509.Certificate, error) {
	if s.config.RootCAs == nil && !hasRoots() {
		return nil, errNoRoots
	}
	intermediates := x509.NewCertPool()
	for _, c := range shown[1:] {
		intermediates.AddCert(c)
	}
	return shown[0].Verify(x509.VerifyOptions{Roots: s.config.RootCAs, Intermediates: intermediates, DNSName: withoutZone(s.serverName)})
}

// withoutZone returns a name, or an IP address without its zone, which no certificate has.
func withoutZone(name string) string {
	if address, err := netip.ParseAddr(name); err == nil {
		return address.WithZone("").String()
	}
	return name
}

// lasting returns the chain that lasts longest.
func lasting(chains [][]*x509.Certificate) []*x509.Certificate {
	best := chains[0]
	for _, chain := range chains[1:] {
		if firstEnd(chain).After(firstEnd(best)) {
			best = chain
		}
	}
	return best
}

// firstEnd returns when the first certificate of a chain ends.
func firstEnd(chain []*x509.Certificate) time.Time {
	first := chain[0].NotAfter
	for _, c := range chain[1:] {
		if c.NotAfter.Before(first) {
			first = c.NotAfter
		}
	}
	return first
}

// certificateOf returns what is known of the leaf that a server has shown, which has a chain.
func certificateOf(state *tls.ConnectionState, chain []*x509.Certificate) *check.Certificate {
	leaf := state.PeerCertificates[0]
	return &check.Certificate{
		Subject: leaf.Subject.String(), Issuer: leaf.Issuer.String(), SerialNumber: serialNumber(leaf),
		SHA256: sha256.Sum256(leaf.Raw), NotBefore: leaf.NotBefore, NotAfter: leaf.NotAfter, ChainNotAfter: firstEnd(chain),
		Version: state.Version, CipherSuite: state.CipherSuite, Protocol: state.NegotiatedProtocol, Stapled: len(state.OCSPResponse) > 0,
	}
}

// lackingError is why a client does not have the certificates that it is to have. It says which, and has no
// cause that would not.
type lackingError string

func (e lackingError) Error() string { return string(e) }

// serialNumber returns that of a certificate as openssl x509 -serial has it.
func serialNumber(c *x509.Certificate) string {
	text := fmt.Sprintf("%X", c.SerialNumber)
	if len(text)%2 == 1 {
		text = "0" + text
	}
	return text
}

// errNoRoots is why nothing could be verified.
const errNoRoots lackingError = "this machine has no root certificates; name a ca_file, or install them (ca-certificates)"
