package tunpeer

import (
	"bytes"
	"io"
	"net"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestStayOpen has the client talk and close, one direction after the other.
func TestStayOpen(t *testing.T) {
	peer := openPeer(t)
	for _, family := range families {
		t.Run(family.name, func(t *testing.T) {
			peer.Set(family.addr, Behaviour{})
			conn, _, err := dial(family.addr, enough)
			require.NoError(t, err)
			defer conn.Close()

			_, err = conn.Write(bytes.Repeat([]byte("discarded "), 100_000))
			require.NoError(t, err)
			require.NoError(t, conn.CloseWrite())
			assertEOF(t, conn)
		})
	}
	requireClosed(t)
}

func TestFINAtOnce(t *testing.T) {
	peer := openPeer(t)
	for _, family := range families {
		t.Run(family.name, func(t *testing.T) {
			peer.Set(family.addr, Behaviour{After: FINAtOnce})
			conn, _, err := dial(family.addr, enough)
			require.NoError(t, err)
			defer conn.Close()
			assertEOF(t, conn)
		})
	}
	requireClosed(t)
}

func TestReset(t *testing.T) {
	peer := openPeer(t)
	for _, family := range families {
		for name, after := range map[string]After{"at once": RSTAtOnce, "on ACK": RSTOnACK} {
			t.Run(family.name+" "+name, func(t *testing.T) {
				peer.ResetHandshakes()
				peer.Set(family.addr, Behaviour{After: after})
				conn, _, err := dial(family.addr, enough)
				if err == nil { // connected, before the RST came
					defer conn.Close()
					require.NoError(t, conn.SetReadDeadline(time.Now().Add(enough)))
					_, err = conn.Read(make([]byte, 1))
				}
				require.ErrorIs(t, err, unix.ECONNRESET)
				assert.Len(t, peer.Handshakes(), 1)
			})
		}
	}
	requireClosed(t)
}

// TestCloseAtOnce has the client close as soon as it has connected, as a check
// does.
func TestCloseAtOnce(t *testing.T) {
	peer := openPeer(t)
	for name, after := range map[string]After{"open": StayOpen, "FIN": FINAtOnce} {
		t.Run(name, func(t *testing.T) {
			peer.SetDefault(Behaviour{After: after})
			for range 20 {
				for _, family := range families {
					conn, _, err := dial(family.addr, enough)
					require.NoError(t, err)
					require.NoError(t, conn.Close())
				}
			}
		})
	}
	requireClosed(t)
}

func assertEOF(t *testing.T, conn *net.TCPConn) {
	t.Helper()
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(enough)))
	_, err := conn.Read(make([]byte, 1))
	assert.Equal(t, io.EOF, err)
}

// requireClosed waits until no socket of the machine waits for the other end to
// close or to acknowledge.
func requireClosed(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		states := append(socketStates(t, "/proc/self/net/tcp"), socketStates(t, "/proc/self/net/tcp6")...)
		return !slices.ContainsFunc(states, func(state string) bool { return state != "06" }) // TIME_WAIT
	}, time.Second, time.Millisecond, "sockets left open")
}

// socketStates returns the states of the sockets listed in a file, in
// hexadecimal as they are there.
func socketStates(t *testing.T, path string) []string {
	t.Helper()
	list, err := os.ReadFile(path)
	require.NoError(t, err)
	var states []string
	for i, line := range bytes.Split(bytes.TrimSpace(list), []byte("\n")) {
		if i > 0 { // the first is the heading
			states = append(states, string(bytes.Fields(line)[3]))
		}
	}
	return states
}
