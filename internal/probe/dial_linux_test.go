package probe

import (
	"context"
	"errors"
	"math"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/socket"
	"example.com/tcpcheckreceiver/internal/testnet"
)

func TestHandshakeTime(t *testing.T) {
	for _, test := range []struct {
		name string
		info unix.TCPInfo
		want time.Duration
	}{
		{"the kernel measured it", unix.TCPInfo{Rtt: 250}, 250 * time.Microsecond},
		{"the kernel measured nothing (gVisor, before there is data)", unix.TCPInfo{}, 5 * time.Second},
		{"a SYN was sent again", unix.TCPInfo{Rtt: 250, Total_retrans: 1, Last_ack_recv: 2000}, 3 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			assert.Equal(t, test.want, handshakeTime(&test.info, 5*time.Second))
		})
	}
}

func TestIsAcknowledged(t *testing.T) {
	for _, test := range []struct {
		segments, retransmits uint32
		want                  bool
	}{
		{0, 0, false}, // the kernel does not tell
		{1, 0, false},
		{2, 0, true},
		{2, 1, false},
		{3, 1, true},
		{4, 3, false},
	} {
		assert.Equal(t, test.want, isAcknowledged(&unix.TCPInfo{Segs_out: test.segments, Total_retrans: test.retransmits}), "%+v", test)
	}
}

// The ICMP errors of an attempt are kept from its SYN on, unless the last one had its
// answer at once.
func TestHeedICMP(t *testing.T) {
	dial := func(address netip.AddrPort) *linuxDialer {
		d := newLinuxDialer(t, address, time.Minute)
		assert.True(t, d.heed, "the first attempt")
		_, err := d.begin()
		if errors.Is(err, errPending) {
			require.NoError(t, unix.Close(d.fd))
		}
		return d
	}
	assert.False(t, dial(testnet.Listen(t, "tcp4", "127.0.0.1:0")).heed, "it connects at once")
	assert.False(t, dial(testnet.ClosedPort(t, "127.0.0.1")).heed, "it refuses at once")
	assert.True(t, dial(testnet.BlackHole(t)).heed, "its answer is awaited")
	assert.True(t, dial(netip.MustParseAddrPort("[fe80::1%lo]:9")).heed, "it fails at once")
}

func TestSYNs(t *testing.T) {
	for _, test := range []struct {
		name string
		info unix.TCPInfo
		want handshake
	}{
		{"none was sent again", unix.TCPInfo{}, handshake{}},
		{"two were sent again", unix.TCPInfo{Total_retrans: 2, Retrans: 2}, handshake{retransmits: 2}},
		{"one of two was sent again", unix.TCPInfo{Total_retrans: 2, Retrans: 1}, handshake{retransmits: 2}},
		{"two could not be sent again", unix.TCPInfo{Total_retrans: 2}, handshake{retransmits: 2, unsent: true}},
	} {
		t.Run(test.name, func(t *testing.T) {
			assert.Equal(t, test.want, synsOf(&test.info))
		})
	}
}

func TestLowestEphemeralPort(t *testing.T) {
	for text, want := range map[string]uint16{"32768\t60999\n": 32768, "1024 65535": 1024, "": 0, "32768\n": 0, "nonsense 60999": 0} {
		p := proc{t, t.TempDir()}
		p.write("sys/net/ipv4/ip_local_port_range", text)
		assert.Equal(t, want, lowestEphemeralPort(p.folder), "%q", text)
	}
	assert.Zero(t, lowestEphemeralPort(t.TempDir()), "there is no file")
}

// Only a port that the kernel may choose as the local one may be connected to itself.
func TestMayBeSelf(t *testing.T) {
	lowest := lowestEphemeralPort("/proc")
	require.Greater(t, lowest, uint16(1))
	for port, want := range map[uint16]bool{lowest - 1: false, lowest: true, lowest + 1: true} {
		d := newLinuxDialer(t, netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port), time.Minute)
		assert.Equal(t, want, d.mayBeSelf, "%d", port)
	}
}

func newLinuxDialer(t *testing.T, address netip.AddrPort, timeout time.Duration) *linuxDialer {
	t.Helper()
	d, ok := newDialers()(address, &check.Target{Timeout: timeout}).(*linuxDialer)
	require.True(t, ok)
	return d
}

