package svg

import "math"

// Scale is the axis of a chart.
type Scale struct {
	Logarithmic bool
	Marks       []float64 // ascending; the axis ends at the last one
}

// NewScale returns the axis for values up to highest, which is positive, from 0,
// or from 1 to 10 or more if it is logarithmic.
func NewScale(logarithmic bool, highest float64) Scale {
	s := Scale{Logarithmic: logarithmic, Marks: []float64{0}}
	if s.Logarithmic {
		s.Marks, highest = []float64{1}, max(highest, 10)
	}
	for step := niceStep(highest); s.Marks[len(s.Marks)-1] < highest; {
		last := s.Marks[len(s.Marks)-1]
		if s.Logarithmic {
			s.Marks = append(s.Marks, 10*last)
		} else {
			s.Marks = append(s.Marks, last+step)
		}
	}
	return s
}

// Part returns how far along the axis a value is, from 0 to 1.
func (s Scale) Part(value float64) float64 {
	end := s.Marks[len(s.Marks)-1]
	if s.Logarithmic {
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
