package scrape

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"example.com/tcpcheckreceiver/receiver/probe"
	"example.com/tcpcheckreceiver/receiver/target"
)

// An address that goes up and down so often within flapWindow is flapping: its changes
// are then held back until it has stayed up or down for as long. So many changes of the
// reason for which it is down are logged in that time.
const (
	flapChanges = 6
	flapWindow  = 10 * time.Minute
)

// maxLines is how many lines are logged of a target within flapWindow: a name with
// addresses that are new at every check would fill a disk.
const maxLines = 20

// journal logs when the state of an address changes, and its first result if
// that is down. Nothing is logged again while the state lasts. docs/log.md is for
// its readers.
//
// The messages name the target, so that the collector's sampling, which drops
// messages that are alike, does not take those of different targets for one.
type journal struct {
	logger  *zap.Logger
	targets []target.Target
	states  [][]state // per target, of which most have one or two
	notes   []note    // per target
	now     time.Time // of the check that is observed
	silent  int       // targets that do not answer since this collection
}

// note is what was logged of a target as a whole.
type note struct {
	omitted familySet // families that it had and that its name no longer has
	excess  familySet // families with more addresses than are checked
	// lines is how many there were since window began, and held how many were not
	// logged for that reason.
	window      time.Time
	lines, held int
}

// familySet is a set of families. The zero value is empty.
type familySet struct{ ipv4, ipv6 bool }

func (s *familySet) of(family target.Family) *bool {
	if family == target.IPv4 {
		return &s.ipv4
	}
	return &s.ipv6
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
	since     time.Time // it came to be up, or down
	// errorType is why it is down, and reasons how often that has changed since
	// reasonWindow began.
	errorType    probe.ErrorType
	reasonWindow time.Time
	reasons      int
	// changes is how many there were since window began; held says that they
	// are too many to be logged.
	window  time.Time
	changes int
	held    bool
}

func newJournal(logger *zap.Logger, targets []target.Target) *journal {
	return &journal{logger: logger, targets: targets, states: make([][]state, len(targets)), notes: make([]note, len(targets))}
}

