package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/e2e/dnsserver"
	"example.com/tcpcheckreceiver/e2e/harness"
)

// The addresses of a network of IPv6 alone, of which a translator is the router, and of a server of IPv4 alone behind
// it. That one's is globally reachable (AMT, RFC 7450): no other ones are translated by the well-known prefix.
const (
	native, nativeRouter = "2001:db8:1::1", "2001:db8:1::2"
	ipv4Server, ipv4Far  = "192.52.193.2", "192.52.193.1"
)

// behindNAT64 is a machine with IPv6 alone, and loopback of both families, whose names are those of a server with DNS64.
type behindNAT64 struct {
	t                           *testing.T
	machine, translator, server *harness.Machine
	resolv                      string       // a file
	service                     net.Listener // of the server
}

// newBehindNAT64 returns one whose translator, tayga, has a prefix, once it reaches the address of the server there. That has
// the name web.test, and the translator native.test; both listen on port 80.
func newBehindNAT64(t *testing.T, prefix netip.Prefix, address string) *behindNAT64 {
	t.Helper()
	n := &behindNAT64{t: t, machine: harness.NewMachine(t), translator: harness.NewMachine(t), server: harness.NewMachine(t)}
	ends := func(address string) []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix(address)} }
	harness.Connect("cable6", n.machine, n.translator, ends(native+"/64"), ends(nativeRouter+"/64"))
	harness.Connect("cable4", n.translator, n.server, ends(ipv4Far+"/24"), ends(ipv4Server+"/24"))
	require.NoError(t, n.translator.Do(func() error {
		return errors.Join(os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o600), os.WriteFile("/proc/sys/net/ipv6/conf/all/forwarding", []byte("1"), 0o600))
	}))
	n.machine.IP("route", "add", "default", "via", nativeRouter)
	const pool = "192.168.255.0/24"
	n.server.IP("route", "add", pool, "via", ipv4Far)

	folder := t.TempDir()
	config := filepath.Join(folder, "tayga.conf")
	harness.Write(t, config, "tun-device nat64\nipv4-addr 192.168.255.1\nipv6-addr 2001:db8:ffff::1\nprefix "+prefix.String()+"\ndynamic-pool "+pool+"\n")
	said, err := n.translator.Command("tayga", "--config", config, "--mktun").CombinedOutput()
	require.NoError(t, err, "%s", said)
	n.translator.IP("link", "set", "dev", "nat64", "up")
	n.translator.IP("route", "add", pool, "dev", "nat64")
	n.translator.IP("route", "add", prefix.String(), "dev", "nat64")
	harness.Start(t, n.translator.Command("stdbuf", "-oL", "tayga", "--config", config, "-d"), "Dynamic pool") // -d: it writes its log, and stays

	n.resolv = filepath.Join(folder, "resolv.conf")
	harness.Write(t, n.resolv, "nameserver 127.0.0.1\n")
	require.NoError(t, n.machine.Do(func() error {
		names := dnsserver.New(t, "127.0.0.1:53")
		names.Synthesize(prefix)
		names.Set("web.test", dnsserver.Addresses(netip.MustParseAddr(ipv4Server)))
		names.Set("native.test", dnsserver.Addresses(netip.MustParseAddr(nativeRouter)))
		return nil
	}))
	n.service = n.server.Listen("tcp4", ipv4Server+":80")
	n.translator.Listen("tcp6", "["+nativeRouter+"]:80")
	for _, address := range []string{nativeRouter, address} {
		require.Eventually(t, func() bool {
			return n.machine.Do(func() error {
				conn, err := net.DialTimeout("tcp", net.JoinHostPort(address, "80"), time.Second)
				if err == nil {
					_ = conn.Close()
				}
				return err
			}) == nil
		}, harness.Patience, time.Millisecond, "%s cannot be reached", address)
	}
	return n
}

// command returns a command that runs on the machine, with its names.
func (n *behindNAT64) command(words ...string) *exec.Cmd {
	return n.machine.Command(harness.WithFile("/etc/resolv.conf", n.resolv, words...).Args...)
}

// tcpcheck returns what the command says of the server and the router, and its exit status.
func (n *behindNAT64) tcpcheck(program string, arguments ...string) (said string, status int) {
	n.t.Helper()
	var out, errs bytes.Buffer
	command := n.command(append([]string{program, "--timeout", "5s"}, arguments...)...)
	command.Stdout, command.Stderr = &out, &errs
	err := command.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		require.NoError(n.t, err)
	}
	assert.Empty(n.t, errs.String())
	return out.String(), command.ProcessState.ExitCode()
}

