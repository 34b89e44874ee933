//go:build unix

package files

import "syscall"

// doNotWait opens a named pipe without waiting for a writer (open(2)).
const doNotWait = syscall.O_NONBLOCK
