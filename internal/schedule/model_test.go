package schedule

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// model runs a Schedule without its workers on a clock of its own: a check takes as long
// as the model says, and no time passes but by it. The clock is a fake one, since no real
// one can be made to jump.
type model struct {
	t        *testing.T
	now      time.Duration
	wall     time.Time
	schedule *Schedule[*modelTarget]
	targets  []*modelTarget
	underWay []*modelTarget // by their end
	most     int            // that were under way at the same time
	starts   []time.Duration
	lateness []time.Duration // of those that answer
	besides  []time.Duration // when checks started that are not regular, of which all the others tell nothing
}

type modelTarget struct {
	name     string
	interval time.Duration
	takes    func() time.Duration
	silent   bool
	dials    int
	again    func() (after time.Duration, urgent bool) // nil for not to be checked again
	besides  []time.Duration
	entry    *Entry[*modelTarget]
	running  bool
	removed  bool
	ends     time.Duration
	starts   []time.Duration
}

func newModel(t *testing.T, slots int) *model {
	m := &model{t: t, now: 5 * time.Second, wall: time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)}
	clock := Clock{Now: func() time.Duration { return m.now }, Wall: func() time.Time { return m.wall }}
	m.schedule = New[*modelTarget](Settings{Clock: clock, Seed: "host/tcpcheck", Slots: slots}, nil)
	return m
}

func (m *model) add(t *modelTarget) *modelTarget {
	if t.takes == nil {
		t.takes = func() time.Duration { return 0 }
	}
	t.entry = m.schedule.Add(t, t.name, t.interval)
	m.targets = append(m.targets, t)
	return t
}

func (m *model) pass(d time.Duration) {
	m.now += d
	m.wall = m.wall.Add(d)
}

// run lets time pass until a moment.
func (m *model) run(until time.Duration) {
	for {
		e, target, wait := m.schedule.take()
		if e != nil {
			m.start(e, target, wait)
			continue
		}
		if wait <= 0 {
			require.Fail(m.t, "it would be asked for ever")
		}
		next := m.now + wait
		if len(m.underWay) > 0 {
			next = min(next, m.underWay[0].ends)
		}
		if next > until {
			m.pass(max(0, until-m.now))
			return
		}
		m.pass(max(0, next-m.now))
		m.end()
	}
}

func (m *model) start(e *Entry[*modelTarget], t *modelTarget, late time.Duration) {
	if t.entry != e || t.running || t.removed || late < 0 {
		require.Fail(m.t, "a wrong check", "%s: two at the same time (%v), after its removal (%v), or too early (%v)", t.name, t.running, t.removed, late)
	}
	if e.besides {
		t.besides = append(t.besides, m.now)
		m.besides = append(m.besides, m.now)
	} else {
		t.starts = append(t.starts, m.now)
		m.starts = append(m.starts, m.now)
		if !t.silent {
			m.lateness = append(m.lateness, late)
		}
	}
	t.running, t.ends = true, m.now+t.takes()
	place, _ := slices.BinarySearchFunc(m.underWay, t, func(a, b *modelTarget) int { return int(a.ends - b.ends) })
	m.underWay = slices.Insert(m.underWay, place, t)
	m.most = max(m.most, m.schedule.Stats().UnderWay)
	m.end()
}

// end ends the checks whose time has come.
func (m *model) end() {
	for len(m.underWay) > 0 && m.underWay[0].ends <= m.now {
		t := m.underWay[0]
		m.underWay = m.underWay[1:]
		t.running = false
		outcome := Outcome{Silent: t.silent, Dials: t.dials}
		if t.again != nil {
			outcome.Again, outcome.Urgent = t.again()
		}
		m.schedule.done(t.entry, outcome)
	}
}

// In an hour a target that is checked every 15 seconds is checked 240 times, at the same
// moment of its interval, whatever the date does.
func TestNoDrift(t *testing.T) {
	for name, jump := range map[string]time.Duration{"the date stays": 0, "it jumps ahead": time.Hour, "it jumps back": -time.Hour} {
		t.Run(name, func(t *testing.T) {
			m := newModel(t, 100)
			begin := m.now
			target := m.add(&modelTarget{name: "web", interval: 15 * time.Second})
			m.run(begin + 30*time.Minute)
			m.wall = m.wall.Add(jump)
			m.run(begin + time.Hour)
			assert.InDelta(t, 240, len(target.starts), 1)
			assert.Zero(t, m.schedule.Stats().LeftOut)
			for i := 2; i < len(target.starts); i++ {
				assert.InDelta(t, 15*time.Second, target.starts[i]-target.starts[i-1], float64(Tick))
			}
		})
	}
}

