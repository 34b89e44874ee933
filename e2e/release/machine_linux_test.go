package release

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/e2e/harness"
)

// machine is a container with systemd as its first process. It has the files of this machine, what
// changes in them stays in memory, and its network is the loopback interface.
type machine struct {
	t      *testing.T
	leader string // the number of its first process
}

// boot is what starts a machine. Where the kernel has control groups of the first version as well,
// systemd-nspawn wants these to be there.
const boot = `
mount --bind / "$1"
if [ -d /sys/fs/cgroup/systemd ]; then mkdir -p /sys/fs/cgroup/systemd/payload /sys/fs/cgroup/systemd/supervisor; fi
exec systemd-nspawn --quiet --directory="$1" --volatile=overlay --machine=tcpcheck --register=no --keep-unit --private-network \
  --link-journal=no --notify-ready=yes --bind-ro="$2":/mnt --console=pipe --boot systemd.unit=basic.target`

// oneMachine is held while there is a machine: systemd-nspawn has one place for them in the control groups.
var oneMachine sync.Mutex

// newMachine starts a machine, which has the files of a folder in /mnt, once there is no other one. It ends with the test.
func newMachine(t *testing.T, folder string) *machine {
	t.Helper()
	harness.RequireRoot(t, "boot a machine with systemd")
	needs(t, "systemd-nspawn", "nsenter", "unshare")
	oneMachine.Lock()
	t.Cleanup(oneMachine.Unlock)
	place, err := os.MkdirTemp("", "nspawn") //nolint:usetesting // t.TempDir removes what is in it, and this machine is mounted there
	require.NoError(t, err)
	notify := filepath.Join(t.TempDir(), "notify")
	told, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: notify, Net: "unixgram"})
	require.NoError(t, err)
	defer func() { assert.NoError(t, told.Close()) }()

	command := exec.Command("unshare", "--mount", "sh", "-euc", boot, "sh", place, folder)
	command.Env = append(os.Environ(), "NOTIFY_SOCKET="+notify)
	var log strings.Builder
	command.Stdout, command.Stderr = &log, &log
	require.NoError(t, command.Start())
	m := &machine{t: t}
	t.Cleanup(func() {
		if m.leader != "" {
			// Nothing of it is to be kept.
			_ = exec.Command("kill", "-KILL", m.leader).Run()
		} else {
			_ = command.Process.Kill()
		}
		_ = command.Wait()
		_ = os.Remove(place)
		if t.Failed() {
			t.Logf("the machine:\n%s", log.String())
		}
	})
	require.NoError(t, told.SetReadDeadline(time.Now().Add(harness.Patience)))
	for ready := false; !ready; {
		message := make([]byte, 4096)
		size, err := told.Read(message)
		require.NoError(t, err, "the machine does not start")
		for line := range strings.Lines(string(message[:size])) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			require.NotEqual(t, "ERRNO", name, "the machine does not start: %s", value)
			switch name {
			case "X_NSPAWN_LEADER_PID":
				m.leader = value
			case "READY":
				ready = true
			}
		}
	}
	return m
}

// try runs a shell script on the machine, and returns what it writes and its exit status.
func (m *machine) try(script string) (string, int) {
	m.t.Helper()
	text, err := exec.Command("nsenter", "--target="+m.leader, "--all", "--root", "--wd", "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
		"DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8", "sh", "-euc", script).CombinedOutput()
	var status *exec.ExitError
	if errors.As(err, &status) {
		return string(text), status.ExitCode()
	}
	require.NoError(m.t, err)
	return string(text), 0
}

// run is try of a script that is to succeed.
func (m *machine) run(script string) string {
	m.t.Helper()
	text, status := m.try(script)
	require.Zero(m.t, status, "%s: %s", script, text)
	return strings.TrimSpace(text)
}

// await runs a script until it succeeds, and returns what it writes.
func (m *machine) await(script string) string {
	m.t.Helper()
	var text string
	require.Eventually(m.t, func() bool {
		var status int
		text, status = m.try(script)
		return status == 0
	}, harness.Patience, 100*time.Millisecond, "%s", script)
	return text
}
