package schedule

import (
	"time"

	"github.com/cespare/xxhash/v2"
)

// phase returns the moment within the interval at which the target of a key is checked,
// from 0 to less than the interval. It depends on nothing but its arguments: a restart
// keeps it, and agents of different seeds check the same target at different moments.
func phase(seed, key string, interval time.Duration) time.Duration {
	return time.Duration(xxhash.Sum64String(seed+"\x00"+key) % uint64(interval))
}

// untilPhase returns how long it is from a date to the next moment of a phase, from 0 to
// less than the interval. Intervals are counted from the Unix epoch.
func untilPhase(date time.Time, phase, interval time.Duration) time.Duration {
	into := time.Duration(date.UnixNano() % int64(interval))
	return ((phase-into)%interval + interval) % interval
}