// A target has the same moment after a restart, by the date.
func TestRestart(t *testing.T) {
	moment := func(wait time.Duration) time.Duration {
		m := newModel(t, 100)
		m.pass(wait)
		target := m.add(&modelTarget{name: "web", interval: 15 * time.Second})
		m.run(m.now + 40*time.Second)
		last := target.starts[len(target.starts)-1]
		return time.Duration(m.wall.Add(last-m.now).UnixNano() % int64(15*time.Second))
	}
	want := moment(0)
	for wait := range 50 {
		assert.InDelta(t, want, moment(time.Duration(wait)*317*time.Millisecond), float64(Tick))
	}
}

// Targets are checked for the first time at 10,000 a second or another rate, and a second time at least
// half an interval after that.
func TestFirstChecks(t *testing.T) {
	for _, test := range []struct {
		targets  int
		interval time.Duration
		rate     float64
		most     time.Duration
	}{
		{1, 15 * time.Second, defaultFirstRate, Tick},
		{3, time.Hour, defaultFirstRate, Tick},
		{10_000, 15 * time.Second, defaultFirstRate, time.Second + 2*Tick},
		{30_000, time.Second, defaultFirstRate, time.Second + 4*Tick},
		{300, 50 * time.Millisecond, defaultFirstRate, 50*time.Millisecond + 2*Tick},
		{1000, 5 * time.Minute, 50, 20*time.Second + 2*Tick},
		{1000, 5 * time.Second, 50, 5*time.Second + 2*Tick}, // the steady rate is higher
	} {
		t.Run(fmt.Sprint(test.targets, " every ", test.interval), func(t *testing.T) {
			m := newModel(t, 1000)
			m.schedule.firstRate = test.rate
			begin := m.now
			var targets []*modelTarget
			for n := range test.targets {
				targets = append(targets, m.add(&modelTarget{name: fmt.Sprint(n), interval: test.interval}))
			}
			m.run(begin + 2*test.interval + 4*Tick)
			last, soonest := time.Duration(0), test.interval
			for _, target := range targets {
				if len(target.starts) < 2 {
					require.Fail(t, "it was not checked twice", target.name)
				}
				last = max(last, target.starts[0]-begin)
				soonest = min(soonest, target.starts[1]-target.starts[0])
			}
			assert.LessOrEqual(t, last, test.most)
			assert.GreaterOrEqual(t, last, test.most*3/4-2*Tick)
			assert.GreaterOrEqual(t, soonest, test.interval/2-2*Tick)
			assert.Zero(t, m.schedule.Stats().LeftOut)
		})
	}
}

// The second check of a target is not soon after its first one, also where that one started
// late, or by CheckNow.
func TestSecondCheck(t *testing.T) {
	for n := range 50 {
		for _, late := range []time.Duration{0, 900 * time.Millisecond} {
			m := newModel(t, 10)
			target := m.add(&modelTarget{name: fmt.Sprint(n), interval: time.Second})
			m.pass(late)
			m.schedule.CheckNow(target.entry)
			m.run(m.now + 3*time.Second)
			require.GreaterOrEqual(t, target.starts[1]-target.starts[0], 500*time.Millisecond-Tick)
			require.LessOrEqual(t, target.starts[1]-target.starts[0], 1500*time.Millisecond+Tick)
		}
	}
}

// Checks are spread over the interval: the busiest tenth of a second of an interval has not
// many more than the mean, where chance alone makes 1.3 to 1.5 of it.
func TestEvenness(t *testing.T) {
	m := newModel(t, 1000)
	begin := m.now
	for n := range 10_000 {
		m.add(&modelTarget{name: fmt.Sprintf("target %d", n), interval: 15 * time.Second})
	}
	m.run(begin + 46*time.Second)
	windows := make(map[time.Duration]int)
	for _, at := range m.starts {
		if at >= begin+30*time.Second && at < begin+45*time.Second {
			windows[at/(100*time.Millisecond)]++
		}
	}
	most := 0
	for _, n := range windows {
		most = max(most, n)
	}
	assert.LessOrEqual(t, float64(most)/(10_000/150.), 1.6)
}

