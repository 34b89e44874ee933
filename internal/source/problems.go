package source

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// Problems are what is wrong with a configuration: at most one for each place. The zero
// value is none.
type Problems struct {
	// texts has the problem of each place, and an empty text for the places around it.
	texts map[string]string
}

// Add takes note of a problem at a place such as instances[2].port, unless there
// is one already at that place or at one around it.
func (p *Problems) Add(place, format string, args ...any) {
	if p.has(place) {
		return
	}
	if p.texts == nil {
		p.texts = make(map[string]string)
	}
	p.texts[place] = fmt.Sprintf(format, args...)
	for outer := outerPlace(place); outer != ""; outer = outerPlace(outer) {
		p.texts[outer] = "" // there is no problem at it, or has would have found that
	}
}

// merge adds the problems at other places.
func (p *Problems) merge(others Problems) {
	for place, text := range others.texts {
		if text != "" {
			p.Add(place, "%s", text)
		}
	}
}

// outerPlace returns the place around one: instances[2] is around instances[2].port.
func outerPlace(place string) string {
	return place[:max(0, strings.LastIndexAny(place, ".["))]
}

// has reports whether there is a problem at place or at one around it.
func (p *Problems) has(place string) bool {
	for ; place != ""; place = outerPlace(place) {
		if p.texts[place] != "" {
			return true
		}
	}
	return false
}

// Within reports whether there is a problem at place or at one within it.
func (p *Problems) Within(place string) bool {
	_, ok := p.texts[place]
	return ok
}

// Err returns an error that has a line for each problem that was found with the options,
// with its place and its value, or nil. The lines come in the order of the options and
// of the instances, each of which is named.
func (o *Options) Err(problems *Problems) error {
	if len(problems.texts) == 0 {
		return nil
	}
	names := make(map[string]string)
	for place, instance := range o.instances() {
		names[place] = instance.Name
	}
	options := cmp.Or(o.schema, schemaOf(reflect.TypeFor[Options]()))
	orders := make(map[string][]int)
	for place := range problems.texts {
		_, orders[place] = options.at(place)
	}
	var errs []error
	for _, place := range slices.SortedFunc(maps.Keys(orders), func(a, b string) int {
		return cmp.Or(slices.Compare(orders[a], orders[b]), strings.Compare(a, b))
	}) {
		if text := problems.texts[place]; text != "" {
			place = named(place, names[instancePlace.FindString(place)])
			errs = append(errs, errors.New(strings.TrimPrefix(place+": "+text, ": ")))
		}
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
