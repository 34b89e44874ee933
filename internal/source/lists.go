package source

import (
	"fmt"
	"iter"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/files"
)

// paths returns those of the files that InstancesFile names, each once.
func (o *Options) paths() []string { return files.Paths(o.InstancesFile) }

// hasGlob reports whether there may be files that are not there yet.
func (o *Options) hasGlob() bool { return slices.ContainsFunc(o.InstancesFile, files.IsPattern) }

// mayFind reports whether there may be targets that are not there yet.
func (o *Options) mayFind() bool {
	return o.hasGlob() || len(o.ScrapeConfigs)+len(o.Observers) > 0 || o.allocator != nil
}

// Changes reports whether there is a source whose list may change.
func (o *Options) Changes() bool { return len(o.InstancesFile) > 0 || o.mayFind() }

// outer is a list from outside of the configuration.
type outer struct {
	number       int      // no other one has it
	option, name string   // that have it, as its place is shown; no name where there is one list
	plain        bool     // its instances are the elements of the option itself
	List                  // whose instances are gone once they are entries
	undecoded    Problems // with their places in the list, before that
	entries      []*Entry
	wrong        Problems // what is wrong with it but for what entries have
	judged       bool
	names        map[int]string // of entries, by their numbers; nil if they are not known yet
}

// inOuter is the place of what is in an outer list, in front of its place there. It is no option.
const inOuter = "outer"

// prefix returns what is in front of the places in the list.
func (l *outer) prefix() string { return inOuter + "[" + strconv.Itoa(l.number) + "]." }

// judge makes the instances entries, unless that is done.
func (l *outer) judge(o *Options, attributes map[string]string) {
	if l.judged {
		return
	}
	l.judged = true
	l.wrong.merge(l.prefix(), l.undecoded)
	l.entries = o.judge(attributes, l).instances(l.Instances, &l.wrong)
	l.Instances, l.undecoded = nil, Problems{}
}

// nameOf returns the name of an instance, or an empty text if it is not known.
func (l *outer) nameOf(number int) string {
	if l.names == nil {
		l.names = make(map[int]string, len(l.entries))
		for _, e := range l.entries {
			l.names[e.number] = e.key.Name
		}
	}
	return l.names[number]
}

// instancePlace returns the place of an instance in a list whose places have a prefix.
func instancePlace(prefix string, i int) string {
	return prefix + inInstances + "[" + strconv.Itoa(i) + "]"
}

// readFiles reads all files that InstancesFile names.
func (o *Options) readFiles() {
	for _, path := range o.paths() {
		f := o.readFile(path, len(o.outer))
		o.files, o.outer = append(o.files, f), append(o.outer, &f.outer)
		o.sources = append(o.sources, check.Source{Name: path})
	}
}

// listTargets makes the list that Targets are.
func (o *Options) listTargets() {
	o.listed = nil
	if len(o.Targets) == 0 {
		return
	}
	o.listed = &outer{option: "targets", plain: true}
	for i, t := range o.Targets {
		o.listed.Instances = append(o.listed.Instances, Instance{Name: t.Endpoint, Endpoint: t.Endpoint, Timeout: t.Dialer.Timeout})
		written, place := fmt.Sprintf("targets[%d]", i), instancePlace("", i)
		if wrong := o.undecoded.texts[written]; wrong != "" {
			o.listed.undecoded.Add(place, "%s", wrong) // so that no more is said of it
			delete(o.undecoded.texts, written)
		} else if t.Endpoint == "" {
			o.listed.undecoded.Add(place, "there is no endpoint; write host:port")
		}
	}
	o.listed.inherit(&o.Defaults, inDefaults)
	o.outer = append(o.outer, o.listed)
}

// readFile reads the list of a file, which has a number among the outer lists.
func (o *Options) readFile(path string, number int) *file {
	f := readFile(path)
	f.number, f.option = number, "instances_file"
	if len(o.InstancesFile) > 1 || o.hasGlob() {
		f.name = path
	}
	f.Defaults.inherit(&o.Defaults, inDefaults)
	f.inherit(&f.Defaults, f.prefix()+inDefaults)
	return f
}

// inherit gives the instances defaults that are at a place.
func (l *List) inherit(defaults *Instance, place string) {
	for i := range l.Instances {
		l.Instances[i].inherit(defaults, place)
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
		for _, list := range o.outer {
			if !yield(list.prefix(), &list.List) {
				return
			}
		}
	}
}

// entries are those of all lists. Check makes them.
func (o *Options) entries() iter.Seq[*Entry] {
	return func(yield func(*Entry) bool) {
		for _, e := range o.own {
			if !yield(e) {
				return
			}
		}
		for _, list := range o.outer {
			for _, e := range list.entries {
				if !yield(e) {
					return
				}
			}
		}
	}
}

// count returns how many entries there are.
func (o *Options) count() int {
	n := len(o.own)
	for _, list := range o.outer {
		n += len(list.entries)
	}
	return n
}

// Place returns a place as it is shown: with the name of the instance in it, if that has one,
// as in instances[2] "web" .port, and with the path of the file, if there may be several.
func (o *Options) Place(place string) string {
	match := listPlace.FindStringSubmatch(place)
	shown, rest := "", place[len(match[0]):]
	nameOf := func(i int) string {
		if i < len(o.Instances) {
			return o.Instances[i].Name
		}
		return ""
	}
	var from *outer
	if match[1] != "" {
		n, _ := strconv.Atoi(match[1])
		from = o.outer[slices.IndexFunc(o.outer, func(l *outer) bool { return l.number == n })]
		nameOf, shown = from.nameOf, from.option
		if inside := match[2]+rest != "" && !from.plain; inside && from.name != "" {
			shown += fmt.Sprintf(" %q .", from.name)
		} else if inside {
			shown += "."
		}
	}
	if match[2] != "" {
		if from == nil || !from.plain {
			shown += inInstances
		}
		shown += "[" + match[2] + "]"
		if from != nil && from.plain && rest == ".timeout" {
			rest = ".dialer.timeout"
		}
		if i, _ := strconv.Atoi(match[2]); nameOf(i) != "" {
			shown += fmt.Sprintf(" %q ", nameOf(i))
		}
	}
	return strings.TrimSuffix(shown+rest, " ")
}

// listPlace is the part of a place that says in which file and in which instance it is.
var listPlace = regexp.MustCompile(`^(?:outer\[(\d+)\]\.?)?(?:instances\[(\d+)\])?`)
