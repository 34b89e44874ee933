package accuracy

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// capture has the handshakes' packets on an interface, with the kernel's
// timestamps, in the buffer of a packet socket (packet(7)). Nobody reads it while
// the measurement runs, so it costs the measurement next to nothing.
type capture struct {
	t  *testing.T
	fd int
}

// captureBuffer holds the packets of some hundred thousand handshakes.
const captureBuffer = 512 << 20

// isSYN passes IPv4 TCP segments with the SYN flag, without options in the IP
// header, as packets without a link header have them.
var isSYN = []unix.SockFilter{
	{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: 0},
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: 0x45, Jf: 5},
	{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: 9},
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.IPPROTO_TCP, Jf: 3},
	{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: 33},
	{Code: unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, K: 0x02, Jf: 1},
	{Code: unix.BPF_RET | unix.BPF_K, K: 64},
	{Code: unix.BPF_RET | unix.BPF_K, K: 0},
}

// newCapture begins a capture on the interface of that name.
func newCapture(t *testing.T, name string) *capture {
	t.Helper()
	device, err := net.InterfaceByName(name)
	require.NoError(t, err)
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, os.NewSyscallError("socket", err))
	program := unix.SockFprog{Len: uint16(len(isSYN)), Filter: &isSYN[0]}
	protocol := binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, unix.ETH_P_ALL))
	require.NoError(t, errors.Join(
		os.NewSyscallError("SO_ATTACH_FILTER", unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &program)),
		os.NewSyscallError("SO_RCVBUFFORCE", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, captureBuffer)),
		os.NewSyscallError("SO_TIMESTAMPNS", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1)),
		os.NewSyscallError("bind", unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: protocol, Ifindex: device.Index})),
	))
	return &capture{t, fd}
}

// handshakes ends the capture and returns the time from the first SYN to the
// first SYN-ACK of each address that answered. The loopback interface shows a
// packet as it goes and as it comes, of which the first counts.
func (c *capture) handshakes() map[netip.AddrPort]time.Duration {
	c.t.Helper()
	defer func() { _ = unix.Close(c.fd) }()
	sent := make(map[netip.AddrPort]time.Time)
	took := make(map[netip.AddrPort]time.Duration)
	packet, control := make([]byte, 64), make([]byte, 64)
	for {
		n, controlLength, _, _, err := unix.Recvmsg(c.fd, packet, control, 0)
		if errors.Is(err, unix.EAGAIN) {
			return took
		}
		require.NoError(c.t, os.NewSyscallError("recvmsg", err))
		if n < 40 {
			continue
		}
		at := c.timestamp(control[:controlLength])
		source := netip.AddrPortFrom(netip.AddrFrom4([4]byte(packet[12:16])), binary.BigEndian.Uint16(packet[20:]))
		destination := netip.AddrPortFrom(netip.AddrFrom4([4]byte(packet[16:20])), binary.BigEndian.Uint16(packet[22:]))
		const ack = 0x10
		if packet[33]&ack == 0 {
			if _, ok := sent[destination]; !ok {
				sent[destination] = at
			}
		} else if first, ok := sent[source]; ok && took[source] == 0 {
			took[source] = at.Sub(first)
		}
	}
}

// timestamp returns the time in a control message of SO_TIMESTAMPNS.
func (c *capture) timestamp(control []byte) time.Time {
	messages, err := unix.ParseSocketControlMessage(control)
	require.NoError(c.t, err)
	for _, message := range messages {
		if message.Header.Type == unix.SO_TIMESTAMPNS && len(message.Data) >= int(unsafe.Sizeof(unix.Timespec{})) {
			return time.Unix((*unix.Timespec)(unsafe.Pointer(&message.Data[0])).Unix())
		}
	}
	require.FailNow(c.t, "a packet has no timestamp", "of %d control messages", len(messages))
	return time.Time{}
}
