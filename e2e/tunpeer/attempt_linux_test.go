package tunpeer

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestStackLosesSYNsOfEachAttempt(t *testing.T) {
	x := newBench(t, Behaviour{LoseSYNs: 2})
	for _, isn := range []uint32{1000, 2000} {
		for range 2 {
			x.take(segment{seq: isn, flags: flagSYN}, 0)
			x.pass(time.Second)
			assert.Empty(t, x.segments())
		}
		x.take(segment{seq: isn, flags: flagSYN}, 0)
		x.pass(0)
		assert.Len(t, x.segments(), 1)
	}
	handshakes := x.record.all()
	require.Len(t, handshakes, 2)
	assert.Equal(t, 3, handshakes[0].SYNs)
	assert.Equal(t, 3, handshakes[1].SYNs)
}

func TestStackSetCountsAgain(t *testing.T) {
	x := newBench(t, Behaviour{Answer: Silence})
	syn := segment{seq: clientISN, flags: flagSYN}
	behaviour := Behaviour{LoseSYNs: 1}
	addr := netip.MustParseAddrPort("[::ffff:10.9.0.2]:80")

	x.program.set(addr, behaviour)
	x.take(syn, 0)
	x.program.set(addr, behaviour)
	x.take(syn, 0)
	x.pass(0)
	assert.Empty(t, x.segments(), "the first since Set")
	x.take(syn, 0)
	x.pass(0)
	assert.Len(t, x.segments(), 1)
	assert.Equal(t, 2, x.record.all()[0].SYNs)
}

func TestStackCountsSYNsWhileAnswerIsDue(t *testing.T) {
	const delay = 1500 * time.Millisecond
	x := newBench(t, Behaviour{Delay: delay})
	x.take(segment{seq: clientISN, flags: flagSYN}, 0)
	x.pass(time.Second)
	x.take(segment{seq: clientISN, flags: flagSYN}, 0)
	x.pass(time.Minute)

	assert.Len(t, x.segments(), 1)
	handshakes := x.record.all()
	require.Len(t, handshakes, 1)
	assert.Equal(t, 2, handshakes[0].SYNs)
	assert.Equal(t, delay, handshakes[0].Delay)
}

func TestStackRepeatsSYNACK(t *testing.T) {
	x := newBench(t, Behaviour{})
	x.take(segment{seq: clientISN, flags: flagSYN}, 0)
	x.pass(0)
	first := x.segments()
	require.Len(t, first, 1)
	x.take(segment{seq: clientISN, flags: flagSYN}, 0)
	assert.Equal(t, first, x.segments())
	assert.Len(t, x.record.all(), 1)
}

func TestStackRSTCancelsAnswer(t *testing.T) {
	x := newBench(t, Behaviour{Delay: time.Second})
	x.take(segment{seq: clientISN, flags: flagSYN}, 0)
	x.take(segment{seq: clientISN + 1, flags: flagRST}, 0)
	x.pass(time.Minute)
	assert.Empty(t, x.segments())
}

func TestStackNewAttemptCancelsAnswer(t *testing.T) {
	x := newBench(t, Behaviour{Delay: time.Second})
	x.take(segment{seq: 1000, flags: flagSYN}, 0)
	x.pass(time.Second / 2)
	x.take(segment{seq: 2000, flags: flagSYN}, 0)
	x.pass(time.Minute)
	segments := x.segments()
	require.Len(t, segments, 1)
	assert.EqualValues(t, 2001, segments[0].ack)
}

func TestStackAnswersInOrderOfDueTimes(t *testing.T) {
	x := newBench(t, Behaviour{})
	delays := []time.Duration{5, 3, -1, 8, 1, 9, 2} // ms
	for i, d := range delays {
		to := netip.AddrPortFrom(netip.MustParseAddr("10.9.0.2"), uint16(i+1))
		x.program.set(to, Behaviour{Delay: d * time.Millisecond})
		x.take(segment{to: to, seq: clientISN, flags: flagSYN}, 0)
	}
	x.pass(time.Minute)
	var ports []uint16
	for _, h := range x.record.all() {
		assert.Equal(t, max(0, delays[h.Peer.Port()-1]*time.Millisecond), h.Delay)
		ports = append(ports, h.Peer.Port())
	}
	assert.Equal(t, []uint16{3, 5, 7, 2, 1, 4, 6}, ports)
}

func TestStackForgetsTheLongestQuiet(t *testing.T) {
	x := newBench(t, Behaviour{Delay: time.Second})
	x.conns = newTable(2)
	syn := func(port uint16) {
		x.take(segment{to: netip.AddrPortFrom(netip.MustParseAddr("10.9.0.2"), port), seq: clientISN, flags: flagSYN}, 0)
	}
	syn(1)
	syn(2)
	syn(1)
	syn(3)
	x.pass(time.Minute)
	handshakes := x.record.all()
	require.Len(t, handshakes, 2)
	assert.EqualValues(t, 1, handshakes[0].Peer.Port())
	assert.EqualValues(t, 3, handshakes[1].Peer.Port())
	assert.Len(t, x.conns.conns, 2)
}

func TestStackKeepsNothingOfSilence(t *testing.T) {
	x := newBench(t, Behaviour{Answer: Silence})
	x.take(segment{seq: clientISN, flags: flagSYN}, 0)
	x.pass(time.Minute)
	assert.Empty(t, x.segments())
	assert.Empty(t, x.conns.conns)
}

func TestRecordIsBounded(t *testing.T) {
	var r record
	for range maxHandshakes / recordChunk {
		r.chunks = append(r.chunks, make([]Handshake, recordChunk))
	}
	last := &r.chunks[len(r.chunks)-1]
	*last = (*last)[:recordChunk-1]
	r.add(Handshake{SYNs: 1})
	r.add(Handshake{SYNs: 2})
	handshakes := r.all()
	require.Len(t, handshakes, maxHandshakes)
	assert.Equal(t, 1, handshakes[maxHandshakes-1].SYNs)
	r.reset()
	assert.Empty(t, r.all())
}
