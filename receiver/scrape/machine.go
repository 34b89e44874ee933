package scrape

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"go.uber.org/zap"

	"example.com/tcpcheckreceiver/receiver/probe"
	"example.com/tcpcheckreceiver/receiver/target"
)

// The connection tracking table is filling above one share, and no longer so below the
// other, in hundredths.
const (
	fillingAbove = 80
	fillingBelow = 70
)

// Machine logs what ails the machine of the receiver, once for all Scrapers.
type Machine struct {
	logger        *zap.Logger
	readConntrack func() probe.Conntrack

	mu      sync.Mutex
	filling bool // the connection tracking table is
	full    bool
	// lacking has for each Scraper how many of its targets are not checked over each
	// family, since this machine has no address for it: nil before its first
	// collection. said is what was said of all of them.
	lacking map[*Scraper]map[target.Family]int
	said    map[target.Family]int
}

// NewMachine returns a Machine that knows of no ailment.
func NewMachine(logger *zap.Logger) *Machine {
	return &Machine{
		logger: logger, readConntrack: probe.ReadConntrack,
		lacking: make(map[*Scraper]map[target.Family]int), said: make(map[target.Family]int),
	}
}

// join lets a Scraper take part.
func (m *Machine) join(s *Scraper) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lacking[s] = nil
}

// observeOmissions takes note of how many targets of a collection are not checked over a
// family since this machine has no address for it. It speaks of the targets of all
// Scrapers, once each of them has made a collection.
func (m *Machine) observeOmissions(s *Scraper, outcomes []probe.Outcome) {
	lacking := make(map[target.Family]int, len(target.Families))
	for i := range outcomes {
		for _, o := range outcomes[i].Omissions {
			if o.Reason == probe.MachineLacksFamily {
				lacking[o.Family]++
			}
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lacking[s] = lacking
	targets, all := 0, make(map[target.Family]int, len(target.Families))
	for s, lacking := range m.lacking {
		if lacking == nil {
			return
		}
		targets += len(s.probes)
		for family, n := range lacking {
			all[family] += n
		}
	}
	for _, family := range target.Families {
		switch n := all[family]; n {
		case m.said[family]:
		case 0:
			m.logger.Info(fmt.Sprintf("all instances that have an %s address are checked over %[1]s again", family))
		default:
			m.logger.Warn(fmt.Sprintf("%d of %d instances are not checked over %s: this machine has no %[3]s address from which it could reach theirs", n, targets, family))
		}
	}
	m.said = all
}

// observe takes note of what the checks of a collection found about the connection
// tracking table.
func (m *Machine) observe(outcomes []probe.Outcome) {
	lost := slices.ContainsFunc(outcomes, func(o probe.Outcome) bool {
		return slices.ContainsFunc(o.Results, func(r probe.Result) bool { return r.LocalFault && errors.Is(r.Err, probe.ErrConntrackFull) })
	})
	table := m.readConntrack()
	m.mu.Lock()
	defer m.mu.Unlock()
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
func (m *Machine) size(table probe.Conntrack) string {
	text := fmt.Sprintf(": %d of %d entries (nf_conntrack_max).", table.Count, table.Max)
	if rate := table.Rate(); rate > 0 {
		text += fmt.Sprintf(" A check that connects leaves an entry for %v, so there is room for %d checks a second if nothing else uses the table: "+
			"check less often, raise nf_conntrack_max, or exempt the checks from tracking", table.TimeWait, rate)
	}
	return text
}

func (m *Machine) fields(table probe.Conntrack) []zap.Field {
	return []zap.Field{zap.Int("nf_conntrack_count", table.Count), zap.Int("nf_conntrack_max", table.Max), zap.Int("checks_per_second", table.Rate())}
}
