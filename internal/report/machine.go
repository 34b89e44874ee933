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
	"go.uber.org/zap/zapcore"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/metadata"
	"example.com/tcpcheckreceiver/internal/state"
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

// Machine says what ails the machine of the receiver: in the journal, and as the status of the
// component.
type Machine struct {
	logger        *zap.Logger
	journal       *Journal
	outages       state.Outages
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
	stops   bool        // one did, since the last review
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
	member state.Member
	ailing
}

// ailing is what a report on a target says about the machine.
type ailing struct {
	lacking   [check.IPv6 + 1]bool // by family
	unchecked string
}

// NewMachine returns a Machine that knows of no ailment. The connection tracking of the
// machine is what readConntrack returns. The status is called with what ails the machine
// when that changes, and with nil when nothing does any more.
func NewMachine(set collector.Settings, journal *Journal, telemetry *metadata.TelemetryBuilder, readConntrack func() check.Conntrack, status func(error)) *Machine {
	return &Machine{
		logger: set.Logger, journal: journal, telemetry: telemetry, receiver: OfReceiver(set.ID), readConntrack: readConntrack, status: status,
		unchecked: make(map[string]int), seen: make(map[string]bool),
	}
}

// Add takes note of one more target, whose Watch is w.
func (m *Machine) Add(w *Watch, t *check.Target) {
	m.outages.Add(&w.member, t)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.targets++
	m.period = max(m.period, t.Interval+t.Timeout)
}

// Follow takes note that another target has taken the place of that of w.
func (m *Machine) Follow(w *Watch, t *check.Target) { m.outages.Follow(&w.member, t) }

// Remove takes note that there is no longer the target of w.
func (m *Machine) Remove(w *Watch) {
	m.outages.Remove(&w.member)
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
	m.outages.Observe(&w.member, r)
	var now ailing
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
			now.unchecked = check.RootCause(result.Err).Error()
			lost = lost || result.Lack == check.LacksConnectionTracking
			m.countUnchecked(result.Lack)
		}
	}
	if now.unchecked == "" {
		now.unchecked = unableToTalk(r.Session)
	}
	if !r.Done() || now == w.ailing && now.unchecked == "" && !stopped && late < lateAfter {
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
	w.ailing = now
	if stopped {
		m.stopped, m.stops = append(m.stopped, r.Time), true
		for r.Time.Sub(m.stopped[0]) > m.period {
			m.stopped = m.stopped[1:]
		}
	}
}

func (m *Machine) countUnchecked(lack check.Lack) {
	m.telemetry.ReceiverTcpcheckResultsUnchecked.Add(context.Background(), 1, m.receiver, otelmetric.WithAttributes(attribute.String("reason", string(lack))))
}

// ObserveSessions counts those that this machine was unable to hold. Why it was, the reports say that come
// after.
func (m *Machine) ObserveSessions(r *check.SessionReport) {
	for i := range r.TLS {
		if lack := r.TLS[i].Lack; lack != "" {
			m.countUnchecked(lack)
		}
	}
	for i := range r.Dialogs {
		if lack := r.Dialogs[i].Lack; lack != "" && len(r.TLS) == 0 { // else it is that of the handshake
			m.countUnchecked(lack)
		}
	}
}

