//go:build linux

package main

import "math"

// scale is the axis of a panel.
type scale struct {
	logarithmic bool
	marks       []float64 // ascending; the axis ends at the last one
}

// newScale returns the axis for the lines of a panel, from 0, or from 1 if it is
// logarithmic.
func newScale(p panel) scale {
	highest := 1.0
	for _, l := range p.lines {
		for _, point := range l.points {
			highest = max(highest, point.value)
		}
	}
	s := scale{logarithmic: p.logarithmic, marks: []float64{0}}
	if s.logarithmic {
		s.marks = []float64{1}
	}
	for step := niceStep(highest); s.marks[len(s.marks)-1] < highest; {
		last := s.marks[len(s.marks)-1]
		if s.logarithmic {
			s.marks = append(s.marks, 10*last)
		} else {
			s.marks = append(s.marks, last+step)
		}
	}
	return s
}

// part returns how far along the axis a value is, from 0 to 1.
func (s scale) part(value float64) float64 {
	end := s.marks[len(s.marks)-1]
	if s.logarithmic {
		return math.Log10(max(value, 1)) / math.Log10(end)
	}
	return value / end
}

// niceStep returns the distance of two to five round numbers from 0 to highest,
// which is positive.
func niceStep(highest float64) float64 {
	unit := math.Pow(10, math.Floor(math.Log10(highest)))
	switch {
	case highest/unit < 1.5:
		return unit / 2
	case highest/unit < 3:
		return unit
	case highest/unit < 6:
		return 2 * unit
	}
	return 5 * unit
}
