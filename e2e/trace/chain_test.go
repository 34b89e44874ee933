// Package trace tests what tcpcheck --trace tells of ways through real kernels: chains of network
// namespaces, of which each is a router. It runs as a user without any privilege.
package trace

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"example.com/tcpcheckreceiver/e2e/harness"
)

// port is the one that is checked, and flow the local port that the ways are walked from.
const port, flow = "8080", "40000"

// chain is a way of machines, each connected to the next one by a cable: the client, routers, and the
// target, which has the name target.test.
type chain struct {
	t        *testing.T
	machines []*harness.Machine
}

// hop returns the addresses of the machine at a hop, on its side of the cable to the one before.
func hop(n int) (v4, v6 string) {
	return fmt.Sprintf("198.18.%d.2", n), fmt.Sprintf("2001:db8:%d::2", n)
}

// before returns the addresses of the machine before a hop, on the cable between the two.
func before(n int) (v4, v6 string) {
	return fmt.Sprintf("198.18.%d.1", n), fmt.Sprintf("2001:db8:%d::1", n)
}

// newChain returns a chain whose target is at a hop, once the client reaches it.
func newChain(t *testing.T, hops int) *chain {
	t.Helper()
	c := &chain{t: t, machines: []*harness.Machine{newMachine(t)}}
	for n := 1; n <= hops; n++ {
		c.machines = append(c.machines, newMachine(t))
		connect(c.machines[n-1], c.machines[n], n)
		// All that is not on a cable of its own is behind the next machine, but for the client, and
		// behind the target there is nothing.
		v4, v6 := hop(n)
		c.machines[n-1].IP("route", "add", "default", "via", v4)
		c.machines[n-1].IP("route", "add", "default", "via", v6)
		if n > 1 {
			v4, v6 = before(n)
			c.machines[n].IP("route", "add", "198.18.1.0/24", "via", v4)
			c.machines[n].IP("route", "add", "2001:db8:1::/64", "via", v6)
		}
	}
	v4, v6 := hop(hops)
	for _, address := range []string{v4, v6} {
		awaitReachable(t, c.client(), address)
	}
	return c
}

// awaitReachable returns once a machine reaches an address, where nothing listens on the port. IPv6 is ready
// only a moment after an interface has its address.
func awaitReachable(t *testing.T, m *harness.Machine, address string) {
	t.Helper()
	require.Eventually(t, func() bool {
		return errors.Is(m.Do(func() error {
			conn, err := net.DialTimeout("tcp", net.JoinHostPort(address, port), 200*time.Millisecond)
			if err == nil {
				_ = conn.Close()
			}
			return err
		}), unix.ECONNREFUSED)
	}, harness.Patience, time.Millisecond, "%s cannot be reached", address)
}

// newMachine returns a machine that forwards, whose addresses are ready at once. The limits of ICMP
// errors are those that Linux has by default.
func newMachine(t *testing.T) *harness.Machine {
	t.Helper()
	m := harness.NewMachine(t)
	set(t, m, map[string]string{
		"ipv4/ip_forward": "1", "ipv4/conf/all/rp_filter": "0", "ipv4/conf/default/rp_filter": "0",
		"ipv6/conf/all/forwarding": "1", "ipv6/conf/all/accept_dad": "0", "ipv6/conf/default/accept_dad": "0",
	})
	return m
}

// set sets system controls of a machine, below net.
func set(t *testing.T, m *harness.Machine, controls map[string]string) {
	t.Helper()
	require.NoError(t, m.Do(func() (err error) {
		for name, value := range controls {
			err = errors.Join(err, os.WriteFile("/proc/sys/net/"+name, []byte(value), 0o600))
		}
		return err
	}))
}

// connect lays the cable before a hop.
func connect(near, far *harness.Machine, n int) {
	near4, near6 := before(n)
	far4, far6 := hop(n)
	prefixes := func(v4, v6 string) []netip.Prefix {
		return []netip.Prefix{netip.MustParsePrefix(v4 + "/24"), netip.MustParsePrefix(v6 + "/64")}
	}
	harness.Connect(fmt.Sprintf("cable%d", n), near, far, prefixes(near4, near6), prefixes(far4, far6))
}

func (c *chain) client() *harness.Machine { return c.machines[0] }
func (c *chain) target() *harness.Machine { return c.machines[len(c.machines)-1] }

// listen has the target listen on the port, over both families.
func (c *chain) listen() { c.target().Listen("tcp", ":"+port) }

// filter gives a machine rules of nftables, in a chain of that name at the hook of that name.
func (c *chain) filter(hop int, hook string, rules ...string) {
	c.t.Helper()
	text := fmt.Sprintf("table inet trace {\nchain %[1]s {\ntype filter hook %[1]s priority 0\n%[2]s\n}\n}\n", hook, strings.Join(rules, "\n"))
	command := c.machines[hop].Command("nft", "-f", "-")
	command.Stdin = strings.NewReader(text)
	output, err := command.CombinedOutput()
	require.NoError(c.t, err, "%s", output)
}

