package probe

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sync/errgroup"

	"example.com/tcpcheckreceiver/internal/check"
)

// mostHandshakes is how many addresses of one target are asked at the same time.
const mostHandshakes = 8

// TLS makes handshakes with the addresses of one target, all of them. Its checks must not overlap.
type TLS struct {
	target *check.Target
	names  *Probe // resolves the host anew for each check
}

// TLS returns a TLS of a target that is checked so, which may not change after that.
func (s *System) TLS(target *check.Target) *TLS {
	all := *target
	all.MultipleIPs, all.CacheDuration = true, 0
	return &TLS{target: target, names: s.Probe(&all)}
}

// Check resolves the target's host, connects to its addresses and makes a handshake with each. The time of
// the report is what now says at the end. Host returns what is known of this machine. The report has no
// results where ctx ended before all of them were there, and where no connection was made.
func (p *TLS) Check(ctx context.Context, now func() time.Time, host func() *HostAddresses) check.TLSReport {
	report := check.TLSReport{Target: p.target}
	addresses := p.names.addresses(ctx, host)
	results := make([]check.TLSResult, len(addresses))
	config, unable := p.target.TLS.Client.Load()
	var running errgroup.Group
	running.SetLimit(mostHandshakes)
	for i, address := range addresses {
		r := &results[i]
		r.Family, r.Address = check.FamilyOf(address), address
		if unable != nil {
			r.Status, r.Err, r.Lack = check.Unchecked, lackingError(unable.Error()), check.LacksCertificates
			continue
		}
		running.Go(func() error {
			p.shake(ctx, r, config)
			return nil
		})
	}
	_ = running.Wait() // there is none
	if ctx.Err() == nil {
		report.Results = results
	}
	report.Time = now()
	return report
}

// addresses returns those of the target's host that may be dialled, of the families that are checked.
func (p *Probe) addresses(ctx context.Context, host func() *HostAddresses) []netip.Addr {
	if p.literal.IsValid() {
		p.results = []check.Result{{Address: p.literal}}
	} else {
		p.results = nil
		p.resolve(ctx, host(), func() {}, &check.Report{})
	}
	p.deny(&check.Report{})
	var addresses []netip.Addr
	for _, r := range p.results {
		if r.Status == 0 && r.Address.IsValid() {
			addresses = append(addresses, r.Address)
		}
	}
	return addresses
}

// shake makes a handshake with the address of a result, and completes that.
func (p *TLS) shake(ctx context.Context, r *check.TLSResult, loaded *tls.Config) {
	r.Status = check.Unchecked
	if r.Err = descriptors().Acquire(ctx, dialDescriptors); r.Err != nil {
		return // ctx ended
	}
	defer descriptors().Release(dialDescriptors)
	conn, err := open(ctx, netip.AddrPortFrom(r.Address, p.target.Port), p.target.Timeout, p.target.Outgoing)
	if err != nil {
		r.Err, r.Lack = err, lackOf(err)
		if r.Lack == "" && connectErrorType(err) == check.ConnectionReset { // once it was made: see socket.PhaseOf
			r.Status, r.ErrorType = check.Down, check.TLSConnectionClosed
		}
		return
	}
	defer conn.Close()
	turn, err := takeTurn(ctx, conn, p.target.Timeout)
	if err != nil {
		r.Err = err
		return
	}
	defer turn.give()
	s := session{TLSResult: r, turn: turn, config: loaded.Clone(), serverName: p.target.TLS.ServerName}
	if s.serverName == "" {
		s.serverName = p.target.Host
	}
	s.shake(ctx, p.target.TLS.ALPN)
	if ctx.Err() != nil {
		r.Status, r.Err = check.Unchecked, ctx.Err()
	}
}

// session is one handshake, and what comes of it.
type session struct {
	*check.TLSResult
	turn       *turnConn
	config     *tls.Config
	serverName string
	asked      bool // the server asked for a certificate of the client
	shown      bool // and the client had one
}

// shake makes the handshake, and completes the result.
func (s *session) shake(ctx context.Context, protocols []string) {
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
		return
	}
	_ = client.Close() // with an alert that says so (RFC 8446, section 6.1)
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
}

// refusalWithin is how long a server's refusal of the client's certificate is awaited, at most.
const refusalWithin = time.Second

// awaitRefusal returns the alert by which the server refuses the client's certificate, or that there is none:
// in TLS 1.3 it comes after the handshake, as far as the client knows (RFC 8446, section 4.4.2.4).
func (s *session) awaitRefusal(client *tls.Conn) error {
	within := min(refusalWithin, 2*s.turn.took()+100*time.Millisecond)
	s.turn.deadline = time.Now().Add(within - s.turn.waited)
	if err := s.turn.SetDeadline(time.Now().Add(within)); err != nil {
		return err
	}
	_, err := client.Read(make([]byte, 1))
	if alertOf(err) == 0 {
		return nil // it goes on, or says something, or closes
	}
	return err
}

// fail completes the result of a handshake that was not completed.
func (s *session) fail(err error) {
	s.Err = err
	if s.ErrorType = handshakeErrorType(err, s.asked && !s.shown); s.ErrorType != "" {
		s.Status = check.Down
		return
	}
	s.Lack = check.LacksOther
}

// verify returns the chains from the leaf to roots that the client trusts (RFC 5280, section 6), or why it
// does not trust it.
func (s *session) verify(shown []*x509.Certificate) ([][]*x509.Certificate, error) {
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
