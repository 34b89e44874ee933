package tunpeer

import (
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// spin is how long before an answer is due the loop stops sleeping: more than
// it takes a thread to wake up.
const spin = 50 * time.Microsecond

// loop moves packets between a TUN device and a stack. It lives as long as its
// process.
type loop struct {
	tun   int // the device
	timer int // timerfd, on CLOCK_MONOTONIC

	start time.Time     // zero of the loop's clock
	epoch time.Duration // what CLOCK_MONOTONIC told at start
	armed time.Duration // what the timer is set to, on the loop's clock; 0 for not set
	stack *stack
	err   error // that stops the loop
}

// newLoop makes the loop for a device.
func newLoop(tun int, p *program, r *record) (*loop, error) {
	l := &loop{tun: tun}
	var err error
	if l.timer, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC); err != nil {
		return nil, fmt.Errorf("create timer: %w", err)
	}
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return nil, fmt.Errorf("read monotonic clock: %w", err)
	}
	l.start, l.epoch = time.Now(), time.Duration(now.Nano())
	l.stack = newStack(p, r, l.now, l.write)
	return l, nil
}

// run answers until it fails.
func (l *loop) run() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	packet := make([]byte, mtu)
	for l.err == nil {
		due, waiting := l.stack.nextDue()
		if waiting && due <= l.now() {
			l.stack.answerNext()
			continue
		}
		n, err := unix.Read(l.tun, packet)
		switch {
		case err == nil:
			l.stack.receive(packet[:n], l.now())
		case err == unix.EINTR:
		case err != unix.EAGAIN:
			l.fail("read packet", err)
		case !waiting:
			l.sleep(0)
		case due-l.now() > spin:
			l.sleep(due - spin)
		}
	}
	return l.err
}

// sleep sleeps until there is a packet to read or until the given time; 0 is no
// time.
func (l *loop) sleep(until time.Duration) {
	if until != l.armed {
		var at unix.ItimerSpec
		if until != 0 {
			at.Value = unix.NsecToTimespec(int64(l.epoch + until))
		}
		if err := unix.TimerfdSettime(l.timer, unix.TFD_TIMER_ABSTIME, &at, nil); err != nil {
			l.fail("set timer", err)
			return
		}
		l.armed = until
	}
	files := []unix.PollFd{
		{Fd: int32(l.tun), Events: unix.POLLIN},
		{Fd: int32(l.timer), Events: unix.POLLIN},
	}
	if _, err := unix.Ppoll(files, nil, nil); err != nil && err != unix.EINTR {
		l.fail("wait for packet", err)
	}
}

func (l *loop) now() time.Duration { return time.Since(l.start) }

func (l *loop) write(packet []byte) {
	if _, err := unix.Write(l.tun, packet); err != nil {
		l.fail("write packet", err)
	}
}

// fail stops the loop.
func (l *loop) fail(what string, err error) {
	if l.err == nil {
		l.err = fmt.Errorf("%s: %w", what, err)
	}
}