// Many agents that check the same target do so at different moments: the busiest tenth of
// a second has four times the mean at most.
func TestPhasesOfAgents(t *testing.T) {
	const interval = 15 * time.Second
	windows := make(map[time.Duration]int)
	for agent := range 500 {
		at := phase(fmt.Sprintf("agent-%d/tcpcheck", agent), "web", interval)
		assert.GreaterOrEqual(t, at, time.Duration(0))
		assert.Less(t, at, interval)
		windows[at/(100*time.Millisecond)]++
	}
	for window, n := range windows {
		assert.LessOrEqual(t, float64(n), 4*500/150., "%v", window*100*time.Millisecond)
	}
}

func TestUntilPhase(t *testing.T) {
	for _, test := range []struct {
		date                  time.Time
		phase, interval, want time.Duration
	}{
		{time.Unix(60, 0), 0, 15 * time.Second, 0},
		{time.Unix(61, 0), 0, 15 * time.Second, 14 * time.Second},
		{time.Unix(61, 0), 3 * time.Second, 15 * time.Second, 2 * time.Second},
		{time.Unix(-61, 0), 3 * time.Second, 15 * time.Second, 4 * time.Second},
		{time.Unix(0, 0), 3 * time.Second, 15 * time.Second, 3 * time.Second},
	} {
		assert.Equal(t, test.want, untilPhase(test.date, test.phase, test.interval), "%v", test)
	}
}

// A check that takes longer than the interval has the next one left out, and no other one.
// One that ends by a timeout as long as the interval is put off instead, by so little each
// time that one in a hundred is left out.
func TestLeftOut(t *testing.T) {
	for _, test := range []struct {
		takes       time.Duration
		least, most int // checks in an hour
	}{
		{takes: time.Second, least: 239, most: 241},
		{takes: 15*time.Second + 10*time.Millisecond, least: 236, most: 239},
		{takes: 16 * time.Second, least: 119, most: 180},
		{takes: 20 * time.Second, least: 119, most: 121},
		{takes: 31 * time.Second, least: 79, most: 115},
	} {
		t.Run(test.takes.String(), func(t *testing.T) {
			m := newModel(t, 100)
			begin := m.now
			slow := m.add(&modelTarget{name: "slow", interval: 15 * time.Second, silent: true, takes: func() time.Duration { return test.takes }})
			quick := m.add(&modelTarget{name: "quick", interval: 15 * time.Second})
			m.run(begin + time.Hour)
			assert.GreaterOrEqual(t, len(slow.starts), test.least)
			assert.LessOrEqual(t, len(slow.starts), test.most)
			assert.InDelta(t, 240, len(quick.starts), 1)
			assert.InDelta(t, 240, len(slow.starts)+int(m.schedule.Stats().LeftOut), 2, "each is made or counted")
		})
	}
}

// 1,000 targets of which 300 are silent, and fewer slots than those would take: the others
// are in time, and no more than there are slots are under way.
func TestSilentTargetsTakeNoSlotOfOthers(t *testing.T) {
	for slots, targets := range map[int]int{4: 100, 8: 300, 128: 1000} {
		m := newModel(t, slots)
		begin := m.now
		for n := range targets {
			target := &modelTarget{name: fmt.Sprint(n), interval: 15 * time.Second, silent: n%10 < 3, dials: 1 + n%2}
			target.takes = func() time.Duration {
				if target.silent {
					return 10 * time.Second
				}
				return 200 * time.Microsecond
			}
			m.add(target)
		}
		m.run(begin + 22*time.Minute) // all are known by then
		m.lateness = nil
		m.run(begin + 25*time.Minute)
		assert.LessOrEqual(t, slices.Max(m.lateness), 2*Tick)
		assert.LessOrEqual(t, m.most, slots)
		assert.Positive(t, m.schedule.Stats().LeftOut, "of the silent ones")
	}
}

