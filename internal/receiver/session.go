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

// session is what lasts of a target from one check of its sessions to the next. The target's lock is held
// while it is used.
type session struct {
	entry        *schedule.Entry[*target]
	probe        *probe.Session
	certificates state.Certificates
	dialogs      state.Dialogs
	last         *check.SessionReport // nil before the first one
	news         bool                 // it has not been told, and says something else than the one before
	giveUp       context.CancelFunc   // ends the check that is under way
}

// tell puts what is known of sessions into a report, and reports whether it is news. A nil one knows
// nothing.
func (s *session) tell(r *check.Report) (news bool) {
	if s == nil {
		return false
	}
	news, s.news = s.news, false
	r.Session = s.last
	return news
}

const (
	// mostSessions is how many addresses have a session at the same time.
	mostSessions = 256
	// firstSessions is how many targets have their first one in a second: a handshake takes a
	// millisecond of a processor, which the checks of connections need as well.
	firstSessions = 200
)

// newSessions returns the schedule of the sessions: it is one of its own, so that a server that is slow
// delays no check of a connection.
func (r *Receiver) newSessions() *schedule.Schedule[*target] {
	return schedule.New(schedule.Settings{
		Clock: schedule.SystemClock(), Seed: r.settings.seed(r.set.ID), Slots: min(mostSessions, max(1, r.settings.slots()/4)), Workers: 1, FirstRate: firstSessions,
	}, r.checkSessions)
}

// beginSessions has the sessions of a target, whose lock the caller holds, held as it asks for now, if it does.
// What was known of them stays, unless they are of other layers now.
func (r *Receiver) beginSessions(t *target) {
	was := t.session
	r.endSessions(t)
	interval := t.SessionInterval()
	if interval == 0 {
		return
	}
	t.session = &session{probe: r.system.Session(t.Target)}
	if was != nil && was.last != nil && sessionsAlike(was.last.Target, t.Target) {
		t.session.certificates, t.session.dialogs, t.session.last = was.certificates, was.dialogs, was.last
	}
	t.session.entry = r.sessions.Add(t, t.phaseKey()+"\x00session", interval) // not when the connection is checked
}

// endSessions has the sessions of a target, whose lock the caller holds, held no longer.
func (r *Receiver) endSessions(t *target) {
	if t.session == nil {
		return
	}
	r.sessions.Remove(t.session.entry)
	if t.session.giveUp != nil {
		t.session.giveUp()
	}
	t.session = nil
}

// checkSessions holds the sessions of a target once, and tells what is new of them. The values come with the
// next report, which does not wait for its turn if there is something new.
func (r *Receiver) checkSessions(ctx context.Context, t *target, _ time.Duration, handOff func()) schedule.Outcome {
	handOff()
	t.mu.Lock()
	s := t.session
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
	if t.gone || t.session != s || ctx.Err() != nil {
		return schedule.Outcome{}
	}
	r.machine.ObserveSessions(&found)
	certificates, dialogs := s.certificates.Observe(&found), s.dialogs.Observe(&found)
	t.log.WriteTLS(&found, certificates)
	t.log.WriteDialogs(&found, dialogs)
	s.last = &found
	if len(certificates)+len(dialogs) > 0 {
		s.news = true
		r.schedule.CheckNow(t.entry)
	}
	return schedule.Outcome{Dials: max(len(found.TLS), len(found.Dialogs)), Silent: isSlow(&found)}
}

// isSlow reports whether a server did not answer until the timeout.
func isSlow(r *check.SessionReport) bool {
	return slices.ContainsFunc(r.TLS, func(r check.TLSResult) bool { return r.ErrorType == check.TLSTimeout }) ||
		slices.ContainsFunc(r.Dialogs, func(r check.DialogResult) bool { return r.ErrorType == check.DialogTimeout })
}
