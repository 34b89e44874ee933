//go:build linux

// Command bench measures what a check costs, beside the bare system calls and a
// plain net.Dialer, interleaved in one run: see docs/performance.md.
package main

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"example.com/tcpcheckreceiver/e2e/harness"
	"example.com/tcpcheckreceiver/e2e/peers"
)

func main() { os.Exit(harness.InNamespace("", run)) }

var profile string

// silentPort is one of all of 127.0.0.0/8 that never answers a SYN.
var silentPort uint16

// timeout is that of all contenders, and the receiver's interval.
const timeout = 5 * time.Second

func run() int {
	sizes := flag.String("targets", "1000,10000,100000", "numbers of targets, separated by commas")
	rounds := flag.Int("rounds", 3, "rounds of each contender, of which the median counts")
	states := flag.String("states", "up,refused,silent", "states of the targets, separated by commas; silent: a tenth of them never answers")
	flag.StringVar(&profile, "cpuprofile", "", "write CPU profiles of the receiver's collections to this file, with .1, .2 and so on")
	prompt := flag.Bool("prompt", true, "measure how long the configuration, the start and the shutdown take")
	serve := flag.String("serve", "", "serve connections to this address, for the measuring process")
	flag.Parse()
	if *serve != "" {
		return report(peers.Serve(*serve))
	}
	server, err := peers.StartServer("-serve", "0.0.0.0:20000")
	if err != nil {
		return report(err)
	}
	defer server.Stop()
	hole, closeHole, err := peers.KeepSilent(netip.AddrPortFrom(netip.IPv4Unspecified(), 0))
	if err != nil {
		return report(err)
	}
	defer func() { _ = closeHole() }()
	silentPort = hole.Port()
	printHeader()
	var promises []promise
	for _, state := range strings.Split(*states, ",") {
		for _, size := range strings.Split(*sizes, ",") {
			n, err := strconv.Atoi(size)
			if err != nil {
				return report(err)
			}
			kept, err := measure(state, n, *rounds, server)
			if err != nil {
				return report(err)
			}
			promises = append(promises, kept)
		}
	}
	printPromises(promises)
	if *prompt {
		if err := measurePromptness(); err != nil {
			return report(err)
		}
	}
	printGoals()
	return 0
}

func report(err error) int {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	return 0
}

// targetsIn returns n targets that are in a state, and how many of them answer.
func targetsIn(state string, n int, server *peers.Server) ([]netip.AddrPort, error) {
	switch state {
	case "up":
		return server.Targets(n), nil
	case "refused":
		return peers.Targets(n, 1), nil
	case "silent":
		targets := server.Targets(n)
		for i := 0; i < n; i += 10 {
			targets[i] = netip.AddrPortFrom(targets[i].Addr(), silentPort)
		}
		return targets, nil
	}
	return nil, fmt.Errorf("%q is no state: they are up, refused and silent", state)
}

// measure prints the lines of one state and number of targets, and returns what the
// receiver's collections are like.
func measure(state string, n, rounds int, server *peers.Server) (promise, error) {
	targets, err := targetsIn(state, n, server)
	if err != nil {
		return promise{}, err
	}
	receiver, err := newReceiver(targets, nil)
	if err != nil {
		return promise{}, err
	}
	contenders := []contender{{"bare calls", bare}, {"net.Dialer", dial}, {"receiver", receiver.collect}}
	runs := make([][]cost, len(contenders))
	for range rounds {
		for i, c := range contenders {
			used, err := measureCost(c, targets)
			if err != nil {
				return promise{}, err
			}
			runs[i] = append(runs[i], used)
		}
	}
	receiver.stop()
	printLines(state, n, contenders, runs, receiver)
	return measurePromise(state, targets, server)
}
