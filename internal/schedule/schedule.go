// Package schedule says when which target is checked: each on its own clock, as many at
// the same time as there is room for. What a check is, and what time it is, it is told.
package schedule

import (
	"cmp"
	"container/heap"
	"context"
	"math"
	"slices"
	"sync"
	"time"
)

// Tick is how often checks are started: all that have become due since the last tick,
// one after the other. A wakeup of the process for each check would cost more than the
// check's system calls; docs/performance.md has the figures.
const Tick = 25 * time.Millisecond

const (
	// defaultFirstRate is FirstRate where that is 0.
	defaultFirstRate = 10_000
	// haste is how many times the steady rate checks are started, where more are due at
	// once: after a time in which this machine did nothing, say. With what pace saves up, no
	// second has more than twice the steady rate.
	haste = 1.8
	// burst is how many checks may start at one moment, and how many in a second, whatever the
	// rate: at a low one, chance alone brings several into a tick.
	burst = 10
	// grace is the part of an interval by which a check may be put off that is due while the
	// one before is under way. One that ends by a timeout as long as the interval ends just
	// after the next is due.
	grace = 8
	// helpAfter is how late a check starts where the workers do not keep up.
	helpAfter = 2 * Tick
)

// Clock is the time as a Schedule sees it.
type Clock struct {
	// Now is the time since a moment that does not matter, but stays the same. No
	// change of the date moves it.
	Now func() time.Duration
	// Wall is the date.
	Wall func() time.Time
}

// SystemClock returns the Clock of this machine.
func SystemClock() Clock {
	start := time.Now()
	return Clock{Now: func() time.Duration { return time.Since(start) }, Wall: time.Now}
}

// Settings say how a Schedule runs.
type Settings struct {
	Clock Clock
	// Seed is what moves the checks of this process away from those of another one that
	// has the same targets.
	Seed string
	// Slots is how many addresses are dialled at the same time at most; from 1. A quarter
	// is kept for targets that answered the last time.
	Slots int
	// Workers is how many goroutines start checks at the same time at most, where one does not
	// keep up; from 1.
	Workers int
	// FirstRate is how many targets are checked for the first time in a second, where the steady rate is
	// not higher. 0 is 10,000.
	FirstRate int
}

// Outcome is what a Schedule has to know of a check that is done.
type Outcome struct {
	// Silent says that the target did not answer until the timeout.
	Silent bool
	// Dials is how many addresses were dialled at the same time.
	Dials int
	// Again is how long after it the target is to be checked once more, besides the regular
	// checks; 0 is not to. It is left out where a regular one starts before. All of these
	// checks together have at most the rate of the regular ones, which go first, or ten a second.
	Again time.Duration
	// Urgent says that this one goes before those that are not.
	Urgent bool
}

// Checker makes a check of a target, which starts so much later than it was due. It calls
// handOff before it waits for an answer, perhaps more than once. It ends soon after ctx does.
type Checker[T any] func(ctx context.Context, target T, late time.Duration, handOff func()) Outcome

// Stats are the counts of a Schedule.
type Stats struct {
	Targets  int   // that are on the schedule
	UnderWay int   // checks that have begun and have not ended
	Waiting  int   // checks that are due and have not begun
	LeftOut  int64 // checks so far that were left out, since the one before was still under way
}

// Schedule has each of its targets checked once in its interval. It may be changed at any
// time, from any goroutine.
type Schedule[T any] struct {
	clock     Clock
	seed      string
	check     Checker[T]
	slots     slots
	firstRate float64 // Settings.FirstRate

	workers sync.WaitGroup
	wake    chan struct{} // what is due may have changed

	mu       sync.Mutex
	starting int // workers that start checks, and do not wait for an answer
	most     int // of them
	queue    queue[T]
	void     int // items of queue, at least, that do not hold
	ready    [2]line[T]
	pace     pace
	again    [2][2]queue[T] // of checks besides the regular ones: the urgent ones, and the others, by line
	besides  pace           // of these
	blocked  bool           // one of these waits for a slot
	stats    Stats
	rate     float64       // checks in a second, by the intervals
	fresh    int           // targets that were never checked
	firsts   time.Duration // when the next target is checked for the first time
}

