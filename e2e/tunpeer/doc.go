// Package tunpeer is a test peer for TCP connect checks: a small TCP stack in
// userspace, behind a TUN device, that answers the handshakes of the machine's
// own sockets exactly as programmed, over IPv4 and IPv6.
//
// A test opens a Peer on one or more prefixes; every address and every port of
// them then is the peer's. For each of them a Behaviour tells what a SYN gets
// back, how late, and what follows the handshake. What the peer really did is
// recorded (Peer.Handshakes), so that a measurement can be held against the
// truth rather than against the program.
//
// The package needs Linux, root, /dev/net/tun and the ip command of iproute2.
// It must not touch the network of the machine it runs on, so the process is
// moved into a network namespace of its own first, from TestMain or main:
//
//	func TestMain(m *testing.M) { os.Exit(tunpeer.InNamespace(m.Run)) }
//
// The peer speaks just enough of RFC 9293 for that: it accepts and discards
// data, and it never sends any. It has no retransmission timer, as a TUN device
// loses nothing that it is given.
package tunpeer
