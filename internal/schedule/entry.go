package schedule

import "time"

// Entry is a target on a Schedule.
type Entry[T any] struct {
	target   T
	interval time.Duration
	phase    time.Duration
	next     time.Duration // when it is due; void if the entry was removed
	behind   *Entry[T]     // the next one of the line it is in
	due      time.Duration // when the check was due that waits or is under way
	state    entryState
	line     int  // by its last check
	weight   int  // the slots it takes
	checked  bool // once at least
	held     held
	heldDue  time.Duration // when the check was due that is overdue
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
