package scrape

import (
	"net/netip"
	"slices"
	"time"

	"go.uber.org/zap"

	"example.com/tcpcheckreceiver/receiver/probe"
	"example.com/tcpcheckreceiver/receiver/target"
)

// An address that changes its state so often within flapWindow is flapping: its
// changes are then held back until it has kept a state for as long.
const (
	flapChanges = 6
	flapWindow  = 10 * time.Minute
)

// journal logs when the state of an address changes, and its first result if
// that is down. Nothing is logged again while the state lasts.
//
// The messages name the target, so that the collector's sampling, which drops
// messages that are alike, does not take those of different targets for one.
type journal struct {
	logger  *zap.Logger
	targets []target.Target
	states  [][]state // per target, of which most have one or two
}

// endpoint is what a state belongs to: an address, or a family of a name where
// no address is known.
type endpoint struct {
	family  target.Family
	address netip.Addr
}

// state is that of an endpoint since its last change.
type state struct {
	endpoint
	checked   bool // by the check that is observed
	connected bool
	since     time.Time
	// changes is how many there were since window began; held says that they
	// are too many to be logged.
	window  time.Time
	changes int
	held    bool
}

func newJournal(logger *zap.Logger, targets []target.Target) *journal {
	return &journal{logger: logger, targets: targets, states: make([][]state, len(targets))}
}

// observe takes note of what a check of target i at now found. No results mean
// that it was not checked.
func (j *journal) observe(i int, results []probe.Result, now time.Time) {
	if len(results) == 0 {
		return
	}
	for k := range results {
		j.observeResult(i, &results[k], results, now)
	}
	gone := func(s state) bool { return !s.checked }
	if slices.ContainsFunc(j.states[i], gone) {
		for k := range j.states[i] {
			if s := &j.states[i][k]; gone(*s) {
				j.logGone(i, s)
			}
		}
		j.states[i] = slices.DeleteFunc(j.states[i], gone)
	}
	for k := range j.states[i] {
		j.states[i][k].checked = false
	}
}

// find returns the state of an endpoint of target i, or nil.
func (j *journal) find(i int, e endpoint) *state {
	for k := range j.states[i] {
		if j.states[i][k].endpoint == e {
			return &j.states[i][k]
		}
	}
	return nil
}

// observeResult takes note of one of the results of a check.
func (j *journal) observeResult(i int, result *probe.Result, all []probe.Result, now time.Time) {
	e := endpoint{result.Family, result.Address}
	s := j.find(i, e)
	if s != nil {
		s.checked = true
	}
	if result.LocalFault {
		return
	}
	if s == nil {
		j.states[i] = append(j.states[i], state{endpoint: e, checked: true, connected: result.Connected(), since: now, window: now})
		if !result.Connected() {
			j.logDown(i, e, result, familyHint(all), zap.Skip())
		}
		return
	}
	if s.connected == result.Connected() {
		if s.held && now.Sub(s.since) >= flapWindow {
			s.held, s.changes = false, 0
			j.logger.Info("No longer flapping: "+j.name(i, e), append(j.fields(i, e), zap.Bool("connected", s.connected), zap.Time("since", s.since))...)
		}
		return
	}
	before := s.since
	s.change(now)
	switch {
	case s.held && s.changes > flapChanges:
	case s.held:
		j.logger.Warn("Flapping, its changes are not logged until it has kept a state for "+flapWindow.String()+": "+j.name(i, e), j.fields(i, e)...)
	case s.connected:
		j.logger.Info("Connected again to "+j.name(i, e), append(j.fields(i, e), zap.Time("down_since", before))...)
	default:
		j.logDown(i, e, result, familyHint(all), zap.Time("up_since", before))
	}
}

// change turns the state over.
func (s *state) change(now time.Time) {
	if !s.held && now.Sub(s.window) >= flapWindow {
		s.window, s.changes = now, 0
	}
	s.changes++
	s.held = s.held || s.changes == flapChanges
	s.connected, s.since = !s.connected, now
}

// logDown logs a failed result, with since when it had been up, if it had.
func (j *journal) logDown(i int, e endpoint, result *probe.Result, hint string, upSince zap.Field) {
	fields := append(j.fields(i, e), zap.String("error.type", string(result.ErrorType)), zap.Error(result.Err), upSince)
	if hint != "" {
		fields = append(fields, zap.String("hint", hint))
	}
	j.logger.Warn("Cannot connect to "+j.name(i, e), fields...)
}

// logGone logs that an endpoint is no longer one of its target's, which ends the
// story of one that was down.
func (j *journal) logGone(i int, s *state) {
	if !s.connected {
		j.logger.Info("No longer an address of the target: "+j.name(i, s.endpoint), append(j.fields(i, s.endpoint), zap.Time("down_since", s.since))...)
	}
}

// name names an endpoint, as in "web (localhost:443) over ipv6, ::1".
func (j *journal) name(i int, e endpoint) string {
	t := &j.targets[i]
	name := t.Name + " (" + t.HostPort() + ")"
	if e.family != 0 {
		name += " over " + e.family.String()
	}
	if e.address.IsValid() {
		name += ", " + e.address.String()
	}
	return name
}

func (j *journal) fields(i int, e endpoint) []zap.Field {
	t := &j.targets[i]
	fields := []zap.Field{zap.String("tcpcheck.instance", t.Name), zap.String("endpoint", t.HostPort())}
	if e.family != 0 {
		fields = append(fields, zap.Stringer("network.type", e.family))
	}
	if e.address.IsValid() {
		fields = append(fields, zap.Stringer("network.peer.address", e.address))
	}
	return fields
}

// familyHint says what it usually means, and what to do, where one family of a
// target connects and the other one does not. It is empty otherwise.
func familyHint(results []probe.Result) string {
	connected := make(map[target.Family]bool)
	refused := make(map[target.Family]bool)
	failed := make(map[target.Family]bool)
	for _, r := range results {
		switch {
		case r.LocalFault || r.Speculative:
		case r.Connected():
			connected[r.Family] = true
		default:
			failed[r.Family] = true
			refused[r.Family] = refused[r.Family] || r.ErrorType == probe.ConnectionRefused
		}
	}
	for _, up := range target.Families {
		down := up.Other()
		if !connected[up] || connected[down] || !failed[down] {
			continue
		}
		remedy := " If it is meant to be so, ask only for that family: " + familyOption[up] + "."
		if refused[down] {
			return "The service listens on " + up.String() + " only. To serve both families, bind it to " + bindAddress[down] + " as well." + remedy
		}
		return "The host is reached over " + up.String() + " only: look at its " + down.String() + " address in DNS, its route and its firewall." + remedy
	}
	return ""
}

// familyOption is what to write to check one family only.
var familyOption = map[target.Family]string{
	target.IPv4: "address_families: [ipv4], or ipv4_only: true",
	target.IPv6: "address_families: [ipv6]",
}

// bindAddress is the wildcard address of a family.
var bindAddress = map[target.Family]string{target.IPv4: "0.0.0.0", target.IPv6: "[::]"}
