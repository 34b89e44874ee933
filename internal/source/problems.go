package source

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// Problems are what is wrong with a configuration: at most one for each place. The zero
// value is none.
type Problems struct {
	found []problem
	// places has true for those of found, and false for the others around them.
	places map[string]bool
}

type problem struct {
	place, text string
	order       []int // of its place, once that is known
}

// Add takes note of a problem at a place such as instances[2].port, unless there
// is one already at that place or at one around it.
func (p *Problems) Add(place, format string, args ...any) {
	if p.has(place) {
		return
	}
	if p.places == nil {
		p.places = make(map[string]bool)
	}
	p.places[place] = true
	for outer := outerPlace(place); outer != ""; outer = outerPlace(outer) {
		p.places[outer] = false // there is no problem at it, or has would have found that
	}
	p.found = append(p.found, problem{place: place, text: fmt.Sprintf(format, args...)})
}

// outerPlace returns the place around one: instances[2] is around instances[2].port.
func outerPlace(place string) string {
	return place[:max(0, strings.LastIndexAny(place, ".["))]
}

// has reports whether there is a problem at place or at one around it.
func (p *Problems) has(place string) bool {
	for ; place != ""; place = outerPlace(place) {
		if p.places[place] {
			return true
		}
	}
	return false
}

// Within reports whether there is a problem at place or at one within it.
func (p *Problems) Within(place string) bool {
	_, ok := p.places[place]
	return ok
}

// Err returns an error that has a line for each problem that was found with the options,
// with its place and its value, or nil. The lines come in the order of the options and
// of the instances, each of which is named.
func (o *Options) Err(problems *Problems) error {
	if len(problems.found) == 0 {
		return nil
	}
	names := make(map[string]string)
	for place, instance := range o.instances() {
		names[place] = instance.Name
	}
	options := cmp.Or(o.schema, schemaOf(reflect.TypeFor[Options]()))
	found := slices.Clone(problems.found)
	for i := range found {
		_, _, found[i].order = options.at(found[i].place)
	}
	slices.SortStableFunc(found, func(a, b problem) int {
		return cmp.Or(slices.Compare(a.order, b.order), strings.Compare(a.place, b.place))
	})
	var errs []error
	for _, f := range found {
		place := named(f.place, names[instancePlace.FindString(f.place)])
		errs = append(errs, errors.New(strings.TrimPrefix(place+": "+f.text, ": ")))
	}
	return errors.Join(errs...)
}

// named returns a place with the name of the instance in it, if that has one: as in
// instances[2] "web" .port.
func named(place, name string) string {
	instance := instancePlace.FindString(place)
	if instance == "" || name == "" {
		return place
	}
	return strings.TrimSuffix(fmt.Sprintf("%s %q %s", instance, name, place[len(instance):]), " ")
}

var instancePlace = regexp.MustCompile(`^(instances_file\.)?instances\[\d+\]`)