// The lines of a Schedule: targets that answered the last time are the first to start.
const (
	answered uint8 = iota
	others
)

// New returns a Schedule without targets.
func New[T any](settings Settings, check Checker[T]) *Schedule[T] {
	return &Schedule[T]{
		clock: settings.Clock, seed: settings.Seed, check: check, firstRate: float64(cmp.Or(settings.FirstRate, defaultFirstRate)),
		slots: slots{all: int32(min(max(1, settings.Slots), math.MaxInt32))}, most: max(1, settings.Workers), wake: make(chan struct{}, 1),
	}
}

// Add adds a target that is checked once in an interval, which is positive. The key is
// what its phase comes from: the same one at every start.
func (s *Schedule[T]) Add(target T, key string, interval time.Duration) *Entry[T] {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := &Entry[T]{target: target, interval: interval, phase: phase(s.seed, key, interval), line: others, weight: 1}
	s.stats.Targets++
	s.rate += 1 / interval.Seconds()
	s.fresh++
	now := s.clock.Now()
	s.firsts = max(s.firsts, now)
	s.push(e, min(s.firsts, s.nextPhase(e, now)))
	s.firsts += time.Duration(float64(time.Second) / max(s.firstRate, s.rate))
	return e
}

// Replace puts another target in the place of one, with the same phase unless the interval
// is another one. A check that is under way goes on.
func (s *Schedule[T]) Replace(e *Entry[T], target T, interval time.Duration, key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.next == gone {
		return
	}
	e.target = target
	if e.interval == interval {
		return
	}
	s.rate += 1/interval.Seconds() - 1/e.interval.Seconds()
	e.interval, e.phase = interval, phase(s.seed, key, interval)
	s.void++
	s.push(e, s.nextPhase(e, s.clock.Now()))
}

// Remove removes a target: no more checks of it start. One that is under way goes on.
func (s *Schedule[T]) Remove(e *Entry[T]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.next == gone {
		return
	}
	e.next, e.held = gone, nothing
	s.void++
	s.stats.Targets--
	s.rate = max(0, s.rate-1/e.interval.Seconds())
	if !e.checked && e.state != running {
		s.fresh--
	}
	s.compact()
}

// CheckNow has a target checked at once, or as soon as the check that is under way is done.
// When it is due after that stays as it was.
func (s *Schedule[T]) CheckNow(e *Entry[T]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case e.next == gone || e.state == waiting:
	case e.state == running:
		e.held = ordered
	default:
		s.line(e, s.clock.Now())
		s.notify()
	}
}

// Stats returns the counts as they are now.
func (s *Schedule[T]) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
}

// Run makes the checks until ctx ends and those under way have ended.
//
// One worker starts them, one after the other, as long as each is done at once. Where one
// has to wait for its answer, it hands off to another worker: there are as many goroutines
// as answers are awaited. One for each target took 3 µs more per check, and a worker for
// each core a tenth more for the same system calls, which then compete for the kernel's
// locks. So more than one start checks only while one does not keep up.
func (s *Schedule[T]) Run(ctx context.Context) {
	s.help(ctx)
	s.workers.Wait()
}

// help has one more worker start checks, unless there are as many as there may be.
func (s *Schedule[T]) help(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.starting < s.most {
		s.starting++
		s.workers.Go(func() { s.work(ctx) })
	}
}

// spare reports whether a worker that finds nothing to start is to end, as there is another
// one, and takes note that it does.
func (s *Schedule[T]) spare() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.starting == 1 {
		return false
	}
	s.starting--
	return true
}

// work makes checks until ctx ends, or until it has handed off or is not needed.
func (s *Schedule[T]) work(ctx context.Context) {
	handedOff := false
	handOff := func() {
		if !handedOff {
			handedOff = true
			s.workers.Go(func() { s.work(ctx) })
		}
	}
	for !handedOff {
		e, target, late := s.await(ctx)
		if e == nil {
			return
		}
		if late > helpAfter {
			s.help(ctx)
		}
		s.done(e, s.check(ctx, target, late, handOff))
	}
}

