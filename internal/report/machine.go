package report

import (
	"errors"
	"fmt"
	"sync"

	"go.uber.org/zap"

	"example.com/tcpcheckreceiver/internal/check"
)

// The connection tracking table is filling above one share, and no longer so below the
// other, in hundredths.
const (
	fillingAbove = 80
	fillingBelow = 70
)

// Where at least so many targets, and so large a part of them, stop answering in one
// collection, they are not the likeliest cause.
const (
	manySilent     = 10
	manySilentPart = 4
)

// Machine logs what ails the machine of the receiver, once for all of its collections.
type Machine struct {
	logger        *zap.Logger
	readConntrack func() check.Conntrack

	mu      sync.Mutex
	filling bool // the connection tracking table is
	full    bool
	watches []*Watch
	// lacking is how many targets are not checked over each family since this machine has
	// no address for it, by what was said of all of them.
	lacking map[check.Family]int
}

// Watch is what a Machine learns from the targets that are checked in the same collections.
type Watch struct {
	machine *Machine
	targets int
	lacking map[check.Family]int // as Machine's; nil before the first collection
}

// NewMachine returns a Machine that knows of no ailment. The connection tracking of the
// machine is what readConntrack returns.
func NewMachine(logger *zap.Logger, readConntrack func() check.Conntrack) *Machine {
	return &Machine{logger: logger, readConntrack: readConntrack}
}

// Watch returns a new Watch of so many targets.
func (m *Machine) Watch(targets int) *Watch {
	m.mu.Lock()
	defer m.mu.Unlock()
	w := &Watch{machine: m, targets: targets}
	m.watches = append(m.watches, w)
	return w
}

// Observe takes note of the reports of a collection, one of each target, of which so many have stopped answering.
func (w *Watch) Observe(reports []check.Report, stopped int) {
	lacking, lost := make(map[check.Family]int, len(check.Families)), false
	for i := range reports {
		for _, o := range reports[i].Omissions {
			if o.Reason == check.MachineLacksFamily {
				lacking[o.Family]++
			}
		}
		for k := range reports[i].Results {
			r := &reports[i].Results[k]
			lost = lost || r.Status == check.Unchecked && errors.Is(r.Err, check.ErrConntrackFull)
		}
	}
	table := w.machine.readConntrack()
	w.machine.mu.Lock()
	defer w.machine.mu.Unlock()
	w.machine.observeConntrack(table, lost)
	if stopped >= manySilent && stopped*manySilentPart >= w.targets {
		w.machine.logger.Warn(fmt.Sprintf("%d of %d instances do not answer since this collection: this machine or its network is a likelier cause than all of them. "+
			"In a container, the connection tracking table of the host may be full, which cannot be seen from here: compare nf_conntrack_count with nf_conntrack_max there",
			stopped, w.targets))
	}
	w.lacking = lacking
	w.machine.observeLacking()
}

// observeLacking says of how many targets a family is left out, of all watches together,
// once each of them has had a collection. The caller holds mu.
func (m *Machine) observeLacking() {
	targets, all := 0, make(map[check.Family]int, len(check.Families))
	for _, w := range m.watches {
		if w.lacking == nil {
			return
		}
		targets += w.targets
		for family, n := range w.lacking {
			all[family] += n
		}
	}
	for _, family := range check.Families {
		switch n := all[family]; n {
		case m.lacking[family]:
		case 0:
			m.logger.Info(fmt.Sprintf("all instances that have an %s address are checked over %[1]s again", family))
		default:
			m.logger.Warn(fmt.Sprintf("%d of %d instances are not checked over %s: this machine has no %[3]s address from which it could reach theirs", n, targets, family))
		}
	}
	m.lacking = all
}

// observeConntrack takes note of how full the connection tracking table is, and of
// whether a check was lost to it. The caller holds mu.
func (m *Machine) observeConntrack(table check.Conntrack, lost bool) {
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
			"check less often, raise nf_conntrack_max, or exempt the checks from tracking", table.TimeWait, rate)
	}
	return text
}

func (m *Machine) fields(table check.Conntrack) []zap.Field {
	return []zap.Field{zap.Int("nf_conntrack_count", table.Count), zap.Int("nf_conntrack_max", table.Max), zap.Int("checks_per_second", table.Rate())}
}
