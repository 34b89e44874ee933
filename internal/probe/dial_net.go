package probe

import (
	"context"
	"net"
	"net/netip"
	"time"

	"example.com/tcpcheckreceiver/internal/check"
)

// netDialer is the portable dialer. Its times are those of the wall clock around
// the dial, so they hold the time that this machine took to schedule it.
type netDialer struct {
	address netip.AddrPort
	timeout time.Duration
}

func newNetDialer(address netip.AddrPort, timeout time.Duration) dialer {
	return netDialer{address: address, timeout: timeout}
}

// begin leaves it all to await: net.Dialer has no halves.
func (d netDialer) begin() (handshake, error) { return handshake{}, errPending }

func (d netDialer) await(ctx context.Context) (handshake, error) {
	none := handshake{retransmits: check.UnknownRetransmits}
	// The dialer would drop a zone that it does not know.
	if _, err := zoneIndex(d.address.Addr()); err != nil {
		return none, err
	}
	start := time.Now()
	conn, err := (&net.Dialer{Timeout: d.timeout, KeepAlive: -1}).DialContext(ctx, "tcp", d.address.String())
	elapsed := time.Since(start)
	if err != nil {
		if ctx.Err() != nil {
			return none, ctx.Err()
		}
		return none, err
	}
	// The connection was made, whatever closing says.
	_ = conn.Close()
	return handshake{time: elapsed, retransmits: check.UnknownRetransmits}, nil
}
