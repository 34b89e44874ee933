package main

import (
	"errors"
	"slices"
	"time"

	"example.com/tcpcheckreceiver/internal/check"
)

// status is an exit status of the Monitoring Plugins. The zero value is that nothing is wrong.
type status int

const (
	statusOK status = iota
	statusWarning
	statusCritical
	statusUnknown
)

// String returns the word that the Monitoring Plugins have for it.
func (s status) String() string { return [...]string{"OK", "WARNING", "CRITICAL", "UNKNOWN"}[s] }

// severities are the statuses from the worst one on.
var severities = []status{statusCritical, statusWarning, statusUnknown, statusOK}

// worse returns the worse one of two statuses.
func worse(a, b status) status {
	if slices.Index(severities, a) < slices.Index(severities, b) {
		return a
	}
	return b
}

// limits are those of the handshake's time from which on a connection is too slow; 0 is none.
type limits struct{ warning, critical time.Duration }

// validate returns what is wrong with the limits.
func (l limits) validate() error {
	switch {
	case l.warning < 0:
		return errors.New("--warn: " + l.warning.String() + " is less than 0")
	case l.critical < 0:
		return errors.New("--crit: " + l.critical.String() + " is less than 0")
	case l.warning > 0 && l.critical > 0 && l.warning > l.critical:
		return errors.New("--warn: " + l.warning.String() + " is longer than --crit, " + l.critical.String() + ", so it would never be told")
	}
	return nil
}

// of returns the status of an address that connected.
func (l limits) of(handshake time.Duration) status {
	switch {
	case l.critical > 0 && handshake > l.critical:
		return statusCritical
	case l.warning > 0 && handshake > l.warning:
		return statusWarning
	}
	return statusOK
}

// worst returns the worst status of reports.
func (l limits) worst(reports []check.Report) status {
	worst := statusOK
	for i := range reports {
		worst = worse(worst, l.status(&reports[i]))
	}
	return worst
}

// status returns that of a target.
func (l limits) status(report *check.Report) status {
	return worse(l.connectionsStatus(report), sessionsStatus(report))
}

// connectionsStatus returns the status of a target's connections.
func (l limits) connectionsStatus(report *check.Report) status {
	var up, down, unnamed, unchecked int
	slow := statusOK
	for _, r := range report.Results {
		switch {
		case r.Status == check.Up:
			up++
			slow = worse(slow, l.of(r.HandshakeTime))
		case r.Status == check.Unchecked:
			unchecked++
		case isUnnamed(&r):
			unnamed++
		default:
			down++
		}
	}
	switch {
	case up == 0 && down > 0:
		return statusCritical
	case up > 0 && down+unnamed > 0:
		return worse(statusWarning, slow)
	case up == 0 || unchecked > 0:
		return worse(statusUnknown, slow)
	}
	return slow
}

// isUnnamed reports whether the name of the target was not resolved, which says nothing about the
// target itself.
func isUnnamed(r *check.Result) bool { return unnamed[r.ErrorType] != "" }

// unnamed says why a name was not resolved.
var unnamed = map[check.ErrorType]string{
	check.DNSNotFound: "the name does not exist",
	check.DNSTimeout:  "no name server answered within the timeout",
	check.DNSFailure:  "the name servers do not resolve the name",
}
