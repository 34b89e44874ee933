package tunpeer

import (
	"errors"
	"fmt"
	"net/netip"
)

// Peer is the host, or any number of hosts, behind a TUN device. It is made by
// Open; its methods are safe for concurrent use.
//
// Should the peer's process fail, nothing is answered any more, the methods
// have no effect, and Close tells why.
type Peer struct {
	process *process
}

// Open creates a TUN device of the given name (1 to 15 bytes; %d in it stands
// for the first free number), with an MTU of 1500, and starts the peer behind
// it. The machine gets the first host address of each prefix, the one after the
// network address; every other address of the prefixes is the peer's, and
// accepts connections at once until told otherwise.
//
// Open returns an error if Available does, if a prefix is not one of IPv4 or
// IPv6 with four addresses or more, and if the device or the process cannot be
// set up. Nothing is left behind then.
//
// The peer is a process of its own, the program executed anew by InNamespace,
// so that neither the scheduler nor the garbage collector of the program
// measured gets in the way of the answers' timing. The process asks for
// real-time scheduling and does without where that is refused. It keeps a
// processor busy for up to 50 µs before each answer that is due; if some 20,000
// answers are due each second, for seconds, Linux holds it up for 50 ms in each
// (sched_rt_runtime_us).
func Open(name string, prefixes ...netip.Prefix) (*Peer, error) {
	if err := Available(); err != nil {
		return nil, err
	}
	peer, err := open(name, prefixes)
	if err != nil {
		return nil, fmt.Errorf("tunpeer: %w", err)
	}
	return peer, nil
}

func open(name string, prefixes []netip.Prefix) (*Peer, error) {
	device, name, err := openDevice(name)
	if err != nil {
		return nil, err
	}
	// The process gets a descriptor of its own, and with it the device.
	defer device.Close()
	if err := configureDevice(name, prefixes); err != nil {
		return nil, err
	}
	process, err := startProcess(device)
	if err != nil {
		return nil, fmt.Errorf("start process: %w", err)
	}
	// The first answer tells that the process has come up.
	if _, err := process.do(request{Op: opSetDefault}); err != nil {
		return nil, fmt.Errorf("start process: %w", errors.Join(err, process.stop()))
	}
	return &Peer{process: process}, nil
}

// Close stops the peer and removes its device; answers that are due are not
// sent any more. It returns an error if the peer had failed before. Further
// calls do nothing and return the same.
func (p *Peer) Close() error {
	if err := p.process.stop(); err != nil {
		return fmt.Errorf("tunpeer: process: %w", err)
	}
	return nil
}

// Set sets the behaviour of one address and port, which may be given as an
// IPv4-mapped IPv6 address. It holds for every SYN sent after Set has returned,
// including those of attempts under way, whose SYNs are counted from 1 again;
// an answer that is due by then is sent as it had been programmed.
func (p *Peer) Set(addr netip.AddrPort, b Behaviour) {
	_, _ = p.process.do(request{Op: opSet, Addr: addr, Behaviour: b})
}

// SetDefault sets the behaviour of all addresses and ports that have not been
// Set. It holds in the way that Set tells.
func (p *Peer) SetDefault(b Behaviour) {
	_, _ = p.process.do(request{Op: opSetDefault, Behaviour: b})
}

// Handshakes returns the connections that the peer has accepted since it was
// opened or ResetHandshakes was called, in the order of their answers. A
// connection is recorded before its client can know of it. After 1,048,576 no
// more are recorded.
func (p *Peer) Handshakes() []Handshake {
	reply, _ := p.process.do(request{Op: opHandshakes})
	return reply.Handshakes
}

// ResetHandshakes forgets the handshakes recorded so far.
func (p *Peer) ResetHandshakes() {
	_, _ = p.process.do(request{Op: opResetHandshakes})
}
