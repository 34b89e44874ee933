package state

import (
	"time"

	"example.com/tcpcheckreceiver/internal/check"
)

// Kind says what a Change is about.
type Kind uint8

// The kinds of a Change, and which of its fields they set besides Kind and Endpoint.
const (
	// WentDown: an endpoint is down that was up, or was not known. Result; Since, if it
	// was up.
	WentDown Kind = iota
	// CameUp: an endpoint is up that was down. Result, Since.
	CameUp
	// ReasonChanged: an endpoint is still down, for another reason. Result, Before, Since.
	ReasonChanged
	// ReasonFlapping: as ReasonChanged, and more of these are not told for a time. Until as well.
	ReasonFlapping
	// Flapping: an endpoint turned, and its turns are Held until it is Settled. Result, Since.
	Flapping
	// Held: an endpoint that is flapping turned again. Result, Since.
	Held
	// Settled: an endpoint that was flapping has kept its state. Result, Since.
	Settled
	// Gone: an endpoint that was down or flapping is no longer one of the target. Since, if
	// it was down.
	Gone
	// Ended: as Gone, since the target is no longer checked.
	Ended
	// FamilyLost: the name has no address any more in a family that was checked.
	FamilyLost
	// FamilyBack: it has one again.
	FamilyBack
	// Truncated: a family has more addresses than are checked. Excess.
	Truncated
	// Denied: an address may not be dialled.
	Denied
)

// Change is something that a report changes in what is known of a target.
type Change struct {
	Kind Kind
	Endpoint
	// Translated is the IPv4 address behind the translator that the endpoint's leads to.
	Translated check.Translated
	// Result is the one that says so. It is that of the report.
	Result *check.Result
	// Before is the reason for which the endpoint was down until now.
	Before check.ErrorType
	// Since is when the state began that has ended, or for Settled, that which lasts. It
	// is zero if there was none.
	Since time.Time
	// Until is the time until which nothing more is told.
	Until  time.Time
	Excess check.Excess
}
