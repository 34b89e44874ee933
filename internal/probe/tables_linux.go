package probe

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"example.com/tcpcheckreceiver/internal/check"
)

// errUnsent is the reason for a timeout where the kernel tried to send the SYN again
// and could not: tcpi_total_retrans counts the attempts, and tcpi_retrans stays 0
// unless one has left.
var errUnsent = errors.New("this machine did not send the SYN: a rule of its own firewall drops it, or one of its tables is full")

// errNeighboursFull is the reason for a timeout while the kernel's table of neighbours
// had no room (arp(7), gc_thresh3).
var errNeighboursFull = errors.New("the neighbour table of this machine is full (gc_thresh3)")

// lostHere returns why an attempt had no answer if that is this machine's own doing,
// or nil. Before and after are the tables when the first SYN was sent and when time was
// up; shake is what is known of the SYNs.
func lostHere(before, after *tableState, shake handshake, ipv6 bool) error {
	// A SYN that was sent again has left, so there was room for its neighbour.
	left := shake.retransmits > 0 && !shake.unsent
	switch {
	case after.trackingLosses > before.trackingLosses && (before.nearlyFull() || after.nearlyFull()):
		return check.ErrConntrackFull
	case !left && (!ipv6 && after.neighbourLosses4 > before.neighbourLosses4 || ipv6 && after.neighbourLosses6 > before.neighbourLosses6):
		return errNeighboursFull
	case shake.unsent:
		return errUnsent
	}
	return nil
}

// tableState is the state of the tables of this machine, and of this network namespace,
// in which a connection needs room. Counters that cannot be read are 0.
type tableState struct {
	read time.Time
	check.Conntrack
	// trackingLosses is how many packets connection tracking has dropped, and how
	// many entries it has given up for others, since the start.
	trackingLosses uint64
	// neighbourLosses is how often there was no room for a neighbour.
	neighbourLosses4, neighbourLosses6 uint64
}

// nearlyFull reports whether connection tracking had hardly any room: it drops packets
// when the table is full, and entries go all the time.
func (s *tableState) nearlyFull() bool { return s.Max > 0 && s.Count >= s.Max/10*9 }

// tables reads the state of the tables from below a folder such as /proc.
type tables struct {
	proc string
	mu   sync.Mutex
	last *tableState
}

// processTables are those of this process's network namespace.
var processTables = &tables{proc: "/proc"}

// stale is how old a state of the tables may be: it is read for many checks at once,
// since each reading costs as much as several checks.
const stale = 250 * time.Millisecond

// at returns a state that was read at when, or up to age before, or later.
func (t *tables) at(when time.Time, age time.Duration) *tableState {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.last == nil || t.last.read.Before(when.Add(-age)) {
		t.last = t.read()
	}
	return t.last
}

func (t *tables) read() *tableState {
	return &tableState{
		read:             time.Now(),
		Conntrack:        t.entries(),
		trackingLosses:   t.sum("nf_conntrack", "drop", "early_drop", "insert_failed"),
		neighbourLosses4: t.sum("arp_cache", "table_fulls"),
		neighbourLosses6: t.sum("ndisc_cache", "table_fulls"),
	}
}

// entries returns how full the connection tracking table is.
func (t *tables) entries() check.Conntrack {
	return check.Conntrack{
		Count: t.number("sys/net/netfilter/nf_conntrack_count"),
		Max:   t.number("sys/net/netfilter/nf_conntrack_max"),
	}
}

func (t *tables) conntrack() check.Conntrack {
	c := t.entries()
	c.TimeWait = time.Duration(t.number("sys/net/netfilter/nf_conntrack_tcp_timeout_time_wait")) * time.Second
	return c
}

// ReadConntrack returns the connection tracking of this network namespace. It is the
// zero value where there is none or it cannot be read.
func ReadConntrack() check.Conntrack { return processTables.conntrack() }

// number returns the number in a file, or 0.
func (t *tables) number(name string) int {
	text, _ := os.ReadFile(t.proc + "/" + name) // nothing, if it cannot be read
	number, _ := strconv.Atoi(string(bytes.TrimSpace(text)))
	return max(0, number)
}

// sum returns the sum of columns in a file of /proc/net/stat, which has a line of names
// and then one for each processor, in hexadecimal.
func (t *tables) sum(name string, columns ...string) (sum uint64) {
	text, _ := os.ReadFile(t.proc + "/net/stat/" + name) // nothing, if it cannot be read
	head, rest, _ := strings.Cut(string(text), "\n")
	names := strings.Fields(head)
	for line := range strings.Lines(rest) {
		for i, field := range strings.Fields(line) {
			if i < len(names) && slices.Contains(columns, names[i]) {
				value, _ := strconv.ParseUint(field, 16, 64)
				sum += value
			}
		}
	}
	return sum
}
