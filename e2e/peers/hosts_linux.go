package peers

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"example.com/tcpcheckreceiver/e2e/harness"
)

// Device is the name of the device behind which Hosts are.
const Device = "peer0"

// The prefixes of Hosts: those for benchmarks (RFC 2544) and for documentation
// (RFC 3849). The first address of each is the machine's, and all others are hosts.
const (
	prefix4, local4 = "198.18.0.0/16", "198.18.0.1"
	prefix6, local6 = "2001:db8:1::/64", "2001:db8:1::1"
)

// mtu is that of the device, which is the usual one.
const mtu = 1500

// configure gives the device its addresses and routes. Its queue holds the SYNs of a
// burst. IPv6 is ready only a moment after the machine has the address: before that,
// it is not taken for a source.
const configure = `
ip link set dev ` + Device + ` txqueuelen 16384 up
ip address add ` + local4 + `/32 dev ` + Device + `
ip route add ` + prefix4 + ` dev ` + Device + ` src ` + local4 + `
ip address add ` + local6 + `/128 dev ` + Device + ` nodad
ip route add ` + prefix6 + ` dev ` + Device + ` src ` + local6 + `
until ip route get ` + local6 + ` | grep -q ^local; do :; done
`

// Answer is the kind of answer that a SYN gets.
type Answer int

const (
	// SYNACK accepts the connection (RFC 9293, section 3.5). It is the zero value.
	SYNACK Answer = iota
	// Refuse answers RST|ACK, as the host of a closed port does (RFC 9293, section
	// 3.10.7.1).
	Refuse
	// ICMPError answers with the ICMP error of Behaviour.ICMPType and
	// Behaviour.ICMPCode, which comes from the host and quotes the SYN. Linux takes an
	// error that arrives while the client's connect call is still sending the SYN for a
	// transient one and goes on; a Delay of a millisecond makes sure of a connect that
	// fails at the first error.
	ICMPError
	// Silence answers nothing, as a host behind a dropping firewall does.
	Silence
)

// After is what a host does once it has accepted a connection. Whatever it is, the
// host acknowledges and discards what the client sends, and when the client closes it
// closes as well.
type After int

const (
	// StayOpen leaves the connection open until the client closes it. It is the zero
	// value.
	StayOpen After = iota
	// FINAtOnce closes the connection with a FIN right behind the SYN-ACK.
	FINAtOnce
	// RSTAtOnce aborts the connection with a RST right behind the SYN-ACK. A client sees
	// either a connect that fails or one that succeeds on a connection that is reset by
	// then.
	RSTAtOnce
	// RSTOnACK answers the ACK that completes the handshake with a RST, as a host does
	// that has given the connection up in the meantime.
	RSTOnACK
)

// Behaviour is how a host treats the attempts to connect to one of its ports: a SYN
// and its retransmissions. The zero value accepts them at once and stays open.
type Behaviour struct {
	Answer             Answer
	ICMPType, ICMPCode uint8         // of an ICMPError, in the numbers of the address's family
	Delay              time.Duration // from reading a SYN to sending its answer
	LoseSYNs           int           // the first SYNs of an attempt, which are ignored
	After              After         // what follows an answer of SYNACK
}

// Handshake is a connection that was accepted: what really happened, not what was
// programmed.
type Handshake struct {
	Peer  netip.AddrPort
	SYNs  int           // that had been read, those that are lost included
	Delay time.Duration // from reading the SYN that was answered to writing its answer
}

// Hosts are many hosts on a network of this machine, with all addresses of an IPv4 and
// of an IPv6 prefix, 198.18.0.0/16 and 2001:db8:1::/64: a small TCP in userspace,
// behind a TUN device, that answers the handshakes of the machine's own sockets exactly
// as programmed. It speaks just enough of RFC 9293 for that, and retransmits nothing,
// as the device loses nothing that it is given. The methods are safe for concurrent
// use.
type Hosts struct {
	device  *os.File
	reading sync.WaitGroup

	mu         sync.Mutex
	behaviours map[netip.AddrPort]Behaviour
	others     Behaviour
	conns      map[flow]*conn
	handshakes []Handshake
	failure    error // to write to the device
}

// RequireHosts skips the test where there can be no Hosts: without a namespace of its
// own, the TUN driver or the ip command.
func RequireHosts(t testing.TB) {
	t.Helper()
	harness.RequireNamespace(t)
	_, err := exec.LookPath("ip")
	if err := errors.Join(os.NewSyscallError("/dev/net/tun", unix.Access("/dev/net/tun", unix.R_OK|unix.W_OK)), err); err != nil {
		t.Skip(err)
	}
}

// New returns Hosts for the time of a test, which is skipped where there can be none.
// They accept connections at once until told otherwise.
func New(t testing.TB) *Hosts {
	t.Helper()
	RequireHosts(t)
	h, err := open()
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, h.close()) })
	return h
}

