package tunpeer

import (
	"encoding/binary"
	"net/netip"
)

// The control bits of RFC 9293, section 3.1, that the peer minds.
const (
	flagFIN = 1 << iota
	flagSYN
	flagRST
	_
	flagACK
)

const (
	window       = 65535 // of the peer, which keeps nothing of what it takes
	mssOption    = 2     // RFC 9293, section 3.2
	mssOptionLen = 4
)

// segment is what the peer minds of a TCP segment.
type segment struct {
	from, to netip.AddrPort
	seq, ack uint32
	flags    uint8
	dataLen  int
}

// has reports whether all the given control bits are set.
func (s segment) has(flags uint8) bool { return s.flags&flags == flags }

// length is SEG.LEN of RFC 9293, section 3.4: what the segment takes of the
// sequence space.
func (s segment) length() uint32 {
	n := uint32(s.dataLen)
	if s.has(flagSYN) {
		n++
	}
	if s.has(flagFIN) {
		n++
	}
	return n
}

// parseSegment reads the segment of a packet. It returns false for a packet
// that holds none, or only a part of one: another protocol, a fragment, an
// IPv6 extension header, a length that does not fit. Checksums are not looked
// at: the packets come from the machine itself.
func parseSegment(packet []byte) (segment, bool) {
	from, to, payload, ok := parseTCPPacket(packet)
	if !ok || len(payload) < tcpHeaderLen {
		return segment{}, false
	}
	headerLen := int(payload[12]>>4) * 4
	if headerLen < tcpHeaderLen || headerLen > len(payload) {
		return segment{}, false
	}
	return segment{
		from:    netip.AddrPortFrom(from, binary.BigEndian.Uint16(payload)),
		to:      netip.AddrPortFrom(to, binary.BigEndian.Uint16(payload[2:])),
		seq:     binary.BigEndian.Uint32(payload[4:]),
		ack:     binary.BigEndian.Uint32(payload[8:]),
		flags:   payload[13],
		dataLen: len(payload) - headerLen,
	}, true
}

// parseTCPPacket reads the IP header of a packet that holds a whole TCP
// segment; it returns false for any other.
func parseTCPPacket(packet []byte) (from, to netip.Addr, payload []byte, ok bool) {
	switch {
	case len(packet) >= ipv4HeaderLen && packet[0]>>4 == 4:
		headerLen := int(packet[0]&0xf) * 4
		totalLen := int(binary.BigEndian.Uint16(packet[2:]))
		fragment := binary.BigEndian.Uint16(packet[6:])&ipv4FragmentMask != 0
		whole := ipv4HeaderLen <= headerLen && headerLen <= totalLen && totalLen <= len(packet) && !fragment
		if !whole || packet[9] != protocolTCP {
			return from, to, nil, false
		}
		from, to = netip.AddrFrom4([4]byte(packet[12:])), netip.AddrFrom4([4]byte(packet[16:]))
		return from, to, packet[headerLen:totalLen], true
	case len(packet) >= ipv6HeaderLen && packet[0]>>4 == 6:
		end := ipv6HeaderLen + int(binary.BigEndian.Uint16(packet[4:]))
		if end > len(packet) || packet[6] != protocolTCP {
			return from, to, nil, false
		}
		from, to = netip.AddrFrom16([16]byte(packet[8:])), netip.AddrFrom16([16]byte(packet[24:]))
		return from, to, packet[ipv6HeaderLen:end], true
	}
	return from, to, nil, false
}

// appendSegment appends the packet of a segment without data. A SYN carries the
// MSS that fits the device's MTU.
func appendSegment(b []byte, s segment) []byte {
	headerLen := tcpHeaderLen
	if s.has(flagSYN) {
		headerLen += mssOptionLen
	}
	b = appendIPHeader(b, s.from.Addr(), s.to.Addr(), protocolTCP, headerLen)
	start := len(b)
	b = binary.BigEndian.AppendUint16(b, s.from.Port())
	b = binary.BigEndian.AppendUint16(b, s.to.Port())
	b = binary.BigEndian.AppendUint32(b, s.seq)
	b = binary.BigEndian.AppendUint32(b, s.ack)
	b = append(b, uint8(headerLen/4<<4), s.flags)
	b = binary.BigEndian.AppendUint16(b, window)
	b = append(b, 0, 0, 0, 0) // checksum, urgent pointer
	if s.has(flagSYN) {
		b = append(b, mssOption, mssOptionLen)
		b = binary.BigEndian.AppendUint16(b, maxSegment(s.from.Addr()))
	}
	sum := pseudoHeaderSum(s.from.Addr(), s.to.Addr(), protocolTCP, headerLen)
	binary.BigEndian.PutUint16(b[start+16:], finishSum(addSum(sum, b[start:])))
	return b
}

// maxSegment is the MSS for the device's MTU (RFC 9293, section 3.7.1).
func maxSegment(a netip.Addr) uint16 {
	if a.Is4() {
		return mtu - ipv4HeaderLen - tcpHeaderLen
	}
	return mtu - ipv6HeaderLen - tcpHeaderLen
}
