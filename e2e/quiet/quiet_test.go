// Package quiet tests what the servers that people check notice of a plain check and of a
// quiet one, and writes docs/quiet.md of it.
package quiet

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"example.com/tcpcheckreceiver/e2e/harness"
	"example.com/tcpcheckreceiver/e2e/servers"
)

var update = flag.Bool("update", false, "write docs/quiet.md")

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(servers.InNamespace(m.Run))
}

// check has the receiver check an address so often, and returns once all checks are done.
func check(t *testing.T, address string, quiet bool, times int) {
	t.Helper()
	var instances []any
	for n := range times {
		instances = append(instances, map[string]any{"name": fmt.Sprint(n), "endpoint": address})
	}
	done := make(chan struct{})
	var connected atomic.Int64
	r := harness.StartReceiver(t, confmap.NewFromStringMap(map[string]any{
		"initial_delay": 0, "collection_interval": "1h", "quiet": quiet, "instances": instances,
	}), zap.NewNop(), func(_ context.Context, metrics pmetric.Metrics) error {
		for _, point := range harness.Points(metrics, "network.tcp.can_connect") {
			if point.IntValue() == 1 && connected.Add(1) == int64(times) {
				close(done)
			}
		}
		return nil
	})
	<-done
	require.NoError(t, r.Shutdown(t.Context()))
}

// logs are what each server logs of a plain check, for the document.
var logs = map[string][]string{}

// Of a plain check each of these servers has something to say, and of a quiet one nothing:
// what it logs of many quiet checks and of a plain one after them is what it logs of that.
func TestServers(t *testing.T) {
	for _, s := range rows {
		t.Run(s.Name, func(t *testing.T) {
			address, program := s.Start(t, servers.Settings{})
			check(t, address, false, 1)
			program.Await(s.last)
			logs[s.Name] = s.lines(program.Output())
			require.NotEmpty(t, logs[s.Name])
			before := len(program.Output())
			check(t, address, true, 50)
			check(t, address, false, 1)
			require.Eventually(t, func() bool { return strings.Contains(program.Output()[before:], s.last) }, harness.Patience, harness.Patience/1000)
			assert.Equal(t, logs[s.Name], s.lines(program.Output()[before:]))
		})
	}
}

// lines returns what there is in a log of checks, without what is different each time.
func (s *row) lines(log string) []string {
	var lines []string
	for line := range strings.Lines(log) {
		if found := s.line.FindStringSubmatch(strings.TrimSpace(line)); found != nil && !strings.Contains(line, s.Ready) {
			lines = append(lines, generic(found[1]))
		}
	}
	return lines
}

var (
	hostAndPort = regexp.MustCompile(regexp.QuoteMeta(servers.Host) + `(:\d+| port \d+|.*?\bport=\d+)?`)
	redisRest   = regexp.MustCompile(` (laddr|id|fd)=.*`)
	connection  = regexp.MustCompile(`connection \d+`)
	named       = regexp.MustCompile(`(user: '\w+' )?host: '[^']*'`)
)

func generic(line string) string {
	line = redisRest.ReplaceAllString(strings.ReplaceAll(line, " id=", " "), " …")
	line = strings.ReplaceAll(line, "Connection reset", "Connection closed")
	line = named.ReplaceAllString(connection.ReplaceAllString(line, "connection N"), "host: CLIENT")
	return hostAndPort.ReplaceAllString(line, "CLIENT")
}

// The document has what the servers log.
func TestDocument(t *testing.T) {
	if len(logs) < len(rows) {
		t.Skip("not all of the servers were tested")
	}
	const file, begin, end = "../../docs/quiet.md", "<!-- servers: begin -->\n", "<!-- servers: end -->"
	before, rest, _ := strings.Cut(harness.Read(t, file), begin)
	_, after, found := strings.Cut(rest, end)
	require.True(t, found)
	var b strings.Builder
	b.WriteString("| server | how much it logs | of a plain check | of a quiet check |\n| --- | --- | --- | --- |\n")
	for _, s := range rows {
		fmt.Fprintf(&b, "| %s | %s | `%s` | nothing |\n", s.Name, s.verbose, strings.Join(logs[s.Name], "`<br>`"))
	}
	text := before + begin + b.String() + end + after
	if *update {
		harness.Write(t, file, text)
	}
	assert.Equal(t, text, harness.Read(t, file), "run the test with -all -update")
}

