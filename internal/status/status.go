// Package status has the values that a status page shows: what a receiver knows of its targets at a moment, and
// what it keeps of their last hours for that.
package status

import (
	"encoding/binary"
	"hash/fnv"
	"net/netip"
	"time"

	"example.com/tcpcheckreceiver/internal/check"
)

// Viewer is an extension of the collector that shows receivers, such as a page. A receiver finds it by its ID.
type Viewer interface {
	// Show has a receiver of this ID shown until stop is called. It is looked at whenever somebody wants to see
	// it, by several goroutines at a time. The error is that another one of this ID is shown.
	Show(receiver string, look func() *Snapshot) (stop func(), err error)
}

// Fresh is how old a Snapshot may be that is given to several who look.
const Fresh = time.Second

// Snapshot is what a receiver knows at a moment. Nobody changes it.
type Snapshot struct {
	Receiver  string // its ID
	Taken     time.Time
	Instances []Instance // in the order of the list
	// NotChecked are those of the list that are not checked, and addresses that are not dialled.
	NotChecked []check.NotChecked
	Stale      []check.Source // those whose newest list could not be taken
	Events     []Event        // the last ones, the oldest first
}

// State says what is known of an address, or of what goes on over a connection to it.
type State uint8

// The states.
const (
	Unknown   State = iota // nothing is known yet
	Up                     // it connects, or works
	Down                   // it does not
	Unchecked              // this machine is unable to check it
)

// String returns the state as one word: unknown, up, down or unchecked.
func (s State) String() string { return [...]string{"unknown", "up", "down", "unchecked"}[s] }

// Instance is a target with what is known of it.
type Instance struct {
	ID        uint64 // tells it apart from all others
	Target    *check.Target
	Endpoints []Endpoint       // IPv4 before IPv6; empty before the first check
	Omissions []check.Omission // families that are not checked
	Excesses  []check.Excess   // families of which not all addresses are checked
	Denied    []netip.Addr     // addresses that may not be dialled
	Events    []Event          // the last ones, the oldest first
}

// Endpoint is an address of a target, or a family in which no address is known, with its state.
type Endpoint struct {
	Family     check.Family // zero where a name never resolved, and no family was asked for
	Address    netip.Addr   // invalid if none is known
	Translated check.Translated
	State      State
	// SessionsOnly says that it is an address of which only the sessions are checked: there is no State.
	SessionsOnly bool
	Flapping     bool // it goes up and down
	// Doubtful says that its last check failed, and that this is tried again before it counts.
	Doubtful bool
	// Since is when it came to be in its state; zero if that is not known.
	Since time.Time
	// ErrorType is why it is down, Message the error, and Reason both as a sentence has them. Those of
	// an Unchecked one say what this machine lacks.
	ErrorType       check.ErrorType
	Message, Reason string
	// Source is who said that it cannot be reached, and Sender the address of who sent the ICMP error.
	Source check.ErrorSource
	Sender netip.Addr
	// Hint says where to look for the cause; empty if nothing is known.
	Hint string
	// Last is how long the last handshake of TCP took, and Average that of those in the Strip. They are 0
	// where there was none.
	Last, Average time.Duration
	Strip         Strip
	TLS, Dialog   *Layer // nil if that is not checked, or was not yet
}

// Layer is what is known of what goes on over a connection to an Endpoint. Its state is Up if it works.
type Layer struct {
	State     State
	ErrorType check.ErrorType
	Reason    string        // why it does not work, as a sentence has it
	Since     time.Time     // it came to work, or not to; zero if that is not known
	Time      time.Duration // of the last handshake or dialogue; 0 if it was not completed
	// Ends is when the certificate ends, and ChainEnds when the first one of its chain does; zero if
	// there is none.
	Ends, ChainEnds time.Time
}

// Event is something that happened, as the log tells it.
type Event struct {
	Time     time.Time
	Name     string // by which metadata.yaml declares it; empty for what the log alone has
	Severity Severity
	Text     string // a sentence, perhaps cut
	// Target is the one that it is about, or nil for none. Of the events of an Instance it is that one.
	Target *check.Target
}

// Severity is that of an Event.
type Severity uint8

// The severities.
const (
	Info Severity = iota
	Warn
	Error
)

// String returns the severity as one word: info, warn or error.
func (s Severity) String() string { return [...]string{"info", "warn", "error"}[s] }

// IDOf returns the ID of an Instance with a key of a receiver. It stays the same when the collector is started
// again.
func IDOf(receiver string, key check.Key) uint64 {
	sum := fnv.New64a()
	for _, text := range []string{receiver, key.Name, key.Host} {
		_, _ = sum.Write([]byte(text)) // which does not fail
		_, _ = sum.Write([]byte{0})
	}
	_, _ = sum.Write(binary.BigEndian.AppendUint16(nil, key.Port))
	return sum.Sum64()
}