// hosts returns a file of names: those of the target, and more.
func (c *chain) hosts(lines ...string) string {
	c.t.Helper()
	v4, v6 := hop(len(c.machines) - 1)
	file := filepath.Join(c.t.TempDir(), "hosts")
	harness.Write(c.t, file, strings.Join(append(lines, v4+" target.test", v6+" target.test"), "\n")+"\n")
	require.NoError(c.t, os.Chmod(file, 0o644)) //nolint:gosec // the user without privilege reads it
	return file
}

// command returns a command that runs on the client, as a user without any privilege, where names are
// those of a file of hosts.
func (c *chain) command(hosts string, words ...string) *exec.Cmd {
	return c.client().Command(harness.WithFile("/etc/hosts", hosts, unprivileged(words...)...).Args...)
}

// unprivileged returns the words of a command that runs as nobody, without any capability.
func unprivileged(words ...string) []string {
	return append([]string{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs", "--inh-caps=-all", "--bounding-set=-all"}, words...)
}

// ran is what came of a command.
type ran struct {
	status int
	out    string
}

// run runs tcpcheck on the client against the port of the target, by its name.
func (c *chain) run(arguments ...string) ran {
	c.t.Helper()
	return c.runWith(c.hosts(), append(arguments, "target.test:"+port)...)
}

func (c *chain) runWith(hosts string, arguments ...string) ran {
	c.t.Helper()
	return result(c.t, c.command(hosts, append([]string{program(c.t)}, arguments...)...))
}

// result runs a command.
func result(t *testing.T, command *exec.Cmd) ran {
	t.Helper()
	var out, errs bytes.Buffer
	command.Stdout, command.Stderr = &out, &errs
	err := command.Run()
	var status *exec.ExitError
	if !errors.As(err, &status) {
		require.NoError(t, err)
	}
	require.Empty(t, errs.String())
	return ran{command.ProcessState.ExitCode(), out.String()}
}

// programs is the folder that program builds into.
var programs string

var build = sync.OnceValue(func() error {
	output, err := exec.Command("go", "build", "-C", "../../cmd/tcpcheck", "-o", filepath.Join(programs, "tcpcheck"), ".").CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, output)
	}
	return nil
})

// program returns the path of the command, as it is built of the sources.
func program(t *testing.T) string {
	t.Helper()
	require.NoError(t, build())
	return filepath.Join(programs, "tcpcheck")
}

// inPrograms calls run while there is a folder for programs that everybody may run.
func inPrograms(run func() int) int {
	var err error
	if programs, err = os.MkdirTemp("", "trace"); err == nil {
		err = os.Chmod(programs, 0o755) //nolint:gosec // for the user without privilege
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(programs) }()
	return run()
}

// capture has the SYNs that arrive at a machine, on a packet socket (packet(7)).
type capture struct {
	t  *testing.T
	fd int
}

// capture begins to capture what arrives at the target.
func (c *chain) capture() *capture {
	c.t.Helper()
	captured := &capture{t: c.t}
	require.NoError(c.t, c.target().Do(func() (err error) {
		captured.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, int(binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, unix.ETH_P_ALL))))
		return os.NewSyscallError("socket", err)
	}))
	c.t.Cleanup(func() { assert.NoError(c.t, unix.Close(captured.fd)) })
	return captured
}

// arrived is what is known of a SYN.
type arrived struct {
	family string // ipv4 or ipv6
	limit  int    // of hops, as it was sent
}

// await returns once a SYN of each kind has arrived at the target, so many hops from the client.
func (c *capture) await(hops int, kinds ...arrived) {
	c.t.Helper()
	counts := make(map[arrived]int)
	require.Eventually(c.t, func() bool {
		maps.Copy(counts, c.syns(hops))
		return !slices.ContainsFunc(kinds, func(kind arrived) bool { return counts[kind] == 0 })
	}, harness.Patience, time.Millisecond)
}

// syns returns how many SYNs have arrived at the target since it was called last, so many hops from the client.
func (c *capture) syns(hops int) map[arrived]int {
	c.t.Helper()
	counts := make(map[arrived]int)
	buffer := make([]byte, 2048)
	for {
		n, from, err := unix.Recvfrom(c.fd, buffer, 0)
		if errors.Is(err, unix.EAGAIN) {
			return counts
		}
		require.NoError(c.t, err)
		if link, ok := from.(*unix.SockaddrLinklayer); !ok || link.Pkttype == unix.PACKET_OUTGOING {
			continue
		}
		for family, kind := range map[string]gopacket.LayerType{"ipv4": layers.LayerTypeIPv4, "ipv6": layers.LayerTypeIPv6} {
			packet := gopacket.NewPacket(buffer[:n], kind, gopacket.Default)
			tcp, ok := packet.Layer(layers.LayerTypeTCP).(*layers.TCP)
			if !ok || !tcp.SYN || tcp.ACK {
				continue
			}
			switch ip := packet.NetworkLayer().(type) {
			case *layers.IPv4:
				counts[arrived{family, int(ip.TTL) + hops - 1}]++
			case *layers.IPv6:
				counts[arrived{family, int(ip.HopLimit) + hops - 1}]++
			}
		}
	}
}