func open() (*Hosts, error) {
	device, err := openDevice()
	if err != nil {
		return nil, err
	}
	if output, err := exec.Command("sh", "-ec", configure).CombinedOutput(); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w: %s", Device, err, output), device.Close())
	}
	h := &Hosts{device: device, behaviours: make(map[netip.AddrPort]Behaviour), conns: make(map[flow]*conn)}
	h.reading.Go(h.read)
	return h, nil
}

// ServeHosts has Hosts with a behaviour until the process is ended, which gets the
// highest priority, for answers in time. It prints an address and port of one of them, as
// a Server is to.
func ServeHosts(b Behaviour) error {
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, thread := range threads { // and those that they start
		id, _ := strconv.Atoi(thread.Name())
		if err := unix.Setpriority(unix.PRIO_PROCESS, id, -20); err != nil {
			return os.NewSyscallError("setpriority", err)
		}
	}
	h, err := open()
	if err != nil {
		return err
	}
	h.SetOthers(b)
	fmt.Println(netip.AddrPortFrom(netip.MustParseAddr(local4).Next(), 80))
	h.reading.Wait()
	return h.close()
}

// openDevice makes the device, which goes when it is closed.
func openDevice() (*os.File, error) {
	request, err := unix.NewIfreq(Device)
	if err != nil {
		return nil, err
	}
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("open /dev/net/tun", err)
	}
	request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
		return nil, errors.Join(os.NewSyscallError("TUNSETIFF", err), unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), Device), nil
}

// close removes the device. It returns an error if the hosts had failed before.
func (h *Hosts) close() error {
	err := h.device.Close()
	h.reading.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	return errors.Join(err, h.failure)
}

// Set sets the behaviour of one address and port.
func (h *Hosts) Set(addr netip.AddrPort, b Behaviour) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.behaviours[addr] = b
}

// SetOthers sets the behaviour of all addresses and ports that have not been Set.
func (h *Hosts) SetOthers(b Behaviour) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.others = b
}

// Handshakes returns the connections that were accepted since the last call. A
// connection is there before its client can know of it.
func (h *Hosts) Handshakes() []Handshake {
	h.mu.Lock()
	defer h.mu.Unlock()
	handshakes := h.handshakes
	h.handshakes = nil
	return handshakes
}

// read takes what the machine sends until the device is closed.
func (h *Hosts) read() {
	packet := make([]byte, mtu)
	for {
		size, err := h.device.Read(packet)
		if err != nil {
			return
		}
		h.receive(packet[:size])
	}
}

// receive takes a packet. What is no TCP is for nobody.
func (h *Hosts) receive(data []byte) {
	first := layers.LayerTypeIPv4
	if data[0]>>4 == 6 {
		first = layers.LayerTypeIPv6
	}
	packet := gopacket.NewPacket(data, first, gopacket.DecodeOptions{NoCopy: true})
	tcp, ok := packet.TransportLayer().(*layers.TCP)
	if !ok {
		return
	}
	ends := packet.NetworkLayer().NetworkFlow()
	f := flow{client: addrPort(ends.Src(), tcp.SrcPort), host: addrPort(ends.Dst(), tcp.DstPort)}
	h.mu.Lock()
	defer h.mu.Unlock()
	if tcp.SYN && !tcp.ACK {
		h.receiveSYN(f, tcp.Seq, slices.Clone(data))
	} else if c := h.conns[f]; c != nil {
		h.receiveNext(c, tcp)
	}
}

func addrPort(end gopacket.Endpoint, port layers.TCPPort) netip.AddrPort {
	addr, _ := netip.AddrFromSlice(end.Raw())
	return netip.AddrPortFrom(addr, uint16(port))
}

// ipLayer is a header of either family.
type ipLayer interface {
	gopacket.SerializableLayer
	gopacket.NetworkLayer
}

// send sends a client what an IP header from a host of its own is put before.
func (h *Hosts) send(f flow, protocol layers.IPProtocol, payload func(ipLayer) []gopacket.SerializableLayer) {
	var header ipLayer = &layers.IPv4{Version: 4, TTL: 64, Protocol: protocol, SrcIP: f.host.Addr().AsSlice(), DstIP: f.client.Addr().AsSlice()}
	if f.host.Addr().Is6() {
		header = &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: protocol, SrcIP: f.host.Addr().AsSlice(), DstIP: f.client.Addr().AsSlice()}
	}
	buffer := gopacket.NewSerializeBuffer()
	options := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	err := gopacket.SerializeLayers(buffer, options, append([]gopacket.SerializableLayer{header}, payload(header)...)...)
	if err == nil {
		_, err = h.device.Write(buffer.Bytes())
	}
	if err != nil && !errors.Is(err, os.ErrClosed) {
		h.failure = err
	}
}
