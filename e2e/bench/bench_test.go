// Package bench measures what a check costs, beside the bare system calls and a plain
// net.Dialer at the same rate in the same ticks, and what a user waits for: see
// docs/performance.md.
package bench

import (
	"flag"
	"log"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/e2e/harness"
	"example.com/tcpcheckreceiver/e2e/peers"
	"example.com/tcpcheckreceiver/internal/schedule"
)

var (
	sizes   = flag.String("targets", "", "numbers of targets whose costs to measure, separated by commas")
	rounds  = flag.Int("rounds", 3, "rounds of each contender, of which the median counts")
	states  = flag.String("states", "up,refused,quiet", "states of the targets, separated by commas; quiet ones are up")
	window  = flag.Duration("window", 5*time.Second, "how long a round is")
	million = flag.Duration("million", 0, "how long to check a million targets; 0 is not to")
	profile = flag.String("cpuprofile", "", "write CPU profiles of the receiver's rounds to this file, with .1, .2 and so on")
	waits   = flag.Bool("waits", false, "measure what a user waits for: the start, news, the shutdown")
	listed  = flag.Bool("lists", false, "measure what a list by HTTP costs")
	serve   = flag.String("serve", "", "serve connections to this address, for the measuring process")
)

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(harness.InNamespace("", func() int {
		if *serve != "" {
			log.Fatal(peers.Serve(*serve, *certificate))
		}
		return m.Run()
	}))
}

// interval is that of the targets.
const interval = 15 * time.Second

// bench is what measures.
type bench struct {
	*testing.T
	server     *peers.Server
	silentPort uint16 // of all of 127.0.0.0/8, which never answers a SYN
	table      table
}

// newBench returns one whose server has an address of all of this machine.
func newBench(t *testing.T, server string) *bench {
	silent, end := peers.KeepSilent(t, netip.AddrPortFrom(netip.IPv4Unspecified(), 0))
	t.Cleanup(func() { require.NoError(t, end()) })
	return &bench{T: t, server: peers.StartServer(t, "-serve", server), silentPort: silent.Port()}
}

// All that docs/performance.md tells.
func TestBench(t *testing.T) {
	if *sizes == "" && !*waits && !*listed && !*secured && *million == 0 {
		t.Skip("takes minutes; run it by make bench")
	}
	b := newBench(t, "0.0.0.0:20000")
	b.table.printHeader()
	for state := range strings.SplitSeq(*states, ",") {
		for _, size := range strings.FieldsFunc(*sizes, func(r rune) bool { return r == ',' }) {
			n, err := strconv.Atoi(size)
			require.NoError(t, err)
			b.measureCosts(state, n)
		}
	}
	if *waits {
		b.measureTicks()
		b.measureRequests()
		b.measureNews(10_000)
		b.measureEvenness(10_000)
		b.measureLimited()
		b.measureConfig()
		b.measureShutdown(10_000)
		b.measureStart(10_000)
	}
	if *waits || *listed {
		b.measureLists(100_000)
	}
	if *secured {
		b.measureTLS(10_000)
	}
	if *million > 0 {
		for state := range strings.SplitSeq(*states, ",") {
			b.measureMillion(state, *million)
		}
	}
	b.table.printGoals()
}

// targetsIn returns n targets that are up or refused.
func (b *bench) targetsIn(state string, n int) []netip.AddrPort {
	switch state {
	case "up", "quiet":
		return b.server.Targets(n)
	case "refused":
		return peers.Targets(n, 1)
	}
	require.FailNow(b, "no such state", "%q is none of up, refused and quiet", state)
	return nil
}

// mixed returns n targets that are up, but for a part, in tenths, that never answers.
func (b *bench) mixed(n, silent int) []netip.AddrPort {
	targets := b.server.Targets(n)
	for i := range targets {
		if i%10 < silent {
			targets[i] = netip.AddrPortFrom(targets[i].Addr(), b.silentPort)
		}
	}
	return targets
}

// measureCosts prints the lines of one state and number of targets.
func (b *bench) measureCosts(state string, n int) {
	targets := b.targetsIn(state, n)
	rate := float64(n) / interval.Seconds()
	var runs [3][]cost
	held := uint64(0)
	for range *rounds {
		runs[0] = append(runs[0], b.measureLoop(targets, rate, schedule.Tick, bareOf(state)))
		runs[1] = append(runs[1], b.measureLoop(targets, rate, schedule.Tick, dial))
		r := b.run(targets, options{quiet: state == "quiet"})
		r.awaitSteady()
		runs[2] = append(runs[2], r.measure())
		held = r.held()
		r.stop()
	}
	b.table.printLines(state, n, []string{"bare calls", "net.Dialer", "receiver"}, runs[:], held)
}

// measureTicks prints what the two loops cost by how often they wake.
func (b *bench) measureTicks() {
	b.table.printTicksHeader()
	targets := b.targetsIn("up", 10_000)
	for _, tick := range []time.Duration{0, time.Millisecond, 10 * time.Millisecond, 20 * time.Millisecond, 50 * time.Millisecond} {
		b.table.printTick(tick, b.measureLoop(targets, 667, tick, bareOf("up")), b.measureLoop(targets, 667, tick, dial))
	}
}
