package e2e

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"

	"example.com/tcpcheckreceiver/e2e/dnsserver"
	"example.com/tcpcheckreceiver/e2e/harness"
	"example.com/tcpcheckreceiver/internal/testnet"
)

// Two name servers that disagree, as those of split-brain DNS: the one of this machine, which
// resolv.conf names, and one that an instance has for itself. Each instance is checked where its own
// one says, and nobody else is heard, neither the hosts file nor the search list.
func TestSplitBrain(t *testing.T) {
	harness.RequireRoot(t, "mount a resolv.conf of its own, and to have a name server at port 53")
	port := testnet.Listen(t, "tcp4", "0.0.0.0:0").Port()
	at := func(address string) dnsserver.Zone { return dnsserver.Addresses(netip.MustParseAddr(address)) }
	outside, inside := dnsserver.New(t, "127.0.0.213:53"), dnsserver.New(t, "127.0.0.1:0")
	outside.Set("web.internal", at("127.0.0.2"))
	outside.Set("gone.internal", at("127.0.0.2"))
	outside.Set("short.search.test", at("127.0.0.2"))
	inside.Set("web.internal", at("127.0.0.3"))
	inside.Set("filed.internal", at("127.0.0.3"))
	inside.Set("short", at("127.0.0.3"))

	config, page := pipeline(t, fmt.Sprintf(`
defaults: {port: %d}
instances:
  - {name: web, host: web.internal}
  - {name: web inside, host: web.internal, resolver: &inside {servers: [%q, %q]}}
  - {name: filed, host: filed.internal}
  - {name: filed inside, host: filed.internal, resolver: *inside}
  - {name: short, host: short}
  - {name: short inside, host: short, resolver: *inside}
  - {name: local inside, host: localhost, ipv4_only: true, resolver: *inside}
  - {name: gone inside, host: gone.internal, resolver: *inside}
`, port, testnet.ClosedPort(t, "127.0.0.1"), inside.Addr()))
	resolv := filepath.Join(t.TempDir(), "resolv.conf")
	harness.Write(t, resolv, "nameserver 127.0.0.213\nsearch search.test\noptions attempts:1 timeout:1 use-vc\n")
	inWorld := harness.WithFile("/etc/resolv.conf", resolv, binary(t), "--config", config)
	c := harness.Start(t, withHosts(t, "127.0.0.1 localhost\n127.0.0.4 filed.internal\n", inWorld.Args...), harness.CollectorReady)

	assert.Equal(t, map[string]float64{
		series("web", "web.internal", "ipv4", "127.0.0.2", port):                                         1,
		series("web inside", "web.internal", "ipv4", "127.0.0.3", port):                                  1,
		series("filed", "filed.internal", "ipv4", "127.0.0.4", port):                                     1,
		series("filed inside", "filed.internal", "ipv4", "127.0.0.3", port):                              1,
		series("short", "short", "ipv4", "127.0.0.2", port):                                              1,
		series("short inside", "short", "ipv4", "127.0.0.3", port):                                       1,
		series("local inside", "localhost", "ipv4", "127.0.0.1", port):                                   1,
		fmt.Sprintf("{server_address=gone.internal server_port=%d tcpcheck_instance=gone inside}", port): 0,
	}, page.awaitResults(t, 8).Values(canConnect))
	c.Await(`cannot connect to "gone inside" (gone.internal:`, "lookup gone.internal. on "+inside.Addr()+": no such host")
}
