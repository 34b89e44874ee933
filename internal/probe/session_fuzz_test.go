package probe

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/testnet"
)

// A dialogue with a server that says anything, in pieces of any size, and closes, ends; of what it says, little
// is kept and told, and nothing of what was sent.
func FuzzDialog(f *testing.F) {
	f.Add([]byte("220 mail.example\r\n250 ok\r\n"), byte(5), byte(0))
	f.Add([]byte("220-a\n220 b\n554 "+secretWord+" no\n"), byte(1), byte(0))
	f.Add([]byte("S"), byte(0), byte(1))
	f.Add([]byte("N"), byte(0), byte(1))
	f.Add([]byte("E no such thing"), byte(3), byte(1))
	f.Add([]byte("\x4a\x00\x00\x00\x0a8.0.1\x00\x01\x00\x00\x00abcdefgh\x00\xff\xff"+strings.Repeat("\x00", 60)), byte(7), byte(2))
	f.Add([]byte("\x10\x00\x00\x00\xff\x69\x04Host is blocked"), byte(2), byte(2))
	f.Add([]byte("\xff\xff\xff\x00\x0a"), byte(0), byte(2))
	f.Add([]byte{0, 0, 0, 0}, byte(0), byte(2))
	address, pieces := liar(f)
	f.Fuzz(func(t *testing.T, said []byte, piece, kind byte) {
		client := reach(t, address)
		pieces <- slices.Collect(slices.Chunk(said, int(piece)+1))
		steps := [][]check.Step{
			{{Expect: regexp.MustCompile(`(?m)^220 (.*)$`)}, {Send: "EHLO ${1} " + secretWord}, {Expect: regexp.MustCompile(`(?m)^250 `)}, {StartTLS: check.StartTLSNow}},
			{{StartTLS: check.StartTLSPostgreSQL}, {Send: secretWord}, {Expect: regexp.MustCompile(`x*`)}},
			{{Send: secretWord}, {StartTLS: check.StartTLSMySQL}},
		}[kind%3]
		d := dialog{conn: client, steps: steps, deadline: time.Now().Add(time.Minute)}
		for i := range steps {
			failed := d.take(i)
			assert.LessOrEqual(t, len(d.heard), mostAnswer)
			if failed == nil {
				continue
			}
			assert.Contains(t, []check.ErrorType{check.UnexpectedAnswer, check.ConnectionClosed, check.StartTLSRefused}, failed.errorType, "%v", failed)
			assert.Less(t, len(failed.Error()), 5*mostQuoted)
			assert.NotContains(t, failed.Error(), secretWord)
			break
		}
	})
}

// secretWord is no part of anything that a fuzzer comes upon.
const secretWord = "hunter2"

// liar returns the address of a server that says, over each connection, what is sent to the channel, and then
// says nothing more.
func liar(f *testing.F) (netip.AddrPort, chan<- [][]byte) {
	f.Helper()
	pieces := make(chan [][]byte)
	return testnet.Serve(f, "tcp4", "127.0.0.1:0", func(conn net.Conn) {
		for _, piece := range <-pieces {
			_, _ = conn.Write(piece)
		}
		_ = conn.(*net.TCPConn).CloseWrite()
		_, _ = io.Copy(io.Discard, conn)
	}), pieces
}

// reach returns a connection that is reset at the end of the test: the ports would run out otherwise.
func reach(t *testing.T, address netip.AddrPort) net.Conn {
	t.Helper()
	conn, err := open(context.Background(), address, time.Minute, nil)
	require.NoError(t, err)
	require.NoError(t, conn.(*net.TCPConn).SetLinger(0))
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// A handshake with a server that says anything, and closes, fails for a reason of the server's.
func FuzzTLSAnswer(f *testing.F) {
	serverHello := "\x03\x03" + strings.Repeat("r", 32) + "\x00\xc0\x2f\x00\x00\x00"
	f.Add([]byte("220 mail.example\r\n"), byte(0))
	f.Add([]byte("\x15\x03\x03\x00\x02\x02\x28"), byte(0))
	f.Add([]byte("\x15\x03\x03\x00\x02\x01\x00"), byte(0))
	f.Add([]byte("\x02\x00\x00\x28"+serverHello), byte(1))
	f.Add([]byte("\x02\x00\x00\x28"+serverHello+"\x0b\x00\x00\x07\x00\x00\x04\x00\x00\x01\x00"), byte(1))
	f.Add([]byte("\x0b\xff\xff\xff"), byte(1))
	f.Add([]byte(nil), byte(1))
	address, pieces := liar(f)
	f.Fuzz(func(t *testing.T, said []byte, kind byte) {
		conn := reach(t, address)
		if kind%2 == 1 { // a record of the handshake (RFC 8446, section 5.1)
			said = said[:min(len(said), 1<<14)]
			said = append(binary.BigEndian.AppendUint16([]byte{22, 3, 3}, uint16(len(said))), said...)
		}
		pieces <- [][]byte{said}
		turn, err := takeTurn(context.Background(), conn, time.Minute)
		require.NoError(t, err)
		defer turn.leave()
		shaken := check.TLSResult{Status: check.Unchecked}
		handshake := tlsHandshake{TLSResult: &shaken, turn: turn, config: &tls.Config{MinVersion: tls.VersionTLS12}, serverName: "web.example"}
		assert.Nil(t, handshake.shake(context.Background(), nil))
		assert.Equal(t, check.Down, shaken.Status, "%v", shaken.Err)
		assert.NotEmpty(t, shaken.ErrorType)
		assert.Empty(t, shaken.Lack)
	})
}
