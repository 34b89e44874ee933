package tunpeer

import (
	"container/list"
	"time"
)

// state is how far a connection is: the states of RFC 9293, section 3.3.2, as
// far as the peer tells them apart.
type state int

const (
	// listening: SYNs were seen, and no SYN-ACK was sent.
	listening state = iota
	synReceived
	established
	// finWait: the peer has sent its FIN, and the client has not.
	finWait
	// lastACK: both have sent their FIN, and the peer's is not acknowledged.
	lastACK
)

// conn is a connection, or the attempt at one.
type conn struct {
	flow
	state state

	irs    uint32 // the client's initial sequence number
	iss    uint32 // the peer's
	rcvNxt uint32 // next expected from the client
	sndNxt uint32 // next to send

	rule *rule // what the SYNs are counted for
	syns int   // SYNs seen since rule holds
	// synRead is when the SYN to be answered was read, on the loop's clock;
	// syn is its packet, if the answer quotes it.
	synRead time.Duration
	syn     []byte

	due      time.Duration // of the answer, while scheduled
	position int           // in the schedule, or notScheduled
	element  *list.Element // in the table
}

// segment is a segment from the peer at the present point of the connection.
func (c *conn) segment(flags uint8) segment {
	return segment{from: c.peer, to: c.client, seq: c.sndNxt, ack: c.rcvNxt, flags: flags}
}

// synACK is the segment that accepts the connection.
func (c *conn) synACK() segment {
	return segment{from: c.peer, to: c.client, seq: c.iss, ack: c.irs + 1, flags: flagSYN | flagACK}
}
