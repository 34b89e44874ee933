package tcpcheckstatus

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/status"
)

// verdict is what the endpoints of a target say of it together, from what is worst.
type verdict uint8

const (
	isDown      verdict = iota // it connects over no address
	isOneFamily                // it connects over one family, and not over the other one
	isPartly                   // it connects over some addresses
	isFailing                  // it connects, and TLS or the dialogue fails
	isUnchecked                // this machine is unable to check it, or some of it
	isUnknown                  // nothing is known yet
	isUp
	verdicts
)

// String returns the verdict as the API and the filter have it.
func (v verdict) String() string {
	return [...]string{"down", "one_family", "partly", "failing", "unchecked", "unknown", "up"}[v]
}

// Words returns the verdict as the page has it.
func (v verdict) Words() string {
	return [...]string{"down", "down over one family", "partly down", "fails above TCP", "unchecked", "not known yet", "up"}[v]
}

// entry is a target of a receiver.
type entry struct {
	*status.Instance
	Receiver string
	Verdict  verdict
	// Over is the family over which alone it is down; zero if there is no such family.
	Over check.Family
}

// Bad reports whether the target is down, or something of it is.
func (e *entry) Bad() bool { return e.Verdict <= isFailing }

// Service returns that of the target.
func (e *entry) Service() string { return e.Target.Labels.Service }

// leftOut is something that a receiver does not check.
type leftOut struct {
	check.NotChecked
	Receiver string
}

// overview is what all receivers know, in the order of the page. Nobody changes it but for its documents.
type overview struct {
	snapshots  []*status.Snapshot
	taken      time.Time
	entries    []*entry // by service, name, host and port
	troubled   []*entry // those that are down, or of which something is, from the worst
	counts     [verdicts]int
	services   []string
	notChecked []leftOut

	rendering sync.Mutex // held while a document is rendered
	documents map[string]*document
}

// newOverview returns what snapshots say. The time is that of the page where there is none.
func newOverview(snapshots []*status.Snapshot, now time.Time) *overview {
	o := &overview{snapshots: snapshots, taken: now, documents: make(map[string]*document)}
	n := 0
	for i, s := range snapshots {
		if i == 0 || s.Taken.Before(o.taken) {
			o.taken = s.Taken
		}
		n += len(s.Instances)
	}
	all := make([]entry, 0, n)
	o.entries = make([]*entry, 0, n)
	for _, s := range snapshots {
		for i := range s.Instances {
			e := entry{Instance: &s.Instances[i], Receiver: s.Receiver}
			e.Verdict, e.Over = judge(e.Endpoints)
			all = append(all, e)
			o.entries = append(o.entries, &all[len(all)-1])
			o.counts[e.Verdict]++
		}
		for _, left := range s.NotChecked {
			o.notChecked = append(o.notChecked, leftOut{left, s.Receiver})
		}
	}
	slices.SortStableFunc(o.entries, func(a, b *entry) int {
		return cmp.Or(strings.Compare(a.Service(), b.Service()), strings.Compare(a.Target.Labels.Name, b.Target.Labels.Name),
			strings.Compare(a.Target.Host, b.Target.Host), cmp.Compare(a.Target.Port, b.Target.Port))
	})
	for _, e := range o.entries {
		if len(o.services) == 0 || o.services[len(o.services)-1] != e.Service() {
			o.services = append(o.services, e.Service())
		}
		if e.Bad() {
			o.troubled = append(o.troubled, e)
		}
	}
	slices.SortStableFunc(o.troubled, func(a, b *entry) int { return cmp.Compare(a.Verdict, b.Verdict) })
	return o
}

// judge returns what endpoints say together, and the family over which alone they are down, if that is so.
func judge(endpoints []status.Endpoint) (verdict, check.Family) {
	var upIn, downIn [check.IPv6 + 1]int
	var states [status.Unchecked + 1]int
	failing := false
	for i := range endpoints {
		e := &endpoints[i]
		for _, layer := range []*status.Layer{e.TLS, e.Dialog} {
			failing = failing || layer != nil && layer.State == status.Down
		}
		if e.SessionsOnly {
			continue
		}
		states[e.State]++
		switch e.State {
		case status.Up:
			upIn[e.Family]++
		case status.Down:
			downIn[e.Family]++
		default:
		}
	}
	switch {
	case states[status.Down] > 0 && states[status.Up] == 0:
		return isDown, 0
	case states[status.Down] > 0:
		for _, family := range check.Families {
			if downIn[family] > 0 && upIn[family] == 0 && downIn[family.Other()] == 0 {
				return isOneFamily, family
			}
		}
		return isPartly, 0
	case failing:
		return isFailing, 0
	case states[status.Unchecked] > 0:
		return isUnchecked, 0
	case states[status.Up] == 0 || states[status.Unknown] > 0:
		return isUnknown, 0
	}
	return isUp, 0
}

// mostDocuments is how many are kept of an overview.
const mostDocuments = 64

