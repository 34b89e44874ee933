package tunpeer

import (
	"encoding/binary"
	"net/netip"
)

const (
	ipv4HeaderLen = 20
	ipv6HeaderLen = 40
	tcpHeaderLen  = 20
	icmpHeaderLen = 8

	protocolICMP   = 1
	protocolTCP    = 6
	protocolICMPv6 = 58

	hopLimit = 64

	// The most that an ICMP error may measure, quoted packet included: RFC
	// 1812, section 4.3.2.3, and RFC 4443, section 3.1.
	maxICMPv4Len = 576
	maxICMPv6Len = 1280

	ipv4DontFragment = 0x4000
	ipv4FragmentMask = 0x3fff // more fragments, and the offset
)

// appendIPHeader appends the header, without options, of a packet with a
// payload of the given length. Both addresses must be of one family.
func appendIPHeader(b []byte, from, to netip.Addr, protocol uint8, payloadLen int) []byte {
	if from.Is4() {
		start := len(b)
		b = append(b, 4<<4|ipv4HeaderLen/4, 0)
		b = binary.BigEndian.AppendUint16(b, uint16(ipv4HeaderLen+payloadLen))
		b = append(b, 0, 0) // identification: of no use in what is never fragmented
		b = binary.BigEndian.AppendUint16(b, ipv4DontFragment)
		b = append(b, hopLimit, protocol, 0, 0)
		b = appendAddr(appendAddr(b, from), to)
		binary.BigEndian.PutUint16(b[start+10:], finishSum(addSum(0, b[start:])))
		return b
	}
	b = append(b, 6<<4, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(payloadLen))
	b = append(b, protocol, hopLimit)
	return appendAddr(appendAddr(b, from), to)
}

func appendAddr(b []byte, a netip.Addr) []byte {
	if a.Is4() {
		v4 := a.As4()
		return append(b, v4[:]...)
	}
	v6 := a.As16()
	return append(b, v6[:]...)
}

// appendICMPError appends the ICMP error with the given type and code that the
// sender of the given packet gets for it from its destination (RFC 792, RFC
// 4443, section 3). The packet is quoted as far as an error may be long.
func appendICMPError(b []byte, packet []byte, sender, destination netip.Addr, icmpType, icmpCode uint8) []byte {
	protocol, room := uint8(protocolICMP), maxICMPv4Len-ipv4HeaderLen-icmpHeaderLen
	if sender.Is6() {
		protocol, room = protocolICMPv6, maxICMPv6Len-ipv6HeaderLen-icmpHeaderLen
	}
	quote := packet[:min(len(packet), room)]
	b = appendIPHeader(b, destination, sender, protocol, icmpHeaderLen+len(quote))
	start := len(b)
	b = append(b, icmpType, icmpCode, 0, 0, 0, 0, 0, 0)
	b = append(b, quote...)
	var sum uint32
	if sender.Is6() { // RFC 4443, section 2.3; ICMP of RFC 792 has no pseudo-header
		sum = pseudoHeaderSum(destination, sender, protocol, len(b)-start)
	}
	binary.BigEndian.PutUint16(b[start+2:], finishSum(addSum(sum, b[start:])))
	return b
}

// pseudoHeaderSum is the sum over the pseudo-header of a payload (RFC 9293,
// section 3.1, for IPv4; RFC 8200, section 8.1, for IPv6).
func pseudoHeaderSum(from, to netip.Addr, protocol uint8, payloadLen int) uint32 {
	var room [2 * 16]byte
	addrs := appendAddr(appendAddr(room[:0], from), to)
	return addSum(uint32(protocol)+uint32(payloadLen), addrs)
}

// addSum adds the 16-bit words of b to a sum of the Internet checksum (RFC
// 1071); an odd last byte counts as the upper half of a word. The sum cannot
// overflow over packets.
func addSum(sum uint32, b []byte) uint32 {
	for ; len(b) >= 2; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	return sum
}

// finishSum makes a checksum of a sum.
func finishSum(sum uint32) uint16 {
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
