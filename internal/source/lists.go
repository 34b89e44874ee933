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
	for _, written := range o.InstancesFile {
		var found []string
		switch {
		case isGlob(written):
			found, _ = filepath.Glob(written) // Check says what is wrong with a pattern
		case written != "":
			found = []string{written}
		}
		for _, path := range found {
			if !slices.Contains(paths, path) {
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
	title string // how its place is shown
	List
	undecoded Problems // with their places in the list
}

// inOuter is the place of what is in an outer list, in front of its place there. It is no option.
const inOuter = "outer"

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
	f.title = "instances_file"
	if len(o.InstancesFile) > 1 || o.hasGlob() {
		f.title = fmt.Sprintf("instances_file %q ", f.path)
	}
	o.addOuter(&f.outer, &o.Defaults, inDefaults)
}

// addOuter adds a list, whose defaults have others behind them that are written at a place.
func (o *Options) addOuter(list *outer, defaults *Instance, place string) {
	o.outer, o.twice = append(o.outer, list), nil
	list.Defaults.inherit(defaults, place)
	list.inherit(fmt.Sprintf("%s[%d].%s", inOuter, len(o.outer)-1, inDefaults))
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
			if !yield(fmt.Sprintf("%s[%d].", inOuter, i), &list.List) {
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
				if !yield(fmt.Sprintf("%s%s[%d]", prefix, inInstances, i), &list.Instances[i]) {
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
		list, shown = &o.outer[n].List, o.outer[n].title
		if match[2]+rest == "" {
			shown, _, _ = strings.Cut(shown, " ") // what is wrong names the source
		} else {
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
