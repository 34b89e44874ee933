package datadog

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"example.com/tcpcheckreceiver/e2e/harness"
)

// hostname is what the collector calls the machine that it runs on.
const hostname = "checks-1"

// program returns the path of the distribution for Datadog.
func program(t *testing.T) string {
	t.Helper()
	return harness.Binary(t, "COLLECTOR", "e2e-datadog")
}

// start runs examples/datadog.yaml with other options of the receiver, and more
// arguments, to send to the intake. The collector is stopped at the end of the test.
func start(t *testing.T, to *intake, receiver string, more ...string) {
	t.Helper()
	harness.Start(t, withEnvironment(exec.Command(program(t), append(arguments(t, to, receiver), more...)...)), harness.CollectorReady)
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
	command := append([]string{program(t)}, arguments(t, in, receiver)...)
	harness.Start(t, withEnvironment(harness.WithFile("/etc/hosts", hosts, command...)), harness.CollectorReady)
	return in, hosts
}

// arguments returns the arguments of the collector for start.
func arguments(t *testing.T, to *intake, receiver string) []string {
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
	return []string{"--config", "../../examples/datadog.yaml", "--config", changes}
}

// withEnvironment sets what examples/datadog.yaml wants from the environment, and
// nothing else that the exporter looks at.
func withEnvironment(command *exec.Cmd) *exec.Cmd {
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "DD_API_KEY=" + apiKey, "DD_HOSTNAME=" + hostname}
	return command
}
