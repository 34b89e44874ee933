package report

import (
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.uber.org/zap/zapcore"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/state"
	"example.com/tcpcheckreceiver/internal/status"
)

// maxLines is how many lines are logged of a target within state.FlapWindow: a name with
// addresses that are new at every check would fill a disk.
const maxLines = 20

// Log tells what changes in the state of a target: to the log, and as events. docs/log.md is for the
// readers of the log.
//
// The messages name the target, so that the collector's sampling, which drops
// messages that are alike, does not take those of different targets for one.
type Log struct {
	journal *Journal
	target  *check.Target
	history *status.History // nil if there is no status page
	now     time.Time       // of the report that is written
	// lines is how many there were since window began, and held how many were not
	// logged since there were too many.
	window      time.Time
	lines, held int
}

// NewLog returns the Log of a target, which is part of a journal.
func NewLog(journal *Journal, target *check.Target) Log {
	return Log{journal: journal, target: target}
}

// Keep has the target's events be kept in its history as well.
func (l *Log) Keep(history *status.History) { l.history = history }

// Follow has the lines be about a target that has taken the place of the one before.
func (l *Log) Follow(target *check.Target) { l.target = target }

// Flush ends the time in which lines were counted instead of logged, if it is over when a
// report comes, and says what they left unsaid: how many of the target's addresses are down,
// by what is known before the report.
func (l *Log) Flush(report *check.Report, known *state.Target) {
	if l.held == 0 || !report.Done() || report.Time.Sub(l.window) < state.FlapWindow {
		return
	}
	down := known.Down()
	addresses := make([]string, min(len(down), maxLines))
	for i := range addresses {
		addresses[i] = l.at(down[i])
	}
	l.journal.log(l.event("", zapcore.WarnLevel, &state.Change{}, fmt.Sprintf("%d lines about %s were not logged: %d of its addresses are down", l.held, l.name(&state.Change{}), len(down)),
		attribute.Int("lines", l.held), attribute.Int("down", len(down)), attribute.StringSlice("addresses_down", addresses)))
	l.window, l.lines, l.held = report.Time, 0, 0
}

// Write tells the changes that a report of the target brought.
func (l *Log) Write(report *check.Report, changes []state.Change) {
	l.now = report.Time
	for i := range changes {
		l.write(&changes[i], report.Results)
	}
}

// End tells that the target is no longer checked, where that ends what was told of it.
func (l *Log) End(known *state.Target, now time.Time) {
	l.now = now
	for _, c := range known.End() {
		l.write(&c, nil)
	}
}

// write tells a change, which came with these results.
func (l *Log) write(c *state.Change, results []check.Result) {
	name := l.name(c)
	switch c.Kind {
	case state.WentDown, state.ReasonChanged:
		l.writeDown(name, c, results)
	case state.CameUp:
		// The hint is for the other family, if that is still down.
		l.info(addressUp, c, "connected again to "+name, timeOf(downSince, c.Since), attribute.String(hinted, Hint(l.target, results, nil)))
	case state.ReasonFlapping:
		l.warn(addressReasonChanged, c, name+" is down for changing reasons, now "+c.Result.ErrorType.Words()+": they are not told until "+c.Until.Format(time.TimeOnly),
			append(failure(c.Result), attribute.String(previousType, string(c.Before)), timeOf(downSince, c.Since))...)
	case state.Flapping:
		l.warn(addressFlapping, c, name+" is flapping: its changes are not told until it has kept a state for "+state.FlapWindow.String(),
			append(failure(c.Result), timeOf("tcpcheck.since", c.Since))...)
	case state.Held: // it is not told
	case state.Settled:
		what, connected := "connected", c.Result.Status == check.Up
		if !connected {
			what = c.Result.ErrorType.Words()
		}
		l.info(addressSettled, c, name+" is no longer flapping: "+what,
			append(failure(c.Result), attribute.Bool("tcpcheck.connected", connected), timeOf("tcpcheck.since", c.Since))...)
	case state.Gone:
		what := " is no longer an address of the target"
		if !c.Address.IsValid() {
			what = " resolves again, or has no such address"
		}
		l.info(addressRemoved, c, name+what, timeOf(downSince, c.Since))
	case state.Ended:
		l.info(addressRemoved, c, name+" is no longer checked", timeOf(downSince, c.Since))
	case state.FamilyLost:
		l.warn(familyLost, c, "no longer checking "+name+": the name has no such address any more")
	case state.FamilyBack:
		l.info(familyBack, c, "checking "+name+" again")
	case state.Denied:
		l.warn("", c, "not checking "+name+": "+Denied)
	case state.Truncated:
		l.warn("", c, fmt.Sprintf("checking only the first %d of %d addresses of %s", c.Excess.Checked, c.Excess.Found, name))
	}
}

