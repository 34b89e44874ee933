package tunpeer

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const clientISN = 0xffff_fffe // for the sequence numbers to wrap around

// bench is a stack with a clock and a network in the hands of the test.
type bench struct {
	*stack
	t     *testing.T
	clock time.Duration
	sent  [][]byte
}

func newBench(t *testing.T, b Behaviour) *bench {
	x := &bench{t: t}
	program := newProgram()
	program.setDefault(b)
	x.stack = newStack(program, new(record), func() time.Duration { return x.clock }, func(packet []byte) {
		x.sent = append(x.sent, append([]byte(nil), packet...))
	})
	return x
}

// take gives the stack a segment of the client and n bytes of data.
func (x *bench) take(s segment, n int) {
	if !s.from.IsValid() {
		s.from = netip.MustParseAddrPort("10.9.0.1:40000")
	}
	if !s.to.IsValid() {
		s.to = netip.MustParseAddrPort("10.9.0.2:80")
	}
	x.receive(withData(appendSegment(nil, s), n), x.clock)
}

// withData adds n bytes of data to a packet.
func withData(packet []byte, n int) []byte {
	packet = append(packet, make([]byte, n)...)
	if packet[0]>>4 == 4 {
		binary.BigEndian.PutUint16(packet[2:], uint16(len(packet)))
	} else {
		binary.BigEndian.PutUint16(packet[4:], uint16(len(packet)-ipv6HeaderLen))
	}
	return packet
}

// pass lets time go by and the answers go out that are due in it.
func (x *bench) pass(d time.Duration) {
	until := x.clock + d
	for {
		due, ok := x.nextDue()
		if !ok || due > until {
			break
		}
		x.clock = due
		x.answerNext()
	}
	x.clock = until
}

// packets returns what was sent since the last call.
func (x *bench) packets() [][]byte {
	sent := x.sent
	x.sent = nil
	return sent
}

// segments is packets, which must all be segments.
func (x *bench) segments() []segment {
	x.t.Helper()
	var segments []segment
	for _, packet := range x.packets() {
		s, ok := parseSegment(packet)
		require.True(x.t, ok)
		segments = append(segments, s)
	}
	return segments
}

// connect completes a handshake and returns the peer's next sequence number.
func (x *bench) connect() uint32 {
	x.t.Helper()
	x.take(segment{seq: clientISN, flags: flagSYN}, 0)
	x.pass(0)
	segments := x.segments()
	require.NotEmpty(x.t, segments)
	iss := segments[0].seq
	x.take(segment{seq: clientISN + 1, ack: iss + 1, flags: flagACK}, 0)
	return iss + 1
}

// answer is a segment that the peer sends to the client of take.
func answer(flags uint8, seq, ack uint32) segment {
	return segment{
		from:  netip.MustParseAddrPort("10.9.0.2:80"),
		to:    netip.MustParseAddrPort("10.9.0.1:40000"),
		flags: flags, seq: seq, ack: ack,
	}
}

func TestStackSYNACK(t *testing.T) {
	x := newBench(t, Behaviour{})
	x.take(segment{seq: clientISN, flags: flagSYN}, 0)
	assert.Empty(t, x.segments(), "before its time")
	x.pass(0)
	packets := x.packets()
	require.Len(t, packets, 1)
	s, ok := parseSegment(packets[0])
	require.True(t, ok)
	assert.Equal(t, answer(flagSYN|flagACK, s.seq, clientISN+1), s)
	assert.Equal(t, []byte{2, 4, 1460 >> 8, 1460 & 0xff}, packets[0][ipv4HeaderLen+tcpHeaderLen:], "MSS")
}

func TestStackDataAndClose(t *testing.T) {
	x := newBench(t, Behaviour{})
	peer := x.connect()
	assert.Empty(t, x.segments())

	client := uint32(clientISN + 1)
	x.take(segment{seq: client, ack: peer, flags: flagACK}, 1000)
	client += 1000
	assert.Equal(t, []segment{answer(flagACK, peer, client)}, x.segments())

	x.take(segment{seq: client - 1000, ack: peer, flags: flagACK}, 1000)
	assert.Equal(t, []segment{answer(flagACK, peer, client)}, x.segments(), "a retransmission")

	x.take(segment{seq: client, flags: 0}, 10)
	assert.Empty(t, x.segments(), "a segment without ACK")

	x.take(segment{seq: clientISN, flags: flagSYN}, 0)
	assert.Equal(t, []segment{answer(flagACK, peer, client)}, x.segments(), "a SYN gets a challenge")

	x.take(segment{seq: client, ack: peer, flags: flagFIN | flagACK}, 5)
	client += 5 + 1
	assert.Equal(t, []segment{answer(flagFIN|flagACK, peer, client)}, x.segments())
	peer++

	x.take(segment{seq: client - 1, ack: peer - 1, flags: flagFIN | flagACK}, 0)
	assert.Equal(t, []segment{answer(flagACK, peer, client)}, x.segments(), "a retransmission")

	x.take(segment{seq: client, ack: peer, flags: flagACK}, 0)
	assert.Empty(t, x.segments())
	assert.Empty(t, x.conns.conns)
}

