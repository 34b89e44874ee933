package source

import (
	"fmt"
	"iter"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"example.com/tcpcheckreceiver/internal/check"
)

// paths returns those of the files that InstancesFile names, each once.
func (o *Options) paths() []string {
	var paths []string
	known := make(map[string]bool)
	for _, written := range o.InstancesFile {
		var found []string
		switch {
		case isGlob(written):
			found, _ = filepath.Glob(written) // Check says what is wrong with a pattern
		case written != "":
			found = []string{written}
		}
		for _, path := range found {
			if !known[path] {
				known[path] = true
				paths = append(paths, path)
			}
		}
	}
	return paths
}

// isGlob reports whether a path stands for any number of files.
func isGlob(path string) bool { return strings.ContainsAny(path, "*?[") }

// hasGlob reports whether there may be files that are not there yet.
func (o *Options) hasGlob() bool { return slices.ContainsFunc(o.InstancesFile, isGlob) }

// Changes reports whether there is a source whose list may change.
func (o *Options) Changes() bool { return len(o.InstancesFile)+len(o.ScrapeConfigs) > 0 }

// outer is a list from outside of the configuration.
type outer struct {
	option, name string // that have it, as its place is shown; no name where there is one list
	List
	undecoded Problems // with their places in the list
}

// inOuter is the place of what is in an outer list, in front of its place there. It is no option.
const inOuter = "outer"

// outerPrefix returns what is in front of the places in an outer list.
func outerPrefix(i int) string { return fmt.Sprintf("%s[%d].", inOuter, i) }

// instancePlace returns the place of an instance in a list whose places have a prefix.
func instancePlace(prefix string, i int) string {
	return fmt.Sprintf("%s%s[%d]", prefix, inInstances, i)
}

// readFiles reads all files that InstancesFile names.
func (o *Options) readFiles() {
	for _, path := range o.paths() {
		f := readFile(path)
		o.files = append(o.files, f)
		o.addFile(f)
		o.sources = append(o.sources, check.Source{Name: path})
	}
}

// addFile adds the list of a file.
func (o *Options) addFile(f *file) {
	f.option = "instances_file"
	if len(o.InstancesFile) > 1 || o.hasGlob() {
		f.name = f.path
	}
	o.addOuter(&f.outer)
}

// addOuter adds a list, whose defaults have those of the receiver behind them.
func (o *Options) addOuter(list *outer) {
	o.outer, o.twice = append(o.outer, list), nil
	list.Defaults.inherit(&o.Defaults, inDefaults)
	list.inherit(outerPrefix(len(o.outer)-1) + inDefaults)
}

// inherit gives the instances the defaults, which are at a place.
func (l *List) inherit(place string) {
	for i := range l.Instances {
		l.Instances[i].inherit(&l.Defaults, place)
	}
}

const inDefaults = "defaults" // of a List

// lists are that of the configuration and the outer ones, with what is in front of the
// places in them.
func (o *Options) lists() iter.Seq2[string, *List] {
	return func(yield func(string, *List) bool) {
		if !yield("", &o.List) {
			return
		}
		for i, list := range o.outer {
			if !yield(outerPrefix(i), &list.List) {
				return
			}
		}
	}
}

// instances are those of all lists, with their places.
func (o *Options) instances() iter.Seq2[string, *Instance] {
	return func(yield func(string, *Instance) bool) {
		for prefix, list := range o.lists() {
			for i := range list.Instances {
				if !yield(instancePlace(prefix, i), &list.Instances[i]) {
					return
				}
			}
		}
	}
}

// Place returns a place as it is shown: with the name of the instance in it, if that has one,
// as in instances[2] "web" .port, and with the path of the file, if there may be several.
func (o *Options) Place(place string) string {
	match := listPlace.FindStringSubmatch(place)
	list, shown, rest := &o.List, "", place[len(match[0]):]
	if match[1] != "" {
		n, _ := strconv.Atoi(match[1])
		from := o.outer[n]
		list, shown = &from.List, from.option
		if inside := match[2]+rest != ""; inside && from.name != "" {
			shown += fmt.Sprintf(" %q .", from.name)
		} else if inside {
			shown += "."
		}
	}
	if match[2] != "" {
		shown += inInstances + "[" + match[2] + "]"
		if i, _ := strconv.Atoi(match[2]); i < len(list.Instances) && list.Instances[i].Name != "" {
			shown += fmt.Sprintf(" %q ", list.Instances[i].Name)
		}
	}
	return strings.TrimSuffix(shown+rest, " ")
}

// listPlace is the part of a place that says in which file and in which instance it is.
var listPlace = regexp.MustCompile(`^(?:outer\[(\d+)\]\.?)?(?:instances\[(\d+)\])?`)
