package probe

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// tcpInfo is unix.GetsockoptTCPInfo with the result on the stack: that one
// allocates a quarter of a kilobyte for each check.
func tcpInfo(fd int) (info unix.TCPInfo, errno unix.Errno) {
	size := uint32(unsafe.Sizeof(info))
	_, _, errno = unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.IPPROTO_TCP, unix.TCP_INFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	return info, errno
}

// phase is how far an attempt has come.
type phase uint8

const (
	pending   phase = iota // there is no answer
	connected              // the SYN-ACK came, whatever came after it
	ended                  // by an error
)

// phaseOf returns the phase of an attempt of which the kernel gives the state of the
// socket (RFC 9293, section 3.3.2), and where that is CLOSE, the error.
//
// A closed socket without an error has not been connected yet: Linux has none, but
// gVisor reports its own states before SYN_SENT so.
func phaseOf(state uint8, err unix.Errno) phase {
	switch state {
	case unix.BPF_TCP_ESTABLISHED, unix.BPF_TCP_CLOSE_WAIT, unix.BPF_TCP_LAST_ACK,
		unix.BPF_TCP_FIN_WAIT1, unix.BPF_TCP_FIN_WAIT2, unix.BPF_TCP_CLOSING, unix.BPF_TCP_TIME_WAIT:
		return connected
	case unix.BPF_TCP_CLOSE:
	default:
		return pending
	}
	switch err {
	case 0:
		return pending
	case unix.ECONNRESET, unix.EPIPE:
		// A reset in answer to the SYN is ECONNREFUSED; these two come after the
		// handshake (tcp_reset in the kernel's tcp_input.c).
		return connected
	default:
		return ended
	}
}

// synsOf returns what is known of the SYNs of an attempt that had no answer yet.
func synsOf(info *unix.TCPInfo) handshake {
	return handshake{retransmits: int(info.Total_retrans), unsent: info.Total_retrans > 0 && info.Retrans == 0}
}

// handshakeTime returns how long the handshake took, where the clock says that elapsed
// has passed since the SYN was sent.
func handshakeTime(info *unix.TCPInfo, elapsed time.Duration) time.Duration {
	switch {
	case info.Total_retrans > 0:
		// The wait for the lost SYNs was real, and is not in the round-trip
		// time. It ended when the answer came (tcpi_last_ack_recv, in ms), not
		// when we ask.
		return elapsed - time.Duration(info.Last_ack_recv)*time.Millisecond
	case info.Rtt == 0:
		return elapsed // gVisor measures no round-trip time before there is data
	}
	return time.Duration(info.Rtt) * time.Microsecond
}
