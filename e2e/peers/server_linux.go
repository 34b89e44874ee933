// Package peers has what the tests and the measuring programs check: hosts that answer
// exactly as programmed, a server of another process, whose work is not taken for that
// of the measuring one, and listeners that accept or are silent.
package peers

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// Accept returns a listener at a TCP address whose connections are accepted and closed,
// until it is closed itself.
func Accept(t testing.TB, address string) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	require.NoError(t, err)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
		}
	}()
	return listener
}

// Server is a process that accepts and closes connections to all of 127.0.0.0/8,
// on one port.
type Server struct {
	port    uint16
	process *exec.Cmd
	stop    sync.Once
}

// StartServer executes this program anew with arguments that make it call Serve, or
// ServeHosts, and returns once it listens. It ends with the test.
func StartServer(t testing.TB, arguments ...string) *Server {
	t.Helper()
	process := exec.Command("/proc/self/exe", arguments...)
	process.Stderr = os.Stderr
	output, err := process.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, process.Start())
	s := &Server{process: process}
	t.Cleanup(s.Stop)
	line, err := bufio.NewReader(output).ReadString('\n')
	require.NoError(t, err, "the server ended")
	address, err := netip.ParseAddrPort(strings.TrimSpace(line))
	require.NoError(t, err)
	s.port = address.Port()
	return s
}

// Stop ends the process: its port refuses connections from then on.
func (s *Server) Stop() {
	s.stop.Do(func() {
		_ = s.process.Process.Kill()
		_ = s.process.Wait()
	})
}

// Targets returns n distinct addresses of the server, at most 16 million.
func (s *Server) Targets(n int) []netip.AddrPort { return Targets(n, s.port) }

// Targets returns n distinct addresses of 127.0.0.0/8 with a port.
func Targets(n int, port uint16) []netip.AddrPort {
	targets := make([]netip.AddrPort, n)
	for i := range targets {
		targets[i] = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, byte(1 + i>>16), byte(i >> 8), byte(i)}), port)
	}
	return targets
}

// Serve accepts and closes connections to an IPv4 address until the process is
// ended. It prints the address and port that it really has. The queue of those that wait
// to be accepted is as long as the system allows; as root, Serve has it allow more, in
// the network namespace of the process. Where a file is named that has a certificate and its key, Serve makes a
// TLS handshake with each connection, and closes it when the client does.
func Serve(address, certificate string) error {
	handle := func(conn net.Conn) { _ = conn.Close() }
	if certificate != "" {
		shown, err := tls.LoadX509KeyPair(certificate, certificate)
		if err != nil {
			return err
		}
		config := &tls.Config{Certificates: []tls.Certificate{shown}, MinVersion: tls.VersionTLS12}
		handle = func(conn net.Conn) {
			go func() {
				_, _ = io.Copy(io.Discard, tls.Server(conn, config))
				_ = conn.Close()
			}()
		}
	}
	_ = os.WriteFile("/proc/sys/net/core/somaxconn", []byte("65535"), 0o600)
	listener, err := net.Listen("tcp4", address)
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr())
	for {
		conn, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return err
		}
		if err == nil {
			handle(conn)
		}
	}
}

// fillPatience bounds the wait for a connection that is made at once, if it is
// made at all.
const fillPatience = 100 * time.Millisecond

// KeepSilent listens at an address, of which the port may be 0, with a queue for one
// connection (listen(2), backlog 0), and fills that: the kernel then drops all SYNs.
// It returns the address that it really has, and a function that ends that.
func KeepSilent(t testing.TB, addr netip.AddrPort) (netip.AddrPort, func() error) {
	t.Helper()
	listener, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(addr))
	require.NoError(t, err)
	raw, err := listener.SyscallConn()
	require.NoError(t, err)
	require.NoError(t, raw.Control(func(fd uintptr) { assert.NoError(t, unix.Listen(int(fd), 0)) }))
	addr = netip.AddrPortFrom(addr.Addr(), listener.Addr().(*net.TCPAddr).AddrPort().Port())
	filler, err := net.DialTimeout("tcp", addr.String(), fillPatience)
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return addr, listener.Close // the connection of whoever checks it has filled the queue
	}
	require.NoError(t, err)
	return addr, func() error { return errors.Join(listener.Close(), filler.Close()) }
}