// The attributes that several events have.
const (
	downSince    = "tcpcheck.down_since"
	hinted       = "tcpcheck.hint"
	previousType = "tcpcheck.error.previous_type"
)

// writeDown tells that an endpoint of this name is down, with the reason for which it was down before,
// if that is another one, and since when it had been up or down.
func (l *Log) writeDown(name string, c *state.Change, results []check.Result) {
	why := reasonOf(c.Result)
	if by := c.Result.SaidBy(); by != "" {
		why += ", said by " + by
	}
	event, since := addressDown, timeOf("tcpcheck.up_since", c.Since)
	if c.Kind == state.ReasonChanged {
		why += ", no longer " + c.Before.Words()
		event, since = addressReasonChanged, timeOf(downSince, c.Since)
	}
	l.warn(event, c, "cannot connect to "+name+": "+why,
		append(failure(c.Result), attribute.String(previousType, string(c.Before)), since, attribute.String(hinted, Hint(l.target, results, c.Result)))...)
}

// reasonOf returns why a result failed, as a sentence has it.
func reasonOf(r *check.Result) string {
	if r.ErrorType == check.Other {
		return check.RootCause(r.Err).Error()
	}
	return r.Reason()
}

func (l *Log) warn(name string, about *state.Change, body string, attributes ...attribute.KeyValue) {
	l.tell(l.event(name, zapcore.WarnLevel, about, body, attributes...))
}

func (l *Log) info(name string, about *state.Change, body string, attributes ...attribute.KeyValue) {
	l.tell(l.event(name, zapcore.InfoLevel, about, body, attributes...))
}

// event returns an event about the endpoint of a change.
func (l *Log) event(name string, level zapcore.Level, about *state.Change, body string, attributes ...attribute.KeyValue) *event {
	e := &event{name: name, level: level, time: l.now, body: body, target: l.target}
	if path := l.target.File(); path != "" {
		e.add(attribute.String(pathOfFile, path))
		e.add(attributes...)
		return e
	}
	e.add(attribute.String("tcpcheck.instance", l.target.Labels.Name), attribute.String("server.address", l.target.Host), attribute.Int("server.port", int(l.target.Port)))
	if about.Family != 0 {
		e.add(attribute.String("network.type", about.Family.String()))
	}
	e.add(attribute.String("network.peer.address", addressOf(about.Address)), attribute.String("tcpcheck.nat64.address", about.Translated.String()))
	e.add(attributes...)
	return e
}

// tell tells an event. The log does not have it if there have been too many: a consumer of events has
// a use for each, a disk is full some time.
func (l *Log) tell(e *event) {
	l.journal.emit(e)
	if l.history != nil {
		l.history.Add(e.kept())
	}
	if l.now.Sub(l.window) >= state.FlapWindow {
		l.window, l.lines, l.held = l.now, 0, 0
	}
	l.lines++
	switch {
	case l.lines <= maxLines:
		l.journal.log(e)
	case l.held == 0:
		l.journal.log(l.event("", zapcore.WarnLevel, &state.Change{},
			"too many lines about "+l.name(&state.Change{})+": the next ones are counted until "+l.window.Add(state.FlapWindow).Format(time.TimeOnly)))
		fallthrough
	default:
		l.held++
	}
}

// name names an endpoint by what was dialled, as in `"web" ([::1]:443) over ipv6`, or
// where no address is known, by the host; and what is behind a translator, if it leads to one. It names a
// file by its path, in quotes.
func (l *Log) name(about *state.Change) string {
	if path := l.target.File(); path != "" {
		return strconv.Quote(path)
	}
	at := l.at(about.Endpoint)
	if ipv4 := about.Translated.String(); ipv4 != "" {
		at += ", " + ipv4 + " behind NAT64"
	}
	name := fmt.Sprintf("%q (%s)", l.target.Labels.Name, at)
	if about.Family != 0 {
		name += " over " + about.Family.String()
	}
	return name
}

// at returns the address and port of an endpoint, or where no address is known, the
// host and port.
func (l *Log) at(e state.Endpoint) string {
	if e.Address.IsValid() {
		return netip.AddrPortFrom(e.Address, l.target.Port).String()
	}
	return l.target.HostPort()
}
