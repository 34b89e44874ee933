package receiver

import (
	"context"
	"slices"
	"sync"
	"time"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/probe"
	"example.com/tcpcheckreceiver/internal/report"
	"example.com/tcpcheckreceiver/internal/schedule"
	"example.com/tcpcheckreceiver/internal/state"
	"example.com/tcpcheckreceiver/internal/status"
)

// target is one target, with all that lasts from check to check.
type target struct {
	entry *schedule.Entry[*target]

	mu sync.Mutex // held while the target is replaced or removed, and while a report is told
	*check.Target
	listed  *check.Target // what the list has, which is equal
	probe   *probe.Probe
	known   state.Target
	log     report.Log
	series  *report.Series
	watch   report.Watch
	last    time.Time          // the time of the last report
	giveUp  context.CancelFunc // ends the check that is under way; nil if nothing may have to
	gone    bool               // it was removed
	history *status.History    // nil if nobody is to see it
	session *session           // nil if there is nothing but the connection
}

// phaseKey is what the target's phase comes from.
func (t *target) phaseKey() string {
	return t.Labels.Name + "\x00" + t.HostPort() + "\x00" + t.Labels.Service
}

// now returns when a report on the target is made.
func (t *target) now() time.Time { return nowAfter(t.last) }

// nowAfter returns the date, or where that has gone back, the moment after the last report: the
// times of a series may not go back.
func nowAfter(last time.Time) time.Time {
	if now := time.Now(); now.Round(0).After(last) {
		return now
	}
	return last.Add(1)
}

// check checks the target once, so much later than it was due, and has its report told.
func (r *Receiver) check(ctx context.Context, t *target, late time.Duration, handOff func()) schedule.Outcome {
	r.telemetry.ReceiverTcpcheckLateness.Record(ctx, late.Seconds(), r.id)
	began := time.Now()
	by, ctx, end := r.begin(ctx, t)
	defer end()
	found := by.Check(ctx, t.now, r.addresses.get, handOff)
	if !found.Done() {
		return schedule.Outcome{} // it was cut short, and even what was counted before is not to be told again
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.gone || t.probe != by {
		return schedule.Outcome{} // it is of a target that is no longer what was checked
	}
	t.last = found.Time.Round(0)
	t.log.Flush(&found, &t.known)
	told := t.known.Confirm(found)
	news := t.session.tell(&told)
	changes := t.known.Observe(&told)
	t.history.Observe(&told)
	t.log.Write(&told, changes)
	r.machine.Observe(&t.watch, &told, slices.ContainsFunc(changes, stoppedAnswering), late)
	if r.delivery != nil {
		r.delivery.Add(t.series, &told, news || slices.ContainsFunc(changes, isNews))
	}
	outcome := schedule.Outcome{Silent: isSilent(&found, time.Since(began)), Dials: len(found.Results), Urgent: t.known.Doubtful()}
	if outcome.Urgent {
		outcome.Again = t.Retry.Interval
	} else if t.RecheckInterval != 0 && len(t.known.Down()) > 0 {
		outcome.Again = t.RecheckInterval
	}
	return outcome
}

// begin returns what checks a target now, and how long: until ctx ends, or until the target is
// replaced or removed.
func (r *Receiver) begin(ctx context.Context, t *target) (*probe.Probe, context.Context, context.CancelFunc) {
	if r.settings.Watch == nil {
		return t.probe, ctx, func() {}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	ctx, t.giveUp = context.WithCancel(ctx)
	if t.gone {
		t.giveUp()
	}
	return t.probe, ctx, t.giveUp
}

// isSilent reports whether a target did not answer, of a check that took so long. A host that
// is off is said to be so by the one before it, seconds later.
func isSilent(found *check.Report, took time.Duration) bool {
	return found.Silent() || took > slowAfter && !slices.ContainsFunc(found.Results, isUp)
}

// slowAfter is how long a check that finds nothing may take, and not count as silent.
const slowAfter = time.Second

func isUp(r check.Result) bool { return r.Status == check.Up }

// stoppedAnswering reports whether an address answers no longer, be it told of it or not.
func stoppedAnswering(c state.Change) bool {
	switch c.Kind {
	case state.WentDown, state.Flapping, state.Held:
		return c.Result.ErrorType == check.Timeout
	default:
		return false
	}
}

// isNews reports whether a change is one that has not to wait.
func isNews(c state.Change) bool { return c.Kind != state.ReasonFlapping }

// addressesFor is how long the addresses of this machine are taken to be what they were.
const addressesFor = time.Second

// hostAddresses are the addresses of this machine, read again where that was long ago.
type hostAddresses struct {
	mu   sync.Mutex
	at   time.Time
	host *probe.HostAddresses
}

func (a *hostAddresses) get() *probe.HostAddresses {
	a.mu.Lock()
	defer a.mu.Unlock()
	if now := time.Now(); now.Sub(a.at) >= addressesFor {
		a.host, a.at = probe.ReadHostAddresses(a.host), now
	}
	return a.host
}