func TestStackFINAtOnce(t *testing.T) {
	for _, acknowledged := range []bool{true, false} {
		x := newBench(t, Behaviour{After: FINAtOnce})
		x.take(segment{seq: clientISN, flags: flagSYN}, 0)
		x.pass(0)
		segments := x.segments()
		require.Len(t, segments, 2)
		peer, client := segments[0].seq+1, uint32(clientISN+1)
		assert.Equal(t, answer(flagFIN|flagACK, peer, client), segments[1])

		x.take(segment{seq: client, ack: peer, flags: flagACK}, 0)
		assert.Empty(t, x.segments())
		peer++
		if acknowledged {
			x.take(segment{seq: client, ack: peer, flags: flagFIN | flagACK}, 0)
		} else { // both FINs have crossed
			x.take(segment{seq: client, ack: peer - 1, flags: flagFIN | flagACK}, 0)
			assert.Len(t, x.conns.conns, 1)
			x.take(segment{seq: client + 1, ack: peer, flags: flagACK}, 0)
		}
		assert.Equal(t, []segment{answer(flagACK, peer, client+1)}, x.segments())
		assert.Empty(t, x.conns.conns)
	}
}

func TestStackResets(t *testing.T) {
	t.Run("Refuse", func(t *testing.T) {
		x := newBench(t, Behaviour{Answer: Refuse})
		x.take(segment{seq: clientISN, flags: flagSYN}, 0)
		x.pass(0)
		assert.Equal(t, []segment{answer(flagRST|flagACK, 0, clientISN+1)}, x.segments())
		assert.Empty(t, x.conns.conns)
	})
	t.Run("RSTAtOnce", func(t *testing.T) {
		x := newBench(t, Behaviour{After: RSTAtOnce})
		x.take(segment{seq: clientISN, flags: flagSYN}, 0)
		x.pass(0)
		segments := x.segments()
		require.Len(t, segments, 2)
		assert.Equal(t, answer(flagRST|flagACK, segments[0].seq+1, clientISN+1), segments[1])
		assert.Empty(t, x.conns.conns)
	})
	t.Run("RSTOnACK", func(t *testing.T) {
		x := newBench(t, Behaviour{After: RSTOnACK})
		peer := x.connect()
		assert.Equal(t, []segment{answer(flagRST, peer, 0)}, x.segments())
		assert.Empty(t, x.conns.conns)
	})
	t.Run("ACK of something else", func(t *testing.T) {
		x := newBench(t, Behaviour{})
		x.take(segment{seq: clientISN, flags: flagSYN}, 0)
		x.pass(0)
		wrong := x.segments()[0].seq + 2
		x.take(segment{seq: clientISN + 1, ack: wrong, flags: flagACK}, 0)
		assert.Equal(t, []segment{answer(flagRST, wrong, 0)}, x.segments())
		assert.Len(t, x.conns.conns, 1)
	})
	t.Run("client's", func(t *testing.T) {
		x := newBench(t, Behaviour{})
		peer := x.connect()
		x.take(segment{seq: clientISN + 1, ack: peer, flags: flagRST | flagACK}, 0)
		assert.Empty(t, x.segments())
		assert.Empty(t, x.conns.conns)
	})
}

func TestStackStraySegments(t *testing.T) {
	tests := []struct {
		name   string
		take   segment
		data   int
		answer []segment
	}{
		{"ACK", segment{seq: 5, ack: 7, flags: flagACK}, 10, []segment{answer(flagRST, 7, 0)}},
		{"SYN|ACK", segment{seq: 5, ack: 7, flags: flagSYN | flagACK}, 0, []segment{answer(flagRST, 7, 0)}},
		{"FIN", segment{seq: 5, flags: flagFIN}, 10, []segment{answer(flagRST|flagACK, 0, 16)}},
		{"RST", segment{seq: 5, flags: flagRST}, 0, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			x := newBench(t, Behaviour{})
			x.take(tt.take, tt.data)
			assert.Equal(t, tt.answer, x.segments())
			assert.Empty(t, x.conns.conns)
		})
	}
}