// MariaDB blocks a host that has broken off max_connect_errors handshakes, so that no client
// on it can connect any more. Quiet checks do not count.
func TestMariaDBBlocksNobody(t *testing.T) {
	for quiet, want := range map[bool]string{false: "is blocked because of many connection errors", true: "mysql_native_password"} {
		t.Run(fmt.Sprint("quiet: ", quiet), func(t *testing.T) {
			address, program := servers.MariaDB.Start(t, servers.Settings{})
			const checks = 30
			check(t, address, quiet, checks)
			if !quiet {
				require.Eventually(t, func() bool { return strings.Count(program.Output(), "Aborted connection") == checks }, harness.Patience, harness.Patience/1000)
			}
			conn, err := net.Dial("tcp", address)
			require.NoError(t, err)
			defer func() { _ = conn.Close() }()
			greeting := make([]byte, 512)
			n, err := conn.Read(greeting)
			require.NoError(t, err)
			assert.Contains(t, string(greeting[:n]), want)
		})
	}
}

// segments returns what a capture on the interface has of TCP, as "> SYN" for one that goes
// to an address, until it has so many. Whether the server acknowledges a FIN before its own
// one is left out.
func segments(t *testing.T, fd int, address netip.AddrPort, n int) []string {
	t.Helper()
	var found []string
	buffer := make([]byte, 4096)
	for len(found) < n {
		length, from, err := unix.Recvfrom(fd, buffer, 0)
		require.NoError(t, os.NewSyscallError("recvfrom", err))
		if link, ok := from.(*unix.SockaddrLinklayer); !ok || link.Pkttype == unix.PACKET_OUTGOING {
			continue // loopback has each as it goes and as it comes
		}
		packet := gopacket.NewPacket(buffer[:length], layers.LayerTypeEthernet, gopacket.NoCopy)
		tcp, ok := packet.Layer(layers.LayerTypeTCP).(*layers.TCP)
		if !ok || tcp.SrcPort != layers.TCPPort(address.Port()) && tcp.DstPort != layers.TCPPort(address.Port()) {
			continue
		}
		text := "<"
		if tcp.DstPort == layers.TCPPort(address.Port()) {
			text = ">"
		}
		for _, flag := range []struct {
			set  bool
			name string
		}{{tcp.SYN, "SYN"}, {tcp.FIN, "FIN"}, {tcp.RST, "RST"}, {tcp.ACK, "ACK"}} {
			if flag.set {
				text += " " + flag.name
			}
		}
		if text != "< ACK" {
			found = append(found, text)
		}
	}
	return found
}

var plainWire = []string{"> SYN", "< SYN ACK", "> ACK", "> FIN ACK", "< FIN ACK", "> ACK"}

var quietWire = []string{"> SYN", "< SYN ACK", "> RST ACK"}

// What goes over the wire. A second check after the first shows that nothing else does.
func TestWire(t *testing.T) {
	harness.RequireNamespace(t)
	for quiet, want := range map[bool][]string{false: plainWire, true: quietWire} {
		t.Run(fmt.Sprint("quiet: ", quiet), func(t *testing.T) {
			listener, err := net.Listen("tcp4", servers.Host+":0")
			require.NoError(t, err)
			defer func() { _ = listener.Close() }()
			closed := make(chan struct{}, 10)
			go func() {
				for {
					conn, err := listener.Accept()
					if err != nil {
						return
					}
					_, _ = io.Copy(io.Discard, conn) // until the check has closed it
					_ = conn.Close()
					closed <- struct{}{}
				}
			}()
			lo, err := net.InterfaceByName("lo")
			require.NoError(t, err)
			const everything = unix.ETH_P_ALL<<8 | unix.ETH_P_ALL>>8 // in the network's order
			fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, everything)
			require.NoError(t, err)
			defer func() { _ = unix.Close(fd) }()
			require.NoError(t, unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: everything, Ifindex: lo.Index}))
			var got []string
			address := netip.MustParseAddrPort(listener.Addr().String())
			for range 2 {
				check(t, address.String(), quiet, 1)
				if !quiet {
					<-closed
				}
				got = append(got, segments(t, fd, address, len(want))...)
			}
			assert.Equal(t, append(want[:len(want):len(want)], want...), got)
			assert.Empty(t, closed)
		})
	}
}
