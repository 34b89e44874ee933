package main

import (
	"slices"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/state"
)

// finding is what was found of an address: by a connection, by a handshake and by a dialogue. Those that there
// are not are nil: the sessions of a target are with all its addresses, whichever are connected to.
type finding struct {
	connection *check.Result
	handshake  *check.TLSResult
	dialog     *check.DialogResult
}

// findings returns those of a report, in its order, and then those of sessions alone.
func findings(r *check.Report) []finding {
	all := make([]finding, len(r.Results))
	for i := range r.Results {
		all[i].connection = &r.Results[i]
	}
	if r.Session == nil {
		return all
	}
	for i := range max(len(r.Session.TLS), len(r.Session.Dialogs)) {
		var f finding
		if len(r.Session.TLS) > 0 {
			f.handshake = &r.Session.TLS[i]
		}
		if len(r.Session.Dialogs) > 0 {
			f.dialog = &r.Session.Dialogs[i]
		}
		address := f.endpoint().Address
		at := slices.IndexFunc(r.Results, func(result check.Result) bool { return result.Address == address })
		if at < 0 {
			at, all = len(all), append(all, f)
		}
		all[at].handshake, all[at].dialog = f.handshake, f.dialog
		all[at].dropUntold()
	}
	if lacksSessions(r) {
		for i := range r.Results {
			if r.Results[i].Status == check.Up {
				all[i].lackSession(r.Target)
			}
		}
	}
	return all
}

// endpoint returns the address that the finding is of.
func (f *finding) endpoint() state.Endpoint {
	switch {
	case f.connection != nil:
		return state.Endpoint{Family: f.connection.Family, Address: f.connection.Address}
	case f.handshake != nil:
		return state.Endpoint{Family: f.handshake.Family, Address: f.handshake.Address}
	}
	return state.Endpoint{Family: f.dialog.Family, Address: f.dialog.Address}
}

// dropUntold drops what is unchecked since something else failed, or is unchecked, of which the finding tells.
func (f *finding) dropUntold() {
	unconnected := f.connection != nil && f.connection.Status != check.Up
	silent := f.dialog != nil && f.dialog.Status == check.Down // in which the handshake was to come
	if f.handshake != nil && f.handshake.Status == check.Unchecked && (unconnected || silent) {
		f.handshake = nil
	}
	unshaken := f.handshake != nil && f.handshake.Status != check.Up
	if f.dialog != nil && f.dialog.Status == check.Unchecked && (unconnected || unshaken) {
		f.dialog = nil
	}
}

// lacksSessions reports whether there was a session with no address of a target that was to have one with each,
// since the check was interrupted, or the name did not resolve a second time.
func lacksSessions(r *check.Report) bool {
	return r.Session != nil && len(r.Session.TLS)+len(r.Session.Dialogs) == 0
}

// lackSession says of an address that is connected to that there was no session.
func (f *finding) lackSession(target *check.Target) {
	at := f.endpoint()
	if target.TLS != nil {
		f.handshake = &check.TLSResult{Family: at.Family, Address: at.Address, Status: check.Unchecked, Err: errNoHandshake}
	} else {
		f.dialog = &check.DialogResult{Family: at.Family, Address: at.Address, Status: check.Unchecked, Err: errNoDialog}
	}
}

// sessionsStatus returns the status of a target's sessions: a certificate that is not verified, and a dialogue
// that fails, are CRITICAL.
func sessionsStatus(r *check.Report) status {
	worst := statusOK
	for _, f := range findings(r) {
		if f.handshake != nil {
			worst = worse(worst, sessionStatuses[f.handshake.Status])
		}
		if f.dialog != nil {
			worst = worse(worst, sessionStatuses[f.dialog.Status])
		}
	}
	return worst
}

// sessionStatuses are those of what a session found.
var sessionStatuses = map[check.Status]status{check.Up: statusOK, check.Down: statusCritical, check.Unchecked: statusUnknown}
