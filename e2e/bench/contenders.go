//go:build linux

package main

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// bare makes the system calls of a check and nothing else, one after the other.
// It does not wait for an answer: on loopback there is none to wait for.
func bare(targets []netip.AddrPort) (time.Duration, error) {
	began := time.Now()
	for _, target := range targets {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
		if err != nil {
			return 0, os.NewSyscallError("socket", err)
		}
		err = unix.Connect(fd, &unix.SockaddrInet4{Port: int(target.Port()), Addr: target.Addr().As4()})
		if err != nil && !errors.Is(err, unix.EINPROGRESS) {
			return 0, os.NewSyscallError("connect", err)
		}
		if err := unix.Close(fd); err != nil {
			return 0, os.NewSyscallError("close", err)
		}
	}
	return time.Since(began), nil
}

// dialsAtOnce is how many dials of a net.Dialer are under way at a time, within
// the usual limits of descriptors.
const dialsAtOnce = 8192

func dial(targets []netip.AddrPort) (time.Duration, error) {
	began := time.Now()
	var dials sync.WaitGroup
	places := make(chan struct{}, dialsAtOnce)
	for _, target := range targets {
		places <- struct{}{}
		dials.Go(func() {
			dialer := net.Dialer{Timeout: timeout}
			if conn, err := dialer.Dial("tcp", target.String()); err == nil {
				_ = conn.Close()
			}
			<-places
		})
	}
	dials.Wait()
	return time.Since(began), nil
}
