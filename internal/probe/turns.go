package probe

import (
	"context"
	"net"
	"runtime"
	"time"

	"golang.org/x/sync/semaphore"
)

// turns are as many as there are processors: each handshake computes in its turn, and waits for the peer
// out of it, so that its time is not that of other handshakes.
var turns = semaphore.NewWeighted(int64(runtime.GOMAXPROCS(0)))

// turnConn is a connection whose user computes in turns with others. Its user has the turn, but while
// it reads.
type turnConn struct {
	net.Conn
	ctx      context.Context
	deadline time.Time // but for the time that was waited for the turn
	has      bool      // the turn
	left     bool      // it goes on without turns
	waited   time.Duration
	began    time.Time     // when the first byte was sent; zero before
	last     time.Time     // when a byte was read the last time, and
	before   time.Duration // how long had been waited for the turn since began by then
	err      error         // why it does not go on
}

// takeTurn returns a connection whose user has the turn, and has so much time for what it does, not
// counting the wait for turns. The error is that of ctx.
func takeTurn(ctx context.Context, conn net.Conn, timeout time.Duration) (*turnConn, error) {
	c := &turnConn{Conn: conn, ctx: ctx}
	if err := c.take(); err != nil {
		return nil, err
	}
	c.waited, c.deadline = 0, time.Now().Add(timeout)
	return c, conn.SetDeadline(c.deadline)
}

// take waits for the turn.
func (c *turnConn) take() error {
	start := time.Now()
	if c.err = turns.Acquire(c.ctx, 1); c.err != nil {
		return c.err
	}
	c.has = true
	c.waited += time.Since(start)
	return nil
}

// give gives the turn up, if the connection has it.
func (c *turnConn) give() {
	if c.has {
		c.has = false
		turns.Release(1)
	}
}

// leave has the connection go on without turns.
func (c *turnConn) leave() {
	c.give()
	c.left = true
}

// Read is that of the connection. Others have their turn meanwhile.
func (c *turnConn) Read(b []byte) (int, error) {
	if c.left {
		return c.Conn.Read(b)
	}
	if c.err != nil {
		return 0, c.err
	}
	c.give()
	n, err := c.Conn.Read(b)
	c.last, c.before = time.Now(), c.waited
	if taken := c.take(); taken != nil {
		return n, taken
	}
	if err == nil {
		err = c.SetDeadline(c.deadline.Add(c.waited))
	}
	return n, err
}

// Write is that of the connection.
func (c *turnConn) Write(b []byte) (int, error) {
	if c.began.IsZero() {
		c.began = time.Now()
	}
	return c.Conn.Write(b)
}

// took returns how long it was from the first byte that was sent to the last one that was read, without the
// waits for turns between them.
func (c *turnConn) took() time.Duration { return c.last.Sub(c.began) - c.before }
