package check

import (
	"errors"
	"time"
)

// ErrConntrackFull is why an address could not be checked while the connection tracking
// of this machine dropped packets for want of room: perhaps the SYN of this check.
var ErrConntrackFull = errors.New("the connection tracking table of this machine is full (nf_conntrack_max)")

// Conntrack is the connection tracking of the kernel (nf_conntrack), which is in use
// where a firewall, a container runtime or NAT asks for it. The zero value is none.
type Conntrack struct {
	Count int // entries
	Max   int // above which packets are dropped
	// TimeWait is how long the entry of a check that connected lasts.
	TimeWait time.Duration
}

// Rate returns how many checks a second fit into the table, if nothing else uses it and
// all of them connect. It is 0 where that is not known.
func (c Conntrack) Rate() int {
	if c.TimeWait <= 0 {
		return 0
	}
	return int(float64(c.Max) / c.TimeWait.Seconds())
}
