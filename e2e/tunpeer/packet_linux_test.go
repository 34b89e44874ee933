package tunpeer

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	client4 = netip.MustParseAddrPort("10.9.0.1:40000")
	peer4   = netip.MustParseAddrPort("10.9.0.2:80")
	client6 = netip.MustParseAddrPort("[fd00:9::1]:40000")
	peer6   = netip.MustParseAddrPort("[fd00:9::2]:80")
)

func TestSegmentRoundTrip(t *testing.T) {
	for _, flags := range []uint8{flagSYN, flagSYN | flagACK, flagACK, flagFIN | flagACK, flagRST} {
		for _, s := range []segment{
			{from: peer4, to: client4, seq: 0x01020304, ack: 0xfffefdfc, flags: flags},
			{from: peer6, to: client6, seq: 0x01020304, ack: 0xfffefdfc, flags: flags},
		} {
			packet := appendSegment(nil, s)
			got, ok := parseSegment(packet)
			require.True(t, ok)
			assert.Equal(t, s, got)

			from, to, payload, ok := parseTCPPacket(packet)
			require.True(t, ok)
			assert.Zero(t, finishSum(addSum(pseudoHeaderSum(from, to, protocolTCP, len(payload)), payload)))
		}
	}
}

// TestChecksum has the example of RFC 1071, section 3, and an odd length.
func TestChecksum(t *testing.T) {
	sum := addSum(0, []byte{0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7})
	assert.EqualValues(t, 0x2ddf0, sum)
	assert.Equal(t, ^uint16(0xddf2), finishSum(sum))
	assert.EqualValues(t, 0x1300, addSum(0, []byte{0x01, 0x00, 0x12}))
}

func TestICMPErrorQuotes(t *testing.T) {
	tests := []struct {
		name           string
		sender, target netip.AddrPort
		data           int
		wantLen        int
	}{
		{"IPv4", client4, peer4, 0, ipv4HeaderLen + icmpHeaderLen + ipv4HeaderLen + tcpHeaderLen + mssOptionLen},
		{"IPv4 cut", client4, peer4, 1000, 576},
		{"IPv6", client6, peer6, 0, ipv6HeaderLen + icmpHeaderLen + ipv6HeaderLen + tcpHeaderLen + mssOptionLen},
		{"IPv6 cut", client6, peer6, 1400, 1280},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			packet := withData(appendSegment(nil, segment{from: tt.sender, to: tt.target, flags: flagSYN}), tt.data)
			answer := appendICMPError(nil, packet, tt.sender.Addr(), tt.target.Addr(), 1, 4)
			require.Len(t, answer, tt.wantLen)

			headerLen, sum, protocol := ipv4HeaderLen, uint32(0), answer[9]
			if tt.sender.Addr().Is6() {
				headerLen, protocol = ipv6HeaderLen, answer[6]
				sum = pseudoHeaderSum(tt.target.Addr(), tt.sender.Addr(), protocolICMPv6, len(answer)-headerLen)
				assert.EqualValues(t, protocolICMPv6, protocol)
			} else {
				assert.EqualValues(t, protocolICMP, protocol)
				assert.Zero(t, finishSum(addSum(0, answer[:headerLen])), "header checksum")
			}
			assert.Zero(t, finishSum(addSum(sum, answer[headerLen:])), "checksum")
			assert.Equal(t, []byte{1, 4}, answer[headerLen:headerLen+2])
			assert.Equal(t, []byte{0, 0, 0, 0}, answer[headerLen+4:headerLen+8])
			quote := answer[headerLen+icmpHeaderLen:]
			assert.Equal(t, packet[:len(quote)], quote)
		})
	}
}

func FuzzParseSegment(f *testing.F) {
	for _, s := range []segment{
		{from: peer4, to: client4, flags: flagSYN},
		{from: peer6, to: client6, flags: flagSYN},
	} {
		packet := appendSegment(nil, s)
		f.Add(packet)
		f.Add(packet[:len(packet)-1])
		f.Add(packet[:1])
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, packet []byte) {
		s, ok := parseSegment(packet)
		if !ok {
			return
		}
		assert.Equal(t, s.from.Addr().BitLen(), s.to.Addr().BitLen())
		assert.LessOrEqual(t, s.dataLen+tcpHeaderLen+ipv4HeaderLen, len(packet))
	})
}

func TestParseSegmentLeavesTheRest(t *testing.T) {
	packet4 := appendSegment(nil, segment{from: peer4, to: client4, flags: flagSYN})
	packet6 := appendSegment(nil, segment{from: peer6, to: client6, flags: flagSYN})
	tests := []struct {
		name   string
		packet []byte
		at     int
		value  byte
	}{
		{"version", packet4, 0, 0x55},
		{"IPv4 header length", packet4, 0, 0x44},
		{"IPv4 total length", packet4, 2, 0xff},
		{"IPv4 total length within header", packet4, 3, 19},
		{"IPv4 fragment", packet4, 6, 0x20},
		{"IPv4 protocol", packet4, 9, 17},
		{"IPv6 payload length", packet6, 4, 0xff},
		{"IPv6 payload length within header", packet6, 5, 19},
		{"IPv6 next header", packet6, 6, 17},
		{"data offset beyond packet", packet4, ipv4HeaderLen + 12, 0xf0},
		{"data offset within header", packet4, ipv4HeaderLen + 12, 0x40},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			packet := append([]byte(nil), tt.packet...)
			packet[tt.at] = tt.value
			_, ok := parseSegment(packet)
			assert.False(t, ok)
		})
	}
}
