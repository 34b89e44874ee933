package check

import (
	"net/netip"
	"regexp"
	"slices"
	"time"
)

// Dialog says what is said to a service once a connection to it is made, and what it is to answer: step by
// step, over each of its addresses, at an interval of its own.
type Dialog struct {
	// Steps are what is said and awaited, in this order; from one on.
	Steps []Step
	// Interval is the time between two dialogues with an address. It is positive. Where the certificates of
	// the target are checked as well, it is that of TLS.
	Interval time.Duration
}

// Step is one step of a Dialog. One of its fields says what is done; the zero value sends nothing.
type Step struct {
	// Expect is awaited in what the service says, as far as no step before has used it up: all to the end of
	// the line in which the match ends.
	Expect *regexp.Regexp
	// Send is sent as it is, but for ${1}, which stands for the first group of the last match, ${0} for
	// all of it, and $$ for a $.
	Send string
	// StartTLS begins a TLS handshake.
	StartTLS StartTLS
}

// StartTLS says how a TLS handshake begins in the midst of a Dialog. The zero value: there is none.
type StartTLS uint8

// The ways to begin.
const (
	StartTLSNow        StartTLS = iota + 1 // at once: the steps before have asked for it
	StartTLSPostgreSQL                     // by an SSLRequest (PostgreSQL, Frontend/Backend Protocol, SSL Session Encryption)
	StartTLSMySQL                          // by an SSLRequest in answer to the handshake packet (MySQL, Connection Phase)
)

// StartsTLS reports whether the dialogue begins a handshake in its midst.
func (d *Dialog) StartsTLS() bool {
	return d != nil && slices.ContainsFunc(d.Steps, func(s Step) bool { return s.StartTLS != 0 })
}

// DialogResult is what a dialogue with an address found.
type DialogResult struct {
	Family  Family
	Address netip.Addr
	// Status is Up if all steps were done, Down if the service did not answer as expected, and Unchecked if
	// it did not come to that: there was no connection or no handshake, of which the results below it tell,
	// or this machine was unable to.
	Status Status
	// Err says why the status is not Up, and is nil if it is.
	Err error
	// ErrorType is the reason if the status is Down, and empty otherwise.
	ErrorType ErrorType
	// Lack is what this machine lacked if it was unable to; empty otherwise.
	Lack Lack
	// Time is how long it took, from the first step to the last answer, without the handshake of TLS. It is 0
	// unless all steps were done.
	Time time.Duration
}
