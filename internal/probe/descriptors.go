package probe

import (
	"sync"

	"golang.org/x/sync/semaphore"
)

// What a check needs of the process's file descriptors at the same time.
const (
	dialDescriptors   = 1
	lookupDescriptors = 2 // for each family: a socket, and the hosts file or resolv.conf
)

// descriptors are those that checks may have open at the same time: half of the
// process's limit, since the collector needs some as well, and the process's
// limit is one for all receivers in it.
var descriptors = sync.OnceValue(func() *semaphore.Weighted { return semaphore.NewWeighted(shareOf(descriptorLimit())) })

// shareOf returns the share of checks in so many descriptors: what a lookup of both
// families needs at least.
func shareOf(limit int64) int64 { return max(2*lookupDescriptors, limit/2) }

// MostDials returns how many addresses can be dialled at the same time, by the process's
// limit of open files as it is now.
func MostDials() int { return int(shareOf(descriptorLimit())) }