// A service of IPv4 alone connects over IPv6 where a translator leads to it, and it is said that it is one, whatever the
// prefix: by the collector of each point and event, and by the command.
func TestNAT64(t *testing.T) {
	harness.RequireRoot(t, "make network namespaces")
	if _, err := exec.LookPath("tayga"); err != nil {
		t.Skip("needs tayga, a translator, which .ci/run installs")
	}
	tcpcheck := harness.Command(t)
	for prefix, address := range map[string]string{
		"64:ff9b::/96":          "64:ff9b::c034:c102",
		"2001:db8:64::/48":      "2001:db8:64:c034:c1:200::",
		"2001:db8:64:6400::/64": "2001:db8:64:6400:c0:34c1:200:0",
		"3fff:64::/32":          "3fff:64:c034:c102::",
	} {
		t.Run(prefix, func(t *testing.T) {
			n := newBehindNAT64(t, netip.MustParsePrefix(prefix), address)
			w := n.watch()
			behind, itself := "{network_peer_address="+address+" network_type=ipv6 tcpcheck_instance=web tcpcheck_nat64_address="+ipv4Server+"}",
				"{network_peer_address="+nativeRouter+" network_type=ipv6 tcpcheck_instance=native}"
			w.awaitPage(map[string]float64{behind: 1, itself: 1})

			note := "web.test:80: " + address + " is " + ipv4Server + " behind NAT64, so ipv6 says nothing about an IPv6 address of the service."
			out, status := n.tcpcheck(tcpcheck, "web.test:80", "native.test:80")
			assert.Zero(t, status)
			assert.Regexp(t, `(?m)^web\.test:80 +ipv6 +`+address+` +up .*\nnative\.test:80 +ipv6 +`+nativeRouter+` +up `, out)
			assert.Contains(t, out, note+"\n")
			assert.NotContains(t, out, "native.test:80: "+nativeRouter)
			out, _ = n.tcpcheck(tcpcheck, "-o", "json", "["+address+"]:80")
			var targets []struct {
				Results []struct {
					NAT64 string `json:"tcpcheck_nat64_address"`
				}
			}
			require.NoError(t, json.Unmarshal([]byte(out), &targets))
			assert.Equal(t, ipv4Server, targets[0].Results[0].NAT64)

			require.NoError(t, n.service.Close())
			w.awaitPage(map[string]float64{behind: 0, itself: 1})
			down := w.await("tcpcheck.address.down", 1)[0]
			assert.Equal(t, `cannot connect to "web" ([`+address+`]:80, `+ipv4Server+` behind NAT64) over ipv6: connection refused`, down.body)
			assert.Equal(t, ipv4Server, down.attributes["tcpcheck.nat64.address"])
			const hint = " See whether the service works at " + ipv4Server + ", and the translator on the way to it."
			assert.Equal(t, address+" is "+ipv4Server+" behind NAT64, so ipv6 says nothing about an IPv6 address of the service."+hint, down.attributes["tcpcheck.hint"])
			w.collector.Await(down.body)
			out, status = n.tcpcheck(tcpcheck, "web.test:80")
			assert.Equal(t, 2, status, "CRITICAL")
			assert.Contains(t, out, note+hint+"\n")
		})
	}
}

// watchedBehindNAT64 is a collector on such a machine.
type watchedBehindNAT64 struct {
	*eventRecorder
	collector *harness.Program
	page      reader
}

func (n *behindNAT64) watch() *watchedBehindNAT64 {
	n.t.Helper()
	w := &watchedBehindNAT64{eventRecorder: &eventRecorder{t: n.t}}
	w.page = func() (harness.Page, error) { return n.machine.ReadPage("127.0.0.1:9464") }
	harness.StartLogSink(n.t, n.machine.Listen("tcp4", "127.0.0.1:4318"), w.take)
	file := filepath.Join(n.t.TempDir(), "collector.yaml")
	harness.Write(n.t, file, `
receivers:
  tcpcheck:
    initial_delay: 0
    collection_interval: 1s
    flush_interval: 500ms
    instances:
      - {name: web, host: web.test, port: 80}
      - {name: native, host: native.test, port: 80}
    metrics:
      network.tcp.can_connect: {attributes: [tcpcheck.instance, network.type, network.peer.address, tcpcheck.nat64.address]}
exporters:
  otlp_http: {endpoint: "http://127.0.0.1:4318"}
  prometheus: {endpoint: "127.0.0.1:9464", metric_expiration: 1m, without_scope_info: true}
service:
  telemetry: {metrics: {level: none}}
  pipelines:
    metrics: {receivers: [tcpcheck], exporters: [prometheus]}
    logs: {receivers: [tcpcheck], exporters: [otlp_http]}
`)
	command := n.command(binary(n.t), "--config", file)
	command.Env = os.Environ()
	w.collector = harness.Start(n.t, command, harness.CollectorReady)
	return w
}

// awaitPage waits until these are the values of can_connect, by their labels, and no others.
func (w *watchedBehindNAT64) awaitPage(want map[string]float64) {
	w.t.Helper()
	harness.AwaitPage(w.t, w.page, func(page harness.Page) bool {
		return assert.ObjectsAreEqual(want, page.Values("network_tcp_can_connect"))
	})
}
