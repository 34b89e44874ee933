package soak

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/e2e/dnsserver"
	"example.com/tcpcheckreceiver/e2e/peers"
)

// How many targets there are of each kind. Each number is a multiple of shifts.
const (
	literals4 = 1210 // IPv4 addresses that listen or refuse
	literals6 = 220  // ports of ::1 that listen or refuse
	hanging   = 330  // addresses of either family that listen, refuse or are silent
	names     = 440  // names whose addresses change
)

// A configuration leaves out one target in this many, of each kind.
const shifts = 11

// Ports below those that the kernel chooses as local ones.
const (
	port4      = 7000
	port6First = 10000
	nameFirst  = 20000
)

// changeEvery is how long a target stays as it is, on average.
const changeEvery = 30 * time.Second

// state is how a peer takes a connection attempt.
type state uint8

const (
	refusing state = iota // nothing listens; the zero value
	listening
	silent // a SYN gets no answer
)

// peer is an address and port of this machine.
type peer struct {
	addr  netip.AddrPort
	state state
	close func() error // nil where there is nothing to close
}

// target is something that the collector checks.
type target struct {
	instance string
	source   source
	// peers are all addresses that the target can have. Where it is no name,
	// there is one.
	peers []*peer
	// states are those that its peers change between.
	states []state
	// host is the name of a target that is one, and addresses what it resolves
	// to now.
	host      string
	addresses []netip.Addr
	// multiple says that all addresses are checked, and not only the first of
	// each family.
	multiple bool
}

// world is what the collector checks: the real state of all targets. It is not
// safe for concurrent use.
type world struct {
	t       *testing.T
	random  *rand.Rand
	dns     *dnsserver.Server
	targets []*target
	changes int
}

// newWorld returns a world, each target in a state that it could be in after many
// changes.
func newWorld(t *testing.T) *world {
	w := &world{t: t, random: rand.New(rand.NewPCG(1, 2)), dns: dnsserver.New(t, "127.0.0.1:53")}
	t.Cleanup(func() {
		for _, target := range w.targets {
			for _, p := range target.peers {
				w.become(p, refusing)
			}
		}
	})
	inUse := []state{listening, refusing}
	for i := range literals4 {
		w.add(inUse, netip.AddrPortFrom(loopback4(1, i), port4))
	}
	for i := range literals6 {
		w.add(inUse, netip.AddrPortFrom(netip.IPv6Loopback(), uint16(port6First+i)))
	}
	for i := range hanging {
		addr := netip.AddrPortFrom(loopback4(2, i), port4)
		if i%2 == 0 {
			addr = netip.AddrPortFrom(netip.IPv6Loopback(), uint16(port6First+literals6+i))
		}
		w.add([]state{listening, refusing, silent}, addr)
	}
	for i := range names { // each can have four IPv4 addresses and ::1, all with a port of its own
		var addrs []netip.AddrPort
		for n := range 4 {
			addrs = append(addrs, netip.AddrPortFrom(loopback4(16+n, i), uint16(nameFirst+i)))
		}
		named := w.add(inUse, append(addrs, netip.AddrPortFrom(netip.IPv6Loopback(), uint16(nameFirst+i)))...)
		named.host, named.multiple = fmt.Sprintf("n%d.soak.test", i), i%2 == 0
		w.rotate(named)
	}
	return w
}

// loopback4 returns address i of network n of 127.0.0.0/8.
func loopback4(n, i int) netip.Addr {
	return netip.AddrFrom4([4]byte{127, byte(n), byte(i / 250), byte(1 + i%250)})
}

// add adds a target, whose peers are in one of states each.
func (w *world) add(states []state, addrs ...netip.AddrPort) *target {
	t := &target{instance: fmt.Sprintf("t%d", len(w.targets)), source: source(len(w.targets) % int(sources)), states: states}
	for _, addr := range addrs {
		p := &peer{addr: addr}
		t.peers = append(t.peers, p)
		w.become(p, w.draw(states))
	}
	w.targets = append(w.targets, t)
	return t
}

// become puts a peer into a state, in which it is for every SYN that is sent once
// become has returned.
func (w *world) become(p *peer, s state) {
	if s == p.state {
		return
	}
	if p.close != nil {
		require.NoError(w.t, p.close(), p.addr)
	}
	p.close, p.state = nil, s
	switch s {
	case listening:
		p.close = peers.Accept(w.t, p.addr.String()).Close
	case silent:
		_, p.close = peers.KeepSilent(w.t, p.addr)
	case refusing:
	}
}

// change changes targets chosen at random, as many as become due in a time: the
// state of one of its peers, or where that is a name, every other time the
// addresses.
func (w *world) change(in time.Duration) {
	for range int(float64(len(w.targets)) * in.Seconds() / changeEvery.Seconds()) {
		t := w.targets[w.random.IntN(len(w.targets))]
		w.changes++
		if t.host != "" && w.random.IntN(2) == 0 {
			w.rotate(t)
			continue
		}
		p := t.peers[w.random.IntN(len(t.peers))]
		next := p.state
		for next == p.state {
			next = w.draw(t.states)
		}
		w.become(p, next)
	}
}

func (w *world) draw(states []state) state { return states[w.random.IntN(len(states))] }

// rotate gives a name other addresses: some of its IPv4 ones, in any order, and
// every other time ::1 as well.
func (w *world) rotate(t *target) {
	t.addresses = nil
	ipv4 := t.peers[:len(t.peers)-1]
	for _, i := range w.random.Perm(len(ipv4))[:1+w.random.IntN(len(ipv4))] {
		t.addresses = append(t.addresses, ipv4[i].addr.Addr())
	}
	if w.random.IntN(2) == 0 {
		t.addresses = append(t.addresses, netip.IPv6Loopback())
	}
	w.dns.Set(t.host, dnsserver.Addresses(t.addresses...))
}

// source is where the collector has a target from.
type source int

const (
	fromConfiguration source = iota
	fromFile
	fromServer
	sources
)

// configured returns the targets that the collector has: all but one in shifts, other ones
// for each number. The lists outside of the configuration have another number than that.
func (w *world) configured(configuration, lists int) []*target {
	var some []*target
	for i, t := range w.targets {
		number := lists
		if t.source == fromConfiguration {
			number = configuration
		}
		if i%shifts != number%shifts {
			some = append(some, t)
		}
	}
	return some
}

// truth returns what a check of the target has to find now: for each address
// that is to be checked, whether it connects.
func (t *target) truth() map[netip.Addr]bool {
	connects := make(map[netip.Addr]bool)
	for _, p := range t.peers {
		connects[p.addr.Addr()] = p.state == listening
	}
	if t.host == "" {
		return connects
	}
	found := make(map[netip.Addr]bool)
	checked := make(map[bool]bool) // by whether it is IPv4
	for _, addr := range t.addresses {
		if t.multiple || !checked[addr.Is4()] {
			checked[addr.Is4()] = true
			found[addr] = connects[addr]
		}
	}
	return found
}
