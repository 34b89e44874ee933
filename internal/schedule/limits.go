package schedule

import "time"

// slots are what checks take while they are under way. Those of targets that did not answer
// the last time may take three quarters.
type slots struct {
	all   int
	taken [2]int // by line
}

// free reports whether so many slots are free for a check of a line.
func (s *slots) free(line, n int) bool {
	if line == others && s.taken[others]+n > max(1, s.all-s.all/4) {
		return false
	}
	return s.taken[answered]+s.taken[others]+n <= s.all
}

func (s *slots) take(line, n int) { s.taken[line] += n }
func (s *slots) give(line, n int) { s.taken[line] -= n }

// weight returns how many slots a check takes that dials so many addresses.
func (s *slots) weight(dials int) int { return min(max(1, dials), max(1, s.all-s.all/4)) }

// savedUp is how much of the rate can be made up for, where a worker comes late.
const savedUp = 4 * Tick

// pace limits how many checks start in a time.
type pace struct {
	credit float64 // how many may start at once
	at     time.Duration
}

// allows reports whether one may start now, and counts it, where so many may start in a
// second.
func (p *pace) allows(now time.Duration, rate float64) bool {
	most := max(burst, rate*savedUp.Seconds())
	p.credit = min(most, p.credit+rate*(now-p.at).Seconds())
	p.at = now
	if p.credit < 1 {
		return false
	}
	p.credit--
	return true
}
