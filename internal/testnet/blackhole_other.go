//go:build !linux

package testnet

import (
	"net/netip"
	"testing"
)

// BlackHole skips the test: only Linux is known to drop SYNs at a full queue.
func BlackHole(t testing.TB) netip.AddrPort {
	t.Helper()
	t.Skip("needs Linux, whose listeners drop SYNs when their queue is full")
	return netip.AddrPort{}
}
