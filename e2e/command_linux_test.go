package e2e

import (
	"errors"
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

// loopbackNames are the names of a machine with both families.
const loopbackNames = "127.0.0.1 localhost\n::1 localhost\n"

// The one who suffered first: a service that listens on IPv4 alone, beside one that listens on both
// families. The README begins with what the command says of them, on a machine that has both
// families, whatever this one has.
func TestCommand(t *testing.T) {
	machine := harness.NewMachine(t)
	const ipv6 = "/proc/sys/net/ipv6/conf/lo/disable_ipv6"
	if err := machine.Do(func() error { return os.WriteFile(ipv6, []byte("0"), 0o600) }); errors.Is(err, os.ErrNotExist) {
		t.Skip("needs IPv6, which the kernel does not have")
	} else {
		require.NoError(t, err)
	}
	machine.Listen("tcp4", "0.0.0.0:8001")
	machine.Listen("tcp", "[::]:8002")
	folder := t.TempDir()
	command, hosts := harness.Command(t), filepath.Join(folder, "hosts")
	harness.Write(t, hosts, loopbackNames)

	const targets = "localhost:8001 localhost:8002"
	ran := machine.Command(harness.WithFile("/etc/hosts", hosts, append([]string{command}, strings.Fields(targets)...)...).Args...)
	said, err := ran.CombinedOutput()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit, "%s", said)
	assert.Equal(t, 1, exit.ExitCode(), "WARNING")
	assert.Regexp(t, `(?m)^localhost:8001 +ipv4 .* up .*\nlocalhost:8001 +ipv6 .* down +connection refused\nlocalhost:8002 +ipv4 .* up .*\nlocalhost:8002 +ipv6 .* up `, string(said))

	const file = "../README.md"
	readme := harness.Read(t, file)
	shown := harness.BlockOf(t, "README.md", "$ tcpcheck ")
	printed := "$ tcpcheck " + targets + "\n" + string(said)
	if *update {
		harness.Write(t, file, strings.Replace(readme, shown, printed, 1))
		return
	}
	timeless := func(text string) string {
		text = regexp.MustCompile(`up +[\d.]+.?s`).ReplaceAllString(text, "up time")
		return regexp.MustCompile(` +`).ReplaceAllString(text, " ")
	}
	assert.Equal(t, timeless(printed), timeless(shown), "run the test with -update")
}
