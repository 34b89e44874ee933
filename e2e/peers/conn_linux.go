package peers

import (
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// flow names a connection.
type flow struct{ client, host netip.AddrPort }

// conn is a connection of a host, or the attempt at one. The names of its numbers are
// those of RFC 9293, section 3.3.1.
type conn struct {
	flow
	irs, rcvNxt, sndNxt uint32

	behaviour   Behaviour
	syns        int
	due         bool // an answer to the SYN is
	accepted    bool // the SYN-ACK is sent
	closed      bool // the host's FIN is sent
	finReceived bool
}

// The control bits of the segments that a host sends, besides ACK.
type flags struct{ syn, fin, rst bool }

// receiveSYN takes a SYN, of which packet is the whole.
func (h *Hosts) receiveSYN(f flow, seq uint32, packet []byte) {
	c := h.conns[f]
	if c == nil || c.irs != seq { // or the client's port is in use again
		c = &conn{flow: f, irs: seq, rcvNxt: seq + 1}
	}
	if c.due || c.accepted {
		return
	}
	var set bool
	if c.behaviour, set = h.behaviours[f.host]; !set {
		c.behaviour = h.others
	}
	if c.behaviour.Answer == Silence {
		return
	}
	h.conns[f] = c
	c.syns++
	if c.syns <= c.behaviour.LoseSYNs {
		return
	}
	read := time.Now()
	if c.behaviour.Delay == 0 {
		h.answer(c, packet, read)
		return
	}
	c.due = true
	time.AfterFunc(c.behaviour.Delay, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.conns[f] == c { // the client has not given up
			h.answer(c, packet, read)
		}
	})
}

// answer answers the SYN of a packet that was read at a time.
func (h *Hosts) answer(c *conn, packet []byte, read time.Time) {
	c.due = false
	switch c.behaviour.Answer {
	case SYNACK:
		h.accept(c, read)
	case Refuse:
		delete(h.conns, c.flow)
		h.sendSegment(c, flags{rst: true})
	case ICMPError:
		delete(h.conns, c.flow)
		h.sendICMPError(c, packet)
	case Silence: // is never due
	}
}

// accept sends the SYN-ACK, and what is to follow it at once.
func (h *Hosts) accept(c *conn, read time.Time) {
	c.accepted, c.sndNxt = true, rand.Uint32()
	h.handshakes = append(h.handshakes, Handshake{Peer: c.host, SYNs: c.syns, Delay: time.Since(read)})
	h.sendSegment(c, flags{syn: true})
	switch c.behaviour.After {
	case FINAtOnce:
		c.closed = true
		h.sendSegment(c, flags{fin: true})
	case RSTAtOnce:
		delete(h.conns, c.flow)
		h.sendSegment(c, flags{rst: true})
	case StayOpen, RSTOnACK: // see receiveNext
	}
}

// receiveNext takes a segment that is no SYN.
func (h *Hosts) receiveNext(c *conn, segment *layers.TCP) {
	switch {
	case segment.RST:
		delete(h.conns, c.flow)
		return
	case !c.accepted:
		return // nothing that belongs to a connection
	case c.behaviour.After == RSTOnACK:
		delete(h.conns, c.flow)
		h.sendSegment(c, flags{rst: true})
		return
	case segment.Seq != c.rcvNxt: // tell the client where the connection is (RFC 9293, section 3.10.7.4)
		h.sendSegment(c, flags{})
		return
	}
	c.rcvNxt += uint32(len(segment.Payload))
	if segment.FIN {
		c.rcvNxt++
		c.finReceived = true
	}
	switch {
	case segment.FIN && !c.closed:
		c.closed = true
		h.sendSegment(c, flags{fin: true})
	case segment.FIN, len(segment.Payload) > 0:
		h.sendSegment(c, flags{})
	}
	if c.finReceived && c.closed && segment.Ack == c.sndNxt {
		delete(h.conns, c.flow)
	}
}

// sendSegment sends a segment without data at the present point of the connection.
func (h *Hosts) sendSegment(c *conn, f flags) {
	h.send(c.flow, layers.IPProtocolTCP, func(header ipLayer) []gopacket.SerializableLayer {
		tcp := &layers.TCP{
			SrcPort: layers.TCPPort(c.host.Port()), DstPort: layers.TCPPort(c.client.Port()),
			Seq: c.sndNxt, Ack: c.rcvNxt, ACK: true, SYN: f.syn, FIN: f.fin, RST: f.rst, Window: 65535,
		}
		_ = tcp.SetNetworkLayerForChecksum(header) // fails only for what is no IP
		return []gopacket.SerializableLayer{tcp}
	})
	if f.syn || f.fin {
		c.sndNxt++
	}
}

// sendICMPError sends the ICMP error of the connection's behaviour, which quotes a
// packet (RFC 792, RFC 4443).
func (h *Hosts) sendICMPError(c *conn, packet []byte) {
	if c.host.Addr().Is4() {
		h.send(c.flow, layers.IPProtocolICMPv4, func(ipLayer) []gopacket.SerializableLayer {
			icmp := &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(c.behaviour.ICMPType, c.behaviour.ICMPCode)}
			return []gopacket.SerializableLayer{icmp, gopacket.Payload(packet)}
		})
		return
	}
	h.send(c.flow, layers.IPProtocolICMPv6, func(header ipLayer) []gopacket.SerializableLayer {
		icmp := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(c.behaviour.ICMPType, c.behaviour.ICMPCode)}
		_ = icmp.SetNetworkLayerForChecksum(header) // fails only for what is no IP
		unused := make([]byte, 4)                   // what follows the checksum
		return []gopacket.SerializableLayer{icmp, gopacket.Payload(append(unused, packet...))}
	})
}
