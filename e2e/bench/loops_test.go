package bench

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// measureLoop checks targets by a function, one after the other, so many in a second, as
// many at each tick as have become due; without a tick, all without a pause.
func (b *bench) measureLoop(targets []netip.AddrPort, rate float64, tick time.Duration, check func(netip.AddrPort, *sync.WaitGroup) error) cost {
	var dials sync.WaitGroup
	return measureCost(func() int {
		began, checks := time.Now(), 0
		for {
			elapsed := time.Since(began)
			due := int(rate * elapsed.Seconds())
			if tick == 0 {
				due = int(rate * window.Seconds())
			}
			for ; checks < due; checks++ {
				require.NoError(b, check(targets[checks%len(targets)], &dials))
			}
			if elapsed >= *window || tick == 0 {
				dials.Wait()
				return checks
			}
			pause(tick - elapsed%tick)
		}
	})
}

// bareOf returns what makes the system calls of a check of a target in such a state and nothing
// else. It does not wait for an answer: on loopback there is none to wait for.
func bareOf(state string) func(netip.AddrPort, *sync.WaitGroup) error {
	return func(target netip.AddrPort, _ *sync.WaitGroup) error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
		if err != nil {
			return err
		}
		if state == "quiet" {
			if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_QUICKACK, 0); err != nil {
				return err
			}
			if err := unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}); err != nil {
				return err
			}
		}
		err = unix.Connect(fd, &unix.SockaddrInet4{Port: int(target.Port()), Addr: target.Addr().As4()})
		if err != nil && !errors.Is(err, unix.EINPROGRESS) {
			return err
		}
		return unix.Close(fd)
	}
}

// dial dials by a net.Dialer, in a goroutine of its own.
func dial(target netip.AddrPort, dials *sync.WaitGroup) error {
	dials.Go(func() {
		dialer := net.Dialer{Timeout: 10 * time.Second}
		if conn, err := dialer.Dial("tcp", target.String()); err == nil {
			_ = conn.Close()
		}
	})
	return nil
}