// unableToTalk returns why this machine was unable to hold a session; empty if it was not.
func unableToTalk(r *check.SessionReport) string {
	if r == nil {
		return ""
	}
	for i := range r.TLS {
		if result := &r.TLS[i]; result.Lack != "" {
			return check.RootCause(result.Err).Error()
		}
	}
	for i := range r.Dialogs {
		if result := &r.Dialogs[i]; result.Lack != "" {
			return check.RootCause(result.Err).Error()
		}
	}
	return ""
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

// Review says what is new about the machine, and reports whether an outage has begun or ended. It is to
// be called every ReviewEvery.
func (m *Machine) Review(now time.Time) (news bool) {
	table := m.readConntrack()
	outages := m.outages.Review(now)
	if changed, ailment := m.review(table, outages, now); changed {
		m.status(ailment)
	}
	return len(outages) > 0
}

// Report returns a report on the machine itself, which says over which families there is an outage.
func (m *Machine) Report(now time.Time) *check.Report {
	report := &check.Report{Target: m.Target(), Time: now, Outages: []check.Outage{}}
	for _, family := range check.Families {
		if outage, known := m.outages.Machine(family); known {
			report.Outages = append(report.Outages, check.Outage{Family: family, Lasts: outage})
		}
	}
	return report
}

// Target returns what stands for the machine itself in its Report.
func (m *Machine) Target() *check.Target { return &machineItself }

var machineItself check.Target

// review reports whether what ails the machine is something else than before, and what it
// is.
func (m *Machine) review(table check.Conntrack, outages []state.Outage, now time.Time) (changed bool, ailment error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reviewConntrack(table, m.lost)
	m.lost = false
	m.reviewLacking()
	m.reviewOutages(outages, now)
	m.reviewStopped(now)
	ailed, wasLate := m.ails, !m.late.IsZero()
	m.reviewUnchecked(now)
	m.reviewLate(now)
	if len(outages) == 0 && slices.Equal(ailed, m.ails) && wasLate == !m.late.IsZero() {
		return false, nil
	}
	var errs []error
	if len(m.ails) > 0 {
		errs = append(errs, errors.New(cannotCheck+": "+strings.Join(m.ails, ", ")))
	}
	if !m.late.IsZero() {
		errs = append(errs, errors.New("checks begin late"))
	}
	for _, lasts := range m.outages.Lasting() {
		errs = append(errs, errors.New(sentenceOf(&lasts)))
	}
	return true, errors.Join(errs...)
}

// reviewOutages says which outages have begun or ended.
func (m *Machine) reviewOutages(outages []state.Outage, now time.Time) {
	for i := range outages {
		o := &outages[i]
		e := event{name: outageBegan, level: zapcore.WarnLevel, time: now, body: sentenceOf(o)}
		if o.Over {
			e.name, e.level = outageEnded, zapcore.InfoLevel
		}
		e.add(attribute.String("network.type", o.Family.String()), attribute.String("tcpcheck.outage.scope", o.Scope.String()), attribute.String("tcpcheck.outage.name", o.Name()))
		if o.Network.IsValid() {
			e.add(attribute.String("tcpcheck.outage.network", o.Network.String()))
		}
		e.add(attribute.Int("tcpcheck.outage.down", o.Down), attribute.Int("tcpcheck.outage.targets", o.Targets), timeOf(downSince, o.Since))
		m.journal.tell(&e)
	}
}

// sentenceOf says that an outage has begun or ended.
func sentenceOf(o *state.Outage) string {
	of, cause := o.Family.String()+" of this machine", "it or its network is a likelier cause than all of them"
	if o.Scope != state.OfMachine {
		of, cause = fmt.Sprintf("%v %s over %v", o.Scope, o.Name(), o.Family), "what they have in common is a likelier cause than each of them"
	}
	if o.Over {
		return fmt.Sprintf("%s: %d of %d targets down, the others are within reach again", of, o.Down, o.Targets)
	}
	in := ""
	if o.Network.IsValid() {
		in = " in " + o.Network.String()
	}
	return fmt.Sprintf("%s: %d of %d targets%s down since %s; %s", of, o.Down, o.Targets, in, o.Since.Format(time.TimeOnly), cause)
}

// reviewStopped says that many targets have stopped answering, once no more do, where they are not
// enough for an outage.
func (m *Machine) reviewStopped(now time.Time) {
	goesOn := m.stops
	m.stops = false
	n := len(m.stopped)
	if slices.ContainsFunc(m.outages.Lasting(), func(o state.Outage) bool { return o.Scope == state.OfMachine }) {
		m.stopped = nil
		return
	}
	if n < manySilent || n*manySilentPart < m.targets || goesOn && now.Sub(m.stopped[0]) < m.period {
		return
	}
	m.logger.Warn(fmt.Sprintf("%d of %d instances stopped answering within %v: this machine or its network is a likelier cause than all of them. "+
		"In a container, the connection tracking table of the host may be full, which cannot be seen from here: compare nf_conntrack_count with nf_conntrack_max there",
		n, m.targets, m.period))
	m.stopped = nil
}

const cannotCheck = "this machine is unable to check some instances, which says nothing about them"

// reviewUnchecked says why targets are left unchecked.
func (m *Machine) reviewUnchecked(now time.Time) {
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
		m.journal.tell(&event{name: machineAble, level: zapcore.InfoLevel, time: now, body: "this machine is able to check all of its instances again"})
	case !subset(reasons, m.ails):
		e := event{name: machineUnable, level: zapcore.WarnLevel, time: now, body: cannotCheck + ": " + strings.Join(reasons, ", ")}
		e.add(attribute.StringSlice("tcpcheck.reasons", reasons), attribute.Int("tcpcheck.targets.unchecked", unchecked))
		m.journal.tell(&e)
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
