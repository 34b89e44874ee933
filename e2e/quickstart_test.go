package e2e

import (
	"flag"
	"maps"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/e2e/harness"
	"example.com/tcpcheckreceiver/internal/testnet"
)

var update = flag.Bool("update", false, "write what the command and the quickstart print into README.md")

// ownPage is where the quickstart has the collector's own metrics.
const ownPage = "127.0.0.1:18888"

// startQuickstart runs a command that becomes the collector with the quickstart's
// configuration, and returns once it has printed its first results.
func startQuickstart(t *testing.T, command *exec.Cmd) *harness.Program {
	t.Helper()
	return harness.Start(t, command, "network.tcp.response_time{tcpcheck.instance=both,network.type=ipv4}")
}

// quickstart is the command of make run.
func quickstart(t *testing.T) *exec.Cmd {
	t.Helper()
	return exec.Command(binary(t), "--config", "../examples/quickstart.yaml")
}

// The story of the README: three ports, each over both families.
func TestQuickstart(t *testing.T) {
	testnet.RequireIPv6(t)
	c := startQuickstart(t, quickstart(t))
	page := pageAt("localhost:9464").awaitSeries(t, map[string]int{canConnect: 6, responseTime: 3})
	assert.Equal(t, map[string]float64{
		series("v4 only", "localhost", "ipv4", "127.0.0.1", 14317): 1,
		series("v4 only", "localhost", "ipv6", "::1", 14317):       0,
		series("both", "localhost", "ipv4", "127.0.0.1", 14318):    1,
		series("both", "localhost", "ipv6", "::1", 14318):          1,
		series("closed", "localhost", "ipv4", "127.0.0.1", 14319):  0,
		series("closed", "localhost", "ipv6", "::1", 14319):        0,
	}, page.Values(canConnect))

	times := page.Values(responseTime)
	assert.ElementsMatch(t, []string{
		series("v4 only", "localhost", "ipv4", "127.0.0.1", 14317),
		series("both", "localhost", "ipv4", "127.0.0.1", 14318), series("both", "localhost", "ipv6", "::1", 14318),
	}, slices.Collect(maps.Keys(times)))
	for _, seconds := range times {
		assert.Positive(t, seconds)
	}
	for _, sample := range page {
		assert.NotContains(t, sample.Name, "_ratio")
	}
	own, err := harness.ReadPage(ownPage)
	require.NoError(t, err)
	assert.InDelta(t, 3, own.Values("otelcol_receiver_tcpcheck_targets")["{receiver=tcpcheck}"], 0)
	c.Await(`cannot connect to "v4 only" ([::1]:14317) over ipv6: connection refused`, `"tcpcheck.hint": "It connects over ipv4 and is refused over ipv6`)
}

// The README shows what is printed, in lines that fit on a screen.
func TestREADME(t *testing.T) {
	testnet.RequireIPv6(t)
	const file = "../README.md"
	readme := harness.Read(t, file)
	sample := regexp.MustCompile("(?s)```\n(network\\.tcp\\..*?)```").FindStringSubmatch(readme)
	require.NotNil(t, sample)
	c := startQuickstart(t, quickstart(t))
	c.Await("network.tcp.can_connect{tcpcheck.instance=closed,network.type=ipv6}")
	times := regexp.MustCompile(`(response_time{.*}) .*$`)
	seen := make(map[string]bool)
	var printed, series []string // as it is, and with s for each time
	for line := range strings.Lines(c.Output()) {
		line = strings.TrimSuffix(line, "\n")
		if name := times.ReplaceAllString(line, "$1 s"); strings.HasPrefix(line, "network.tcp.") && !seen[name] {
			assert.LessOrEqual(t, len(line), 80, line)
			seen[name] = true
			printed, series = append(printed, line), append(series, name)
		}
	}
	if *update {
		readme = strings.Replace(readme, sample[1], strings.Join(printed, "\n")+"\n", 1)
		harness.Write(t, file, readme)
		sample[1] = strings.Join(printed, "\n") + "\n"
	}
	var shown []string
	for line := range strings.Lines(sample[1]) {
		shown = append(shown, times.ReplaceAllString(strings.TrimSuffix(line, "\n"), "$1 s"))
	}
	assert.ElementsMatch(t, series, shown, "run the test with -update") // in one payload or in several

	message := regexp.MustCompile("cannot connect to [^`\n]+").FindString(readme)
	require.NotEmpty(t, message)
	c.Await(message)
	for line := range strings.Lines(harness.Read(t, "../examples/quickstart.yaml")) {
		assert.LessOrEqual(t, len(line), 80+len("\n"), line)
	}
}
