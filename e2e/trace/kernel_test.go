package trace

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"golang.org/x/sys/unix"

	"example.com/tcpcheckreceiver/e2e/harness"
	"example.com/tcpcheckreceiver/e2e/peers"
)

// withoutQueue names the variable that makes this program take the error queues of sockets from itself, and
// become its arguments.
const withoutQueue = "E2E_WITHOUT_ERROR_QUEUE"

func TestMain(m *testing.M) {
	if os.Getenv(withoutQueue) != "" {
		fmt.Fprintln(os.Stderr, executeWithoutQueue(os.Args[1:]))
		os.Exit(1)
	}
	os.Exit(harness.InNamespace("", func() int { return inPrograms(m.Run) }))
}

// executeWithoutQueue executes a command whose error queues are empty: recvmsg(2) with MSG_ERRQUEUE
// finds nothing, by seccomp(2). It returns only if that fails.
func executeWithoutQueue(command []string) error {
	runtime.LockOSThread()
	const ( // offsets in struct seccomp_data
		number = 0
		flags  = 16 + 2*8 // the third argument
	)
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: number},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_RECVMSG, Jf: 3},
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: flags},
		{Code: unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, K: unix.MSG_ERRQUEUE, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EAGAIN)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return os.NewSyscallError("prctl", err)
	}
	if err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0); err != nil {
		return os.NewSyscallError("prctl", err)
	}
	path, err := exec.LookPath(command[0])
	if err != nil {
		return err
	}
	return os.NewSyscallError("execve", syscall.Exec(path, command, os.Environ()))
}

// unavailable is what the trace says where the system does not tell.
const unavailable = "the way is not known: this system does not tell which router answered: Linux 6.0 or later is needed.\n"

// There is no kernel before 6.0 here, so a real one is made to look like it: the error queue is empty, by a
// filter of system calls. Then the kernel's error is all that is known of an answer, and if it came
// while the SYN was sent, as it does between the namespaces of one machine, there is no error either: what
// remains is the number of the release, which an option of the process changes (UNAME26 in personality(2)).
func TestOldKernel(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Run("by its error", func(t *testing.T) {
		hosts := peers.New(t)
		router := netip.MustParseAddrPort("198.18.9.1:80")
		hosts.Set(router, peers.Behaviour{Answer: peers.ICMPError, ICMPType: 11, Delay: 20 * time.Millisecond})
		words := unprivileged(program(t), "--trace", "--timeout", "2s", router.String())

		got := result(t, exec.Command(words[0], words[1:]...))
		assert.Equal(t, 2, got.status)
		assert.Contains(t, got.out, "\n1       198.18.9.1 ", "the kernel has the queue")

		command := exec.Command(self, words...)
		command.Env = append(os.Environ(), withoutQueue+"=1")
		got = result(t, command)
		assert.Equal(t, 2, got.status)
		assert.Regexp(t, `^TARGET .*\n198\.18\.9\.1:80 .* down .*\n\n198\.18\.9\.1:80: over ipv4 `+unavailable, got.out)
	})
	t.Run("by its release", func(t *testing.T) {
		c := newChain(t, 3)
		c.listen()
		words := append([]string{"env", withoutQueue + "=1", self, "setarch", "--uname-2.6"}, unprivileged(program(t), "--trace", "--local-port", flow, "target.test:"+port)...)
		got := result(t, c.client().Command(harness.WithFile("/etc/hosts", c.hosts(), words...).Args...))
		assert.Equal(t, 0, got.status, "the checks go on")
		golden(t, "old-kernel", got.out)
	})
}
