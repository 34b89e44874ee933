package probe

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/receiver/target"
)

// FuzzDNSAnswer: whatever a name server answers, a lookup ends with addresses of
// the family that was asked for, or with a reason.
func FuzzDNSAnswer(f *testing.F) {
	// Behind the two bytes of the ID: a response with recursion, one question and
	// one answer, and in the first corpus entry the record A 192.0.2.1.
	header := []byte{0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0}
	question := []byte("\x04name\x04test\x00\x00\x01\x00\x01")
	record := []byte("\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x01")
	f.Add(slices.Concat(header, question, record), false)
	f.Add(slices.Concat(header, question), true)
	f.Add([]byte{0x81, 0x83, 0, 1, 0, 0, 0, 0, 0, 0}, true)
	f.Add([]byte{}, false)
	f.Fuzz(func(t *testing.T, answer []byte, ipv6 bool) {
		family := target.IPv4
		if ipv6 {
			family = target.IPv6
		}
		r := newResolver(&net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
			client, server := net.Pipe()
			go answerDNS(server, answer)
			return client, nil
		}}, nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		a := r.lookUp(ctx, "name.test.", family)
		assert.False(t, a.localFault)
		if a.found() {
			require.NotEmpty(t, a.addresses)
			require.Empty(t, a.errorType)
		} else {
			require.Contains(t, []ErrorType{NoAddress, DNSNotFound, DNSTimeout, DNSFailure}, a.errorType)
		}
		for _, address := range a.addresses {
			require.Equal(t, family, target.FamilyOf(address))
		}
	})
}

// answerDNS answers one query over a stream (RFC 1035, section 4.2.2) with its ID
// and rest, and closes the connection.
func answerDNS(conn net.Conn, rest []byte) {
	defer func() { _ = conn.Close() }()
	length := make([]byte, 2)
	if _, err := io.ReadFull(conn, length); err != nil {
		return
	}
	query := make([]byte, binary.BigEndian.Uint16(length))
	if _, err := io.ReadFull(conn, query); err != nil || len(query) < 2 {
		return
	}
	rest = rest[:min(len(rest), 1<<12)]
	binary.BigEndian.PutUint16(length, uint16(2+len(rest)))
	_, _ = conn.Write(slices.Concat(length, query[:2], rest))
}

// The first corpus entry of FuzzDNSAnswer is an answer that is understood.
func TestDNSAnswer(t *testing.T) {
	rest := []byte("\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00" + "\x04name\x04test\x00\x00\x01\x00\x01" + "\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x01")
	r := newResolver(&net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go answerDNS(server, rest)
		return client, nil
	}}, nil)
	a := r.lookUp(t.Context(), "name.test.", target.IPv4)
	require.NoError(t, a.err)
	assert.Equal(t, []netip.Addr{netip.MustParseAddr("192.0.2.1")}, a.addresses)
}
