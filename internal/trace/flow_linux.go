package trace

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/socket"
)

// flow asks the hops of one flow.
type flow struct {
	target netip.AddrPort
	local  netip.AddrPort // invalid until the first SYN was sent
	wait   time.Duration  // for an answer
	leaves check.Outgoing // how it leaves this machine, but for the local address

	peer   unix.Sockaddr // the target
	domain int
	name   unix.Sockaddr // what a socket is bound to: the local port, and from the second one on, the local address
	holder int           // a socket that is bound to the local port, so that nobody else gets it between two SYNs
}

// newFlow returns a flow to a target.
func newFlow(target netip.AddrPort, o *Options) (*flow, error) {
	f := &flow{target: target, wait: min(max(shortestWait, 2*o.RoundTrip), longestWait)}
	var err error
	if f.peer, f.domain, err = socket.Sockaddr(target); err != nil {
		return nil, err
	}
	source, localPort := netip.IPv6Unspecified(), o.LocalPort
	if f.domain == unix.AF_INET {
		source = netip.IPv4Unspecified()
	}
	if o.Outgoing != nil {
		f.leaves = check.Outgoing{Interface: o.Outgoing.Interface, DSCP: o.Outgoing.DSCP}
		if given := o.Outgoing.Source(check.FamilyOf(target.Addr())); given.IsValid() {
			source = given
		}
	}
	if f.name, _, err = socket.Sockaddr(netip.AddrPortFrom(source, localPort)); err != nil {
		return nil, err
	}
	f.holder, err = f.socket()
	switch {
	case localPort != 0 && errors.Is(err, unix.EADDRINUSE):
		return nil, taken(localPort)
	case errors.Is(err, unix.EADDRNOTAVAIL):
		return nil, check.LacksSourceError{Address: source}
	case localPort != 0 && errors.Is(err, unix.EACCES):
		return nil, fmt.Errorf("the local port %d is for privileged users: %w", localPort, err)
	case err != nil:
		return nil, err
	}
	if f.name, err = unix.Getsockname(f.holder); err != nil {
		f.close()
		return nil, os.NewSyscallError("getsockname", err)
	}
	return f, nil
}

func (f *flow) close() { _ = unix.Close(f.holder) }

// taken is the error of a local port that somebody else has.
func taken(port uint16) error {
	return fmt.Errorf("the local port %d is in use, or was so within the last minute", port)
}

// socket returns a socket that is bound to the local port.
func (f *flow) socket() (int, error) {
	fd, err := unix.Socket(f.domain, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if err != nil {
		return 0, os.NewSyscallError("socket", err)
	}
	if err := f.bind(fd); err != nil {
		_ = unix.Close(fd)
		return 0, err
	}
	return fd, nil
}

func (f *flow) bind(fd int) error {
	if err := socket.Bind(uintptr(fd), check.FamilyOf(f.target.Addr()), &f.leaves); err != nil {
		return err
	}
	// Several sockets may have the port then, as long as none of them listens (socket(7)).
	err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	if err == nil && f.domain == unix.AF_INET6 {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1)
	}
	if err != nil {
		return os.NewSyscallError("setsockopt", err)
	}
	return os.NewSyscallError("bind", unix.Bind(fd, f.name))
}

// limit sets the hop limit of what a socket sends.
func (f *flow) limit(fd, hops int) error {
	if f.domain == unix.AF_INET {
		return os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_TTL, hops))
	}
	// A flow label, of which routers may make their choice as well, would be another one for each socket.
	_ = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_AUTOFLOWLABEL, 0) // the system may insist on it
	return os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, hops))
}