// document returns what a request asks for.
func (o *overview) document(contentType string, r *http.Request, asked func(o *overview, r *http.Request) (render, error)) (*document, error) {
	o.rendering.Lock()
	defer o.rendering.Unlock()
	key := r.URL.Path + "?" + r.URL.RawQuery
	if made := o.documents[key]; made != nil {
		return made, nil
	}
	render, err := asked(o, r)
	if err != nil {
		return nil, err
	}
	made, err := compressed(contentType, render)
	if err != nil {
		return nil, err
	}
	if len(o.documents) >= mostDocuments {
		clear(o.documents)
	}
	o.documents[key] = made
	return made, nil
}

// filter says which targets are wanted. The zero value is all.
type filter struct {
	Text    string // that is in a name, host, service, tag, address or error, in any case
	State   string // a verdict; empty for any
	Family  string // ipv4 or ipv6, in which there is an address; with State, one in that state; empty for any
	Service string
	Any     bool // service
	Page    int  // from 1
}

// filterOf returns what a request asks for.
func filterOf(r *http.Request) (filter, error) {
	query := r.URL.Query()
	f := filter{Text: query.Get("q"), State: query.Get("state"), Family: query.Get("family"), Page: 1}
	f.Service = query.Get("service")
	f.Any = f.Service == ""
	if f.Service == noService {
		f.Service = ""
	}
	if states := append(stateWords(), troubled); f.State != "" && !slices.Contains(states, f.State) {
		return f, &problem{http.StatusBadRequest, fmt.Sprintf("state: %q is none; they are %s", visible(f.State), strings.Join(states, ", "))}
	}
	if f.Family != "" && f.Family != "ipv4" && f.Family != "ipv6" {
		return f, &problem{http.StatusBadRequest, fmt.Sprintf("family: %q is none; they are ipv4 and ipv6", visible(f.Family))}
	}
	if text := query.Get("page"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return f, &problem{http.StatusBadRequest, fmt.Sprintf("page: %q is no page; write a number from 1 on", visible(text))}
		}
		f.Page = n
	}
	return f, nil
}

// troubled stands for all verdicts of which something is wrong with a target.
const troubled = "troubled"

// noService stands for the targets without a service.
const noService = "-"

func stateWords() []string {
	words := make([]string, verdicts)
	for v := range verdicts {
		words[v] = v.String()
	}
	return words
}

// Filters reports whether some targets may not be wanted.
func (f *filter) Filters() bool { return f.Text+f.State+f.Family != "" || !f.Any }

// wants reports whether a target is wanted. The text is in lower case.
func (f *filter) wants(e *entry, text string) bool {
	if !f.Any && e.Service() != f.Service || !f.wantsVerdict(e.Verdict) {
		return false
	}
	in := func(e status.Endpoint) bool { return e.Family.String() == f.Family && f.suits(&e) }
	return (f.Family == "" || slices.ContainsFunc(e.Endpoints, in)) && (text == "" || e.has(text))
}

// wantsVerdict reports whether targets of a verdict may be wanted. Down over a family are more than those that are
// down over all.
func (f *filter) wantsVerdict(v verdict) bool {
	switch f.State {
	case "":
		return true
	case troubled:
		return v <= isFailing
	case isDown.String():
		return v == isDown || f.Family != "" && v <= isPartly
	}
	return v.String() == f.State
}

// suits reports whether an endpoint of the family that is wanted is in the state that is.
func (f *filter) suits(e *status.Endpoint) bool {
	switch f.State {
	case isDown.String(), isOneFamily.String(), isPartly.String():
		return e.State == status.Down
	case isUp.String():
		return e.State == status.Up
	case isUnchecked.String():
		return e.State == status.Unchecked
	}
	return true
}

// has reports whether a text in lower case is in what a target shows.
func (e *entry) has(text string) bool {
	has := func(in string) bool { return strings.Contains(strings.ToLower(in), text) }
	if has(e.Target.Labels.Name) || has(e.Target.HostPort()) || has(e.Service()) || has(e.Receiver) {
		return true
	}
	for _, tag := range e.Target.Labels.Tags {
		if has(tag.Key + ":" + tag.Value) {
			return true
		}
	}
	for i := range e.Endpoints {
		if p := &e.Endpoints[i]; p.Address.IsValid() && has(p.Address.String()) || p.Message != "" && (has(p.Message) || has(p.Reason)) {
			return true
		}
	}
	return false
}

// selected returns the targets that are wanted.
func (o *overview) selected(f *filter) []*entry {
	if !f.Filters() {
		return o.entries
	}
	text := strings.ToLower(f.Text)
	var wanted []*entry
	for _, e := range o.entries {
		if f.wants(e, text) {
			wanted = append(wanted, e)
		}
	}
	return wanted
}

// find returns the target of an ID, or nil.
func (o *overview) find(id uint64) *entry {
	for _, e := range o.entries {
		if e.ID == id {
			return e
		}
	}
	return nil
}
