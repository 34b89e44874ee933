package receiver

import (
	"context"
	"slices"
	"time"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/probe"
	"example.com/tcpcheckreceiver/internal/schedule"
	"example.com/tcpcheckreceiver/internal/state"
)

// secured is what lasts of a target from one check of its certificates to the next. The target's lock is held
// while it is used.
type secured struct {
	entry  *schedule.Entry[*target]
	probe  *probe.TLS
	known  state.Certificates
	last   *check.TLSReport   // nil before the first one
	news   bool               // it has not been told, and says something else than the one before
	giveUp context.CancelFunc // ends the check that is under way
}

// tell puts what is known of certificates into a report, and reports whether it is news. A nil one knows
// nothing.
func (s *secured) tell(r *check.Report) (news bool) {
	if s == nil {
		return false
	}
	news, s.news = s.news, false
	r.TLS = s.last
	return news
}

const (
	// mostHandshakes is how many addresses are asked for their certificates at the same time.
	mostHandshakes = 256
	// firstHandshakes is how many targets are asked for the first time in a second: each takes a
	// millisecond of a processor, which the checks of connections need as well.
	firstHandshakes = 200
)

// newHandshakes returns the schedule of the checks of certificates: it is one of its own, so that a server
// that is slow to show its certificate delays no check of a connection.
func (r *Receiver) newHandshakes() *schedule.Schedule[*target] {
	return schedule.New(schedule.Settings{
		Clock: schedule.SystemClock(), Seed: r.settings.seed(r.set.ID), Slots: min(mostHandshakes, max(1, r.settings.slots()/4)), Workers: 1, FirstRate: firstHandshakes,
	}, r.checkTLS)
}

// secure has the certificates of a target, whose lock the caller holds, checked as it asks for now, if it does.
// What was known of them stays.
func (r *Receiver) secure(t *target) {
	was := t.tls
	r.unsecure(t)
	if t.TLS == nil {
		return
	}
	t.tls = &secured{probe: r.system.TLS(t.Target)}
	if was != nil {
		t.tls.known, t.tls.last = was.known, was.last
	}
	t.tls.entry = r.handshakes.Add(t, t.phaseKey()+"\x00tls", t.TLS.Interval) // not when the connection is checked
}

// unsecure has the certificates of a target, whose lock the caller holds, checked no longer.
func (r *Receiver) unsecure(t *target) {
	if t.tls == nil {
		return
	}
	r.handshakes.Remove(t.tls.entry)
	if t.tls.giveUp != nil {
		t.tls.giveUp()
	}
	t.tls = nil
}

// checkTLS checks the certificates of a target once, and tells what is new of them. The values come with the
// next report, which does not wait for its turn if there is something new.
func (r *Receiver) checkTLS(ctx context.Context, t *target, _ time.Duration, handOff func()) schedule.Outcome {
	handOff()
	t.mu.Lock()
	s := t.tls
	if s == nil {
		t.mu.Unlock()
		return schedule.Outcome{}
	}
	ctx, s.giveUp = context.WithCancel(ctx)
	defer s.giveUp()
	t.mu.Unlock()
	found := s.probe.Check(ctx, time.Now, r.addresses.get)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.gone || t.tls != s || ctx.Err() != nil {
		return schedule.Outcome{}
	}
	r.machine.ObserveTLS(&found)
	changes := s.known.Observe(&found)
	t.log.WriteTLS(&found, changes)
	s.last = &found
	if len(changes) > 0 {
		s.news = true
		r.schedule.CheckNow(t.entry)
	}
	return schedule.Outcome{Dials: len(found.Results), Silent: isSlow(&found)}
}

// isSlow reports whether a handshake was not completed until the timeout.
func isSlow(r *check.TLSReport) bool {
	return slices.ContainsFunc(r.Results, func(r check.TLSResult) bool { return r.ErrorType == check.TLSTimeout })
}
