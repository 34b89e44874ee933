// Package loopback has a server of another process for measurements: whatever it
// does is not taken for the work of the measuring process.
package loopback

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
)

// Server is a process that accepts and closes connections to all of 127.0.0.0/8,
// on one port.
type Server struct {
	process *exec.Cmd
	port    uint16
}

// Start executes this program anew with arguments that make it call Serve, and
// returns once it listens.
func Start(arguments ...string) (*Server, error) {
	process := exec.Command("/proc/self/exe", arguments...)
	process.Stderr = os.Stderr
	output, err := process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := process.Start(); err != nil {
		return nil, err
	}
	s := &Server{process: process}
	line, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		s.Stop()
		return nil, fmt.Errorf("the server ended: %w", err)
	}
	address, err := netip.ParseAddrPort(line[:len(line)-1])
	if err != nil {
		s.Stop()
		return nil, err
	}
	s.port = address.Port()
	return s, nil
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

// Stop ends the process.
func (s *Server) Stop() {
	_ = s.process.Process.Kill()
	_ = s.process.Wait()
}

// Serve accepts and closes connections to an IPv4 address until the process is
// ended, and prints the address and port that it really has. The queue of those
// that wait to be accepted is as long as the system allows; as root, Serve has it
// allow more, in the network namespace of the process.
func Serve(address string) error {
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
			_ = conn.Close()
		}
	}
}
