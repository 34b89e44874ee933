package receiver

import (
	"context"
	"fmt"
	"reflect"
	"sync"

	"example.com/tcpcheckreceiver/internal/check"
)

// leadership says whether this collector is the one of several that checks. The zero value is
// that of a collector that is not elected.
type leadership struct {
	mu    sync.Mutex
	leads bool
	begun bool       // checks may be made
	list  check.List // what is checked by who leads
}

// elect has an elector say when this collector leads. An elector is what contrib's
// k8s_leader_elector is: an extension with a method SetCallBackFuncs(func(context.Context),
// func()), to whose functions it gives types of its own. So the method is called by reflection:
// to name these types would put the client of Kubernetes into every collector.
func (r *Receiver) elect(id string, elector any) error {
	if elector == nil {
		return fmt.Errorf("k8s_leader_elector: there is no extension %s; it has to be in extensions, and in service.extensions", id)
	}
	started, stopped := reflect.ValueOf(func(context.Context) { r.lead(true) }), reflect.ValueOf(func() { r.lead(false) })
	set := reflect.ValueOf(elector).MethodByName("SetCallBackFuncs")
	if !set.IsValid() || set.Type().NumIn() != 2 || !started.CanConvert(set.Type().In(0)) || !stopped.CanConvert(set.Type().In(1)) {
		return fmt.Errorf("k8s_leader_elector: the extension %s elects no leader", id)
	}
	set.Call([]reflect.Value{started.Convert(set.Type().In(0)), stopped.Convert(set.Type().In(1))})
	return nil
}

// lead has this collector check, or not any more.
func (r *Receiver) lead(leads bool) {
	l := &r.leadership
	l.mu.Lock()
	defer l.mu.Unlock()
	if leads == l.leads || r.running.Err() != nil {
		return
	}
	l.leads = leads
	if leads {
		r.logger.Info("this collector is elected, so it checks")
	} else {
		r.logger.Info("this collector is no longer elected, so another one checks")
	}
	r.checkIfLeading()
}

// leads reports whether this collector is the one that checks.
func (r *Receiver) leads() bool {
	r.leadership.mu.Lock()
	defer r.leadership.mu.Unlock()
	return r.leadership.leads
}

// follow takes note of a list that who leads has checked.
func (r *Receiver) follow(list check.List) {
	l := &r.leadership
	l.mu.Lock()
	defer l.mu.Unlock()
	l.begun, l.list = true, list
	r.checkIfLeading()
}

// checkIfLeading has the list checked by who leads, and no target by others, which only say what
// there is to say about the list. The caller holds the lock of leadership.
func (r *Receiver) checkIfLeading() {
	if !r.leadership.begun {
		return
	}
	list := r.leadership.list
	var elsewhere []*check.Target
	if !r.leadership.leads {
		elsewhere = list.Targets
		list.Targets, list.Kept = nil, nil
	}
	r.showing.leave(elsewhere)
	r.change(list)
}
