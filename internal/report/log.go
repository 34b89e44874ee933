package report

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/state"
)

// maxLines is how many lines are logged of a target within state.FlapWindow: a name with
// addresses that are new at every check would fill a disk.
const maxLines = 20

// Log logs what changes in the state of a target. docs/log.md is for its readers.
//
// The messages name the target, so that the collector's sampling, which drops
// messages that are alike, does not take those of different targets for one.
type Log struct {
	logger *zap.Logger
	target *check.Target
	now    time.Time // of the report that is written
	// lines is how many there were since window began, and held how many were not
	// logged since there were too many.
	window      time.Time
	lines, held int
}

// NewLog returns the Log of a target.
func NewLog(logger *zap.Logger, target *check.Target) Log {
	return Log{logger: logger, target: target}
}

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
	l.logger.Warn(fmt.Sprintf("%d lines about %s were not logged: %d of its addresses are down", l.held, l.name(state.Endpoint{}), len(down)),
		append(l.fields(state.Endpoint{}), zap.Int("lines", l.held), zap.Int("down", len(down)), zap.Strings("addresses_down", addresses))...)
	l.window, l.lines, l.held = report.Time, 0, 0
}

// Write logs the changes that a report of the target brought.
func (l *Log) Write(report *check.Report, changes []state.Change) {
	l.now = report.Time
	for i := range changes {
		l.write(&changes[i], report.Results)
	}
}

// write logs a change, which came with these results.
func (l *Log) write(c *state.Change, results []check.Result) {
	name := l.name(c.Endpoint)
	switch c.Kind {
	case state.WentDown, state.ReasonChanged:
		l.writeDown(name, c, results)
	case state.CameUp:
		// The hint is for the other family, if that is still down.
		l.info(c.Endpoint, "connected again to "+name, zap.Time("down_since", c.Since), hintField(results, nil))
	case state.ReasonFlapping:
		l.warn(c.Endpoint, name+" is down for changing reasons: they are not logged until "+c.Until.Format(time.TimeOnly))
	case state.Flapping:
		l.warn(c.Endpoint, name+" is flapping: its changes are not logged until it has kept a state for "+state.FlapWindow.String())
	case state.Held: // it is not told
	case state.Settled:
		what := "connected"
		if c.Result.Status != check.Up {
			what = c.Result.ErrorType.Words()
		}
		l.info(c.Endpoint, name+" is no longer flapping: "+what, zap.Bool("connected", c.Result.Status == check.Up), zap.Time("since", c.Since))
	case state.Gone:
		what := " is no longer an address of the target"
		if !c.Address.IsValid() {
			what = " resolves again, or has no such address"
		}
		l.info(c.Endpoint, name+what, zap.Time("down_since", c.Since))
	case state.FamilyLost:
		l.warn(c.Endpoint, "no longer checking "+name+": the name has no such address any more")
	case state.FamilyBack:
		l.info(c.Endpoint, "checking "+name+" again")
	case state.Denied:
		l.warn(c.Endpoint, "not checking "+name+": it is one of the denied addresses")
	case state.Truncated:
		l.warn(c.Endpoint, fmt.Sprintf("checking only the first %d of %d addresses of %s", c.Excess.Checked, c.Excess.Found, name))
	}
}

// writeDown logs that an endpoint of this name is down, with the reason for which it was down before,
// if that is another one, and since when it had been up or down.
func (l *Log) writeDown(name string, c *state.Change, results []check.Result) {
	why := c.Result.ErrorType.Words()
	if c.Result.ErrorType == check.Other {
		why = rootCause(c.Result.Err).Error()
	}
	since := zap.Skip()
	switch {
	case c.Kind == state.ReasonChanged:
		why += ", no longer " + c.Before.Words()
		since = zap.Time("down_since", c.Since)
	case !c.Since.IsZero():
		since = zap.Time("up_since", c.Since)
	}
	l.warn(c.Endpoint, "cannot connect to "+name+": "+why,
		zap.String("error.type", string(c.Result.ErrorType)), zap.Error(c.Result.Err), since, hintField(results, c.Result))
}

// hintField returns the hint that there is to results, if any.
func hintField(results []check.Result, about *check.Result) zap.Field {
	if hint := Hint(results, about); hint != "" {
		return zap.String("hint", hint)
	}
	return zap.Skip()
}

func (l *Log) warn(e state.Endpoint, message string, fields ...zap.Field) {
	l.log(zapcore.WarnLevel, e, message, fields)
}

func (l *Log) info(e state.Endpoint, message string, fields ...zap.Field) {
	l.log(zapcore.InfoLevel, e, message, fields)
}

// log logs a line, unless there have been too many.
func (l *Log) log(level zapcore.Level, e state.Endpoint, message string, fields []zap.Field) {
	if l.now.Sub(l.window) >= state.FlapWindow {
		l.window, l.lines, l.held = l.now, 0, 0
	}
	l.lines++
	switch {
	case l.lines <= maxLines:
		l.logger.Log(level, message, append(l.fields(e), fields...)...)
	case l.held == 0:
		l.logger.Warn("too many lines about "+l.name(state.Endpoint{})+": the next ones are counted until "+l.window.Add(state.FlapWindow).Format(time.TimeOnly), l.fields(state.Endpoint{})...)
		fallthrough
	default:
		l.held++
	}
}

// name names an endpoint by what was dialled, as in `"web" ([::1]:443) over ipv6`, or
// where no address is known, by the host.
func (l *Log) name(e state.Endpoint) string {
	name := fmt.Sprintf("%q (%s)", l.target.Labels.Name, l.at(e))
	if e.Family != 0 {
		name += " over " + e.Family.String()
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

func (l *Log) fields(e state.Endpoint) []zap.Field {
	fields := []zap.Field{zap.String("tcpcheck.instance", l.target.Labels.Name), zap.String("endpoint", l.target.HostPort())}
	if e.Family != 0 {
		fields = append(fields, zap.Stringer("network.type", e.Family))
	}
	if e.Address.IsValid() {
		fields = append(fields, zap.Stringer("network.peer.address", e.Address))
	}
	return fields
}

// rootCause returns the innermost error of err, which does not name the address.
func rootCause(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}
