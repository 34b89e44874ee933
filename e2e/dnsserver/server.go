// Package dnsserver is a DNS server for tests: a real one, on the loopback
// interface, over UDP and TCP, that answers queries for addresses exactly as
// programmed for each name.
package dnsserver

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

const (
	// portAttempts is how many ports of UDP are tried for one that is free for
	// TCP as well.
	portAttempts = 10
	// tcpIdleTimeout keeps the connections of queries that are never answered
	// for longer than any client waits.
	tcpIdleTimeout = time.Hour
)

// Server is a running DNS server. It is made by Start or New; its methods are
// safe for concurrent use.
type Server struct {
	addr    netip.AddrPort
	zones   zones
	servers []server
	dialled conns         // by resolvers
	closed  chan struct{} // by Close, to end delays

	closeOnce sync.Once
	closeErr  error
}

// server is a server of one network.
type server struct {
	*dns.Server
	ended chan error // gets what serving ended with
}

// Start starts a server on 127.0.0.1, on a free port that is the same for UDP
// and TCP. No name exists there until it is Set. It returns an error if there
// is no such port, or if it cannot be served.
func Start() (*Server, error) {
	packets, listener, err := listen()
	if err != nil {
		return nil, fmt.Errorf("dnsserver: %w", err)
	}
	return start(packets, listener)
}

// start starts a server on what was opened for it.
func start(packets net.PacketConn, listener net.Listener) (*Server, error) {
	s := &Server{
		addr:   packets.LocalAddr().(*net.UDPAddr).AddrPort(),
		zones:  newZones(),
		closed: make(chan struct{}),
	}
	err := s.serve(&dns.Server{PacketConn: packets})
	if err == nil {
		err = s.serve(&dns.Server{
			Listener:      listener,
			IdleTimeout:   func() time.Duration { return tcpIdleTimeout },
			MaxTCPQueries: -1, // no limit
		})
	}
	if err != nil {
		_ = packets.Close()
		_ = listener.Close()
		return nil, fmt.Errorf("dnsserver: %w", errors.Join(err, s.Close()))
	}
	return s, nil
}

// New starts a server for the time of a test, which fails if that is not
// possible.
func New(t testing.TB) *Server {
	t.Helper()
	s, err := Start()
	return forTest(t, s, err)
}

// NewAt is New with an address and port: port 53 is the only one that resolv.conf
// can mean, and takes root.
func NewAt(t testing.TB, address netip.AddrPort) *Server {
	t.Helper()
	packets, listener, err := listenAt(address.String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := start(packets, listener)
	return forTest(t, s, err)
}

func forTest(t testing.TB, s *Server, err error) *Server {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// listen opens a port for UDP and TCP.
func listen() (net.PacketConn, net.Listener, error) {
	var failures []error
	for range portAttempts {
		packets, listener, err := listenAt("127.0.0.1:0")
		if err == nil {
			return packets, listener, nil
		}
		failures = append(failures, err)
	}
	return nil, nil, errors.Join(failures...)
}

// listenAt opens a port of an address for UDP and TCP.
func listenAt(address string) (net.PacketConn, net.Listener, error) {
	packets, err := net.ListenPacket("udp", address)
	if err != nil {
		return nil, nil, err
	}
	listener, err := net.Listen("tcp", packets.LocalAddr().String())
	if err != nil {
		return nil, nil, errors.Join(err, packets.Close())
	}
	return packets, listener, nil
}

// serve starts serving on what d listens on.
func (s *Server) serve(d *dns.Server) error {
	started, ended := make(chan struct{}), make(chan error, 1)
	d.NotifyStartedFunc = func() { close(started) }
	d.Handler = dns.HandlerFunc(s.handle)
	go func() { ended <- d.ActivateAndServe() }()
	select {
	case <-started:
		s.servers = append(s.servers, server{Server: d, ended: ended})
		return nil
	case err := <-ended:
		return err
	}
}

// Close stops the server and waits until nothing of it is left. Queries that
// wait for a delayed answer stay unanswered, and lookups of its Resolver end. It
// returns an error if the server had failed before. Further calls do nothing and
// return the same.
func (s *Server) Close() error {
	s.closeOnce.Do(func() {
		close(s.closed)
		failures := []error{s.dialled.close()}
		for _, server := range s.servers {
			failures = append(failures, server.Shutdown(), <-server.ended)
		}
		if err := errors.Join(failures...); err != nil {
			s.closeErr = fmt.Errorf("dnsserver: %w", err)
		}
	})
	return s.closeErr
}

// Addr returns the address and port that the server has for UDP and TCP.
func (s *Server) Addr() netip.AddrPort { return s.addr }

// Set sets what a name has. A name is taken as fully qualified, with or without
// the dot at the end, and regardless of case (RFC 4343). What was set for it
// before is replaced, and rotations begin anew; the counts of Queries go on.
func (s *Server) Set(name string, z Zone) { s.zones.set(name, z) }

// Queries returns how many queries there have been for a name, taken as by Set,
// and a type such as dns.TypeA, over UDP and TCP, answered or not. A client's
// retries count as well, and so does a query asked again over TCP.
func (s *Server) Queries(name string, qtype uint16) int { return s.zones.queries(name, qtype) }
