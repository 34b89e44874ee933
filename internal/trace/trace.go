// Package trace walks the way to a TCP port without privilege: it sends the first segment of a
// connection, a SYN, with a hop limit of 1, then of 2, and so on, and has the kernel tell which router
// discarded it. All SYNs are of one flow, with the same addresses and ports, so that routers which
// share out flows among several ways send all of them the same way.
package trace

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"time"

	"example.com/tcpcheckreceiver/internal/check"
)

const (
	// MaxHops is how far a walk goes at most.
	MaxHops = 30
	// Rounds is how often a hop is asked at most, until it answers.
	Rounds = 3
	// shortestWait is how long an answer is awaited at least, and longestWait at most: the kernel
	// would send a second SYN after 1 s (RFC 6298, section 2.1).
	shortestWait, longestWait = 250 * time.Millisecond, 750 * time.Millisecond
	// roundInterval is the time between the beginnings of two rounds at least. A router with Linux that
	// has sent one machine six ICMP errors sends it one more each second (icmp_ratelimit in icmp(7)).
	roundInterval = time.Second
)

// What the target says at the end of the way, as Hop.Said has it.
const (
	Connected = "connected"
	Refused   = "connection refused"
)

// ErrUnavailable is the error of a walk where the system does not tell which router answered.
var ErrUnavailable = errors.New("this system does not tell which router answered: Linux 6.0 or later is needed")

// Hop is a step of the way. The zero value is one that did not answer.
type Hop struct {
	// Address is that of the router, or of the target.
	Address netip.Addr
	// Time is how long the answer took, by the clock around the wait for it.
	Time time.Duration
	// Said is what ended the way here: Connected or Refused, or what an ICMP error says, such as
	// "administratively prohibited". It is empty for a router that would have sent the SYN on.
	Said string
}

func (h Hop) answered() bool { return h.Address.IsValid() }

// Way is what a walk found.
type Way struct {
	Target netip.AddrPort
	// Local is where the flow began: this machine's address and port. It is invalid if nothing was sent.
	Local netip.AddrPort
	// Hops are the steps, from a hop limit of 1 on. The last one has Said something, or is the one at
	// which a loop was certain, or it is that of MaxHops or the last one before Err.
	Hops []Hop
	// Loop has the routers that send the SYNs round in a circle, in turn; it is empty for none.
	Loop []netip.Addr
	// Err says why the walk was not completed: ErrUnavailable, the error of the context, or what this
	// machine lacked. It is nil if it was.
	Err error
}

// Last returns the last hop that answered, or the zero value if none did.
func (w *Way) Last() Hop {
	for _, hop := range slices.Backward(w.Hops) {
		if hop.answered() {
			return hop
		}
	}
	return Hop{}
}

// Options say how the SYNs of a walk leave this machine, and what is known of the target. The zero value
// is as those of any connection do, and nothing.
type Options struct {
	LocalPort uint16          // the kernel chooses if it is 0
	Outgoing  *check.Outgoing // nil: as the routes of this machine say
	RoundTrip time.Duration   // to the target and back; 0 if it is not known
}

// Walk walks the way to a target, in one flow. One hop is asked after the other, until the target
// answers, or a router says that it does not send the SYN on, or the way is a loop, or MaxHops. Those
// that did not answer are asked again, in Rounds rounds at most. An answer is awaited for 250 ms, or
// for twice the round trip where the target is known to be so far that this is longer, up to 750 ms.
// The target sees no more than one SYN for each hop and round; a connection that it accepts is reset.
func Walk(ctx context.Context, target netip.AddrPort, o Options) *Way {
	w := &Way{Target: target}
	f, err := newFlow(target, &o)
	if err != nil {
		w.Err = err
		return w
	}
	defer f.close()
	w.Err = w.walk(ctx, f.ask, f.tells)
	w.Local = f.local
	return w
}

// walk asks hops for the way. A hop that did not answer is the zero value; tells reports whether the
// system is known to tell of ICMP errors, where it has not told of any.
func (w *Way) walk(ctx context.Context, ask func(ctx context.Context, limit int) (Hop, error), tells func() bool) error {
	for round := range Rounds {
		next := time.After(roundInterval)
		if err := w.round(ctx, ask); err != nil {
			return err
		}
		silent := slices.ContainsFunc(w.Hops, func(h Hop) bool { return !h.answered() })
		told := slices.ContainsFunc(w.Hops, func(h Hop) bool { return h.answered() && h.Said != Connected && h.Said != Refused })
		switch {
		case silent && !told && !tells():
			w.Hops = nil
			return ErrUnavailable
		case !silent || round+1 == Rounds:
			return nil
		}
		select {
		case <-next:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// round asks each hop that has not answered yet, up to the end of the way: in the first round, that is
// found on the way.
func (w *Way) round(ctx context.Context, ask func(context.Context, int) (Hop, error)) error {
	end := len(w.Hops)
	if end == 0 {
		end = MaxHops
	}
	for limit := 1; limit <= end; limit++ {
		again := limit <= len(w.Hops)
		if again && w.Hops[limit-1].answered() {
			continue
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		hop, err := ask(ctx, limit)
		if err != nil {
			return err
		}
		if again {
			w.Hops[limit-1] = hop
		} else {
			w.Hops = append(w.Hops, hop)
		}
		if hop.Said != "" {
			w.Hops = w.Hops[:limit]
			return nil
		}
		if len(w.Loop) > 0 {
			continue
		}
		if n, routers := loopIn(w.Hops); n > 0 {
			w.Hops, w.Loop = w.Hops[:n], routers
			return nil
		}
	}
	return nil
}

// loopIn returns how many hops it takes to be certain that they are a loop, and its routers in turn; 0 if
// they are none. It is certain once a router has answered at three hops, equally far from each other, and
// those between them are others, and the same ones both times, as far as they answered. A router that
// answers at one hop after the other is none: there are firewalls that put their own address into the
// answers of all routers behind them.
func loopIn(hops []Hop) (n int, routers []netip.Addr) {
	for n := range len(hops) + 1 {
		for size := 2; 2*size < n; size++ {
			if isLoop(hops[n-2*size-1:n], size) {
				for _, hop := range hops[n-size-1 : n-1] {
					if hop.answered() {
						routers = append(routers, hop.Address)
					}
				}
				return n, routers
			}
		}
	}
	return 0, nil
}

// isLoop reports whether two rounds of a loop of so many routers, and the first one again, are what
// hops are.
func isLoop(hops []Hop, size int) bool {
	first := hops[0]
	if !first.answered() {
		return false
	}
	for i, hop := range hops {
		again := hops[i%size]
		switch {
		case i%size == 0 && hop.Address != first.Address,
			i%size != 0 && hop.Address == first.Address,
			hop.answered() && again.answered() && hop.Address != again.Address:
			return false
		}
	}
	return true
}
