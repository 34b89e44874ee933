package check

import (
	"errors"
	"syscall"
)

// Lack is what this machine lacked where a Result is Unchecked.
type Lack string

// What a machine may lack.
const (
	LacksFileDescriptors    Lack = "file_descriptors"
	LacksPorts              Lack = "ports"
	LacksMemory             Lack = "memory"
	LacksAddressFamily      Lack = "address_family"
	LacksConnectionTracking Lack = "connection_tracking"
	LacksOther              Lack = "other"
)

// LackOf returns what err says that this machine lacked, by the errors of socket(2) and
// connect(2).
func LackOf(err error) Lack {
	var errno syscall.Errno
	errors.As(err, &errno)
	var family LacksFamilyError
	switch {
	case errors.Is(err, ErrConntrackFull):
		return LacksConnectionTracking
	case errno == syscall.EMFILE || errno == syscall.ENFILE:
		return LacksFileDescriptors
	case errno == syscall.ENOBUFS || errno == syscall.ENOMEM:
		return LacksMemory
	case errno == syscall.EADDRNOTAVAIL || errno == syscall.EADDRINUSE || errno == syscall.EAGAIN:
		return LacksPorts
	case errno == syscall.EAFNOSUPPORT || errors.As(err, &family):
		return LacksAddressFamily
	}
	return LacksOther
}
