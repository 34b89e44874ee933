package bench

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/internal/probe"
)

var limited = flag.Bool("limited", false, "measure what a receiver does that has few open files, for the measuring process")

const (
	// fewFiles is the limit of open files of a process that has few.
	fewFiles = 256
	// fewFilesTargets is how many targets it has, and silentTenths how many tenths of them do
	// not answer.
	fewFilesTargets = 1000
	silentTenths    = 3
)

// measureLimited measures how late targets that answer are checked beside others that do not,
// where these would take more open files than there are. The limit is that of a process, so
// this is done in another one.
func (b *bench) measureLimited() {
	command := exec.Command("sh", "-c", fmt.Sprintf(`ulimit -n %d && exec "$0" "$@"`, fewFiles), os.Args[0], "-test.v", "-test.run=^TestLimited$", "-limited")
	command.Stderr = os.Stderr
	output, err := command.Output()
	require.NoError(b, err, "%s", output)
	_, figures, _ := bytes.Cut(output, []byte(limitedFigures))
	var slots, down int
	var late time.Duration
	_, err = fmt.Sscan(string(figures), &slots, &down, (*int64)(&late))
	require.NoError(b, err, "%s", output)
	silent := fewFilesTargets * silentTenths / 10
	fmt.Printf("%d open files, %d slots, %d targets of which %d are silent: %d healthy ones down, late p99 %v\n", fewFiles, slots, fewFilesTargets, silent, down, ms(late))
	b.table.addGoal(fmt.Sprintf("healthy targets that are down beside %d silent ones, %d open files", silent, fewFiles), float64(down), 0)
	b.table.addGoal("milliseconds, p99 of their lateness", float64(late.Milliseconds()), 100)
}

// limitedFigures is what the figures come after that TestLimited prints.
const limitedFigures = "slots, down and late: "

// TestLimited is the other process of measureLimited.
func TestLimited(t *testing.T) {
	if !*limited {
		t.Skip("it is what make bench runs with few open files")
	}
	b := newBench(t, "0.0.0.0:20001")
	r := b.run(b.mixed(fewFilesTargets, silentTenths), options{record: true})
	pause(3 * interval) // each is known by then
	r.taken()
	pause(2*interval + 6*time.Second)
	late, down := lateOf(r.taken())
	r.stop()
	slices.Sort(late)
	fmt.Println(limitedFigures, probe.MostDials(), down, int64(quantile(late, 0.99)))
}
