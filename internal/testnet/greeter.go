package testnet

import (
	"io"
	"net"
	"sync/atomic"
	"testing"
)

// Greeter is a port of IP addresses of this machine that says a text to each client, and nothing after it.
type Greeter struct {
	Port uint16
	said map[string]*atomic.Pointer[string] // by address
}

// NewGreeter returns a server that says a text at addresses, until the end of the test. An empty one is silence.
func NewGreeter(t testing.TB, text string, addresses ...string) *Greeter {
	t.Helper()
	listeners := listenAtAll(t, addresses)
	g := &Greeter{Port: addrPort(t, listeners[0].Addr()).Port(), said: make(map[string]*atomic.Pointer[string])}
	for i, address := range addresses {
		said := new(atomic.Pointer[string])
		g.said[address] = said
		g.Say(text, address)
		ServeGreeting(t, listeners[i], func() string { return *said.Load() })
	}
	return g
}

// Say has another text said at addresses of the server.
func (g *Greeter) Say(text string, addresses ...string) {
	for _, address := range addresses {
		g.said[address].Store(&text)
	}
}

// ServeGreeting says what said returns over each connection that a listener accepts, and closes it when the client does,
// until the end of the test.
func ServeGreeting(t testing.TB, listener net.Listener, said func() string) {
	t.Helper()
	serveOn(t, listener, func(conn net.Conn) {
		_, _ = io.WriteString(conn, said())
		_, _ = io.Copy(io.Discard, conn)
	})
}
