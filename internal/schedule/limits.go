package schedule

import "time"

// slots are what checks take while they are under way.
type slots struct {
	all      int32
	taken    [2]int32 // by line
	heaviest int32    // the most that a check took whose target answered
}

// forOthers returns how many of them targets may take that did not answer the last time: all
// but a quarter, and but as many as one takes that answered.
func (s *slots) forOthers() int32 { return max(1, s.all-max((s.all+3)/4, s.heaviest)) }

// free reports whether so many slots are free for a check of a line. A check that takes more
// than there are for its line is made when none of these is taken.
func (s *slots) free(line uint8, n int32) bool {
	if line == others && s.taken[others] > 0 && s.taken[others]+n > s.forOthers() {
		return false
	}
	return s.taken[answered]+s.taken[others]+n <= s.all
}

func (s *slots) take(line uint8, n int32) { s.taken[line] += n }
func (s *slots) give(line uint8, n int32) { s.taken[line] -= n }

// weight returns how many slots a check takes that dials so many addresses.
func (s *slots) weight(dials int) int32 { return int32(min(max(1, dials), int(s.all))) } //nolint:gosec // all is one

// savedUp is how much of the rate can be made up for, where a worker comes late.
const savedUp = 4 * Tick

// pace limits how many checks start in a time.
type pace struct {
	credit float64 // how many may start at once
	at     time.Duration
}

// allows reports whether one may start now, where so many may start in a second.
func (p *pace) allows(now time.Duration, rate float64) bool {
	most := max(burst, rate*savedUp.Seconds())
	p.credit = min(most, p.credit+rate*(now-p.at).Seconds())
	p.at = now
	return p.credit >= 1
}

// count counts one that starts.
func (p *pace) count() { p.credit-- }
