package main

import (
	"fmt"
	"io"
	"math"
	"net/netip"
	"strings"
	"time"

	"example.com/tcpcheckreceiver/internal/check"
)

// tally is what came of all checks of an address.
type tally struct {
	summaryKey
	sent, up    int
	retransmits int // of SYNs
	// Of the handshakes, in seconds.
	least, most, sum, squares float64
}

// add adds a result.
func (t *tally) add(r *check.Result) {
	if !r.Address.IsValid() || r.Status == check.Unchecked {
		return // nothing was sent
	}
	t.sent++
	t.retransmits += max(0, r.SYNRetransmits) // where it is known
	if r.Status != check.Up {
		return
	}
	seconds := r.HandshakeTime.Seconds()
	if t.up == 0 || seconds < t.least {
		t.least = seconds
	}
	t.up, t.most, t.sum, t.squares = t.up+1, max(t.most, seconds), t.sum+seconds, t.squares+seconds*seconds
}

// times returns the least, the average and the most of the handshakes' times, and their standard
// deviation; empty texts if there was none.
func (t *tally) times() [4]string {
	if t.up == 0 {
		return [4]string{}
	}
	n := float64(t.up)
	average := t.sum / n
	deviation := math.Sqrt(max(0, t.squares/n-average*average))
	var texts [4]string
	for i, seconds := range []float64{t.least, average, t.most, deviation} {
		texts[i] = short(time.Duration(seconds * float64(time.Second)))
	}
	return texts
}

// summary has the tally of each address, in the order in which these came.
type summary struct {
	tallies []*tally
	by      map[summaryKey]*tally
}

type summaryKey struct {
	target  *check.Target
	family  check.Family
	address netip.Addr
}

// add adds the results of reports.
func (s *summary) add(reports []check.Report) {
	for i := range reports {
		for _, r := range reports[i].Results {
			key := summaryKey{reports[i].Target, r.Family, r.Address}
			if s.by[key] == nil {
				if s.by == nil {
					s.by = make(map[summaryKey]*tally)
				}
				s.by[key] = &tally{summaryKey: key}
				s.tallies = append(s.tallies, s.by[key])
			}
			s.by[key].add(&r)
		}
	}
}

// write writes a line for each address.
func (s *summary) write(to io.Writer) error {
	var text strings.Builder
	table := newColumns(&text)
	table.line("TARGET", "FAMILY", "ADDRESS", "SENT", "UP", "MIN", "AVG", "MAX", "STDDEV", "RETRANSMITS")
	for _, t := range s.tallies {
		times := t.times()
		table.line(t.target.HostPort(), nameOf(t.family), textOf(t.address), fmt.Sprint(t.sent), fmt.Sprint(t.up), times[0], times[1], times[2], times[3], fmt.Sprint(t.retransmits))
	}
	table.end()
	return writeTrimmed(to, text.String())
}
