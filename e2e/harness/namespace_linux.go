package harness

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// namespaceEnv marks a process that InNamespace has put into its namespaces.
const namespaceEnv = "E2E_NAMESPACE"

// InNamespace calls run in a network namespace of its own, with the loopback
// interface up, and in a mount namespace of its own, in which /etc/resolv.conf has
// the text resolv unless that is empty. It returns what run returned, an exit status.
// It is the first thing for TestMain to do:
//
//	os.Exit(harness.InNamespace("", m.Run))
//
// The namespaces are those of the whole process, which executes its program anew for
// that. Without the right to make them, run is called where the process is, and
// RequireNamespace skips.
func InNamespace(resolv string, run func() int) int {
	if os.Getenv(namespaceEnv) == "" {
		err := executeInNamespace()
		if errors.Is(err, unix.EPERM) {
			return run()
		}
		return failed(err)
	}
	// No mount is to leave the namespace.
	err := os.NewSyscallError("mount", unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	if err == nil && resolv != "" {
		err = mountText("/etc/resolv.conf", resolv)
	}
	if err == nil {
		err = exec.Command("ip", "link", "set", "dev", "lo", "up").Run()
	}
	if err != nil {
		return failed(err)
	}
	return run()
}

// executeInNamespace executes the program anew. It returns only if that fails.
func executeInNamespace() error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	runtime.LockOSThread() // whose namespaces are those of what it executes
	if err := unix.Unshare(unix.CLONE_NEWNET | unix.CLONE_NEWNS); err != nil {
		return os.NewSyscallError("unshare", err)
	}
	return os.NewSyscallError("execve", syscall.Exec(program, os.Args, append(os.Environ(), namespaceEnv+"=1")))
}

func failed(err error) int {
	fmt.Fprintln(os.Stderr, "a namespace of its own:", err)
	return 1
}

// mountText puts a file with a text in the place of one of the machine's.
func mountText(place, text string) error {
	folder, err := os.MkdirTemp("", "e2e")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(folder) }() // what is mounted stays
	file := filepath.Join(folder, filepath.Base(place))
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return err
	}
	return os.NewSyscallError("mount", unix.Mount(file, place, "", unix.MS_BIND, ""))
}

// RequireNamespace skips the test unless this process is one that InNamespace has put
// into its namespaces.
func RequireNamespace(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 || os.Getenv(namespaceEnv) == "" {
		t.Skip("needs root, to make a network namespace of its own")
	}
}
