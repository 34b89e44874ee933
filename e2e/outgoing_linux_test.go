package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/e2e/harness"
)

// Connections leave as an instance says: from its source address, over its interface, with its code point.
// Two cables go to one service.
func TestOutgoing(t *testing.T) {
	near, far := harness.NewMachine(t), harness.NewMachine(t)
	connect(1, near, far)
	connect(2, near, far)
	far.IP("addr", "add", service4+"/32", "dev", "lo")
	far.IP("addr", "add", service6+"/128", "dev", "lo")
	near.IP("addr", "add", "198.51.100.7/32", "dev", "lo")
	near.IP("-6", "addr", "add", "2001:db8:77::7/128", "dev", "lo", "nodad")
	for _, n := range []int{1, 2} { // the first cable is the way of choice
		cable, metric := fmt.Sprintf("cable%d", n), fmt.Sprint(n)
		near.IP("route", "add", service4, "via", far4(n).Addr().String(), "metric", metric)
		near.IP("route", "add", service6, "via", far6(n).Addr().String(), "dev", cable, "metric", metric)
		far.IP("route", "add", "198.51.100.7", "via", fmt.Sprintf("10.0.%d.1", n), "metric", metric)
		far.IP("route", "add", "2001:db8:77::7", "via", fmt.Sprintf("2001:db8:%d::1", n), "metric", metric)
	}
	for _, protocol := range []string{"ip", "ip6"} {
		said, err := far.Command("nft", "add table "+protocol+" marked; "+
			"add chain "+protocol+" marked in { type filter hook input priority 0; }; "+
			"add rule "+protocol+" marked in tcp dport 8004 tcp flags & (syn | ack) == syn "+protocol+" dscp 46 counter").CombinedOutput()
		require.NoError(t, err, "%s", said)
	}
	from := make(map[string]chan netip.Addr) // by port and family
	for _, port := range []string{"8001", "8002", "8003", "8004"} {
		for _, family := range []string{"4", "6"} {
			from[port+"/"+family] = firstPeer(far.Listen("tcp"+family, ":"+port))
		}
	}
	file := filepath.Join(t.TempDir(), "collector.yaml")
	instance := func(port, options string) string {
		return fmt.Sprintf("\n      - {name: '%s', host: %s, port: %s, min_collection_interval: 200ms, address_families: [ipv4, ipv6]%s}", port, serviceName, port, options)
	}
	harness.Write(t, file, `
receivers:
  tcpcheck:
    initial_delay: 0
    flush_interval: 100ms
    instances:`+
		instance("8001", "")+
		instance("8002", ", source_address: [198.51.100.7, '2001:db8:77::7']")+
		instance("8003", ", interface: cable2")+
		instance("8004", ", dscp: 46, interface: cable1, source_address: [198.51.100.7, '2001:db8:77::7']")+`
exporters:
  prometheus: {endpoint: "127.0.0.1:9464"}
service:
  telemetry: {metrics: {level: none}}
  pipelines:
    metrics: {receivers: [tcpcheck], exporters: [prometheus]}
`)
	hosts := withHosts(t, serviceHosts, binary(t), "--config", file)
	harness.Start(t, near.Command(hosts.Args...), harness.CollectorReady)
	harness.AwaitPage(t, func() (harness.Page, error) { return near.ReadPage("127.0.0.1:9464") }, func(page harness.Page) bool {
		values := page.Values("network_tcp_can_connect")
		up := 0.0
		for _, value := range values {
			up += value
		}
		return len(values) == 8 && up == 8
	})
	for flow, want := range map[string]string{
		"8001/4": "10.0.1.1", "8001/6": "2001:db8:1::1", "8002/4": "198.51.100.7", "8002/6": "2001:db8:77::7",
		"8003/4": "10.0.2.1", "8003/6": "2001:db8:2::1", "8004/4": "198.51.100.7", "8004/6": "2001:db8:77::7",
	} {
		assert.Equal(t, want, (<-from[flow]).String(), flow)
	}
	for _, protocol := range []string{"ip", "ip6"} {
		said, err := far.Command("nft", "--json", "list", "chain", protocol, "marked", "in").Output()
		require.NoError(t, err)
		assert.Positive(t, packetsOf(t, said), protocol)
	}
}

// firstPeer returns the address of the first one that connects.
func firstPeer(listener net.Listener) chan netip.Addr {
	first := make(chan netip.Addr, 1)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			select {
			case first <- netip.MustParseAddrPort(conn.RemoteAddr().String()).Addr().Unmap():
			default:
			}
			_ = conn.Close()
		}
	}()
	return first
}

// packetsOf returns how many packets the only counter of a chain has counted.
func packetsOf(t *testing.T, chain []byte) int {
	t.Helper()
	_, rest, found := strings.Cut(string(chain), `"counter": `)
	require.True(t, found, "%s", chain)
	var counter struct{ Packets int }
	require.NoError(t, json.NewDecoder(strings.NewReader(rest)).Decode(&counter))
	return counter.Packets
}
