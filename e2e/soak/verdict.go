//go:build linux

package main

import "math"

// tolerance is how much of itself a flat figure may change, on top of its slack.
const tolerance = 0.1

// verdict says whether a figure was flat: whether its median over the last
// window is that over the middle one, give or take what is allowed, or less
// where it may fall.
type verdict struct {
	figure       *figure
	middle, last float64 // the medians
	peak         float64 // the highest value in both windows
	allowed      float64
	flat         bool
}

// judge returns the verdict of a figure. One without values in both windows is
// not flat.
func judge(f *figure, p plan) verdict {
	v := verdict{figure: f, middle: math.NaN(), last: math.NaN(), peak: math.NaN(), allowed: math.NaN()}
	middle, last := f.values(p.middle), f.values(p.last)
	if len(middle) == 0 || len(last) == 0 {
		return v
	}
	v.middle, v.last = median(middle), median(last)
	v.peak = max(middle[len(middle)-1], last[len(last)-1])
	v.allowed = tolerance*v.middle + f.slack
	change := v.last - v.middle
	v.flat = change <= v.allowed && (f.falls || -change <= v.allowed)
	return v
}
