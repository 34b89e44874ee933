package report

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"go.uber.org/zap/zapcore"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/state"
	"example.com/tcpcheckreceiver/internal/status"
)

// Why something is not checked, as a sentence has it.
const (
	Denied    = "it is one of the denied addresses"
	Elsewhere = "another collector is elected, and checks it"
)

// kept returns the event as a status page shows it.
func (e *event) kept() *status.Event {
	severity := status.Info
	switch {
	case e.level >= zapcore.ErrorLevel:
		severity = status.Error
	case e.level == zapcore.WarnLevel:
		severity = status.Warn
	}
	return &status.Event{Time: e.time, Name: e.name, Severity: severity, Text: e.body, Target: e.target}
}

// Shown is a target with what is known of it, as a status page is to show it.
type Shown struct {
	Target       *check.Target
	History      *status.History
	Known        *state.Target
	Session      *check.SessionReport // the last one; nil before
	Certificates *state.Certificates  // of the sessions
	Dialogs      *state.Dialogs
}

// Instance returns what is to be shown at a time.
func (s *Shown) Instance(now time.Time) status.Instance {
	shown := status.Instance{ID: s.History.ID(), Target: s.Target, Events: s.History.Events(s.Target)}
	s.History.Rest(&shown)
	if n := s.History.Endpoints(); n > 0 {
		shown.Endpoints = make([]status.Endpoint, 0, n)
	}
	down := false
	for r, past := range s.History.Lines(now) {
		e := s.endpoint(r, &past)
		shown.Endpoints = append(shown.Endpoints, e)
		down = down || e.State == status.Down
	}
	if down {
		s.addHints(&shown, now)
	}
	s.addSessions(&shown)
	slices.SortStableFunc(shown.Endpoints, func(a, b status.Endpoint) int {
		return cmp.Or(cmp.Compare(a.Family, b.Family), a.Address.Compare(b.Address))
	})
	return shown
}

// endpoint returns what is known of an endpoint whose last result is r.
func (s *Shown) endpoint(r *check.Result, past *status.Past) status.Endpoint {
	e := status.Endpoint{Family: r.Family, Address: r.Address, Translated: r.Translated, Strip: past.Strip, Last: r.HandshakeTime, Average: past.Average}
	known, ok := s.Known.Known(state.Endpoint{Family: r.Family, Address: r.Address})
	if ok {
		e.State, e.Since, e.Flapping = status.Down, known.Since, known.Flapping
		if known.Up {
			e.State = status.Up
		}
	}
	switch r.Status {
	case check.Unchecked:
		e.State, e.Since = status.Unchecked, past.Unchecked
		e.Reason = check.RootCause(r.Err).Error()
	case check.Unconfirmed:
		e.Doubtful = true
	default:
	}
	if r.Err == nil {
		return e
	}
	e.ErrorType, e.Message, e.Source, e.Sender = r.ErrorType, r.Err.Error(), r.ErrorSource(), r.Sender()
	if r.Status != check.Unchecked {
		e.Reason = reasonOf(r)
	}
	return e
}

// addHints adds the hints of the endpoints that are down, which are those of the history yet.
func (s *Shown) addHints(to *status.Instance, now time.Time) {
	var results []check.Result
	for r := range s.History.Lines(now) {
		results = append(results, *r)
	}
	for i := range to.Endpoints {
		if to.Endpoints[i].State == status.Down {
			to.Endpoints[i].Hint = Hint(s.Target, results, &results[i])
		}
	}
}

// addSessions adds what is known of what goes on over the connections. The sessions are with all addresses of the
// target, of which not all may be connected to otherwise.
func (s *Shown) addSessions(to *status.Instance) {
	if s.Session == nil {
		return
	}
	for i := range s.Session.TLS {
		r := &s.Session.TLS[i]
		layer := &status.Layer{State: stateOf(r.Status), ErrorType: r.ErrorType, Since: s.Certificates.Since(state.Endpoint{Family: r.Family, Address: r.Address}), Time: r.HandshakeTime}
		if r.Err != nil {
			layer.Reason = r.Err.Error()
		}
		if r.Status == check.Down {
			layer.Reason = r.Reason()
		}
		if r.Certificate != nil {
			layer.Ends, layer.ChainEnds = r.Certificate.NotAfter, r.Certificate.ChainNotAfter
		}
		endpointOf(to, r.Family, r.Address).TLS = layer
	}
	for i := range s.Session.Dialogs {
		r := &s.Session.Dialogs[i]
		layer := &status.Layer{State: stateOf(r.Status), ErrorType: r.ErrorType, Since: s.Dialogs.Since(state.Endpoint{Family: r.Family, Address: r.Address}), Time: r.Time}
		if r.Err != nil {
			layer.Reason = r.Err.Error()
		}
		if r.Status == check.Down {
			layer.Reason = r.ErrorType.Words() + ": " + r.Err.Error()
		}
		endpointOf(to, r.Family, r.Address).Dialog = layer
	}
}

// endpointOf returns the endpoint of an address, which is added if it is not there.
func endpointOf(of *status.Instance, family check.Family, address netip.Addr) *status.Endpoint {
	for i := range of.Endpoints {
		if e := &of.Endpoints[i]; e.Family == family && e.Address == address {
			return e
		}
	}
	of.Endpoints = append(of.Endpoints, status.Endpoint{Family: family, Address: address, SessionsOnly: true})
	return &of.Endpoints[len(of.Endpoints)-1]
}

// stateOf returns the state of a layer by its last result.
func stateOf(s check.Status) status.State {
	switch s {
	case check.Up:
		return status.Up
	case check.Down:
		return status.Down
	default:
		return status.Unchecked
	}
}
