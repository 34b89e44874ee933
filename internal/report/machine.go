package report

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	collector "go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/otel/attribute"
	otelmetric "go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/metadata"
)

// The connection tracking table is filling above one share, and no longer so below the
// other, in hundredths.
const (
	fillingAbove = 80
	fillingBelow = 70
)

// Where at least so many targets, and so large a part of them, stop answering within an
// interval, they are not the likeliest cause.
const (
	manySilent     = 10
	manySilentPart = 4
)

const (
	// ReviewEvery is how often a Machine is to be reviewed.
	ReviewEvery = time.Second
	// lateAfter is how late a check begins where this machine does not keep up.
	lateAfter = time.Second
	// inTimeFor is how long all checks begin in time before the machine keeps up again.
	inTimeFor = 10 * time.Second
)

// Machine says what ails the machine of the receiver: in the log, and as the status of the
// component.
type Machine struct {
	logger        *zap.Logger
	telemetry     *metadata.TelemetryBuilder
	receiver      otelmetric.MeasurementOption
	readConntrack func() check.Conntrack
	status        func(error)

	mu      sync.Mutex
	targets int
	period  time.Duration // within which each target is checked, and has answered or not
	filling bool          // the connection tracking table is
	full    bool
	lost    bool        // a check was lost to it since the last review
	stopped []time.Time // when targets stopped answering, within the last period
	// lacking is how many targets are not checked over each family since this machine has
	// no address for it; counted is what it was at the last review, said what was said.
	lacking, counted, said [check.IPv6 + 1]int
	// unchecked is how many targets have a result that is unchecked, by the reason, and
	// seen has the reasons since the last review.
	unchecked map[string]int
	seen      map[string]bool
	ails      []string // the reasons that the log knows
	latest    time.Duration
	late      time.Time // when a check began late the last time; zero if the log knows of none
}

// Watch is what a Machine knows of one target. Its zero value knows nothing.
type Watch struct {
	lacking   [check.IPv6 + 1]bool // by family
	unchecked string
}

// NewMachine returns a Machine that knows of no ailment. The connection tracking of the
// machine is what readConntrack returns. The status is called with what ails the machine
// when that changes, and with nil when nothing does any more.
func NewMachine(set collector.Settings, telemetry *metadata.TelemetryBuilder, readConntrack func() check.Conntrack, status func(error)) *Machine {
	return &Machine{
		logger: set.Logger, telemetry: telemetry, receiver: OfReceiver(set.ID), readConntrack: readConntrack, status: status,
		unchecked: make(map[string]int), seen: make(map[string]bool),
	}
}

// Add takes note of one more target.
func (m *Machine) Add(t *check.Target) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.targets++
	m.period = max(m.period, t.Interval+t.Timeout)
}

// Remove takes note that there is no longer the target of w.
func (m *Machine) Remove(w *Watch) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.targets--
	for family := range w.lacking {
		m.lacking[family] -= count(w.lacking[family])
	}
	m.replace(w.unchecked, "")
	*w = Watch{}
}

