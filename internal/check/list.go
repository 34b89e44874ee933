package check

import (
	"fmt"
	"time"
)

// List is what the sources say is to be checked.
type List struct {
	// Targets are those to check, each Key once but for those that one source has more
	// than once, with other labels.
	Targets []*Target
	// Kept are the keys of targets that go on as they are if they are checked already, since
	// what is written about them now is wrong.
	Kept []Key
	// Refused is how many entries of the sources are no target, since they are wrong.
	Refused int
	// NotChecked are those entries and the ones that an earlier list has as well, for a status page. They are
	// nil where there is none.
	NotChecked []NotChecked
	// Warnings are sentences for the log.
	Warnings []string
	// Sources are those that may change.
	Sources []Source
}

// Source is a source of a list.
type Source struct {
	Name string // such as the path of a file
	// Certificates says that it has certificates, and no list.
	Certificates bool
	// Err is why its newest state could not be taken, so that an older one stays; or nil.
	Err   error
	Stale time.Time // since when that has been so
}

// Title returns what it has, as a sentence has it.
func (s *Source) Title() string {
	if s.Certificates {
		return fmt.Sprintf("the certificate in %q", s.Name)
	}
	return "the list of " + s.Name
}

// Key is what makes a target of a new list the same as one of the list before. The zero value
// is that of no target.
type Key struct {
	Host string
	Port uint16
	Name string
}

// Key returns that of the target.
func (t *Target) Key() Key { return Key{t.Host, t.Port, t.Labels.Name} }
