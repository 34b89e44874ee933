package tcpcheckreceiver

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// problems are what is wrong with a configuration: at most one for each place.
type problems struct {
	errs   []error
	places map[string]bool
}

// add takes note of a problem at a place such as instances[2].port, unless there
// is one already at that place or at one around it.
func (p *problems) add(place, format string, args ...any) {
	if p.has(place) {
		return
	}
	if p.places == nil {
		p.places = make(map[string]bool)
	}
	p.places[place] = true
	text := fmt.Sprintf(format, args...)
	if place != "" {
		text = place + ": " + text
	}
	p.errs = append(p.errs, errors.New(text))
}

// has reports whether there is a problem at place or at one around it.
func (p *problems) has(place string) bool {
	for len(p.places) > 0 && place != "" {
		if p.places[place] {
			return true
		}
		place = place[:max(0, strings.LastIndexAny(place, ".["))]
	}
	return false
}

// clone returns a copy to which more problems may be added.
func (p *problems) clone() *problems {
	return &problems{errs: slices.Clone(p.errs), places: maps.Clone(p.places)}
}

// err returns an error that has a line for each problem, or nil without any.
func (p *problems) err() error { return errors.Join(p.errs...) }
