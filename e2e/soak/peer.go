//go:build linux

package main

import (
	"fmt"
	"net"
	"net/netip"
	"sync"

	"example.com/tcpcheckreceiver/e2e/loopback"
)

// state is how a peer takes a connection attempt.
type state uint8

const (
	refusing state = iota // nothing listens; the zero value
	listening
	silent // a SYN gets no answer
)

// peer is an address and port of this machine. Its zero value is refusing. It is
// not safe for concurrent use.
type peer struct {
	addr  netip.AddrPort
	state state
	close func() error // nil where there is nothing to close
}

// become puts the peer into a state, in which it is for every SYN that is sent
// once become has returned nil.
func (p *peer) become(s state) error {
	if s == p.state {
		return nil
	}
	if err := p.stop(); err != nil {
		return err
	}
	var err error
	switch s {
	case listening:
		p.close, err = accept(p.addr)
	case silent:
		_, p.close, err = loopback.KeepSilent(p.addr)
	case refusing:
	}
	if err != nil {
		return fmt.Errorf("peer %v: %w", p.addr, err)
	}
	p.state = s
	return nil
}

// stop makes the peer refuse.
func (p *peer) stop() error {
	var err error
	if p.close != nil {
		err = p.close()
	}
	p.close, p.state = nil, refusing
	return err
}

// accept listens at addr, and closes each connection at once. The function that
// it returns ends that.
func accept(addr netip.AddrPort) (func() error, error) {
	listener, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(addr))
	if err != nil {
		return nil, err
	}
	var accepting sync.WaitGroup
	accepting.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // the listener is closed
			}
			_ = conn.Close()
		}
	})
	return func() error {
		defer accepting.Wait()
		return listener.Close()
	}, nil
}