// A server does not get to know of a quiet check: what it accepts first, of all that came
// since, is the plain one at the end.
func TestQuiet(t *testing.T) {
	for _, host := range []string{"127.0.0.1", "[::1]"} {
		t.Run(host, func(t *testing.T) {
			if host != "127.0.0.1" {
				testnet.RequireIPv6(t)
			}
			listener, err := net.Listen("tcp", host+":0")
			require.NoError(t, err)
			defer func() { _ = listener.Close() }()
			address := netip.MustParseAddrPort(listener.Addr().String())
			d := newDialers()(address, &check.Target{Timeout: time.Minute, Quiet: true})
			for range 100 {
				shake, err := connect(t.Context(), d)
				require.NoError(t, err)
				assert.Positive(t, shake.time)
				assert.Zero(t, shake.retransmits)
				assert.False(t, shake.noticed)
			}
			plain, err := net.Dial("tcp", address.String())
			require.NoError(t, err)
			defer func() { _ = plain.Close() }()
			accepted, err := listener.Accept()
			require.NoError(t, err)
			assert.Equal(t, plain.LocalAddr().String(), accepted.RemoteAddr().String())
			require.NoError(t, accepted.Close())
		})
	}
}

// Once the kernel has acknowledged it, the server accepts a quiet check. That is told.
func TestQuietIsNoticed(t *testing.T) {
	accepted := make(chan struct{})
	address := testnet.ListenFunc(t, "tcp4", "127.0.0.1:0", func() { close(accepted) })
	d := newLinuxDialer(t, address, time.Minute)
	d.quiet = true
	require.NoError(t, d.setSockaddr())
	fd := newSocket(t, unix.AF_INET, unix.SOCK_STREAM)
	require.NoError(t, socket.Hush(fd))
	require.NoError(t, unix.Connect(fd, d.sockaddr))
	d.start = time.Now()
	<-accepted
	shake, err := d.poll(fd)
	require.NoError(t, err)
	assert.True(t, shake.noticed)
	d.quiet = false
	shake, err = d.poll(fd)
	require.NoError(t, err)
	assert.False(t, shake.noticed, "a plain check is to be noticed")

	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	defer func() { _, _ = unix.Close(pair[0]), unix.Close(pair[1]) }()
	require.ErrorIs(t, socket.Hush(pair[0]), unix.EOPNOTSUPP, "a socket that cannot be quiet")
}

// newSocket returns a socket of these, which is closed when the test ends.
func newSocket(t *testing.T, domain, kind int) int {
	t.Helper()
	fd, err := unix.Socket(domain, kind|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = unix.Close(fd) })
	return fd
}

// selfConnected returns a socket that has connected to itself.
func selfConnected(t *testing.T, domain int, loopback unix.Sockaddr) int {
	t.Helper()
	fd := newSocket(t, domain, unix.SOCK_STREAM)
	require.NoError(t, unix.Bind(fd, loopback))
	bound, err := unix.Getsockname(fd)
	require.NoError(t, err)
	require.NoError(t, unix.Connect(fd, bound))
	return fd
}

// connectedTo returns a socket that is connected from an address to another one, at
// which nothing accepts.
func connectedTo(t *testing.T, domain int, from, to unix.Sockaddr, port func(unix.Sockaddr, unix.Sockaddr)) int {
	t.Helper()
	listener := newSocket(t, domain, unix.SOCK_STREAM)
	require.NoError(t, unix.Bind(listener, to))
	require.NoError(t, unix.Listen(listener, 1))
	bound, err := unix.Getsockname(listener)
	require.NoError(t, err)
	fd := newSocket(t, domain, unix.SOCK_STREAM)
	port(from, bound)
	require.NoError(t, unix.Bind(fd, from))
	require.NoError(t, unix.Connect(fd, bound))
	return fd
}

