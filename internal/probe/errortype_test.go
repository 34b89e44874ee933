//go:build unix

package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/socket"
)

// opError is what net.Dialer makes of an error of a system call.
func opError(call string, errno syscall.Errno) error {
	return &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError(call, errno)}
}

// inBothForms returns an error of net.Dialer, and in the form of the dialer
// that makes the system calls itself.
func inBothForms(err error) map[string]error {
	forms := map[string]error{"of net.Dialer": err}
	var call *os.SyscallError
	var operation *net.OpError
	if errors.As(err, &call) {
		forms["of our own"] = newDialError(netip.AddrPort{}, call.Syscall, call.Err)
	} else if errors.As(err, &operation) {
		forms["of our own"] = newDialError(netip.AddrPort{}, "", operation.Err)
	}
	return forms
}

func TestConnectErrorType(t *testing.T) {
	for _, test := range []struct {
		name string
		err  error
		want check.ErrorType
		lack check.Lack
	}{
		{name: "refused", err: opError("connect", syscall.ECONNREFUSED), want: check.ConnectionRefused},
		{name: "protocol unreachable", err: opError("connect", syscall.ENOPROTOOPT), want: check.ConnectionRefused},
		{name: "the kernel's timeout", err: opError("connect", syscall.ETIMEDOUT), want: check.Timeout},
		{name: "the dialer's timeout", err: &net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}, want: check.Timeout},
		{name: "a deadline", err: fmt.Errorf("dial: %w", context.DeadlineExceeded), want: check.Timeout},
		{name: "reset during the handshake", err: opError("connect", syscall.ECONNRESET), want: check.ConnectionReset},
		{name: "aborted", err: opError("connect", syscall.ECONNABORTED), want: check.ConnectionReset},
		{name: "host unreachable", err: opError("connect", syscall.EHOSTUNREACH), want: check.HostUnreachable},
		{name: "host down", err: opError("connect", syscall.EHOSTDOWN), want: check.HostUnreachable},
		{name: "network unreachable", err: opError("connect", syscall.ENETUNREACH), want: check.NetworkUnreachable},
		{name: "network down", err: opError("connect", syscall.ENETDOWN), want: check.NetworkUnreachable},
		{name: "prohibited by a route", err: opError("connect", syscall.EACCES), want: check.PermissionDenied},
		{name: "dropped by a rule on output", err: opError("connect", syscall.EPERM), want: check.PermissionDenied},
		{name: "a blackhole route", err: opError("connect", syscall.EINVAL), want: check.NetworkUnreachable},
		{name: "anything else", err: opError("connect", syscall.EIO), want: check.Other},
		{name: "no error of the system", err: errors.New("strange"), want: check.Other},

		{name: "no descriptor", err: opError("socket", syscall.EMFILE), lack: check.LacksFileDescriptors},
		{name: "no descriptor in the system", err: opError("socket", syscall.ENFILE), lack: check.LacksFileDescriptors},
		{name: "no memory", err: opError("socket", syscall.ENOMEM), lack: check.LacksMemory},
		{name: "no buffers", err: opError("connect", syscall.ENOBUFS), lack: check.LacksMemory},
		{name: "no ephemeral port", err: opError("connect", syscall.EADDRNOTAVAIL), lack: check.LacksPorts},
		{name: "no family", err: opError("socket", syscall.EAFNOSUPPORT), lack: check.LacksAddressFamily},
		{name: "sockets are forbidden", err: opError("socket", syscall.EPERM), lack: check.LacksOther},
		{name: "no zone", err: &socket.UnknownZoneError{Address: netip.MustParseAddr("fe80::1%none"), Err: errors.New("no such interface")}, lack: check.LacksOther},
		{name: "the connection tracking table is full", err: &dialError{err: check.ErrConntrackFull, local: true}, lack: check.LacksConnectionTracking},
		{name: "the SYN was lost on this machine", err: &dialError{err: os.ErrDeadlineExceeded, local: true}, lack: check.LacksOther},
	} {
		for kind, err := range inBothForms(test.err) {
			t.Run(test.name+", "+kind, func(t *testing.T) {
				assert.Equal(t, test.lack, lackOf(err))
				if test.lack == "" {
					assert.Equal(t, test.want, connectErrorType(err))
				}
			})
		}
	}
}

func TestLookupErrorType(t *testing.T) {
	for _, test := range []struct {
		name string
		err  error
		want check.ErrorType
	}{
		{name: "not found", err: &net.DNSError{IsNotFound: true}, want: check.DNSNotFound},
		{name: "a hosts file has the other family only", err: &net.AddrError{Err: "no suitable address found"}, want: check.DNSNotFound},
		{name: "timeout", err: &net.DNSError{IsTimeout: true}, want: check.DNSTimeout},
		{name: "deadline", err: context.DeadlineExceeded, want: check.DNSTimeout},
		{name: "server failure", err: &net.DNSError{IsTemporary: true}, want: check.DNSFailure},
		{name: "anything else", err: errors.New("strange"), want: check.DNSFailure},
	} {
		t.Run(test.name, func(t *testing.T) {
			assert.Equal(t, test.want, lookupErrorType(test.err))
		})
	}
}

// FuzzErrorType: every error of every system call is either this machine's fault
// or has a reason of the contract.
func FuzzErrorType(f *testing.F) {
	for _, errno := range []syscall.Errno{syscall.ECONNREFUSED, syscall.EMFILE, syscall.EINVAL, syscall.ETIMEDOUT} {
		f.Add("connect", uint16(errno), false)
	}
	f.Add("socket", uint16(syscall.EMFILE), true)
	f.Fuzz(func(t *testing.T, call string, errno uint16, joined bool) {
		var err error = &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError(call, syscall.Errno(errno))}
		if joined {
			err = errors.Join(errors.New("and more"), err)
		}
		require.True(t, lackOf(err) != "" || slices.Contains(check.ErrorTypes, connectErrorType(err)))
		require.Equal(t, call != "connect" || lacks[syscall.Errno(errno)] != "", lackOf(err) != "")
		require.Contains(t, []check.ErrorType{check.DNSNotFound, check.DNSTimeout, check.DNSFailure}, lookupErrorType(err))
	})
}

// An attempt that this machine lost had no answer until its timeout, and that is all it is.
func TestLostHereIsATimeout(t *testing.T) {
	for local, want := range map[bool]bool{true: true, false: false} {
		err := &dialError{local: local, err: check.ErrConntrackFull}
		assert.Equal(t, want, errors.Is(err, os.ErrDeadlineExceeded))
		require.NotErrorIs(t, err, os.ErrExist)
		require.ErrorIs(t, err, check.ErrConntrackFull)
	}
}

func TestSender(t *testing.T) {
	router := netip.MustParseAddr("192.0.2.9")
	for want, icmp := range map[netip.Addr]*socket.ICMPError{{}: nil, router: {Sender: router}} {
		result := check.Result{Err: &dialError{icmp: icmp}}
		assert.Equal(t, want, result.Sender())
	}
}
