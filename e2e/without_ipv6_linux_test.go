package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"golang.org/x/sys/unix"

	"example.com/tcpcheckreceiver/e2e/harness"
	"example.com/tcpcheckreceiver/internal/testnet"
)

// denyIPv6 names the variable that makes this program deny IPv6 sockets to
// itself, with the error that it has the number of, and become its arguments.
const denyIPv6 = "E2E_DENY_IPV6_SOCKETS"

func TestMain(m *testing.M) {
	if errno, err := strconv.Atoi(os.Getenv(denyIPv6)); err == nil {
		fmt.Fprintln(os.Stderr, deniedExec(syscall.Errno(errno), os.Args[1:]))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// denied returns a command that the kernel denies IPv6 sockets.
func denied(errno syscall.Errno, command ...string) *exec.Cmd {
	self := exec.Command("/proc/self/exe", command...)
	self.Env = append(os.Environ(), fmt.Sprintf("%s=%d", denyIPv6, errno))
	return self
}

// deniedExec executes a command that the kernel denies IPv6 sockets, by
// seccomp(2). It returns only if that fails.
func deniedExec(errno syscall.Errno, command []string) error {
	runtime.LockOSThread()
	const ( // offsets in struct seccomp_data
		number   = 0
		argument = 16
	)
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: number},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_SOCKET, Jf: 3},
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: argument},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.AF_INET6, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(errno)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return os.NewSyscallError("prctl", err)
	}
	if err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0); err != nil {
		return os.NewSyscallError("prctl", err)
	}
	return os.NewSyscallError("execve", syscall.Exec(command[0], command, os.Environ()))
}

// A socket that this machine does not give is no target that is down. There is no
// honest way to run a machine out of memory, or to take IPv6 out of its kernel, so
// the kernel is told to say so.
func TestNoSocket(t *testing.T) {
	for _, test := range []struct {
		errno  syscall.Errno
		reason string
	}{
		{errno: syscall.ENOBUFS, reason: "no buffer space available"},
		{errno: syscall.ENOMEM, reason: "cannot allocate memory"},
		{errno: syscall.EAFNOSUPPORT, reason: "address family not supported by protocol"},
	} {
		t.Run(test.reason, func(t *testing.T) {
			if test.errno == syscall.EAFNOSUPPORT {
				testnet.RequireIPv6(t) // else the machine's lack of an address is the reason
			}
			up := testnet.Listen(t, "tcp4", "127.0.0.1:0")
			config, page := pipeline(t, fmt.Sprintf(`
collection_interval: 1s
instances:
  - {name: IPv4, endpoint: "127.0.0.1:%[1]d"}
  - {name: IPv6, endpoint: "[::1]:%[1]d"}
`, up.Port()))
			c := harness.Start(t, denied(test.errno, binary(t), "--config", config), harness.CollectorReady)
			assert.Equal(t, map[string]float64{series("IPv4", "127.0.0.1", "ipv4", "127.0.0.1", up.Port()): 1}, page.awaitResults(t, 1).Values(canConnect))
			c.Await(unableToCheck + test.reason)
			assert.NotContains(t, c.Output(), "cannot connect")
		})
	}
}

// On a machine without IPv6 the quickstart says so in a sentence, whether IPv6 is
// disabled, as in many containers, or missing from the kernel, which says so here.
func TestQuickstartWithoutIPv6(t *testing.T) {
	arguments := quickstart(t).Args
	for _, test := range []struct {
		name    string
		command func(t *testing.T) (*exec.Cmd, reader)
		reason  string
	}{
		{
			name: "disabled",
			command: func(t *testing.T) (*exec.Cmd, reader) {
				script, machine := `echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6 && exec "$@"`, harness.NewMachine(t)
				return machine.Command(append([]string{"sh", "-c", script, "sh"}, arguments...)...), func() (harness.Page, error) { return machine.ReadPage(ownPage) }
			},
			reason: "this machine has no ipv6 address from which it could reach them",
		},
		{
			// In a kernel without IPv6 there is no address either.
			name: "missing",
			command: func(*testing.T) (*exec.Cmd, reader) {
				return denied(syscall.EAFNOSUPPORT, arguments...), pageAt(ownPage)
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			command, own := test.command(t)
			c := startQuickstart(t, command)
			c.Await(unableToCheck + test.reason)
			own.await(t, func(page harness.Page) bool {
				return page.Values("otelcol_receiver_tcpcheck_results_unchecked")["{reason=address_family receiver=tcpcheck}"] >= 3
			})
			for _, line := range []string{"v4 only,network.type=ipv4} 1", "both,network.type=ipv4} 1", "closed,network.type=ipv4} 0"} {
				c.Await("network.tcp.can_connect{tcpcheck.instance=" + line)
			}
			assert.NotContains(t, c.Output(), "network.type=ipv6")
			assert.NotRegexp(t, `goroutine|\.go:\d+\n`, c.Output(), "a stack trace")
		})
	}
}
