//go:build linux

package main

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"sync"
	"time"
)

// result names a point of network.tcp.can_connect within a collection.
type result struct {
	instance string
	address  netip.Addr
}

// collection is the points of network.tcp.can_connect that share a time: for
// each, whether it connected.
type collection struct {
	at      time.Time
	results map[result]bool
}

// latest holds the newest complete collection that has come out of the collector
// in one way. It is safe for concurrent use.
type latest struct {
	mu      sync.Mutex
	growing collection     // the newest, of which more may come
	newest  collection     // the one before it, of which there is nothing to come
	times   map[int64]bool // of all complete collections so far, in nanoseconds
	changed chan struct{}  // closed when there is another one
}

func newLatest() *latest { return &latest{times: make(map[int64]bool), changed: make(chan struct{})} }

// set takes a collection, or what there is of it so far. One that is older than
// the newest is only counted.
func (l *latest) set(c collection) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case c.at.Equal(l.growing.at):
		maps.Copy(l.growing.results, c.results)
	case c.at.Before(l.growing.at):
		l.complete(c.at)
	default:
		l.newest, l.growing = l.growing, c
		l.complete(l.newest.at)
	}
}

func (l *latest) complete(at time.Time) {
	l.times[at.UnixNano()] = true
	close(l.changed)
	l.changed = make(chan struct{})
}

// between returns how many complete collections there are that began in a time.
func (l *latest) between(from, until time.Time) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.count(from, until)
}

func (l *latest) count(from, until time.Time) int {
	count := 0
	for nanoseconds := range l.times {
		if at := time.Unix(0, nanoseconds); at.After(from) && at.Before(until) {
			count++
		}
	}
	return count
}

// await returns the newest complete collection once there are as many that began
// after a time.
func (l *latest) await(ctx context.Context, count int, after time.Time) (collection, error) {
	deadline := time.After(patience)
	for {
		l.mu.Lock()
		newest, changed, enough := l.newest, l.changed, l.count(after, time.Now()) >= count
		l.mu.Unlock()
		if enough {
			return newest, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return collection{}, ctx.Err()
		case <-deadline:
			return collection{}, fmt.Errorf("there were no %d collections in %v", count, patience)
		}
	}
}
