package datadog

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/e2e/process"
)

// hostname is what the collector calls the machine that it runs on.
const hostname = "checks-1"

// program returns the path of the distribution for Datadog.
func program(t *testing.T) string {
	t.Helper()
	return process.Program(t, "COLLECTOR", "e2e-datadog")
}

// start runs examples/datadog.yaml with other options of the receiver, and more
// arguments, to send to the intake. The collector is stopped at the end of the test.
func start(t *testing.T, to *intake, receiver string, more ...string) {
	t.Helper()
	process.Start(t, withEnvironment(exec.Command(program(t), append(arguments(t, to, receiver), more...)...)), process.CollectorReady)
}

// startWithHosts is start on a machine whose hosts file is the file hosts. It
// needs root.
func startWithHosts(t *testing.T, to *intake, hosts, receiver string) {
	t.Helper()
	script := `mount --bind "$1" /etc/hosts && shift && exec "$@"`
	command := append([]string{"--mount", "sh", "-c", script, "sh", hosts, program(t)}, arguments(t, to, receiver)...)
	process.Start(t, withEnvironment(exec.Command("unshare", command...)), process.CollectorReady)
}

// arguments returns the arguments of the collector for start.
func arguments(t *testing.T, to *intake, receiver string) []string {
	t.Helper()
	changes := filepath.Join(t.TempDir(), "changes.yaml")
	require.NoError(t, os.WriteFile(changes, fmt.Appendf(nil, `
receivers:
  tcpcheck:
%s
exporters:
  datadog:
    metrics: {endpoint: "http://%s"}
    host_metadata: {enabled: false}
service:
  telemetry: {metrics: {level: none}} # several of them run at a time
`, indent(receiver), to.address), 0o600))
	return []string{"--config", "../../examples/datadog.yaml", "--config", changes}
}

// indent moves a block of YAML below the name of the receiver.
func indent(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n    ")
}

// withEnvironment sets what examples/datadog.yaml wants from the environment, and
// nothing else that the exporter looks at.
func withEnvironment(command *exec.Cmd) *exec.Cmd {
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "DD_API_KEY=" + apiKey, "DD_HOSTNAME=" + hostname}
	return command
}

// writeHosts writes a hosts file. What is written to it again, the collector reads
// within seconds.
func writeHosts(t *testing.T, file, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
}

// needRoot skips the test without the right to mount a hosts file.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, to mount a hosts file of its own")
	}
}