// Observe takes note of a report on the target of w, which began so much later than it was
// due. Stopped says that the target no longer answers since this report.
func (m *Machine) Observe(w *Watch, r *check.Report, stopped bool, late time.Duration) {
	var now Watch
	for _, o := range r.Omissions {
		if o.Reason == check.MachineLacksFamily {
			now.lacking[o.Family] = true
		}
	}
	if n := len(r.Denied); n > 0 {
		m.telemetry.ReceiverTcpcheckAddressesDenied.Add(context.Background(), int64(n), m.receiver)
	}
	lost := false
	for i := range r.Results {
		result := &r.Results[i]
		if result.Noticed {
			m.telemetry.ReceiverTcpcheckQuietChecksNoticed.Add(context.Background(), 1, m.receiver)
		}
		if result.Status == check.Unchecked {
			now.unchecked = rootCause(result.Err).Error()
			lost = lost || result.Lack == check.LacksConnectionTracking
			m.telemetry.ReceiverTcpcheckResultsUnchecked.Add(context.Background(), 1, m.receiver, otelmetric.WithAttributes(attribute.String("reason", string(result.Lack))))
		}
	}
	if !r.Done() || now == *w && now.unchecked == "" && !stopped && late < lateAfter {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lost = m.lost || lost
	m.latest = max(m.latest, late)
	for family := range now.lacking {
		m.lacking[family] += count(now.lacking[family]) - count(w.lacking[family])
	}
	m.replace(w.unchecked, now.unchecked)
	*w = now
	if stopped {
		m.observeStopped(r.Time)
	}
}

func count(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// replace takes note of the reason for which a target is unchecked; empty for none.
func (m *Machine) replace(before, now string) {
	if before != "" {
		if m.unchecked[before]--; m.unchecked[before] == 0 {
			delete(m.unchecked, before)
		}
	}
	if now != "" {
		m.unchecked[now]++
		m.seen[now] = true
	}
}

// observeStopped takes note that one more target stopped answering.
func (m *Machine) observeStopped(now time.Time) {
	m.stopped = append(m.stopped, now)
	for now.Sub(m.stopped[0]) > m.period {
		m.stopped = m.stopped[1:]
	}
	if n := len(m.stopped); n >= manySilent && n*manySilentPart >= m.targets {
		m.logger.Warn(fmt.Sprintf("%d of %d instances stopped answering within %v: this machine or its network is a likelier cause than all of them. "+
			"In a container, the connection tracking table of the host may be full, which cannot be seen from here: compare nf_conntrack_count with nf_conntrack_max there",
			n, m.targets, m.period))
		m.stopped = nil
	}
}

// Review says what is new about the machine. It is to be called every ReviewEvery.
func (m *Machine) Review(now time.Time) {
	table := m.readConntrack()
	if changed, ailment := m.review(table, now); changed {
		m.status(ailment)
	}
}

// review reports whether what ails the machine is something else than before, and what it
// is.
func (m *Machine) review(table check.Conntrack, now time.Time) (changed bool, ailment error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reviewConntrack(table, m.lost)
	m.lost = false
	m.reviewLacking()
	ailed, wasLate := m.ails, !m.late.IsZero()
	m.reviewUnchecked()
	m.reviewLate(now)
	if slices.Equal(ailed, m.ails) && wasLate == !m.late.IsZero() {
		return false, nil
	}
	var errs []error
	if len(m.ails) > 0 {
		errs = append(errs, errors.New(cannotCheck+": "+strings.Join(m.ails, ", ")))
	}
	if !m.late.IsZero() {
		errs = append(errs, errors.New("checks begin late"))
	}
	return true, errors.Join(errs...)
}

const cannotCheck = "this machine is unable to check some instances, which says nothing about them"

// reviewUnchecked says why targets are left unchecked.
func (m *Machine) reviewUnchecked() {
	for reason := range m.unchecked {
		m.seen[reason] = true
	}
	reasons := slices.Sorted(maps.Keys(m.seen))
	clear(m.seen)
	unchecked := 0
	for _, n := range m.unchecked {
		unchecked += n
	}
	switch {
	case len(reasons) == 0 && len(m.ails) > 0:
		m.logger.Info("this machine is able to check all of its instances again")
	case !subset(reasons, m.ails):
		m.logger.Warn(cannotCheck+": "+strings.Join(reasons, ", "), zap.Int("instances", unchecked))
	}
	m.ails = reasons
}

func subset(some, all []string) bool {
	return !slices.ContainsFunc(some, func(s string) bool { return !slices.Contains(all, s) })
}

// reviewLate says whether checks begin in time.
func (m *Machine) reviewLate(now time.Time) {
	switch {
	case m.latest >= lateAfter:
		if m.late.IsZero() {
			m.logger.Warn(fmt.Sprintf("checks begin late, up to %v after they are due: lengthen the interval, shorten the timeouts, "+
				"or raise the limit of open files or max_concurrent_checks", m.latest.Round(time.Millisecond)))
		}
		m.late = now
	case !m.late.IsZero() && now.Sub(m.late) >= inTimeFor:
		m.late = time.Time{}
		m.logger.Info("checks begin in time again")
	}
	m.latest = 0
}

// reviewLacking says of how many targets a family is left out, once that is the same as at
// the last review: an interval passes before each target has been checked.
func (m *Machine) reviewLacking() {
	settled := m.lacking == m.counted
	m.counted = m.lacking
	if !settled {
		return
	}
	for _, family := range check.Families {
		switch n := m.lacking[family]; n {
		case m.said[family]:
		case 0:
			m.logger.Info(fmt.Sprintf("all instances that have an %s address are checked over %[1]s again", family))
		default:
			m.logger.Warn(fmt.Sprintf("%d of %d instances are not checked over %s: this machine has no %[3]s address from which it could reach theirs", n, m.targets, family))
		}
	}
	m.said = m.lacking
}

// reviewConntrack takes note of how full the connection tracking table is, and of
// whether a check was lost to it.
func (m *Machine) reviewConntrack(table check.Conntrack, lost bool) {
	above := func(percent int) bool { return table.Max > 0 && table.Count*100 > table.Max*percent }
	switch {
	case lost && !m.full:
		m.full, m.filling = true, true
		m.logger.Warn("the connection tracking table of this machine is full, so it drops what the checks send, and targets that do not answer are left unchecked"+m.size(table), m.fields(table)...)
	case lost:
	case m.full && !above(fillingAbove):
		m.full = false
		m.logger.Info("the connection tracking table of this machine has room again"+m.size(table), m.fields(table)...)
	case !m.filling && above(fillingAbove):
		m.filling = true
		m.logger.Warn("the connection tracking table of this machine is filling"+m.size(table), m.fields(table)...)
	}
	m.filling = m.filling && (lost || above(fillingBelow))
}

// size says how full the table is, and what would fit.
func (m *Machine) size(table check.Conntrack) string {
	text := fmt.Sprintf(": %d of %d entries (nf_conntrack_max).", table.Count, table.Max)
	if rate := table.Rate(); rate > 0 {
		text += fmt.Sprintf(" A check that connects leaves an entry for %v, so there is room for %d checks a second if nothing else uses the table: "+
			"check less often, raise nf_conntrack_max, make the checks quiet, or exempt them from tracking", table.TimeWait, rate)
	}
	return text
}

func (m *Machine) fields(table check.Conntrack) []zap.Field {
	return []zap.Field{zap.Int("nf_conntrack_count", table.Count), zap.Int("nf_conntrack_max", table.Max), zap.Int("checks_per_second", table.Rate())}
}