// observe takes note of what a check of target i at now found. No results mean
// that it was not checked.
func (j *journal) observe(i int, outcome *probe.Outcome, now time.Time) {
	results := outcome.Results
	if len(results) == 0 {
		return
	}
	j.now = now
	j.flush(i)
	had := j.families(i)
	silent := false
	for k := range results {
		turned := j.observeResult(i, &results[k], results)
		silent = silent || turned && results[k].ErrorType == probe.Timeout
	}
	if silent {
		j.silent++
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
	j.observeFamilies(i, had, outcome)
}

// families returns the families of target i in which it has an address.
func (j *journal) families(i int) familySet {
	var families familySet
	for k := range j.states[i] {
		if s := &j.states[i][k]; s.address.IsValid() {
			*families.of(s.family) = true
		}
	}
	return families
}

// observeFamilies takes note of the families of target i that are not checked, or not
// whole; had are those that it had before.
func (j *journal) observeFamilies(i int, had familySet, outcome *probe.Outcome) {
	has, n := j.families(i), &j.notes[i]
	for _, o := range outcome.Omissions {
		if o.Reason == probe.NameLacksFamily && *had.of(o.Family) && !*has.of(o.Family) {
			*n.omitted.of(o.Family) = true
			j.warn(i, "no longer checking "+j.name(i, endpoint{family: o.Family})+": the name has no such address any more", j.fields(i, endpoint{family: o.Family})...)
		}
	}
	for _, family := range target.Families {
		if omitted := n.omitted.of(family); *omitted && *has.of(family) {
			*omitted = false
			j.info(i, "checking "+j.name(i, endpoint{family: family})+" again", j.fields(i, endpoint{family: family})...)
		}
		k := slices.IndexFunc(outcome.Excesses, func(e probe.Excess) bool { return e.Family == family })
		excess := n.excess.of(family)
		if k >= 0 && !*excess {
			e := outcome.Excesses[k]
			j.warn(i, fmt.Sprintf("checking only the first %d of %d addresses of %s", e.Checked, e.Found, j.name(i, endpoint{family: family})), j.fields(i, endpoint{family: family})...)
		}
		*excess = k >= 0
	}
}

func (j *journal) warn(i int, message string, fields ...zap.Field) {
	j.log(zapcore.WarnLevel, i, message, fields)
}

func (j *journal) info(i int, message string, fields ...zap.Field) {
	j.log(zapcore.InfoLevel, i, message, fields)
}

// log logs a line of target i, unless there have been too many.
func (j *journal) log(level zapcore.Level, i int, message string, fields []zap.Field) {
	n := &j.notes[i]
	if j.now.Sub(n.window) >= flapWindow {
		n.window, n.lines, n.held = j.now, 0, 0
	}
	n.lines++
	switch {
	case n.lines <= maxLines:
		j.logger.Log(level, message, fields...)
	case n.held == 0:
		j.logger.Warn("too many lines about "+j.name(i, endpoint{})+": the next ones are counted until "+n.window.Add(flapWindow).Format(time.TimeOnly), j.fields(i, endpoint{})...)
		fallthrough
	default:
		n.held++
	}
}

// flush ends the time in which lines of target i were counted instead of logged, if it is
// over, and says what they left unsaid.
func (j *journal) flush(i int) {
	n := &j.notes[i]
	if n.held == 0 || j.now.Sub(n.window) < flapWindow {
		return
	}
	var down []string
	for k := range j.states[i] {
		if s := &j.states[i][k]; !s.connected {
			down = append(down, j.at(i, s.endpoint))
		}
	}
	fields := append(j.fields(i, endpoint{}), zap.Int("lines", n.held), zap.Int("down", len(down)), zap.Strings("addresses_down", down[:min(len(down), maxLines)]))
	j.logger.Warn(fmt.Sprintf("%d lines about %s were not logged: %d of its addresses are down", n.held, j.name(i, endpoint{}), len(down)), fields...)
	n.window, n.lines, n.held = j.now, 0, 0
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

// observeResult takes note of one of the results of a check, and reports whether its
// address came to be up or down, or is a new one.
func (j *journal) observeResult(i int, result *probe.Result, all []probe.Result) (turned bool) {
	now := j.now
	e := endpoint{result.Family, result.Address}
	s := j.find(i, e)
	if s != nil {
		s.checked = true
	}
	if result.LocalFault {
		return false
	}
	if s == nil {
		j.states[i] = append(j.states[i], state{
			endpoint: e, checked: true, connected: result.Connected(), errorType: result.ErrorType, since: now, window: now,
		})
		if !result.Connected() {
			j.logDown(i, e, result, "", familyHint(all, result), zap.Skip())
		}
		return true
	}
	if s.connected == result.Connected() {
		if s.errorType != result.ErrorType {
			j.observeReason(i, s, result, all)
		}
		if s.held && now.Sub(s.since) >= flapWindow {
			s.held, s.changes = false, 0
			j.info(i, j.name(i, e)+" is no longer flapping: "+s.text(), append(j.fields(i, e), zap.Bool("connected", s.connected), zap.Time("since", s.since))...)
		}
		return false
	}
	before := s.since
	s.turn(now)
	s.errorType = result.ErrorType
	switch {
	case s.held && s.changes > flapChanges:
	case s.held:
		j.warn(i, j.name(i, e)+" is flapping: its changes are not logged until it has kept a state for "+flapWindow.String(), j.fields(i, e)...)
	case s.connected:
		fields := append(j.fields(i, e), zap.Time("down_since", before))
		if hint := familyHint(all, nil); hint != "" { // the other family is still down
			fields = append(fields, zap.String("hint", hint))
		}
		j.info(i, "connected again to "+j.name(i, e), fields...)
	default:
		j.logDown(i, e, result, "", familyHint(all, result), zap.Time("up_since", before))
	}
	return true
}

// observeReason takes note that an address is still down, for another reason.
func (j *journal) observeReason(i int, s *state, result *probe.Result, all []probe.Result) {
	before := s.errorType
	s.errorType = result.ErrorType
	if j.now.Sub(s.reasonWindow) >= flapWindow {
		s.reasonWindow, s.reasons = j.now, 0
	}
	s.reasons++
	switch {
	case s.held || s.reasons > flapChanges:
	case s.reasons == flapChanges:
		j.warn(i, j.name(i, s.endpoint)+" is down for changing reasons: they are not logged until "+s.reasonWindow.Add(flapWindow).Format(time.TimeOnly), j.fields(i, s.endpoint)...)
	default:
		j.logDown(i, s.endpoint, result, before, familyHint(all, result), zap.Time("down_since", s.since))
	}
}

// text says what the state is.
func (s *state) text() string {
	if s.connected {
		return "connected"
	}
	return reason(s.errorType)
}

// reason returns the words of an error type: those of the attribute error.type.
func reason(errorType probe.ErrorType) string {
	if errorType == probe.Other {
		return "another reason"
	}
	return strings.ReplaceAll(string(errorType), "_", " ")
}

// turn turns the state over.
func (s *state) turn(now time.Time) {
	if !s.held && now.Sub(s.window) >= flapWindow {
		s.window, s.changes = now, 0
	}
	s.changes++
	s.held = s.held || s.changes == flapChanges
	s.connected, s.since = !s.connected, now
}

// logDown logs a failed result, with the reason for which it had failed before, if it
// is another one, and since when it had been up or down.
func (j *journal) logDown(i int, e endpoint, result *probe.Result, before probe.ErrorType, hint string, since zap.Field) {
	why := reason(result.ErrorType)
	if result.ErrorType == probe.Other {
		why = rootCause(result.Err).Error()
	}
	if before != "" {
		why += ", no longer " + reason(before)
	}
	fields := append(j.fields(i, e), zap.String("error.type", string(result.ErrorType)), zap.Error(result.Err), since)
	if hint != "" {
		fields = append(fields, zap.String("hint", hint))
	}
	j.warn(i, "cannot connect to "+j.name(i, e)+": "+why, fields...)
}

// logGone logs that an endpoint is no longer one of its target's, which ends the
// story of one that was down.
func (j *journal) logGone(i int, s *state) {
	switch {
	case s.connected:
	case !s.address.IsValid():
		j.info(i, j.name(i, s.endpoint)+" resolves again, or has no such address", append(j.fields(i, s.endpoint), zap.Time("down_since", s.since))...)
	default:
		j.info(i, j.name(i, s.endpoint)+" is no longer an address of the target", append(j.fields(i, s.endpoint), zap.Time("down_since", s.since))...)
	}
}

// name names an endpoint by what was dialled, as in `"web" ([::1]:443) over ipv6`, or
// where no address is known, by the host.
func (j *journal) name(i int, e endpoint) string {
	name := fmt.Sprintf("%q (%s)", j.targets[i].Name, j.at(i, e))
	if e.family != 0 {
		name += " over " + e.family.String()
	}
	return name
}

// at returns the address and port of an endpoint, or where no address is known, the
// host and port.
func (j *journal) at(i int, e endpoint) string {
	t := &j.targets[i]
	if e.address.IsValid() {
		return netip.AddrPortFrom(e.address, t.Port).String()
	}
	return t.HostPort()
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
