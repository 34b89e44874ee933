package tunpeer

import "time"

// Answer is the kind of answer that a SYN gets.
type Answer int

const (
	// SYNACK accepts the connection (RFC 9293, section 3.5). It is the zero
	// value.
	SYNACK Answer = iota
	// Refuse answers RST|ACK, as the host of a closed port does (RFC 9293,
	// section 3.10.7.1).
	Refuse
	// ICMPError answers with the ICMP error of Behaviour.ICMPType and
	// Behaviour.ICMPCode: a message of RFC 792 over IPv4, of RFC 4443 over
	// IPv6. It comes from the peer's address and quotes the SYN. Linux takes
	// an error that arrives while the client's connect call is still sending
	// the SYN for a transient one and goes on; a Delay of a millisecond makes
	// sure of a connect that fails at the first error.
	ICMPError
	// Silence answers nothing, as a host behind a dropping firewall does.
	Silence
)

// After is what the peer does once it has accepted a connection. Whatever it
// is, the peer acknowledges and discards what the client sends, and when the
// client closes it closes as well.
type After int

const (
	// StayOpen leaves the connection open until the client closes it. It is
	// the zero value.
	StayOpen After = iota
	// FINAtOnce closes the connection with a FIN right behind the SYN-ACK,
	// without waiting for the client's ACK (RFC 9293, section 3.10.4,
	// SYN-RECEIVED).
	FINAtOnce
	// RSTAtOnce aborts the connection with a RST right behind the SYN-ACK,
	// without waiting for the client's ACK. A client sees either a connect
	// that fails or one that succeeds on a connection that is reset by then.
	RSTAtOnce
	// RSTOnACK answers the ACK that completes the handshake with a RST, as a
	// host does that has given the connection up in the meantime.
	RSTOnACK
)

// Behaviour is how the peer treats the connection attempts to an address. The
// zero value accepts them at once and stays open.
//
// A connection attempt is a SYN and its retransmissions: the same addresses,
// ports and initial sequence number.
type Behaviour struct {
	// Answer is the kind of answer.
	Answer Answer
	// ICMPType and ICMPCode are the type and code of an ICMPError answer, in
	// the numbers of the address's family. They are sent as they are; the
	// four bytes that follow the checksum, unused in most errors, are zero.
	ICMPType, ICMPCode uint8
	// Delay is the time from reading a SYN to sending its answer. A SYN that
	// comes while the answer to an earlier one of the attempt is still due is
	// counted, and not answered by itself. Negative means zero.
	Delay time.Duration
	// LoseSYNs is how many of the first SYNs of each connection attempt are
	// ignored, as if the network had lost them. Negative means zero.
	LoseSYNs int
	// After is what follows an answer of SYNACK.
	After After
}
