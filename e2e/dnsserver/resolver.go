package dnsserver

import (
	"context"
	"errors"
	"net"
	"sync"
)

// Resolver returns a resolver of the Go runtime's own that asks this server
// whenever it would ask one of the system's. It does heed what else the system
// has configured: the hosts file, search domains, timeouts and number of
// attempts; a name with a dot at the end is in no need of search domains.
//
// A lookup that is cancelled leaves the runtime waiting for the server's answer
// in the background. Close ends that, and later lookups fail.
func (s *Server) Resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: s.dial}
}

// dial connects to the server over the given network.
func (s *Server) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, network, s.addr.String())
	if err != nil {
		return nil, err
	}
	if !s.dialled.add(c) {
		_ = c.Close() // nothing was sent
		return nil, net.ErrClosed
	}
	// The runtime tells from the type of a connection how to use it.
	if udp, ok := c.(*net.UDPConn); ok {
		return udpConn{udp, &s.dialled}, nil
	}
	return tcpConn{c, &s.dialled}, nil
}

// conns is connections that are open. It is safe for concurrent use.
type conns struct {
	mu     sync.Mutex
	open   map[net.Conn]bool
	closed bool
}

// add adds a connection, unless the conns are closed; then it returns false.
func (l *conns) add(c net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	if l.open == nil {
		l.open = make(map[net.Conn]bool)
	}
	l.open[c] = true
	return true
}

func (l *conns) remove(c net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, c)
}

// close closes the connections and has no more added.
func (l *conns) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	var failures []error
	for c := range l.open {
		failures = append(failures, c.Close())
	}
	l.open = nil
	return errors.Join(failures...)
}

// udpConn and tcpConn are connections in conns, until they are closed.
type (
	udpConn struct {
		*net.UDPConn
		conns *conns
	}
	tcpConn struct {
		net.Conn
		conns *conns
	}
)

func (c udpConn) Close() error {
	c.conns.remove(c.UDPConn)
	return c.UDPConn.Close()
}

func (c tcpConn) Close() error {
	c.conns.remove(c.Conn)
	return c.Conn.Close()
}
