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

var update = flag.Bool("update", false, "write what the quickstart prints into README.md")

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
	page := pageAt("localhost:9464").awaitCheck(t)
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
	own, err := harness.ReadPage("localhost:18888")
	require.NoError(t, err)
	assert.Contains(t, own.Values("otelcol_scraper_errored_metric_points"), "{receiver=tcpcheck scraper=tcpcheck}")
	c.Await(`cannot connect to "v4 only" ([::1]:14317) over ipv6: connection refused`, `"hint": "It connects over ipv4 and is refused over ipv6`)
}

// The README shows what is printed, in lines that fit on a screen.
func TestREADME(t *testing.T) {
	testnet.RequireIPv6(t)
	const file = "../README.md"
	readme := harness.Read(t, file)
	sample := regexp.MustCompile("(?s)```\n(network\\.tcp\\..*?)```").FindStringSubmatch(readme)
	require.NotNil(t, sample)
	c := startQuickstart(t, quickstart(t))
	var printed strings.Builder
	for line := range strings.Lines(c.Output()) {
		if strings.HasPrefix(line, "network.tcp.") {
			assert.LessOrEqual(t, len(line), 80+len("\n"), line)
			printed.WriteString(line)
		} else if printed.Len() > 0 {
			break
		}
	}
	if *update {
		readme = strings.Replace(readme, sample[1], printed.String(), 1)
		harness.Write(t, file, readme)
		sample[1] = printed.String()
	}
	times := regexp.MustCompile(`(?m)(response_time{.*}) .*$`)
	assert.Equal(t, times.ReplaceAllString(printed.String(), "$1 s"), times.ReplaceAllString(sample[1], "$1 s"), "run the test with -update")

	message := regexp.MustCompile("cannot connect to [^`\n]+").FindString(readme)
	require.NotEmpty(t, message)
	c.Await(message)
	for line := range strings.Lines(harness.Read(t, "../examples/quickstart.yaml")) {
		assert.LessOrEqual(t, len(line), 80+len("\n"), line)
	}
}
