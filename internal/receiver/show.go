package receiver

import (
	"fmt"
	"runtime"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/report"
	"example.com/tcpcheckreceiver/internal/status"
)

// showing is what a receiver has for the extension that shows it. A nil one is for none.
type showing struct {
	receiver string // its ID
	recent   *status.Recent
	stop     func() // nil while it is not shown

	making sync.Mutex // held while a snapshot is made, by one goroutine for all that wait
	last   *status.Snapshot

	mu         sync.Mutex
	targets    []*target
	notChecked []check.NotChecked // of the list
	elsewhere  []*check.Target    // those that another collector checks
}

// newShowing returns what a receiver of an ID has for the extension that it names, or nil if it names none.
func newShowing(settings *Settings, id component.ID) *showing {
	if settings.Status == "" {
		return nil
	}
	return &showing{receiver: id.String(), recent: new(status.Recent)}
}

// show has the receiver shown by the extension that it names, if it does. The caller holds mu.
func (r *Receiver) show(extension func(id string) any) error {
	id := r.settings.Status
	if id == "" {
		return nil
	}
	found := extension(id)
	if found == nil {
		return fmt.Errorf("status: there is no extension %s; it has to be in extensions, and in service.extensions", id)
	}
	viewer, ok := found.(status.Viewer)
	if !ok {
		return fmt.Errorf("status: the extension %s shows no status", id)
	}
	stop, err := viewer.Show(r.showing.receiver, r.look)
	if err != nil {
		return fmt.Errorf("status: the extension %s: %w", id, err)
	}
	r.showing.stop = stop
	return nil
}

// hide has the receiver shown no longer. The caller holds mu.
func (r *Receiver) hide() {
	if s := r.showing; s != nil && s.stop != nil {
		s.stop()
		s.stop = nil
	}
}

// newHistory returns that of a target, which is nil if nobody is to see it.
func (s *showing) newHistory(t *check.Target) *status.History {
	if s == nil {
		return nil
	}
	return status.NewHistory(status.IDOf(s.receiver, t.Key()))
}

// follow takes note of what is checked by a list, and what is not.
func (s *showing) follow(targets []*target, list *check.List) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.targets, s.notChecked = targets, list.NotChecked
}

// leave takes note of the targets that another collector checks; nil are none.
func (s *showing) leave(targets []*check.Target) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.elsewhere = targets
}

// snapshotPart is how many targets are looked at before the checks have their turn.
const snapshotPart = 128

// look returns what is known now, or was less than status.Fresh ago.
func (r *Receiver) look() *status.Snapshot {
	s := r.showing
	s.making.Lock()
	defer s.making.Unlock()
	now := time.Now()
	if s.last != nil && now.Sub(s.last.Taken) < status.Fresh {
		return s.last
	}
	s.mu.Lock()
	targets, notChecked, elsewhere := s.targets, s.notChecked, s.elsewhere
	s.mu.Unlock()
	made := &status.Snapshot{
		Receiver: s.receiver, Taken: now, Instances: make([]status.Instance, 0, len(targets)),
		NotChecked: append([]check.NotChecked(nil), notChecked...), Stale: append(r.sources.stale(), r.files.sources.stale()...), Events: s.recent.Events(),
	}
	for i, t := range targets {
		if i%snapshotPart == snapshotPart-1 {
			runtime.Gosched()
		}
		if shown, ok := t.show(now); ok {
			made.Instances = append(made.Instances, shown)
		}
	}
	ids := make(map[uint64]bool, len(made.Instances))
	for i := range made.Instances {
		shown := &made.Instances[i]
		for ids[shown.ID] { // of two targets with one key, the second one has the next
			shown.ID++
		}
		ids[shown.ID] = true
		for _, address := range shown.Denied {
			made.NotChecked = append(made.NotChecked, check.NotChecked{Key: shown.Target.Key(), Address: address, Reason: check.DeniedAddress, Text: report.Denied})
		}
	}
	for _, t := range elsewhere {
		made.NotChecked = append(made.NotChecked, check.NotChecked{Key: t.Key(), Reason: check.Elsewhere, Text: report.Elsewhere})
	}
	s.last = made
	return made
}

// show returns what is known of the target, unless it was removed.
func (t *target) show(now time.Time) (status.Instance, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.gone {
		return status.Instance{}, false
	}
	shown := report.Shown{Target: t.Target, History: t.history, Known: &t.known}
	if s := t.session; s != nil {
		shown.Session, shown.Certificates, shown.Dialogs = s.last, &s.certificates, &s.dialogs
	}
	return shown.Instance(now), true
}

// stale returns the sources whose newest list could not be taken.
func (s *sources) stale() []check.Source {
	s.mu.Lock()
	defer s.mu.Unlock()
	var stale []check.Source
	for _, source := range s.known {
		if source.Err != nil {
			stale = append(stale, source)
		}
	}
	return stale
}
