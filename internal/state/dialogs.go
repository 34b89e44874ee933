package state

import (
	"slices"
	"time"

	"example.com/tcpcheckreceiver/internal/check"
)

// Dialogs is what is known of the dialogues with the addresses of a target. The zero value knows nothing.
type Dialogs struct{ endpoints []layer }

// Observe takes note of a report, and returns what it changes. Of an address whose state is not known now it
// keeps what it knew, as long as the address is one of the target.
func (d *Dialogs) Observe(report *check.SessionReport) []DialogChange {
	if len(report.Dialogs) == 0 {
		return nil
	}
	var changes []DialogChange
	endpoints := make([]layer, 0, len(report.Dialogs))
	for i := range report.Dialogs {
		r := &report.Dialogs[i]
		l := layer{Endpoint: Endpoint{r.Family, r.Address}}
		before := slices.IndexFunc(d.endpoints, func(other layer) bool { return other.Endpoint == l.Endpoint })
		if before >= 0 {
			l = d.endpoints[before]
		}
		if r.Status == check.Unchecked {
			if before >= 0 {
				endpoints = append(endpoints, l)
			}
			continue
		}
		change := DialogChange{Endpoint: l.Endpoint, Result: r, Before: l.errorType, Since: l.since}
		switch l.observe(r.Status == check.Up, r.ErrorType, report.Time, before >= 0) {
		case same:
		case failed:
			changes = append(changes, change)
		case failedOtherwise:
			change.Kind = DialogFailedOtherwise
			changes = append(changes, change)
		case recovered:
			change.Kind = DialogWorks
			changes = append(changes, change)
		}
		endpoints = append(endpoints, l)
	}
	d.endpoints = endpoints
	return changes
}

// DialogKind says what a DialogChange is about.
type DialogKind uint8

// The kinds of a DialogChange, and which of its fields they set besides Kind, Endpoint and Result.
const (
	DialogFailed          DialogKind = iota // that worked, or was not known: Since, if it worked
	DialogFailedOtherwise                   // for another reason than before: Before, Since
	DialogWorks                             // again: Since
)

// DialogChange is something that a report changes in what is known of the dialogues of a target.
type DialogChange struct {
	Kind DialogKind
	Endpoint
	// Result is the one that says so. It is that of the report.
	Result *check.DialogResult
	// Before is the reason for which it failed until now.
	Before check.ErrorType
	// Since is when the state began that has ended. It is zero if there was none.
	Since time.Time
}
