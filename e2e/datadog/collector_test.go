package datadog

import (
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/e2e/harness"
)

// hostname is what the collector calls the machine that it runs on.
const hostname = "checks-1"

// program returns the path of the distribution for Datadog.
func program(t *testing.T) string {
	t.Helper()
	return harness.Binary(t, "COLLECTOR", "e2e-datadog")
}

// example is what the tests run.
const example = "../../examples/datadog.yaml"

// environment is what the example wants, and nothing else that the exporter looks at.
var environment = []string{"PATH=" + os.Getenv("PATH"), "DD_API_KEY=" + apiKey, "DD_HOSTNAME=" + hostname}

// command returns the collector with the example, other options of the receiver and more
// arguments, that is to send to the intake.
func command(t *testing.T, to *intake, receiver string, more ...string) *exec.Cmd {
	t.Helper()
	return commandOf(t, example, to, receiver, more...)
}

// commandOf is command with another example.
func commandOf(t *testing.T, example string, to *intake, receiver string, more ...string) *exec.Cmd {
	t.Helper()
	changes := filepath.Join(t.TempDir(), "changes.yaml")
	harness.Write(t, changes, fmt.Sprintf(`
receivers:
  tcpcheck:
%s
exporters:
  datadog:
    metrics: {endpoint: "http://%s"}
    host_metadata: {enabled: false}
service:
  telemetry: {metrics: {level: none}} # several of them run at a time
`, harness.Indent(receiver, "    "), to.address))
	command := exec.Command(program(t), append([]string{"--config", example, "--config", changes}, more...)...)
	command.Env = environment
	return command
}

// start runs the command of these arguments until the end of the test.
func start(t *testing.T, to *intake, receiver string, more ...string) {
	t.Helper()
	harness.Start(t, command(t, to, receiver, more...), harness.CollectorReady)
}

// bothHosts are the lines of a hosts file in which both.test has both families.
const bothHosts = "127.0.0.1 both.test\n::1 both.test\n"

// startWithHosts starts a collector, with options of the receiver, on a machine whose
// hosts file has this text. It returns the intake that it sends to, and the file: what
// is written to it again, the collector reads within seconds.
func startWithHosts(t *testing.T, text, receiver string) (in *intake, hosts string) {
	t.Helper()
	harness.RequireRoot(t, "mount a hosts file of its own")
	in, hosts = newIntake(t), filepath.Join(t.TempDir(), "hosts")
	harness.Write(t, hosts, text)
	mounted := harness.WithFile("/etc/hosts", hosts, command(t, in, receiver).Args...)
	mounted.Env = environment
	harness.Start(t, mounted, harness.CollectorReady)
	return in, hosts
}

// The recorded modules, of which the program was built, are those that the builder
// is asked for.
func TestDistribution(t *testing.T) {
	asked := regexp.MustCompile(`(?m)gomod: (\S+) (\S+)$`).FindAllStringSubmatch(harness.Read(t, "../../distributions/datadog/builder-config.yaml"), -1)
	require.NotEmpty(t, asked)
	info, err := buildinfo.ReadFile(program(t))
	require.NoError(t, err)
	built := make(map[string]string)
	for _, module := range info.Deps {
		built[module.Path] = module.Version
	}
	for _, module := range asked {
		assert.Equal(t, module[2], built[module[1]], module[1])
	}
}

// The distribution for Datadog has all that the other one has, of a release of its own.
func TestDistributionHasTheOther(t *testing.T) {
	components := regexp.MustCompile(`(?m)^  - gomod: \S+`)
	has := components.FindAllString(harness.Read(t, "../../distributions/datadog/builder-config.yaml"), -1)
	other := components.FindAllString(harness.Read(t, "../../builder-config.yaml"), -1)
	require.NotEmpty(t, other)
	assert.Subset(t, has, other)
	output, err := exec.Command(program(t), "components").CombinedOutput()
	require.NoError(t, err, "%s", output)
	for _, name := range []string{"tcpcheck", "datadog", "prometheus", "otlp", "debug", "batch", "memory_limiter"} {
		assert.Regexp(t, `(?m)- name: `+name+`$`, string(output))
	}
}

// Each row of the tables of docs/migrating-from-datadog.md names a test of this
// package, and each test that the page names exists.
func TestDocument(t *testing.T) {
	tests := testNames(t)
	named := regexp.MustCompile("`(Test[^` ]*)`")
	rows := 0
	for line := range strings.Lines(harness.Read(t, "../../docs/migrating-from-datadog.md")) {
		names := named.FindAllStringSubmatch(line, -1)
		for _, name := range names {
			assert.Contains(t, tests, name[1])
		}
		if strings.HasPrefix(line, "|") && !strings.HasPrefix(line, "| ---") && !strings.HasSuffix(line, "| test |\n") {
			assert.NotEmpty(t, names, "no test is named in %s", line)
			rows++
		}
	}
	assert.Positive(t, rows)
}

// declared is a function, or a subtest whose name is written out, which is as far to the
// right as it is deep.
var declared = regexp.MustCompile(`(?m)^(\t*)(?:func |t\.Run\(")(\w[\w.]*)`)

// testNames returns the names of the tests of this package and of their subtests.
func testNames(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("*_test.go")
	require.NoError(t, err)
	var names, path []string
	for _, file := range files {
		for _, match := range declared.FindAllStringSubmatch(harness.Read(t, file), -1) {
			path = append(path[:min(len(path), len(match[1]))], match[2])
			names = append(names, strings.Join(path, "/"))
		}
	}
	return names
}