// ask sends a SYN with a hop limit, and returns who answered, or the zero value if nobody did.
func (f *flow) ask(ctx context.Context, limit int) (Hop, error) {
	fd, err := f.socket()
	if err != nil {
		return Hop{}, err
	}
	began, err := f.send(fd, limit)
	if err != nil {
		_ = unix.Close(fd)
		return Hop{}, err
	}
	file := os.NewFile(uintptr(fd), "")
	defer func() { _ = file.Close() }()
	raw, err := file.SyscallConn()
	if err == nil {
		err = file.SetWriteDeadline(began.Add(f.wait))
	}
	if err != nil {
		return Hop{}, os.NewSyscallError("epoll_ctl", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = file.SetWriteDeadline(began) })
	defer stop()
	hop, err := Hop{}, errSilent
	_ = raw.Write(func(fd uintptr) bool { // its error is that time is up
		hop, err = f.look(int(fd))
		hop.Time = time.Since(began)
		return err != errSilent //nolint:errorlint // it is never wrapped
	})
	switch {
	case ctx.Err() != nil:
		return Hop{}, ctx.Err()
	case err == errSilent: //nolint:errorlint // it is never wrapped
		return Hop{}, nil
	}
	return hop, err
}

// send sends a SYN, and returns when that was.
func (f *flow) send(fd, limit int) (time.Time, error) {
	// The kernel may be unable to hush: then the target may accept a connection that is closed at once.
	_ = socket.Hush(fd)
	socket.HeedICMP(fd, f.domain)
	if err := f.limit(fd, limit); err != nil {
		return time.Time{}, err
	}
	began := time.Now()
	switch err := unix.Connect(fd, f.peer); err {
	case nil, unix.EINPROGRESS, unix.EINTR:
	case unix.EADDRNOTAVAIL:
		return time.Time{}, taken(addrPort(f.name).Port())
	default:
		return time.Time{}, os.NewSyscallError("connect", err)
	}
	if !f.local.IsValid() {
		name, err := unix.Getsockname(fd)
		if err != nil {
			return time.Time{}, os.NewSyscallError("getsockname", err)
		}
		f.name, f.local = name, addrPort(name)
	}
	return began, nil
}

// errSilent is the error of a socket whose SYN has no answer yet.
var errSilent = errors.New("no answer")

// look returns who answered a SYN and how, without the time; or errSilent, or ErrUnavailable. An ICMP
// error that comes while the kernel still sends the SYN does not end the attempt, so it is looked for
// in any case.
func (f *flow) look(fd int) (Hop, error) {
	info, errno := socket.Info(fd)
	if errno != 0 {
		return Hop{}, os.NewSyscallError("getsockopt", errno)
	}
	ended := 0
	if info.State == unix.BPF_TCP_CLOSE {
		var err error
		if ended, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR); err != nil {
			return Hop{}, os.NewSyscallError("getsockopt", err)
		}
	}
	phase := socket.PhaseOf(info.State, unix.Errno(ended))
	if phase == socket.Connected {
		said := Connected
		if f.local == f.target { // with itself (RFC 9293, section 3.5): nothing listens there
			said = Refused
		}
		return Hop{Address: f.target.Addr(), Said: said}, nil
	}
	icmp := socket.ReadICMP(fd)
	switch {
	case icmp.TimeExceeded():
		return Hop{Address: icmp.Sender}, nil
	case icmp != nil:
		return Hop{Address: icmp.Sender, Said: icmp.Words()}, nil
	case phase == socket.Pending:
		return Hop{}, errSilent
	case unix.Errno(ended) == unix.ECONNREFUSED:
		return Hop{Address: f.target.Addr(), Said: Refused}, nil
	}
	return Hop{}, ErrUnavailable
}

// tells reports whether the kernel is one that tells of routers. An older one that has it nevertheless
// is known by what it tells.
func (f *flow) tells() bool { return socket.KeepsICMP() }

// addrPort returns a socket's name as netip has it.
func addrPort(name unix.Sockaddr) netip.AddrPort {
	switch name := name.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(name.Addr), uint16(name.Port))
	case *unix.SockaddrInet6:
		addr := netip.AddrFrom16(name.Addr)
		if name.ZoneId != 0 {
			addr = addr.WithZone(strconv.Itoa(int(name.ZoneId)))
		}
		return netip.AddrPortFrom(addr, uint16(name.Port))
	}
	return netip.AddrPort{}
}
