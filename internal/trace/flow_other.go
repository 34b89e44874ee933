//go:build !linux

package trace

import (
	"context"
	"net/netip"
)

// flow is there for Linux alone: no other system tells who sent the ICMP error that a connection
// attempt got.
type flow struct{ local netip.AddrPort }

func newFlow(netip.AddrPort, *Options) (*flow, error) { return nil, ErrUnavailable }

func (f *flow) ask(context.Context, int) (Hop, error) { return Hop{}, ErrUnavailable }

func (f *flow) tells() bool { return false }

func (f *flow) close() {}
