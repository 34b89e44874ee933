package tunpeer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// namespaceEnv marks the process that InNamespace has started.
const namespaceEnv = "TUNPEER_NAMESPACE"

// inNamespace tells that this process is the one that InNamespace has started.
var inNamespace atomic.Bool

// InNamespace calls run in a network namespace of its own, with the loopback
// interface up, and in a mount namespace of its own, in which files can be mounted over
// those of the machine. It returns what run returned, an exit status. It is the first
// thing for TestMain, with m.Run, or for main to do, and what it returns is the
// status to exit with:
//
//	os.Exit(tunpeer.InNamespace(m.Run))
//
// The namespace is that of a whole process: InNamespace executes the program
// anew in it, with the same arguments, and it is there that run is called. The
// first process only waits, passing SIGTERM and SIGQUIT on, and returns the
// exit status of the other, or 128 and the number of the signal that ended it.
// Standard input, output and error are shared. The processes of the peers are
// executions of the program as well, which do not leave InNamespace before
// they end.
//
// A user who may not make a namespace gets run called in the namespace at hand,
// where Available tells why there can be no Peer. If the program cannot be
// executed for another reason, InNamespace says so on standard error and
// returns 1.
func InNamespace(run func() int) int {
	if os.Getenv(processEnv) != "" {
		return serve(deviceFile, os.Stdin, os.Stdout)
	}
	if os.Getenv(namespaceEnv) != "" {
		if _, err := ip("link", "set", "dev", "lo", "up"); err != nil {
			return namespaceFailed(err)
		}
		// No mount is to leave the namespace.
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			return namespaceFailed(os.NewSyscallError("mount", err))
		}
		inNamespace.Store(true)
		return run()
	}
	status, err := runInNamespace()
	if errors.Is(err, fs.ErrPermission) {
		return run()
	}
	if err != nil {
		return namespaceFailed(err)
	}
	return status
}

func namespaceFailed(err error) int {
	fmt.Fprintln(os.Stderr, "tunpeer: network namespace:", err)
	return 1
}

// runInNamespace executes the program in a new network namespace and returns
// its exit status.
func runInNamespace() (int, error) {
	// The death signal is bound to the thread that starts the process.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGQUIT)
	defer signal.Stop(signals)

	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), namespaceEnv+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS, Pdeathsig: unix.SIGKILL}
	if err := cmd.Start(); err != nil {
		return 0, err
	}

	exited := make(chan struct{})
	defer close(exited)
	go passSignals(signals, exited, cmd.Process)
	return exitStatus(cmd.Wait(), cmd.ProcessState)
}

// passSignals passes signals on to a process until it has exited, except
// interrupts: one from the terminal reaches the process by itself.
func passSignals(signals <-chan os.Signal, exited <-chan struct{}, process *os.Process) {
	for {
		select {
		case sig := <-signals:
			if sig != unix.SIGINT {
				_ = process.Signal(sig) // fails only if it has just exited
			}
		case <-exited:
			return
		}
	}
}

// exitStatus is the status to exit with after a process for which Wait returned
// waitErr.
func exitStatus(waitErr error, state *os.ProcessState) (int, error) {
	var exitErr *exec.ExitError
	if waitErr != nil && !errors.As(waitErr, &exitErr) {
		return 0, waitErr
	}
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal()), nil
	}
	return state.ExitCode(), nil
}

// Available returns nil if Open can work in this process, and else an error
// that tells what is missing: root, the namespace of InNamespace, the TUN
// driver or the ip command.
func Available() error {
	if os.Geteuid() != 0 {
		return errors.New("tunpeer needs root")
	}
	if !inNamespace.Load() {
		return errors.New("tunpeer needs a network namespace of its own: InNamespace could not make one or was not called")
	}
	if err := unix.Access(tunPath, unix.R_OK|unix.W_OK); err != nil {
		return fmt.Errorf("tunpeer needs %s: %w", tunPath, err)
	}
	if _, err := exec.LookPath("ip"); err != nil {
		return fmt.Errorf("tunpeer needs the ip command of iproute2: %w", err)
	}
	return nil
}

// Require skips the test if there can be no Peer in this process, for the
// reason that Available tells.
func Require(t testing.TB) {
	t.Helper()
	if err := Available(); err != nil {
		t.Skip(err)
	}
}