// A socket that has connected to itself has one address at both ends.
func TestIsSelf(t *testing.T) {
	anyPort := func(_, _ unix.Sockaddr) {}
	samePort := func(from, to unix.Sockaddr) {
		here, ok := from.(*unix.SockaddrInet4)
		require.True(t, ok)
		there, ok := to.(*unix.SockaddrInet4)
		require.True(t, ok)
		here.Port = there.Port
	}
	for _, test := range []struct {
		name   string
		socket func(t *testing.T) int
		want   bool
	}{
		{"itself", func(t *testing.T) int {
			return selfConnected(t, unix.AF_INET, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
		}, true},
		{"itself, IPv6", func(t *testing.T) int {
			testnet.RequireIPv6(t)
			return selfConnected(t, unix.AF_INET6, &unix.SockaddrInet6{Addr: [16]byte{15: 1}})
		}, true},
		{"another port", func(t *testing.T) int {
			loopback := [4]byte{127, 0, 0, 1}
			return connectedTo(t, unix.AF_INET, &unix.SockaddrInet4{Addr: loopback}, &unix.SockaddrInet4{Addr: loopback}, anyPort)
		}, false},
		{"another port, IPv6", func(t *testing.T) int {
			testnet.RequireIPv6(t)
			loopback := [16]byte{15: 1}
			return connectedTo(t, unix.AF_INET6, &unix.SockaddrInet6{Addr: loopback}, &unix.SockaddrInet6{Addr: loopback}, anyPort)
		}, false},
		{"the same port of another address", func(t *testing.T) int {
			return connectedTo(t, unix.AF_INET, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 2}}, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}, samePort)
		}, false},
		{"nothing", func(t *testing.T) int { return newSocket(t, unix.AF_INET, unix.SOCK_STREAM) }, false},
		{"no socket", func(*testing.T) int { return -1 }, false},
		{"a socket of no network", func(t *testing.T) int {
			pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
			require.NoError(t, err)
			t.Cleanup(func() { _, _ = unix.Close(pair[0]), unix.Close(pair[1]) })
			return pair[0]
		}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			assert.Equal(t, test.want, isSelf(test.socket(t)))
		})
	}
}

// A connection to itself is none: nothing listens.
func TestSelfIsRefused(t *testing.T) {
	fd := selfConnected(t, unix.AF_INET, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	for mayBeSelf, want := range map[bool]bool{false: false, true: true} {
		d := &linuxDialer{start: time.Now(), mayBeSelf: mayBeSelf}
		_, err := d.poll(fd)
		assert.Equal(t, want, isRefused(err), "%v", err)
	}
}

// What the kernel does not tell of a socket is this machine's fault.
func TestPollFails(t *testing.T) {
	d := &linuxDialer{start: time.Now()}
	for name, fails := range map[string]func() error{
		"its state": func() error { _, err := d.poll(-1); return err },
		"its error": func() error { _, err := d.socketError(-1); return err },
		"its error, of one that was refused": func() error {
			d := &linuxDialer{start: time.Now(), refusals: 1}
			_, err := d.pollFirst(-1)
			assert.Zero(t, d.refusals)
			return err
		},
		"that it may be waited for": func() error {
			file, err := os.Create(filepath.Join(t.TempDir(), "file"))
			require.NoError(t, err)
			fd, err := unix.Dup(int(file.Fd()))
			require.NoError(t, err)
			require.NoError(t, file.Close())
			_, err = (&linuxDialer{start: time.Now(), fd: fd, timeout: time.Minute}).await(t.Context())
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			err := fails()
			require.Error(t, err)
			assert.Equal(t, check.LacksOther, lackOf(err), "%v", err)
		})
	}
}

// A call that fails at once has ended the attempt, and nothing is awaited.
func TestFailsAtOnce(t *testing.T) {
	const group = "224.0.0.1:9" // TCP has no groups
	d := newLinuxDialer(t, netip.MustParseAddrPort(group), time.Minute)
	_, err := d.begin()
	require.EqualError(t, err, "dial tcp "+group+": connect: network is unreachable")
	assert.Equal(t, check.NetworkUnreachable, connectErrorType(err))
	assert.Empty(t, lackOf(err))

	d = newLinuxDialer(t, netip.MustParseAddrPort("[fe80::1%nosuchif]:9"), time.Minute)
	_, err = d.begin()
	var noZone *socket.UnknownZoneError
	assert.ErrorAs(t, err, &noZone)
}

// The address is put into the kernel's form once. That of a zone is anew each time, since
// an interface may come to have another number.
func TestSetSockaddr(t *testing.T) {
	for _, test := range []struct {
		address string
		domain  int
		anew    bool
	}{
		{"127.0.0.1:9", unix.AF_INET, false},
		{"[::1]:9", unix.AF_INET6, false},
		{"[fe80::1%lo]:9", unix.AF_INET6, true},
	} {
		t.Run(test.address, func(t *testing.T) {
			d := &linuxDialer{address: netip.MustParseAddrPort(test.address)}
			require.NoError(t, d.setSockaddr())
			assert.Equal(t, test.domain, d.domain)
			first := d.sockaddr
			require.NoError(t, d.setSockaddr())
			assert.Equal(t, first, d.sockaddr)
			assert.Equal(t, test.anew, first != d.sockaddr)
		})
	}
}

