package faults

import (
	"context"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"example.com/tcpcheckreceiver/e2e/dnsserver"
	"example.com/tcpcheckreceiver/e2e/peers"
	"example.com/tcpcheckreceiver/internal/testnet"
)

const (
	quiet     = "Quiet checks"
	quietHere = "host: 127.0.0.1, port: $port, quiet: true"
	quiet4    = dial4 + ", quiet: true"
	quiet6    = dial6 + ", quiet: true"
)

// quietly is a row of a quiet check, in which both addresses of the row behave so.
func quietly(text string, b peers.Behaviour, options string, s step) row {
	return situation(quiet, text, behave(b), options, s)
}

// deferAccept lets this machine listen on the world's port, and accept only once data has come.
func deferAccept(w *world, _ addresses) {
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) (err error) {
		if controlErr := raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT, 10) }); controlErr != nil {
			return controlErr
		}
		return err
	}}
	listener, err := config.Listen(context.Background(), "tcp4", "127.0.0.1:0")
	require.NoError(w.t, err)
	w.t.Cleanup(func() { _ = listener.Close() })
	w.port = netip.MustParseAddrPort(listener.Addr().String()).Port()
}

var quietRows = []row{
	quietly("it accepts, over IPv4", peers.Behaviour{}, quiet4, now("ipv4 $4 1")),
	quietly("it accepts, over IPv6", peers.Behaviour{}, quiet6, now("ipv6 $6 1")),
	quietly("it accepts, and closes at once", peers.Behaviour{After: peers.FINAtOnce}, quiet4, now("ipv4 $4 1")),
	quietly("it accepts, and resets right behind the SYN-ACK", peers.Behaviour{After: peers.RSTAtOnce}, quiet4, now("ipv4 $4 1")),
	quietly("it is slow", peers.Behaviour{Delay: 500 * time.Millisecond}, quiet4, now("ipv4 $4 1")),
	quietly("it answers after the timeout", peers.Behaviour{Delay: 600 * time.Millisecond}, quiet4+brief, fails("ipv4", "timeout")),
	quietly("the first SYN is lost", peers.Behaviour{LoseSYNs: 1}, quiet6, now("ipv6 $6 1")),
	quietly("it refuses", refuse, quiet4, fails("ipv4", "connection_refused")),
	quietly("it is silent", silence, quiet6+brief, fails("ipv6", "timeout")),
	situation(quiet, "its accept queue is full", func(w *world, _ addresses) { w.port = testnet.BlackHole(w.t).Port() }, quietHere+brief,
		now("ipv4 127.0.0.1 0", "ipv4 timeout 1").logs(`cannot connect to "x" (127.0.0.1:$port) over ipv4: timeout`)),
	situation(quiet, "it answers by SYN cookies (net.ipv4.tcp_syncookies=2)", all(sysctl("net.ipv4.tcp_syncookies", "2"), listen("tcp4", "127.0.0.1:0")), quietHere,
		now("ipv4 127.0.0.1 1")),
	situation(quiet, "it accepts only once data has come (TCP_DEFER_ACCEPT)", deferAccept, quietHere, now("ipv4 127.0.0.1 1")),
	situation(quiet, "the port is the one that the kernel chooses as the local one (a connection to itself)",
		all(sysctl("net.ipv4.ip_local_port_range", "40000 40000"), func(w *world, _ addresses) { w.port = 40000 }), quietHere,
		now("ipv4 127.0.0.1 0", "ipv4 connection_refused 1").logs(`cannot connect to "x" (127.0.0.1:$port) over ipv4: connection refused`)),
}

const retries = "Failures that are repeated"

// repeated are options with which a failed check is repeated twice.
const repeated = ", timeout: 300ms, min_collection_interval: 2s, retry: {attempts: 2, interval: 300ms}"

var retryRows = []row{
	situation(retries, "the peer refuses once", nothing, dial4+repeated,
		now("ipv4 $4 1"),
		then("it refuses", behave(refuse), "ipv4 connection_refused 1"),
		then("it accepts", behave(peers.Behaviour{}), "ipv4 $4 1", "ipv4 connection_refused 1")),
	situation(retries, "the peer refuses, and goes on to", nothing, dial4+repeated,
		now("ipv4 $4 1"),
		then("it refuses", behave(refuse), "ipv4 connection_refused 1"),
		then("it is silent", behave(silence), "ipv4 connection_refused 1", "ipv4 timeout 1"),
		then("it refuses again", behave(refuse), "ipv4 $4 0", "ipv4 connection_refused 2", "ipv4 timeout 1").logs(down4+"connection refused"),
		then("it accepts", behave(peers.Behaviour{}), "ipv4 $4 1", "ipv4 connection_refused 2", "ipv4 timeout 1").logs(up4)),
	situation(retries, "the first check fails", behave(refuse), dial6+repeated,
		now("ipv6 connection_refused 1"),
		then("it still refuses", nothing, "ipv6 connection_refused 2"),
		then("it still refuses", nothing, "ipv6 $6 0", "ipv6 connection_refused 3").logs(down6+"connection refused")),
	situation(retries, "a name does not resolve once", resolve(both), named+repeated+", ip_cache_duration: 0",
		now("ipv4 $4 1", "ipv6 $6 1"),
		then("it does not exist", resolve(answered(dnsserver.NXDomain)), "ipv4 dns_not_found 1", "ipv6 dns_not_found 1"),
		then("it is back", resolve(both), "ipv4 $4 1", "ipv4 dns_not_found 1", "ipv6 $6 1", "ipv6 dns_not_found 1")),
}
