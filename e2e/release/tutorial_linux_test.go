package release

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/e2e/harness"
)

// The tutorial, on a machine as Debian makes it: its commands are run one after the other, and print
// what the page says.
func TestTutorial(t *testing.T) {
	t.Parallel()
	needs(t, "dpkg", "prometheus", "prometheus-alertmanager", "amtool", "curl")
	folder := t.TempDir()
	deb := file(t, "tcpcheck-collector", "linux_amd64.deb")
	data, err := os.ReadFile(deb)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(folder, filepath.Base(deb)), data, 0o600))
	m := newMachine(t, folder)
	m.run("printf '127.0.0.1 localhost\n::1 localhost\n' >/etc/hosts")
	m.network()

	// No network leads to Debian's packages: those that are installed are the newest.
	m.run("rm --recursive /var/lib/apt/lists")

	blocks := harness.Blocks(t, "docs/tutorial.md", "sh", "")
	for i, block := range blocks {
		if block.Language != "sh" {
			continue
		}
		command := "cd /mnt\n" + ofVersion(t, block.Text)
		t.Logf("line %d: %s", block.Line, command)
		if i+1 == len(blocks) || blocks[i+1].Language == "sh" {
			m.run(command)
			continue
		}
		// What is printed comes in time: a server has to start, a check to be made, a minute to pass.
		var printed string
		shown := func() bool {
			printed, _ = m.try(command)
			return lasting(printed) == lasting(blocks[i+1].Text)
		}
		if !eventually(shown) {
			require.Equal(t, lasting(blocks[i+1].Text), lasting(printed), "docs/tutorial.md, line %d; it prints\n%s", block.Line, printed)
		}
	}
}

// network gives the machine an address, without which Alertmanager does not start.
func (m *machine) network() {
	m.t.Helper()
	m.run("ip link add network type veth peer name router && ip address add 192.168.0.2/24 dev network && ip link set network up && ip link set router up")
}

// The commands of docs/prometheus.md, with Debian's Prometheus and Alertmanager. Before, these have the configuration of
// their packages.
func TestPrometheusOnDebian(t *testing.T) {
	t.Parallel()
	needs(t, "prometheus", "prometheus-alertmanager", "promtool", "amtool", "curl")
	copied := t.TempDir()
	require.NoError(t, os.CopyFS(filepath.Join(copied, "prometheus"), os.DirFS(repository+"/prometheus")))
	m := newMachine(t, copied)
	m.network()
	m.run("systemctl start prometheus prometheus-alertmanager")
	m.await("curl --silent --fail http://localhost:9090/-/ready && curl --silent --fail http://localhost:9093/-/ready")
	m.run("cd /mnt && " + harness.BlockOf(t, "docs/prometheus.md", "cp prometheus/"))
	m.await("curl --silent --fail http://localhost:9090/api/v1/rules | grep TCPCheckDown")
	m.await("curl --silent --fail http://localhost:9093/api/v2/status | grep TCPCheckMachineOutage")
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| `([^`]+)`, `([^`]+)` \\| `([^`]+)` \\| `([^`]+)` \\| `([^`]+)` \\|").FindAllStringSubmatch(harness.Read(t, repository+"/docs/prometheus.md"), -1) {
		m.run("dpkg --status " + row[1] + " && command -v " + row[2] + " " + row[3] + " && test -f " + row[4] + " -a -f " + row[5] + " -a -d " + row[6])
	}
}

// eventually reports whether a condition comes to hold within the three minutes that an alert may take.
func eventually(condition func() bool) bool {
	deadline, tick := time.After(3*time.Minute), time.Tick(time.Second)
	for {
		if condition() {
			return true
		}
		select {
		case <-tick:
		case <-deadline:
			return false
		}
	}
}

// lasting returns what is printed without what is another every time: how long something took, when it was, and how wide
// a column is for that.
func lasting(printed string) string {
	printed = regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC|@\[[\d.]+\]|\b[\d.]+[nµm]?s\b|_time_seconds.*`).ReplaceAllString(printed, "…")
	return regexp.MustCompile(` +`).ReplaceAllString(regexp.MustCompile(` +\n`).ReplaceAllString(printed, "\n"), " ")
}