// After a time in which the machine did nothing, no burst leaves it, and what was due
// is late by less than an interval.
func TestSuspend(t *testing.T) {
	m := newModel(t, 1000)
	begin := m.now
	for n := range 1000 {
		m.add(&modelTarget{name: fmt.Sprint(n), interval: 15 * time.Second})
	}
	m.run(begin + time.Minute)
	m.pass(time.Hour)
	m.starts, m.lateness = nil, nil
	m.run(m.now + time.Minute)
	assert.LessOrEqual(t, busiestSecond(m.starts), 2*1000/15)
	assert.LessOrEqual(t, slices.Max(m.lateness), 16*time.Second)
	assert.InDelta(t, 1000*240, m.schedule.Stats().LeftOut, 2000)
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func busiestSecond(starts []time.Duration) int {
	most, from := 0, 0
	for to, at := range starts {
		for starts[from] <= at-time.Second {
			from++
		}
		most = max(most, to-from+1)
	}
	return most
}

// CheckNow makes a check at once, or after the one that is under way; the next one is when
// it would have been.
func TestCheckNow(t *testing.T) {
	m := newModel(t, 10)
	takes := time.Duration(0)
	target := m.add(&modelTarget{name: "web", interval: time.Minute, takes: func() time.Duration { return takes }})
	m.run(m.now + 90*time.Second)
	before, due := len(target.starts), target.entry.next
	m.schedule.CheckNow(target.entry)
	m.schedule.CheckNow(target.entry)
	takes = 2 * time.Second
	m.run(m.now + Tick)
	require.Len(t, target.starts, before+1)
	m.schedule.CheckNow(target.entry)
	m.run(m.now + time.Second)
	require.Len(t, target.starts, before+1, "the first one is under way")
	takes = 0
	m.run(m.now + time.Second + Tick)
	require.Len(t, target.starts, before+2)
	assert.Equal(t, due, target.entry.next)
	m.schedule.Remove(target.entry)
	m.schedule.Remove(target.entry)
	m.schedule.CheckNow(target.entry)
	m.schedule.Replace(target.entry, target, time.Second, "web")
	m.run(m.now + time.Hour)
	require.Len(t, target.starts, before+2)
	assert.Equal(t, Stats{}, m.schedule.Stats())
}

// Whatever is done to a schedule, no check of a target is made while another one is, none
// after its removal, none is lost, and nothing is left of what is gone.
func TestModel(t *testing.T) {
	for seed := range uint64(25) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 18))
			m := newModel(t, 1+random.IntN(60))
			var targets []*modelTarget
			jumped := false
			for step := range 400 {
				switch action := random.IntN(20); {
				case action < 8 || len(targets) == 0:
					target := &modelTarget{
						name: fmt.Sprint(seed, "/", step), interval: time.Duration(1+random.IntN(30_000)) * time.Millisecond,
						silent: random.IntN(3) == 0, dials: random.IntN(4),
					}
					target.takes = func() time.Duration {
						if target.silent {
							return time.Duration(random.IntN(12_000)) * time.Millisecond
						}
						return time.Duration(random.IntN(3)*random.IntN(40)) * time.Millisecond
					}
					if seed%2 == 1 {
						target.again = func() (time.Duration, bool) {
							return time.Duration(max(0, random.IntN(20_000)-10_000)) * time.Millisecond, random.IntN(2) == 0
						}
					}
					targets = append(targets, m.add(target))
				case action < 12:
					n := random.IntN(len(targets))
					m.schedule.Remove(targets[n].entry)
					targets[n].removed = true
					targets = slices.Delete(targets, n, n+1)
				case action < 15:
					target := targets[random.IntN(len(targets))]
					target.interval = time.Duration(1+random.IntN(30_000)) * time.Millisecond
					m.schedule.Replace(target.entry, target, target.interval, target.name)
				case action < 17:
					m.schedule.CheckNow(targets[random.IntN(len(targets))].entry)
				case action < 18:
					m.wall = m.wall.Add(time.Duration(random.IntN(7200)-3600) * time.Second)
				case action < 19 && random.IntN(10) == 0:
					m.pass(time.Duration(random.IntN(600)) * time.Second)
					jumped = true
				default:
					m.run(m.now + time.Duration(random.IntN(20_000))*time.Millisecond)
				}
				stats := m.schedule.Stats()
				require.Equal(t, len(targets), stats.Targets)
				require.LessOrEqual(t, len(m.schedule.queue), 2*len(targets)+2, "what is gone is kept")
				rate, void := 0., 0
				for _, target := range targets {
					rate += 1 / target.interval.Seconds()
				}
				for _, i := range m.schedule.queue {
					if i.at != i.entry.next {
						void++
					}
				}
				require.InDelta(t, rate, m.schedule.rate, 1e-6)
				require.LessOrEqual(t, m.schedule.void, void, "what is due is taken for void")
				require.LessOrEqual(t, m.most, int(m.schedule.slots.all))
			}
			// Each of those that are left is made or left out, once in its interval.
			m.run(m.now + time.Minute)
			before, besides, leftOut, from := len(m.starts), len(m.besides), m.schedule.Stats().LeftOut, m.now
			m.run(from + 5*time.Minute)
			due := 0.
			for _, target := range targets {
				due += float64(5*time.Minute) / float64(target.interval)
			}
			// One besides them may take the place of a regular one.
			made, slack := float64(len(m.starts)-before)+float64(m.schedule.Stats().LeftOut-leftOut), float64(2*len(targets)+2)
			assert.LessOrEqual(t, made, due+slack, "jumped: %v", jumped)
			assert.GreaterOrEqual(t, made+float64(len(m.besides)-besides), due-slack, "jumped: %v", jumped)
			assert.Equal(t, seed%2 == 1 && len(targets) > 0, len(m.besides) > besides)
			for _, target := range targets {
				m.schedule.Remove(target.entry)
				target.removed = true
			}
			m.run(m.now + time.Hour)
			assert.Equal(t, Stats{LeftOut: m.schedule.Stats().LeftOut}, m.schedule.Stats())
			assert.Empty(t, m.schedule.queue)
			assert.Zero(t, m.items())
			assert.Equal(t, [2]int32{}, m.schedule.slots.taken)
			assert.Zero(t, m.schedule.fresh)
		})
	}
}

