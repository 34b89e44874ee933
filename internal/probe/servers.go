package probe

import (
	"context"
	"net"
	"sync"
)

// serverLog dials the name servers of a lookup, and takes note of whether it could.
type serverLog struct {
	connect func(ctx context.Context, network, address string) (net.Conn, error)

	mu      sync.Mutex
	failure error // the first one that is this machine's
	other   bool  // a server was dialled, or failed by itself
	open    []net.Conn
	closed  bool
}

func (l *serverLog) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if l.isClosed() {
		return nil, net.ErrClosed
	}
	conn, err := l.connect(ctx, network, address)
	l.note(err)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		_ = conn.Close()
		return nil, net.ErrClosed
	}
	l.open = append(l.open, conn)
	return conn, nil
}

// close closes the connections. A lookup whose context ends leaves Go's resolver waiting
// for the answer, for 5 seconds as a rule, and then asking the next server.
func (l *serverLog) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for _, conn := range l.open {
		_ = conn.Close() // it may be closed already
	}
}

func (l *serverLog) isClosed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed
}

func (l *serverLog) note(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err == nil || !isLocalFault(err):
		l.other = true
	case l.failure == nil:
		l.failure = err
	}
}

// fault returns why this machine was unable to ask any server, or nil.
func (l *serverLog) fault() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.other {
		return nil
	}
	return l.failure
}
