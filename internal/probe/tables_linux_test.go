package probe

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/internal/check"
)

// proc is a folder with files such as those of /proc.
type proc struct {
	t      *testing.T
	folder string
}

func (p proc) write(name, text string) {
	p.t.Helper()
	file := filepath.Join(p.folder, name)
	require.NoError(p.t, os.MkdirAll(filepath.Dir(file), 0o700))
	require.NoError(p.t, os.WriteFile(file, []byte(text), 0o600))
}

func TestReadTables(t *testing.T) {
	p := proc{t, t.TempDir()}
	tables := &tables{proc: p.folder}
	state := tables.read()
	state.read = time.Time{}
	assert.Equal(t, &tableState{}, state, "nothing can be read")

	p.write("sys/net/netfilter/nf_conntrack_count", "190\n")
	p.write("sys/net/netfilter/nf_conntrack_max", "200\n")
	p.write("sys/net/netfilter/nf_conntrack_tcp_timeout_time_wait", "120\n")
	p.write("net/stat/nf_conntrack", "entries found insert_failed drop early_drop search_restart\n000000be 00000000 00000001 00000010 00000000 000000ff\n000000be 00000000 00000000 00000002 00000a00 00000000\n")
	p.write("net/stat/arp_cache", "entries  allocs table_fulls\n00000001 00000002 00000003\n")
	p.write("net/stat/ndisc_cache", "entries  allocs table_fulls\n00000001 00000002 00000004\n00000001 00000002 0000000a\n")
	state = tables.read()
	assert.Equal(t, check.Conntrack{Count: 190, Max: 200}, state.Conntrack)
	assert.Equal(t, check.Conntrack{Count: 190, Max: 200, TimeWait: 2 * time.Minute}, tables.conntrack())
	assert.Equal(t, uint64(0x1+0x10+0x2+0xa00), state.trackingLosses)
	assert.Equal(t, uint64(3), state.neighbourLosses4)
	assert.Equal(t, uint64(14), state.neighbourLosses6)
	assert.True(t, state.nearlyFull())
	assert.Equal(t, 1, tables.conntrack().Rate())

	for name, text := range map[string]string{"empty": "", "no columns": "entries\n00000001\n", "more fields than names": "drop\n00000000 00000001\n", "no number": "drop\nzz\n"} {
		t.Run(name, func(t *testing.T) {
			p.write("net/stat/nf_conntrack", text)
			assert.Zero(t, tables.read().trackingLosses)
		})
	}
}

// A state is read once for the checks of a moment.
func TestTablesAreReadNowAndThen(t *testing.T) {
	p := proc{t, t.TempDir()}
	tables := &tables{proc: p.folder}
	now := time.Now()
	first := tables.at(now, time.Minute)
	assert.Same(t, first, tables.at(now, time.Minute))
	assert.Same(t, first, tables.at(first.read.Add(time.Minute), time.Minute))
	later := tables.at(first.read.Add(time.Minute+1), time.Minute)
	assert.NotSame(t, first, later)
	assert.Same(t, later, tables.at(now, time.Minute))
}

// The table of connections is nearly full from nine tenths on.
func TestNearlyFull(t *testing.T) {
	for count, want := range map[int]bool{0: false, 179: false, 180: true, 200: true} {
		assert.Equal(t, want, (&tableState{Conntrack: check.Conntrack{Count: count, Max: 200}}).nearlyFull(), "%d", count)
	}
	assert.False(t, (&tableState{}).nearlyFull(), "there is none")
}

// Why there was no answer, by what the tables say and the socket.
func TestLostHere(t *testing.T) {
	unsent := handshake{retransmits: 2, unsent: true}
	full, half := check.Conntrack{Count: 200, Max: 200}, check.Conntrack{Count: 100, Max: 200}
	for _, test := range []struct {
		name          string
		before, after tableState
		shake         handshake
		ipv6          bool
		want          error
	}{
		{name: "nothing is known"},
		{name: "the table is full, and drops", before: tableState{Conntrack: full}, after: tableState{Conntrack: full, trackingLosses: 1}, want: check.ErrConntrackFull},
		{name: "the table is full, and drops nothing", before: tableState{Conntrack: full, trackingLosses: 1}, after: tableState{Conntrack: full, trackingLosses: 1}},
		{name: "the table was full, and dropped", before: tableState{Conntrack: full}, after: tableState{Conntrack: half, trackingLosses: 1}, want: check.ErrConntrackFull},
		{name: "the table became full, and dropped", before: tableState{Conntrack: half}, after: tableState{Conntrack: full, trackingLosses: 1}, want: check.ErrConntrackFull},
		{name: "a packet was dropped for another reason", before: tableState{Conntrack: half}, after: tableState{Conntrack: half, trackingLosses: 1}},
		{name: "no connection is tracked", after: tableState{trackingLosses: 1}},
		{name: "no room for a neighbour", after: tableState{neighbourLosses4: 1}, want: errNeighboursFull},
		{name: "no room for a neighbour, but a SYN left", after: tableState{neighbourLosses4: 1}, shake: handshake{retransmits: 1}},
		{name: "no room for a neighbour, and no SYN left", after: tableState{neighbourLosses4: 1}, shake: unsent, want: errNeighboursFull},
		{name: "no room for a neighbour of the other family", after: tableState{neighbourLosses4: 1}, ipv6: true},
		{name: "no room for a neighbour, IPv6", after: tableState{neighbourLosses6: 1}, ipv6: true, want: errNeighboursFull},
		{name: "no room for a neighbour of the other family, IPv6", after: tableState{neighbourLosses6: 1}},
		{name: "it was not sent", shake: unsent, want: errUnsent},
		{name: "it was not sent, since the table is full", before: tableState{Conntrack: full}, after: tableState{Conntrack: full, trackingLosses: 1}, shake: unsent, want: check.ErrConntrackFull},
	} {
		t.Run(test.name, func(t *testing.T) {
			assert.Equal(t, test.want, lostHere(&test.before, &test.after, test.shake, test.ipv6))
		})
	}
}