// items returns how many there are of checks besides the regular ones.
func (m *model) items() (n int) {
	for _, queues := range m.schedule.again {
		n += len(queues[answered]) + len(queues[others])
	}
	return n
}

// A target that is to be checked again is, so long after each check, and in its interval as
// well. One that is under way when a regular one is due takes its place, and none is missed.
func TestAgain(t *testing.T) {
	for _, takes := range []time.Duration{0, 400 * time.Millisecond, 1500 * time.Millisecond} {
		t.Run(takes.String(), func(t *testing.T) {
			m := newModel(t, 10)
			begin, again := m.now, time.Duration(0)
			down := m.add(&modelTarget{name: "down", interval: 15 * time.Second, silent: takes > time.Second, takes: func() time.Duration { return takes }})
			down.again = func() (time.Duration, bool) { return again, false }
			up := m.add(&modelTarget{name: "up", interval: 15 * time.Second})
			m.run(begin + 10*time.Minute)
			assert.Empty(t, down.besides)
			again = time.Second
			m.run(begin + 20*time.Minute)
			all := slices.Sorted(slices.Values(slices.Concat(down.starts, down.besides)))
			all = all[slices.IndexFunc(all, func(at time.Duration) bool { return at > begin+10*time.Minute+15*time.Second }):]
			for i := 1; i < len(all); i++ {
				require.LessOrEqual(t, all[i]-all[i-1], takes+again+2*Tick)
			}
			assert.Zero(t, m.schedule.Stats().LeftOut)
			again = 0
			m.run(begin + 30*time.Minute)
			n := len(down.besides)
			m.run(begin + 40*time.Minute)
			assert.Len(t, down.besides, n, "no longer")
			assert.Empty(t, up.besides)
			assert.InDelta(t, 160, len(up.starts), 1)
		})
	}
}

