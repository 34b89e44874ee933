package harness

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/ti-mo/conntrack"
	"golang.org/x/sys/unix"
)

// ConntrackMax returns how many connections the kernel tracks at most, in any network
// namespace. Only root of the machine itself could change that.
func ConntrackMax(t testing.TB) int { return ofConntrack(t, "max") }

// ConntrackCount returns how many it tracks now, in this network namespace.
func ConntrackCount(t testing.TB) int { return ofConntrack(t, "count") }

// ofConntrack returns a parameter of the kernel.
func ofConntrack(t testing.TB, name string) int {
	t.Helper()
	number, err := strconv.Atoi(strings.TrimSpace(Read(t, "/proc/sys/net/netfilter/nf_conntrack_"+name)))
	require.NoError(t, err)
	return number
}

// FlushConntrack has this network namespace forget all tracked connections.
func FlushConntrack(t testing.TB) { withConntrack(t, (*conntrack.Conn).Flush) }

// FillConntrack adds the tracked connections of these numbers, from the first one to the one before
// the last one, which the kernel does not give up for others and keeps for five minutes. It ends
// where the table is full.
func FillConntrack(t testing.TB, from, to int) {
	t.Helper()
	require.LessOrEqual(t, to, 1<<21, "so large a table takes too long to fill")
	withConntrack(t, func(conn *conntrack.Conn) error {
		for n := from; n < to; n++ {
			source := netip.AddrFrom4([4]byte{203, 0, 113, byte(n >> 16)})
			flow := conntrack.NewFlow(unix.IPPROTO_UDP, conntrack.StatusAssured|conntrack.StatusSeenReply|conntrack.StatusConfirmed,
				source, netip.MustParseAddr("203.0.113.255"), uint16(n), 9, 300, 0)
			if err := conn.Create(flow); errors.Is(err, unix.ENOMEM) {
				return nil // it is full: a connection that was just ending has an entry as well
			} else if err != nil {
				return err
			}
		}
		return nil
	})
}

// ConntrackLosses returns how many packets of this network namespace the kernel has dropped so far
// for want of room, and how many connections it has given up for others.
func ConntrackLosses(t testing.TB) (losses int) {
	t.Helper()
	withConntrack(t, func(conn *conntrack.Conn) error {
		stats, err := conn.Stats()
		for _, cpu := range stats {
			losses += int(cpu.Drop + cpu.EarlyDrop + cpu.InsertFailed)
		}
		return err
	})
	return losses
}

func withConntrack(t testing.TB, do func(*conntrack.Conn) error) {
	t.Helper()
	conn, err := conntrack.Dial(nil)
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	require.NoError(t, do(conn))
}
