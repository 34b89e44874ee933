// Package bench measures what a check costs, beside the bare system calls and a
// plain net.Dialer, interleaved in one run: see docs/performance.md.
package bench

import (
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"example.com/tcpcheckreceiver/e2e/harness"
	"example.com/tcpcheckreceiver/e2e/peers"
)

var (
	sizes   = flag.String("targets", "", "numbers of targets, separated by commas; empty is not to run")
	rounds  = flag.Int("rounds", 3, "rounds of each contender, of which the median counts")
	states  = flag.String("states", "up,refused,silent", "states of the targets, separated by commas; silent: a tenth of them never answers")
	profile = flag.String("cpuprofile", "", "write CPU profiles of the receiver's collections to this file, with .1, .2 and so on")
	prompt  = flag.Bool("prompt", true, "measure how long the configuration, the start and the shutdown take")
	serve   = flag.String("serve", "", "serve connections to this address, for the measuring process")
)

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(harness.InNamespace("", func() int {
		if *serve != "" {
			log.Fatal(peers.Serve(*serve))
		}
		return m.Run()
	}))
}

// timeout is that of all contenders, and the receiver's interval.
const timeout = 5 * time.Second

// bench is what measures.
type bench struct {
	*testing.T
	server     *peers.Server
	silentPort uint16 // of all of 127.0.0.0/8, which never answers a SYN
	table      table
}

// All that docs/performance.md tells.
func TestBench(t *testing.T) {
	if *sizes == "" {
		t.Skip("takes minutes; run it by make bench")
	}
	silent, end := peers.KeepSilent(t, netip.AddrPortFrom(netip.IPv4Unspecified(), 0))
	defer func() { require.NoError(t, end()) }()
	server := peers.StartServer(t, "-serve", "0.0.0.0:20000")
	b := &bench{T: t, server: server, silentPort: silent.Port(), table: table{usual: make(map[string]time.Duration)}}
	b.table.printHeader()
	var promises []promise
	for _, state := range strings.Split(*states, ",") {
		for _, size := range strings.Split(*sizes, ",") {
			n, err := strconv.Atoi(size)
			require.NoError(t, err)
			targets := b.targetsIn(state, n)
			b.measureCosts(state, targets)
			promises = append(promises, b.measurePromise(state, targets))
		}
	}
	b.table.printPromises(promises)
	if *prompt {
		fmt.Println()
		b.measureConfig()
		b.measureShutdown(10_000)
		b.measureStart(10_000)
	}
	b.table.printGoals()
}

// targetsIn returns n targets that are in a state.
func (b *bench) targetsIn(state string, n int) []netip.AddrPort {
	targets := b.server.Targets(n)
	switch state {
	case "up":
	case "refused":
		return peers.Targets(n, 1)
	case "silent":
		for i := 0; i < n; i += 10 {
			targets[i] = netip.AddrPortFrom(targets[i].Addr(), b.silentPort)
		}
	default:
		require.FailNow(b, "no such state", "%q is none of up, refused and silent", state)
	}
	return targets
}

// measureCosts prints the lines of one state and number of targets.
func (b *bench) measureCosts(state string, targets []netip.AddrPort) {
	receiver := b.newReceiver(targets, nil)
	defer receiver.stop()
	contenders := []contender{{"bare calls", b.bare}, {"net.Dialer", dial}, {"receiver", receiver.collect}}
	runs := make([][]cost, len(contenders))
	for range *rounds {
		for i, c := range contenders {
			runs[i] = append(runs[i], measureCost(c, targets))
		}
	}
	b.table.printLines(state, len(targets), contenders, runs, receiver.held)
}

// bare makes the system calls of a check and nothing else, one after the other.
// It does not wait for an answer: on loopback there is none to wait for.
func (b *bench) bare(targets []netip.AddrPort) time.Duration {
	began := time.Now()
	for _, target := range targets {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
		if err != nil {
			b.Fatal("socket:", err)
		}
		err = unix.Connect(fd, &unix.SockaddrInet4{Port: int(target.Port()), Addr: target.Addr().As4()})
		if err != nil && !errors.Is(err, unix.EINPROGRESS) {
			b.Fatal("connect:", err)
		}
		if err := unix.Close(fd); err != nil {
			b.Fatal("close:", err)
		}
	}
	return time.Since(began)
}

// dialsAtOnce is how many dials of a net.Dialer are under way at a time, within
// the usual limits of descriptors.
const dialsAtOnce = 8192

func dial(targets []netip.AddrPort) time.Duration {
	began := time.Now()
	var dials sync.WaitGroup
	places := make(chan struct{}, dialsAtOnce)
	for _, target := range targets {
		places <- struct{}{}
		dials.Go(func() {
			dialer := net.Dialer{Timeout: timeout}
			if conn, err := dialer.Dial("tcp", target.String()); err == nil {
				_ = conn.Close()
			}
			<-places
		})
	}
	dials.Wait()
	return time.Since(began)
}