// Where all targets are to be checked again each second, these checks have the rate of the
// regular ones and not more, the regular ones are in time, and what is urgent goes first.
func TestAgainHasARate(t *testing.T) {
	const targets, interval = 3000, 15 * time.Second
	m := newModel(t, 1000)
	begin := m.now
	var urgent []*modelTarget
	for n := range targets { // a third of them is silent
		target := m.add(&modelTarget{name: fmt.Sprint(n), interval: interval, silent: n%3 == 0})
		target.again = func() (time.Duration, bool) { return time.Second, n%20 == 0 }
		if n%20 == 0 {
			urgent = append(urgent, target)
		}
	}
	m.run(begin + time.Minute)
	m.starts, m.lateness, m.besides = nil, nil, nil
	for _, target := range m.targets {
		target.besides = nil
	}
	m.run(begin + 2*time.Minute)
	assert.InDelta(t, targets*4, len(m.starts), 20)
	assert.LessOrEqual(t, slices.Max(m.lateness), 2*Tick)
	assert.Greater(t, len(m.besides), targets*3)
	assert.LessOrEqual(t, busiestSecond(m.besides), targets/15*11/10)
	assert.LessOrEqual(t, busiestSecond(slices.Sorted(slices.Values(slices.Concat(m.starts, m.besides)))), 2*targets/15*13/10)
	for _, target := range urgent {
		assert.Greater(t, len(target.besides), 45, "a second after each check")
	}
	assert.LessOrEqual(t, m.items(), 2*targets+1, "what is no longer due is kept")
	var others [2]int // that are not urgent: those that answer, and those that do not
	for n, target := range m.targets {
		if n%20 != 0 {
			others[btoi(target.silent)] += len(target.besides)
		}
	}
	assert.Positive(t, others[0])
	assert.Positive(t, others[1], "those that do not answer are not forgotten")
}

// A schedule without targets, and one whose target is due at a tick, wakes just then.
func TestWait(t *testing.T) {
	m := newModel(t, 1)
	_, _, wait := m.schedule.take()
	assert.Equal(t, idleFor, wait)
	target := m.add(&modelTarget{name: "a", interval: 40 * Tick})
	m.run(m.now + time.Minute)
	target.entry.next = m.now + 10*Tick
	m.schedule.queue[0].at = target.entry.next
	_, _, wait = m.schedule.take()
	assert.Equal(t, 10*Tick, wait)
	m.pass(Tick / 2)
	_, _, wait = m.schedule.take()
	assert.Equal(t, 9*Tick+Tick/2, wait)
}

// Of those that are to be checked again, the one that has been due for longest is the first, whether
// or not it answered, and an urgent one before it. What is void is not kept.
func TestAgainInOrder(t *testing.T) {
	for _, silentFirst := range []bool{true, false} {
		m := newModel(t, 100)
		again := time.Duration(0)
		add := func(name string, silent, urgent bool) *modelTarget {
			return m.add(&modelTarget{name: name, interval: time.Hour, silent: silent, again: func() (time.Duration, bool) { return again, urgent }})
		}
		first, second, urgent := add("first", silentFirst, false), add("second", !silentFirst, false), add("urgent", false, true)
		m.run(m.now + 3*time.Hour)
		for _, target := range []*modelTarget{first, second, urgent} {
			again = 30 * time.Minute
			for range 20 {
				m.schedule.CheckNow(target.entry)
				m.run(m.now + Tick)
			}
		}
		assert.LessOrEqual(t, m.items(), 4*(2*3+1))
		m.pass(31 * time.Minute)
		again = 0
		for _, want := range []*modelTarget{urgent, first, second} {
			e := m.schedule.nextBesides(m.now)
			require.NotNil(t, e)
			assert.Equal(t, want.name, e.target.name)
			m.schedule.start(e, m.now, true)
			m.schedule.done(e, Outcome{})
		}
		assert.Nil(t, m.schedule.nextBesides(m.now))
	}
}

// Silent targets that are checked again take no slot of others.
func TestAgainTakesNoSlotOfOthers(t *testing.T) {
	m := newModel(t, 8)
	begin := m.now
	for n := range 100 {
		target := &modelTarget{name: fmt.Sprint(n), interval: 15 * time.Second, silent: n < 30}
		target.takes = func() time.Duration { return time.Millisecond }
		if target.silent {
			target.takes = func() time.Duration { return 5 * time.Second }
			target.again = func() (time.Duration, bool) { return time.Second, n%2 == 0 }
		}
		m.add(target)
	}
	m.run(begin + 10*time.Minute)
	m.lateness = nil
	m.run(begin + 20*time.Minute)
	assert.LessOrEqual(t, slices.Max(m.lateness), 2*Tick)
	assert.LessOrEqual(t, m.most, 8)
}
