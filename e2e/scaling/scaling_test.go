// Package scaling tests the recipes of docs/scaling.md by which several collectors share out one
// list without Kubernetes, with collectors as processes.
package scaling

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/e2e/harness"
	"example.com/tcpcheckreceiver/internal/testnet"
)

// targets is how many targets are shared out.
const targets = 200

// fleet is the collectors that share out a list.
type fleet struct {
	*testing.T
	example string
	pages   map[string]string // of the collectors, by their names
	running map[string]*harness.Program
}

func newFleet(t *testing.T, example string) *fleet {
	return &fleet{T: t, example: "../../examples/" + example, pages: make(map[string]string), running: make(map[string]*harness.Program)}
}

// start starts a collector with an environment.
func (f *fleet) start(name string, environment ...string) {
	f.Helper()
	page := harness.FreeAddress(f)
	command := exec.Command(harness.Binary(f, "COLLECTOR", "collector"), "--config", f.example)
	command.Env = append(append(os.Environ(), "OWN_METRICS_PORT=0", "PAGE="+page), environment...)
	f.running[name], f.pages[name] = harness.Start(f, command, harness.CollectorReady), page
}

// stop stops a collector.
func (f *fleet) stop(name string) {
	f.running[name].Stop()
	delete(f.pages, name)
}

// owners returns who checks each target, once each is checked by one collector, and none by two.
func (f *fleet) owners() map[string]string {
	f.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; {
		owners, twice := make(map[string]string), 0
		for name, page := range f.pages {
			read, err := harness.ReadPage(page)
			if err != nil {
				continue
			}
			for series := range read.Values("network_tcp_can_connect") {
				if owners[series] != "" {
					twice++
				}
				owners[series] = name
			}
		}
		if len(owners) == targets && twice == 0 {
			return owners
		}
		if time.Now().After(deadline) {
			require.FailNow(f, "the list is not shared out", "%d targets are checked, and %d of them twice", len(owners), twice)
		}
		pass(100 * time.Millisecond)
	}
}

// pass lets time pass until it is looked again.
func pass(d time.Duration) {
	time.Sleep(d) //nolint:forbidigo // a page tells nobody that it changes
}

// moved returns how many targets have another owner.
func moved(before, after map[string]string) (n int) {
	for series, owner := range before {
		if after[series] != owner {
			n++
		}
	}
	return n
}

// counts returns how many targets each collector has.
func counts(owners map[string]string) map[string]int {
	counts := make(map[string]int)
	for owner := range maps.Values(owners) {
		counts[owner]++
	}
	return counts
}

// addresses returns those of the targets: one port, at as many addresses of loopback.
func addresses(t *testing.T) (addresses []string) {
	port := testnet.Listen(t, "tcp4", "0.0.0.0:0").Port()
	for i := range targets {
		addresses = append(addresses, fmt.Sprintf("127.0.%d.%d:%d", i/100, i%100+1, port))
	}
	return addresses
}

// Collectors share out a list by hashmod. One more of them moves most targets.
func TestHashmod(t *testing.T) {
	file := filepath.Join(t.TempDir(), "targets.yaml")
	text := "- targets:\n"
	for _, address := range addresses(t) {
		text += "    - " + address + "\n"
	}
	harness.Write(t, file, text)
	var before map[string]string
	for _, shards := range []int{3, 4} {
		f := newFleet(t, "sharded.yaml")
		for shard := range shards {
			f.start(fmt.Sprint(shard), "TARGETS="+file, fmt.Sprint("SHARDS=", shards), fmt.Sprint("SHARD=", shard))
		}
		owners := f.owners()
		t.Logf("%d collectors: %v", shards, counts(owners))
		assert.Len(t, counts(owners), shards)
		if before != nil {
			t.Logf("%d of %d targets moved", moved(before, owners), targets)
			assert.InDelta(t, targets*3/4, moved(before, owners), targets/8)
		}
		before = owners
		for _, name := range slices.Sorted(maps.Keys(f.running)) {
			f.stop(name)
		}
	}
}
