package probe

import (
	"net/netip"
	"slices"
	"sync"
	"time"

	"example.com/tcpcheckreceiver/internal/socket"
)

// readICMP returns the last ICMP error that the kernel kept for a socket, or nil.
func readICMP(fd int) *socket.ICMPError {
	last := socket.ReadICMP(fd)
	if last != nil {
		last.Local = ownAddresses.has(last.Sender)
	}
	return last
}

// ownAddresses are those of this machine's interfaces.
var ownAddresses addressList

// addressList is a list of addresses that is read again when it is a second old.
type addressList struct {
	mu        sync.Mutex
	addresses []netip.Addr
	read      time.Time
}

func (l *addressList) has(addr netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if time.Since(l.read) > time.Second {
		l.read = time.Now()
		l.addresses, _ = interfaceAddresses() // none, where they cannot be read
	}
	return slices.Contains(l.addresses, addr)
}
