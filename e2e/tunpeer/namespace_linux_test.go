package tunpeer

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// modeCommand runs this test binary in one of modes, from outside the
// namespace's process.
func modeCommand(mode string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = []string{modeEnv + "=" + mode, "PATH=" + os.Getenv("PATH")}
	return cmd
}

func exitCode(t *testing.T, err error) int {
	t.Helper()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	return exit.ExitCode()
}

func TestInNamespaceStatus(t *testing.T) {
	assert.Equal(t, 3, exitCode(t, modeCommand("status").Run()))
	assert.Equal(t, 128+int(unix.SIGKILL), exitCode(t, modeCommand("killed").Run()))
}

func TestInNamespacePassesSIGTERMOn(t *testing.T) {
	cmd := modeCommand("terminated")
	output, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	ready, err := bufio.NewReader(output).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "ready\n", ready)
	require.NoError(t, cmd.Process.Signal(unix.SIGTERM))
	assert.Equal(t, 4, exitCode(t, cmd.Wait()))
}

// describe runs the mode of that name and returns its namespace, whether the
// loopback interface is up, and what Available returns.
func describe(t *testing.T, cmd *exec.Cmd) (namespace, loopbackUp, available string) {
	t.Helper()
	output, err := cmd.Output()
	require.NoError(t, err)
	lines := strings.Split(string(output), "\n")
	require.Len(t, lines, 4)
	return lines[0], lines[1], lines[2]
}

func TestInNamespaceAsRoot(t *testing.T) {
	Require(t)
	own, err := os.Readlink("/proc/self/ns/net")
	require.NoError(t, err)
	namespace, loopbackUp, available := describe(t, modeCommand("describe"))
	assert.NotEqual(t, own, namespace)
	assert.Equal(t, "true", loopbackUp)
	assert.Equal(t, "<nil>", available)
}

func TestInNamespaceWithoutRoot(t *testing.T) {
	Require(t)
	own, err := os.Readlink("/proc/self/ns/net")
	require.NoError(t, err)
	cmd := modeCommand("describe")
	const nobody = 65534
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	namespace, _, available := describe(t, cmd)
	assert.Equal(t, own, namespace)
	assert.Contains(t, available, "root")
}

func TestAvailableWithoutIPCommand(t *testing.T) {
	Require(t)
	t.Setenv("PATH", "")
	require.ErrorContains(t, Available(), "iproute2")
	_, err := Open("peer%d", prefix4)
	require.ErrorContains(t, err, "iproute2")
	_, err = ip("link")
	require.ErrorContains(t, err, "iproute2")
}

func TestAvailableOutsideOfNamespace(t *testing.T) {
	Require(t)
	inNamespace.Store(false)
	defer inNamespace.Store(true)
	require.ErrorContains(t, Available(), "InNamespace")
}

func TestControlErrors(t *testing.T) {
	err := control(newProgram(), new(record), strings.NewReader("no gob"), io.Discard)
	require.ErrorContains(t, err, "read request")

	broken := errors.New("broken")
	requests, input := io.Pipe()
	input.CloseWithError(broken)
	require.ErrorIs(t, control(newProgram(), new(record), requests, io.Discard), broken)
}
