package check

import (
	"slices"
	"time"
)

// SessionReport is what one check of a target's sessions found: what goes on over a connection once it is
// made, as a handshake of TLS and a Dialog. Nobody changes it.
type SessionReport struct {
	Target *Target
	Time   time.Time
	// TLS are the results of the handshakes, and Dialogs those of the dialogues; each is empty where the target
	// has none. They are of the addresses that may be dialled, in the order of a Report.
	TLS     []TLSResult
	Dialogs []DialogResult
}

// Complete reports whether all is known that could be: no session was left out since this machine was
// unable to have it. A nil report is complete.
func (r *SessionReport) Complete() bool {
	return r == nil || !slices.ContainsFunc(r.TLS, func(r TLSResult) bool { return r.Lack != "" }) &&
		!slices.ContainsFunc(r.Dialogs, func(r DialogResult) bool { return r.Lack != "" })
}