// late is a peer that has no room for the SYN of an attempt, until it is told to answer the
// next one.
func late(t *testing.T) (address netip.AddrPort, answer func()) {
	t.Helper()
	listener := newSocket(t, unix.AF_INET, unix.SOCK_STREAM)
	require.NoError(t, unix.Bind(listener, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	require.NoError(t, unix.Listen(listener, 0)) // for one
	bound, err := unix.Getsockname(listener)
	require.NoError(t, err)
	inet4, ok := bound.(*unix.SockaddrInet4)
	require.True(t, ok)
	require.NoError(t, unix.Connect(newSocket(t, unix.AF_INET, unix.SOCK_STREAM), bound))
	return netip.AddrPortFrom(netip.AddrFrom4(inet4.Addr), uint16(inet4.Port)), func() {
		accepted, _, err := unix.Accept(listener)
		require.NoError(t, err)
		require.NoError(t, unix.Close(accepted))
	}
}

// An answer to a SYN that was sent again is awaited, and the time counts from the first.
func TestLateAnswer(t *testing.T) {
	t.Parallel() // with the next one: the kernel waits for a second
	address, answer := late(t)
	d := newLinuxDialer(t, address, time.Minute)
	_, err := d.begin()
	require.ErrorIs(t, err, errPending)
	answer()
	shake, err := d.await(t.Context())
	require.NoError(t, err)
	assert.Positive(t, shake.retransmits)
	assert.False(t, shake.unsent)
	assert.Greater(t, shake.time, initialRTO/2)
}

// awaitWritable waits until a connection is made.
func awaitWritable(t *testing.T, fd int) {
	t.Helper()
	polled := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
	for {
		_, err := unix.Poll(polled, -1)
		if err == unix.EINTR {
			continue
		}
		require.NoError(t, err)
		return
	}
}

// An answer that came within the timeout counts, though this machine looks later. One that
// came too late does not.
func TestAnswerFoundLate(t *testing.T) {
	t.Parallel()
	const hour = time.Hour // ago
	for _, test := range []struct {
		name    string
		prepare func(t *testing.T) *linuxDialer
		want    error
	}{
		{"in time", func(t *testing.T) *linuxDialer {
			address := testnet.Listen(t, "tcp4", "127.0.0.1:0")
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
			require.NoError(t, err)
			if err := unix.Connect(fd, &unix.SockaddrInet4{Port: int(address.Port()), Addr: address.Addr().As4()}); err != nil {
				require.ErrorIs(t, err, unix.EINPROGRESS)
			}
			awaitWritable(t, fd)
			return &linuxDialer{address: address, fd: fd, start: time.Now().Add(-hour), timeout: time.Minute}
		}, nil},
		{"too late", func(t *testing.T) *linuxDialer {
			address, answer := late(t)
			d := newLinuxDialer(t, address, time.Millisecond)
			_, err := d.begin()
			require.ErrorIs(t, err, errPending)
			answer()
			awaitWritable(t, d.fd)
			return d
		}, os.ErrDeadlineExceeded},
		{"too late, as this machine lost the first SYN", func(t *testing.T) *linuxDialer {
			p := proc{t, t.TempDir()}
			p.write("sys/net/netfilter/nf_conntrack_count", "100")
			p.write("sys/net/netfilter/nf_conntrack_max", "100")
			p.write("net/stat/nf_conntrack", "drop\n00000000\n")
			address, answer := late(t)
			d := newLinuxDialer(t, address, time.Millisecond)
			d.tables = &tables{proc: p.folder}
			_, err := d.begin()
			require.ErrorIs(t, err, errPending)
			p.write("net/stat/nf_conntrack", "drop\n00000001\n")
			answer()
			awaitWritable(t, d.fd)
			return d
		}, check.ErrConntrackFull},
	} {
		t.Run(test.name, func(t *testing.T) {
			shake, err := test.prepare(t).await(t.Context())
			require.ErrorIs(t, err, test.want)
			assert.Equal(t, test.want == nil, shake.time > 0)
		})
	}
}

// The tables are read again for an attempt that had no answer, unless they have been just
// now: within a quarter of its timeout.
func TestTablesAfterTheTimeout(t *testing.T) {
	for _, test := range []struct {
		timeout, age time.Duration
		read         bool
	}{
		{time.Minute, stale, false},
		{time.Minute, stale + 1, true},
		{20 * time.Millisecond, 5 * time.Millisecond, false},
		{20 * time.Millisecond, 5*time.Millisecond + 1, true},
	} {
		t.Run(test.timeout.String(), func(t *testing.T) {
			p := proc{t, t.TempDir()}
			d := &linuxDialer{timeout: test.timeout, tables: &tables{proc: p.folder}}
			d.before = d.tables.at(time.Now(), 0)
			err := d.timedOut(-1, d.before.read.Add(test.age), handshake{})
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			assert.Equal(t, test.read, d.before != d.tables.last)
		})
	}
}

// An attempt that was lost on this machine says so, and is no fault of the target.
func TestLostOnThisMachine(t *testing.T) {
	p := proc{t, t.TempDir()}
	for _, test := range []struct {
		name  string
		shake handshake
		errno unix.Errno
		want  error
		lack  check.Lack
	}{
		{"no answer", handshake{retransmits: 1}, unix.ETIMEDOUT, os.ErrDeadlineExceeded, ""},
		{"no SYN left", handshake{retransmits: 1, unsent: true}, unix.ETIMEDOUT, errUnsent, check.LacksOther},
		{"an answer", handshake{retransmits: 1, unsent: true}, unix.EHOSTUNREACH, unix.EHOSTUNREACH, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := &linuxDialer{timeout: time.Minute, tables: &tables{proc: p.folder}, before: &tableState{}}
			err := d.ended(-1, test.errno, test.shake)
			require.ErrorIs(t, err, test.want)
			assert.Equal(t, test.lack, lackOf(err))
		})
	}
}

// unreachable returns a UDP socket of which the kernel has kept an ICMP error: that nothing
// has the port. The queue of a TCP socket is the same.
func unreachable(t *testing.T, host string) *linuxDialer {
	t.Helper()
	d := &linuxDialer{address: testnet.ClosedPort(t, host)}
	require.NoError(t, d.setSockaddr())
	d.fd = newSocket(t, d.domain, unix.SOCK_DGRAM)
	socket.HeedICMP(d.fd, d.domain)
	require.NoError(t, unix.Connect(d.fd, d.sockaddr))
	_, err := unix.Write(d.fd, []byte{0})
	require.NoError(t, err)
	polled := []unix.PollFd{{Fd: int32(d.fd)}} // for POLLERR, as the error queue gives it
	for {
		if _, err := unix.Poll(polled, -1); err != unix.EINTR {
			require.NoError(t, err)
			return d
		}
	}
}

func TestReadICMP(t *testing.T) {
	for _, test := range []struct {
		host string
		want socket.ICMPError
	}{
		{"127.0.0.1", socket.ICMPError{Family: check.IPv4, Type: 3, Code: 3, Sender: netip.MustParseAddr("127.0.0.1"), Local: true}},
		{"::1", socket.ICMPError{Family: check.IPv6, Type: 1, Code: 4, Sender: netip.MustParseAddr("::1"), Local: true}},
	} {
		t.Run(test.host, func(t *testing.T) {
			assert.Equal(t, &test.want, readICMP(unreachable(t, test.host).fd))

			d := unreachable(t, test.host)
			var err *dialError
			require.ErrorAs(t, d.ended(d.fd, unix.EHOSTUNREACH, handshake{}), &err)
			assert.Equal(t, &test.want, err.icmp)
			assert.Equal(t, check.Local, err.source)
			require.ErrorAs(t, d.ended(d.fd, unix.EHOSTUNREACH, handshake{}), &err)
			assert.Nil(t, err.icmp, "it has been read")
			assert.Zero(t, err.source)
		})
	}
}

// A refusal is a reset, or an ICMP error: a firewall may send either. It is taken to be what it was
// before where the ICMP errors are not heeded.
func TestRefusal(t *testing.T) {
	requireICMP(t)
	d := unreachable(t, "127.0.0.1")
	d.refusedBy = &socket.ICMPError{Type: 99}
	for _, test := range []struct {
		heeds bool
		want  check.ErrorSource
	}{{false, check.ICMP}, {true, check.Local}, {false, check.Local}, {true, check.Peer}, {false, check.Peer}} {
		d.heeds = test.heeds
		var err *dialError
		require.ErrorAs(t, d.refusal(d.fd), &err)
		assert.Equal(t, test.want, err.source, "after the queue was read, it is empty")
	}
}

// requireICMP skips the test where the kernel does not keep the ICMP errors of TCP sockets.
func requireICMP(t *testing.T) {
	t.Helper()
	if !socket.KeepsICMP() {
		t.Skip("needs Linux 6.0 or later, which keeps the ICMP errors of TCP sockets")
	}
}

// A target that refuses at once is asked now and then who refuses.
func TestRefuserIsAskedAgain(t *testing.T) {
	d := newLinuxDialer(t, testnet.ClosedPort(t, "127.0.0.1"), time.Minute)
	heeded := 0
	const attempts = 4 * mostAssumed
	for range attempts {
		_, err := connect(context.Background(), d)
		require.ErrorIs(t, err, unix.ECONNREFUSED)
		if d.heeds {
			heeded++
		}
	}
	assert.InDelta(t, attempts/mostAssumed, heeded, 2)
}

// A failure names its flow, and who caused it.
func TestFailedAttempt(t *testing.T) {
	requireICMP(t)
	for _, test := range []struct {
		name    string
		address func(t *testing.T) netip.AddrPort
		from    string // empty for none
		source  check.ErrorSource
	}{
		{"closed IPv4 port", func(t *testing.T) netip.AddrPort { return testnet.ClosedPort(t, "127.0.0.1") }, "127.0.0.1", check.Peer},
		{"closed IPv6 port", func(t *testing.T) netip.AddrPort { return testnet.ClosedPort(t, "::1") }, "::1", check.Peer},
		{"full accept queue", func(t *testing.T) netip.AddrPort { return testnet.BlackHole(t) }, "127.0.0.1", 0},
		// Broadcast is refused to a TCP socket by connect(2) itself.
		{"no such destination", func(*testing.T) netip.AddrPort { return netip.MustParseAddrPort("255.255.255.255:80") }, "", check.Local},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := newLinuxDialer(t, test.address(t), 20*time.Millisecond)
			d.retries = 2
			for range 3 { // the later ones take shorter ways
				_, err := connect(context.Background(), d)
				result := check.Result{Err: err}
				assert.Equal(t, test.source, result.ErrorSource())
				from := result.LocalAddress()
				if test.from == "" {
					assert.False(t, from.IsValid())
					continue
				}
				assert.Equal(t, test.from, from.Addr().String())
				assert.NotZero(t, from.Port())
			}
		})
	}
	up := check.Result{Status: check.Up}
	assert.Zero(t, up.ErrorSource())
	assert.Empty(t, up.Reason())
	assert.Empty(t, up.SaidBy())
	assert.False(t, up.LocalAddress().IsValid())
}

// A target that refuses again and again is spared the system call that asks for the flow, once it has
// been told.
func TestFlowOfRefusals(t *testing.T) {
	d := newLinuxDialer(t, testnet.ClosedPort(t, "127.0.0.1"), time.Minute)
	d.retries = 1
	refuse := func() bool {
		_, err := connect(context.Background(), d)
		result := check.Result{Err: err}
		return result.LocalAddress().IsValid()
	}
	for _, known := range []bool{true, true, false, false} {
		assert.Equal(t, known, refuse())
	}
	d.refusals = math.MaxUint8
	assert.False(t, refuse(), "it counts no further")
	d.refusals = 0 // as after a connection
	assert.True(t, refuse())
}

// The addresses of this machine are read again now and then.
func TestAddressList(t *testing.T) {
	loopback := netip.MustParseAddr("127.0.0.1")
	l := &addressList{addresses: []netip.Addr{v4}, read: time.Now().Add(time.Hour)} // for the length of the test
	assert.True(t, l.has(v4))
	assert.False(t, l.has(loopback))
	l.read = time.Now().Add(-time.Hour)
	assert.False(t, l.has(v4))
	assert.True(t, l.has(loopback))
	l.addresses = nil
	assert.False(t, l.has(loopback), "it has just been read")
}
