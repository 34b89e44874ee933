package dnsserver

import (
	"testing"

	"github.com/miekg/dns"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestHundredAddresses(t *testing.T) {
	for network, first := range map[string]string{"ip4": "192.0.2.1", "ip6": "2001:db8::1"} {
		t.Run(network, func(t *testing.T) {
			s := New(t)
			all := addrs(first, 100)
			s.Set(name, Both(Answer{Addrs: all}))
			got, err := lookup(t, s, network)
			require.NoError(t, err)
			assert.ElementsMatch(t, all, got)
			assert.Equal(t, 2, s.Queries(name, dns.TypeA)+s.Queries(name, dns.TypeAAAA), "UDP, then TCP")
		})
	}
}

func TestTruncate(t *testing.T) {
	s := New(t)
	s.Set(name, Both(Answer{Addrs: addrs("192.0.2.1", 1), Truncate: true}))
	got, err := lookup(t, s, "ip4")
	require.NoError(t, err)
	assert.Equal(t, addrs("192.0.2.1", 1), got)
	assert.Equal(t, 2, s.Queries(name, dns.TypeA), "UDP, then TCP")
}

// TestSizes looks at the answers themselves.
func TestSizes(t *testing.T) {
	s := New(t)
	s.Set("hundred.test", Both(Answer{Addrs: addrs("192.0.2.1", 100)}))
	s.Set("forty.test", Both(Answer{Addrs: addrs("192.0.2.1", 40)}))
	s.Set("truncated.test", Both(Answer{Addrs: addrs("192.0.2.1", 1), Truncate: true}))
	tests := []struct {
		name      string
		network   string
		edns      uint16 // size that the client takes; 0 for no EDNS
		truncated bool
		records   int // -1 for some, not all
	}{
		{"hundred.test.", "udp", 0, true, -1},
		{"hundred.test.", "udp", 1232, true, -1},
		{"hundred.test.", "udp", 4096, true, -1},
		{"hundred.test.", "tcp", 0, false, 100},
		{"forty.test.", "udp", 0, true, -1},
		{"forty.test.", "udp", 100, true, -1},
		{"forty.test.", "udp", 1232, false, 40},
		{"truncated.test.", "udp", 1232, true, 0},
		{"truncated.test.", "tcp", 1232, false, 1},
	}
	for _, tt := range tests {
		query := new(dns.Msg).SetQuestion(tt.name, dns.TypeA)
		if tt.edns != 0 {
			query.SetEdns0(tt.edns, false)
		}
		client := dns.Client{Net: tt.network, UDPSize: dns.MaxMsgSize}
		reply, _, err := client.Exchange(query, s.Addr().String())
		require.NoError(t, err, "%+v", tt)
		assert.Equal(t, tt.truncated, reply.Truncated, "%+v", tt)
		if tt.records >= 0 {
			assert.Len(t, reply.Answer, tt.records, "%+v", tt)
		} else {
			assert.NotEmpty(t, reply.Answer, "%+v", tt)
		}
		if tt.network == "udp" {
			reply.Compress = true // as it came
			assert.LessOrEqual(t, reply.Len(), max(dns.MinMsgSize, min(int(tt.edns), maxUDPSize)), "%+v", tt)
		}
		assert.Equal(t, tt.edns != 0, reply.IsEdns0() != nil, "%+v", tt)
	}
}
