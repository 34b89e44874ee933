package schedule

import "time"

// Entry is a target on a Schedule. Its fields are in an order that takes little memory.
type Entry[T any] struct {
	target   T
	interval time.Duration
	phase    time.Duration
	next     time.Duration // when it is due; void if the entry was removed
	behind   *Entry[T]     // the next one of the line it is in
	due      time.Duration // when the check was due that waits or is under way
	heldDue  time.Duration // when the check was due that is overdue
	again    time.Duration // when it is to be checked besides; 0 is not to
	weight   int32         // the slots it takes
	line     uint8         // by its last check
	state    entryState
	held     held
	checked  bool // once at least
	besides  bool // the check that is under way is not a regular one
}

// entryState is what an Entry does.
type entryState uint8

const (
	idle entryState = iota
	waiting
	running
)

// held says of an Entry whose check is under way whether another one is to follow.
type held uint8

const (
	nothing held = iota
	overdue      // unless it would be too late
	ordered      // by CheckNow
)

// gone is when an Entry is due that was removed.
const gone time.Duration = -1
