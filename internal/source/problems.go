package source

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Problems are what is wrong with a configuration: at most one for each place. The zero
// value is none.
type Problems struct {
	// texts has the problem of each place, and an empty text for the places around it.
	texts map[string]string
	notes []note
}

// note says in what something that is right is not taken as it is written.
type note struct{ place, kind, text string }

// addNote takes note of it. The notes of a kind are told by the first of them.
func (p *Problems) addNote(place, kind, text string) {
	p.notes = append(p.notes, note{place, kind, text})
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

// merge adds problems whose places come after a prefix.
func (p *Problems) merge(prefix string, others Problems) {
	for place, text := range others.texts {
		if text != "" {
			p.Add(strings.TrimSuffix(prefix+place, "."), "%s", text)
		}
	}
	for _, n := range others.notes {
		p.addNote(prefix+n.place, n.kind, n.text)
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
	var errs []error
	for _, sentence := range o.sentences(problems) {
		errs = append(errs, errors.New(sentence))
	}
	return errors.Join(errs...)
}

// sentences returns the lines of Err.
func (o *Options) sentences(problems *Problems) []string {
	if len(problems.texts) == 0 {
		return nil
	}
	var sentences []string
	for _, place := range o.sorted(maps.Keys(problems.texts)) {
		if text := problems.texts[place]; text != "" {
			sentences = append(sentences, strings.TrimPrefix(o.Place(place)+": "+text, ": "))
		}
	}
	return sentences
}

// sorted returns places in the order of the options and of the instances.
func (o *Options) sorted(places iter.Seq[string]) []string {
	options, orders := cmp.Or(o.schema, schemaOf(reflect.TypeFor[Options]())), make(map[string][]int)
	for place := range places {
		_, orders[place] = options.at(place)
	}
	return slices.SortedFunc(maps.Keys(orders), func(a, b string) int {
		return cmp.Or(slices.Compare(orders[a], orders[b]), strings.Compare(a, b))
	})
}
