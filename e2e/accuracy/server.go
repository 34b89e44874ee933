//go:build linux

package main

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
)

// server is another process that accepts connections to all of 127.0.0.0/8.
type server struct {
	process *exec.Cmd
	port    uint16
}

// startServer starts a server, in the namespace of this process, with room for
// all that will not wait to be accepted.
func startServer() (*server, error) {
	if err := os.WriteFile("/proc/sys/net/core/somaxconn", []byte("65535"), 0o600); err != nil {
		return nil, err
	}
	process := exec.Command("/proc/self/exe", "-serve", "0.0.0.0:0")
	process.Stderr = os.Stderr
	output, err := process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := process.Start(); err != nil {
		return nil, err
	}
	s := &server{process: process}
	line, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		s.stop()
		return nil, fmt.Errorf("the server ended: %w", err)
	}
	address, err := netip.ParseAddrPort(line[:len(line)-1])
	if err != nil {
		s.stop()
		return nil, err
	}
	s.port = address.Port()
	return s, nil
}

func (s *server) stop() {
	_ = s.process.Process.Kill()
	_ = s.process.Wait()
}

// accept accepts and closes connections to address until the process is ended,
// and prints the address that it really has.
func accept(address string) error {
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
