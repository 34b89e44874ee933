package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"

	"example.com/tcpcheckreceiver/e2e/harness"
)

// On a machine without IPv6 the quickstart says so in a sentence, whether IPv6 is
// disabled, as in many containers, or missing from the kernel, which says so here.
func TestQuickstartWithoutIPv6(t *testing.T) {
	arguments := quickstart(t).Args
	for _, test := range []struct {
		name    string
		command func(t *testing.T) *exec.Cmd
		reason  string
	}{
		{
			name: "disabled",
			command: func(t *testing.T) *exec.Cmd {
				script := `echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6 && exec "$@"`
				return harness.NewMachine(t).Command(append([]string{"sh", "-c", script, "sh"}, arguments...)...)
			},
			reason: "this machine has no ipv6 address from which it could reach them",
		},
		{
			name: "missing",
			command: func(*testing.T) *exec.Cmd {
				command := exec.Command("/proc/self/exe", arguments...)
				command.Env = append(os.Environ(), fmt.Sprintf("%s=%d", denyIPv6, syscall.EAFNOSUPPORT))
				return command
			},
			// In a kernel without IPv6 there is no address either.
			reason: "",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := startQuickstart(t, test.command(t))
			c.Await("a fault of this machine, and not of its targets, left addresses unchecked (3): " + test.reason)
			for _, line := range []string{"v4 only,network.type=ipv4} 1", "both,network.type=ipv4} 1", "closed,network.type=ipv4} 0"} {
				c.Await("network.tcp.can_connect{tcpcheck.instance=" + line)
			}
			assert.NotContains(t, c.Output(), "network.type=ipv6")
			assert.NotRegexp(t, `goroutine|\.go:\d+\n`, c.Output(), "a stack trace")
		})
	}
}