// await returns the entry whose check is to start, its target, and how late it is, or nil
// if ctx ended or another worker awaits it.
func (s *Schedule[T]) await(ctx context.Context) (*Entry[T], T, time.Duration) {
	for ctx.Err() == nil {
		e, target, wait := s.take()
		if e != nil {
			return e, target, wait
		}
		if s.spare() {
			break
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-s.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
	var none T
	return nil, none, 0
}

// idleFor is how long nothing is looked for on a schedule without targets.
const idleFor = time.Hour

// take returns the entry whose check is to start now, its target, and how late it is; or
// nil, and how long nothing will be due.
func (s *Schedule[T]) take() (*Entry[T], T, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	s.collect(now)
	e := s.nextRegular()
	besides := e == nil
	if besides {
		e = s.nextBesides(now)
	}
	if e != nil && s.pace.allows(now, s.mostRate()) && (!besides || s.besides.allows(now, max(burst, s.rate))) {
		s.start(e, now, besides)
		return e, e.target, now - e.due
	}
	until := now + 1
	if e == nil {
		until = s.nextDue(now)
	}
	var none T
	// At the end of the tick, so that those that are due in it are started together.
	return nil, none, (until+Tick-1)/Tick*Tick - now
}

// nextRegular returns the entry whose regular check is the next to start, or nil if none is
// due, or if there are no slots for it. Those that did not answer wait behind those that did.
func (s *Schedule[T]) nextRegular() *Entry[T] {
	for _, n := range []uint8{answered, others} {
		if e := s.first(n); e != nil {
			if !s.slots.free(n, e.weight) {
				return nil
			}
			return e
		}
	}
	return nil
}

// nextBesides returns the entry whose check besides the regular ones is the next to start, or
// nil if none is due, or if there are no slots for it.
func (s *Schedule[T]) nextBesides(now time.Duration) *Entry[T] {
	s.blocked = false
	for i := range s.again {
		var next *Entry[T]
		for n := range s.again[i] {
			line := uint8(n)
			e := s.again[i][n].first()
			switch {
			case e == nil || e.again > now:
			case s.first(answered) != nil || s.first(line) != nil || !s.slots.free(line, e.weight):
				s.blocked = true
			case next == nil || e.again < next.again:
				next = e
			}
		}
		if next != nil {
			return next
		}
	}
	return nil
}

// nextDue returns when the next check is due, of those that are not due yet.
func (s *Schedule[T]) nextDue(now time.Duration) time.Duration {
	next := now + idleFor
	if len(s.queue) > 0 {
		next = s.queue[0].at
	}
	for i := range s.again {
		for n := range s.again[i] {
			if e := s.again[i][n].first(); e != nil && e.again > now {
				next = min(next, e.again)
			}
		}
	}
	return next
}

// mostRate returns how many checks may start in a second.
func (s *Schedule[T]) mostRate() float64 {
	rate := max(burst, haste*s.rate)
	if s.fresh > 0 {
		rate += max(s.firstRate, s.rate)
	}
	return rate
}

// collect puts the entries that are due into line.
func (s *Schedule[T]) collect(now time.Duration) {
	for len(s.queue) > 0 && s.queue[0].at <= now {
		top := s.queue[0]
		e := top.entry
		if e.next != top.at {
			s.void--
			heap.Pop(&s.queue)
			continue
		}
		// Where several were due in the meantime, the last one counts.
		due := e.next + (now-e.next)/e.interval*e.interval
		s.stats.LeftOut += int64((due - e.next) / e.interval)
		e.next = due + e.interval
		if !e.checked {
			e.next = s.second(e, due)
		}
		s.queue[0].at = e.next
		heap.Fix(&s.queue, 0)
		s.isDue(e, due)
	}
}

// isDue takes note that a check of an entry is due.
func (s *Schedule[T]) isDue(e *Entry[T], due time.Duration) {
	switch {
	case e.state == idle:
		s.line(e, due)
	case e.state == waiting || e.held == ordered:
		s.stats.LeftOut++
	default:
		if e.held == overdue {
			s.leaveOut(e)
		}
		e.held, e.heldDue = overdue, due
	}
}

// leaveOut counts a check that is left out. One that a check besides the regular ones takes the
// place of is none.
func (s *Schedule[T]) leaveOut(e *Entry[T]) {
	if !e.besides {
		s.stats.LeftOut++
	}
}

// line puts an entry into its line.
func (s *Schedule[T]) line(e *Entry[T], due time.Duration) {
	e.state, e.due = waiting, due
	s.ready[e.line].add(e)
	s.stats.Waiting++
}

// first returns the first entry in a line, or nil.
func (s *Schedule[T]) first(n uint8) *Entry[T] {
	for s.ready[n].first != nil && s.ready[n].first.next == gone {
		s.ready[n].drop()
		s.stats.Waiting--
	}
	return s.ready[n].first
}

// start takes note that the check of an entry starts, the first one of its line, or one
// besides the regular ones.
func (s *Schedule[T]) start(e *Entry[T], now time.Duration, besides bool) {
	s.pace.count()
	if besides {
		s.besides.count()
		e.due = now
	} else {
		s.ready[e.line].drop()
		s.stats.Waiting--
	}
	e.state, e.besides, e.again = running, besides, 0
	s.slots.take(e.line, e.weight)
	s.stats.UnderWay++
	if !e.checked {
		e.checked = true
		s.fresh--
		if e.next < now+e.interval/2 { // it started late, or by CheckNow
			s.void++
			s.push(e, s.second(e, now))
		}
	}
}

// done takes note that the check of an entry has ended.
func (s *Schedule[T]) done(e *Entry[T], o Outcome) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.UnderWay--
	s.slots.give(e.line, e.weight)
	e.state, e.weight, e.line = idle, s.slots.weight(o.Dials), answered
	if o.Silent {
		e.line = others
	} else {
		s.slots.heaviest = max(s.slots.heaviest, e.weight)
	}
	held, now := e.held, s.clock.Now()
	e.held = nothing
	switch {
	case held == ordered, held == overdue && now-e.heldDue <= e.interval/grace:
		s.line(e, now) // the delay is the target's own
	case held == overdue:
		s.leaveOut(e)
	}
	if o.Again > 0 && e.next != gone {
		s.pushAgain(e, now+o.Again, o.Urgent)
	}
	if s.stats.Waiting > 0 || s.blocked {
		s.notify()
	}
}

// pushAgain has an entry be checked besides the regular checks at a time.
func (s *Schedule[T]) pushAgain(e *Entry[T], at time.Duration, urgent bool) {
	q := &s.again[0][e.line]
	if !urgent {
		q = &s.again[1][e.line]
	}
	if len(*q) > 2*s.stats.Targets {
		*q = slices.DeleteFunc(*q, func(i item[T]) bool { return i.at != i.entry.again })
		heap.Init(q)
	}
	e.again = at
	heap.Push(q, item[T]{at, e})
	if (*q)[0].entry == e {
		s.notify()
	}
}

// second returns when an entry is due for the second time, where its first check is at a
// time.
func (s *Schedule[T]) second(e *Entry[T], first time.Duration) time.Duration {
	return s.nextPhase(e, first+e.interval/2)
}

// nextPhase returns when an entry is due first, from a time on.
func (s *Schedule[T]) nextPhase(e *Entry[T], from time.Duration) time.Duration {
	return from + untilPhase(s.clock.Wall().Add(from-s.clock.Now()), e.phase, e.interval)
}

// push has an entry be due at a time.
func (s *Schedule[T]) push(e *Entry[T], at time.Duration) {
	e.next = at
	heap.Push(&s.queue, item[T]{at, e})
	s.compact()
	if s.queue[0].entry == e {
		s.notify()
	}
}

// compact takes out the items that do not hold, once they are the most.
func (s *Schedule[T]) compact() {
	if s.void <= len(s.queue)/2 {
		return
	}
	s.queue = slices.DeleteFunc(s.queue, func(i item[T]) bool { return i.at != i.entry.next })
	s.void = 0
	heap.Init(&s.queue)
}

// notify wakes the worker that waits until something is due.
func (s *Schedule[T]) notify() {
	select {
	case s.wake <- struct{}{}:
	default: // it will
	}
}
