package tunpeer

import (
	"math/rand/v2"
	"slices"
	"time"
)

// stack is the TCP of the peer: it turns packets read and time gone by into
// packets to send. It is used from one goroutine.
//
// Times are on a clock of the caller's.
type stack struct {
	program *program
	record  *record
	conns   *table
	due     schedule
	now     func() time.Duration
	send    func(packet []byte) // must not keep the packet
	buf     []byte              // of the packet being sent
}

func newStack(p *program, r *record, now func() time.Duration, send func([]byte)) *stack {
	return &stack{
		program: p,
		record:  r,
		conns:   newTable(maxConns),
		now:     now,
		send:    send,
		buf:     make([]byte, 0, mtu),
	}
}

// receive takes a packet that had been read at the given time.
func (s *stack) receive(packet []byte, at time.Duration) {
	seg, ok := parseSegment(packet)
	if !ok {
		return
	}
	c := s.conns.find(flow{client: seg.from, peer: seg.to})
	switch {
	case seg.has(flagRST):
		if c != nil {
			s.forget(c)
		}
	case seg.has(flagSYN) && !seg.has(flagACK):
		s.receiveSYN(c, seg, packet, at)
	case c == nil || c.state == listening:
		s.refuse(seg)
	case !seg.has(flagACK) || seg.has(flagSYN):
		// Nothing that belongs to a connection (RFC 9293, section 3.10.7.4).
	case c.state == synReceived:
		s.complete(c, seg)
	default:
		s.receiveNext(c, seg)
	}
}

// receiveSYN takes a SYN; c is the connection that it belongs to by its
// addresses and ports, or nil.
func (s *stack) receiveSYN(c *conn, seg segment, packet []byte, at time.Duration) {
	if c != nil && c.irs != seg.seq {
		s.forget(c) // the client's ports are in use again
		c = nil
	}
	rule := s.program.lookup(seg.to)
	switch {
	case c == nil && rule.Answer == Silence:
		return
	case c == nil:
		c = &conn{
			flow:     flow{client: seg.from, peer: seg.to},
			irs:      seg.seq,
			rcvNxt:   seg.seq + 1,
			position: notScheduled,
		}
		if forgotten := s.conns.add(c); forgotten != nil {
			s.due.remove(forgotten)
		}
	case c.state == synReceived:
		s.write(c.synACK()) // the client has not seen it, or not yet
		return
	case c.state != listening:
		s.write(c.segment(flagACK)) // RFC 9293, section 3.10.7.4: a challenge
		return
	case c.position != notScheduled:
		c.syns++
		return
	}
	if c.rule != rule {
		c.rule, c.syns = rule, 0
	}
	c.syns++
	if rule.Answer == Silence || c.syns <= rule.LoseSYNs {
		return
	}
	c.synRead = at
	if rule.Answer == ICMPError {
		c.syn = slices.Clone(packet)
	}
	s.due.add(c, at+max(rule.Delay, 0))
}

// nextDue returns when the next answer is due, and false if none is.
func (s *stack) nextDue() (time.Duration, bool) {
	c := s.due.first()
	if c == nil {
		return 0, false
	}
	return c.due, true
}

// answerNext sends the answer that nextDue told.
func (s *stack) answerNext() {
	c := s.due.first()
	s.due.remove(c)
	switch c.rule.Answer {
	case SYNACK:
		s.accept(c)
	case Refuse:
		s.forget(c)
		s.write(segment{from: c.peer, to: c.client, ack: c.rcvNxt, flags: flagRST | flagACK})
	case ICMPError:
		s.buf = appendICMPError(s.buf[:0], c.syn, c.client.Addr(), c.peer.Addr(), c.rule.ICMPType, c.rule.ICMPCode)
		c.syn = nil
		s.send(s.buf)
	case Silence: // is never due
	}
}

// accept sends the SYN-ACK, and what is to follow it at once.
func (s *stack) accept(c *conn) {
	c.state = synReceived
	c.iss = rand.Uint32()
	c.sndNxt = c.iss + 1
	s.buf = appendSegment(s.buf[:0], c.synACK())
	// Recorded before it is sent: a client that has connected finds it there.
	s.record.add(Handshake{Client: c.client, Peer: c.peer, SYNs: c.syns, Delay: s.now() - c.synRead})
	s.send(s.buf)

	switch c.rule.After {
	case FINAtOnce:
		s.sendFIN(c)
	case RSTAtOnce:
		s.forget(c)
		s.write(c.segment(flagRST | flagACK))
	case StayOpen, RSTOnACK: // see complete
	}
}

// complete takes a segment that should complete the handshake of c.
func (s *stack) complete(c *conn, seg segment) {
	switch {
	case seg.ack-c.iss != 1:
		s.refuse(seg) // RFC 9293, section 3.10.7.4, SYN-RECEIVED
	case c.rule.After == RSTOnACK:
		s.forget(c)
		s.refuse(seg)
	default:
		c.state = established
		s.receiveNext(c, seg)
	}
}

// receiveNext takes a segment, with an ACK, of an established connection.
func (s *stack) receiveNext(c *conn, seg segment) {
	if seg.seq != c.rcvNxt {
		// A segment out of order, a retransmission, a probe: tell the client
		// where the connection is (RFC 9293, section 3.10.7.4).
		s.write(c.segment(flagACK))
		return
	}
	c.rcvNxt += seg.length()
	switch {
	case seg.has(flagFIN) && c.state == established:
		s.sendFIN(c)
		c.state = lastACK
	case seg.has(flagFIN) && c.state == finWait:
		c.state = lastACK
		s.write(c.segment(flagACK))
	case seg.length() > 0:
		s.write(c.segment(flagACK))
	}
	if c.state == lastACK && seg.ack == c.sndNxt {
		s.forget(c)
	}
}

// sendFIN sends the peer's FIN.
func (s *stack) sendFIN(c *conn) {
	s.write(c.segment(flagFIN | flagACK))
	c.sndNxt++
	c.state = finWait
}

// refuse answers a segment that belongs to no connection (RFC 9293, section
// 3.10.7.1).
func (s *stack) refuse(seg segment) {
	answer := segment{from: seg.to, to: seg.from, flags: flagRST | flagACK, ack: seg.seq + seg.length()}
	if seg.has(flagACK) {
		answer.flags, answer.seq, answer.ack = flagRST, seg.ack, 0
	}
	s.write(answer)
}

// forget forgets c and the answer it may have due.
func (s *stack) forget(c *conn) {
	s.due.remove(c)
	s.conns.remove(c)
}

// write sends a segment without data.
func (s *stack) write(seg segment) {
	s.buf = appendSegment(s.buf[:0], seg)
	s.send(s.buf)
}
