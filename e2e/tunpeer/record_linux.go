package tunpeer

import (
	"net/netip"
	"slices"
	"sync"
	"time"
)

const (
	// maxHandshakes bounds the record.
	maxHandshakes = 1 << 20
	// recordChunk is how many handshakes are allocated at a time; small, so
	// that the growth of a long record never delays an answer.
	recordChunk = 256
)

// Handshake is one connection that the peer accepted: what really happened, not
// what was programmed.
type Handshake struct {
	// Client and Peer are the two ends of the connection.
	Client, Peer netip.AddrPort
	// SYNs is how many SYNs of the attempt had been read when the answer was
	// sent, the lost ones included; at least 1. A Set of the address in the
	// middle of an attempt starts the count again.
	SYNs int
	// Delay is the time from when the SYN that was answered had been read to
	// when its SYN-ACK was about to be written. A client cannot have seen the
	// SYN-ACK earlier than that after its SYN.
	Delay time.Duration
}

// record keeps the handshakes. It is safe for concurrent use.
type record struct {
	mu     sync.Mutex
	chunks [][]Handshake // all but the last are full
}

// add records h, unless the record is full.
func (r *record) add(h Handshake) {
	r.mu.Lock()
	defer r.mu.Unlock()
	last := len(r.chunks) - 1
	if last < 0 || len(r.chunks[last]) == recordChunk {
		if len(r.chunks) == maxHandshakes/recordChunk {
			return
		}
		r.chunks = append(r.chunks, make([]Handshake, 0, recordChunk))
		last++
	}
	r.chunks[last] = append(r.chunks[last], h)
}

func (r *record) all() []Handshake {
	r.mu.Lock()
	chunks := slices.Clone(r.chunks)
	r.mu.Unlock()
	// What is recorded does not change any more: the long part of the copy
	// needs no lock, which would keep the loop waiting.
	return slices.Concat(chunks...)
}

func (r *record) reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.chunks = nil
}
