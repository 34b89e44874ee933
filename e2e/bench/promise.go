//go:build linux

package main

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"example.com/tcpcheckreceiver/e2e/peers"
)

// promise is what a collection with response times is like.
type promise struct {
	state  string
	n      int
	wall   time.Duration   // from its beginning to its delivery
	lags   []time.Duration // from the server's accepting a connection, which may be late, to the delivery of its point
	last   time.Duration   // from its beginning to the last connection
	times  []time.Duration // the response times
	silent bool            // some targets never answer
}

// measurePromise makes a collection, which is the second one of a receiver.
func measurePromise(state string, targets []netip.AddrPort, server *peers.Server) (promise, error) {
	r, err := newReceiver(targets, map[string]any{"collect_response_time": true})
	if err != nil {
		return promise{}, err
	}
	defer r.stop()
	if _, err := server.Accepted(); err != nil { // those of the first collection
		return promise{}, err
	}
	if _, err := r.collect(targets); err != nil {
		return promise{}, err
	}
	accepted, err := server.Accepted()
	if err != nil {
		return promise{}, err
	}
	p := promise{state: state, n: len(targets), wall: r.last.wall(), times: r.last.responseTimes, silent: state == "silent"}
	for _, at := range accepted {
		if at.Before(r.last.began) {
			continue // it was still in the server's queue
		}
		p.lags = append(p.lags, max(0, r.last.delivered.Sub(at)))
		p.last = max(p.last, at.Sub(r.last.began))
	}
	slices.Sort(p.lags)
	slices.Sort(p.times)
	return p, nil
}

// printPromises prints a line for each, of those that have connections.
func printPromises(promises []promise) {
	fmt.Printf("\n%-8s %7s  %11s  %14s  %32s  %26s\n", "", "", "", "last connected", "from connection to delivery", "response time")
	fmt.Printf("%-8s %7s  %11s  %14s  %10s %10s %10s  %8s %8s %8s\n", "targets", "number", "wall", "after", "shortest", "p50", "longest", "p50", "p99", "longest")
	for _, p := range promises {
		if len(p.lags) == 0 || len(p.times) == 0 {
			continue
		}
		fmt.Printf("%-8s %7d  %11v  %14v  %10v %10v %10v  %8v %8v %8v\n", p.state, p.n, ms(p.wall), ms(p.last),
			ms(p.lags[0]), ms(p.lags[len(p.lags)/2]), ms(p.lags[len(p.lags)-1]),
			quantile(p.times, 0.5), quantile(p.times, 0.99), quantile(p.times, 1))
		if p.silent && p.n == 10_000 {
			addGoal("seconds until all healthy of 10,000 are connected", p.last.Seconds(), 2)
			addGoal("seconds of a collection with 1,000 silent", p.wall.Seconds(), timeout.Seconds()+1)
		}
	}
}

func ms(d time.Duration) time.Duration { return d.Round(time.Millisecond) }

func quantile(sorted []time.Duration, q float64) time.Duration {
	return sorted[int(q*float64(len(sorted)-1))].Round(time.Microsecond)
}
