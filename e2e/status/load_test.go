package status

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/e2e/harness"
	"example.com/tcpcheckreceiver/e2e/peers"
)

const (
	// manyTargets is how many targets a collector checks here, each with two addresses.
	manyTargets = 10_000
	// readers is how many clients do not read.
	readers = 100
	// most is how many bytes the page may have on the wire.
	most = 300_000
)

// The page of 10,000 targets is small, and clients that do not read hold up nobody and do not stay. How long an answer
// takes is logged.
func TestTenThousand(t *testing.T) {
	harness.RequireNamespace(t)
	port := peers.StartServer(t, "-serve", "0.0.0.0:0").Targets(1)[0].Port()
	defer func(l net.Listener) { _ = l.Close() }(peers.Accept(t, fmt.Sprintf("[::1]:%d", port)))
	var receivers strings.Builder
	receivers.WriteString("  tcpcheck:\n    status: tcpcheck_status\n    initial_delay: 0\n    defaults: {host: localhost, address_families: [ipv4, ipv6], collect_response_time: true}\n    instances:\n")
	for i := range manyTargets {
		down := port
		if i%100 == 0 {
			down = 9 // where nobody listens
		}
		fmt.Fprintf(&receivers, "      - {name: web server %d, port: %d, service: service %d, tags: [team:blue]}\n", i, down, i%40)
	}
	startCollector(t, "  tcpcheck_status: {write_timeout: 10s}\n", receivers.String())
	awaitPage(t, "100 of 10,000 targets are down.")

	for _, path := range []string{"", "?page=%d", "instance?id=" + oneID(t), "api/v1/status"} {
		wire := logTimes(t, path, 1)
		if path == "" {
			assert.Less(t, wire, most)
		}
	}

	before := connections(t)
	for range readers {
		conn, err := net.Dial("tcp", strings.TrimSuffix(strings.TrimPrefix(at, "http://"), "/"))
		require.NoError(t, err)
		defer func() { _ = conn.Close() }()
		require.NoError(t, conn.(*net.TCPConn).SetReadBuffer(4096))
		_, err = io.WriteString(conn, "GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n")
		require.NoError(t, err)
	}
	t.Logf("beside %d clients that do not read:", readers)
	logTimes(t, "?page=%d", 51)
	assert.GreaterOrEqual(t, connections(t), readers, "they are there")
	require.Eventually(t, func() bool { return connections(t) <= before }, harness.Patience, harness.Patience/1000, "who does not read stays")
}

// logTimes asks the page for a path twenty times, each time with another number from one on where the path has a place for it, so
// that it has not been made before. It logs how long that took, and returns the bytes of the last answer on the wire.
func logTimes(t *testing.T, path string, from int) (wire int) {
	t.Helper()
	var first, whole []time.Duration
	var size int
	for i := range 20 {
		var a, b time.Duration
		a, b, wire, size = timed(t, strings.Replace(path, "%d", strconv.Itoa(from+i), 1))
		first, whole = append(first, a), append(whole, b)
	}
	slices.Sort(first)
	slices.Sort(whole)
	t.Logf("/%s: first byte %v, whole %v (medians of %d; most %v), %d bytes on the wire, %d before", path, first[10], whole[10], len(first), whole[19], wire, size)
	return wire
}

// oneID returns the ID of a target.
func oneID(t *testing.T) string {
	t.Helper()
	var said struct{ Targets []struct{ ID string } }
	text := get(t, "api/v1/status?q=web+server+77")
	require.NoError(t, json.Unmarshal([]byte(text), &said))
	require.NotEmpty(t, said.Targets)
	return said.Targets[0].ID
}

// timed asks the page for a path as a browser does, and returns how long it takes to the first byte of the answer and to the
// last one, and how many bytes it has on the wire, and without compression.
func timed(t *testing.T, path string) (first, whole time.Duration, wire, size int) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, at+path, http.NoBody)
	require.NoError(t, err)
	request.Header.Set("Accept-Encoding", "gzip")
	began := time.Now()
	request = request.WithContext(httptrace.WithClientTrace(request.Context(), &httptrace.ClientTrace{GotFirstResponseByte: func() { first = time.Since(began) }}))
	answer, err := (&http.Client{Timeout: harness.Patience, Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true}}).Do(request)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, answer.StatusCode)
	text := body(t, answer)
	whole = time.Since(began)
	plain, err := gzip.NewReader(strings.NewReader(text))
	require.NoError(t, err)
	n, err := io.Copy(io.Discard, plain)
	require.NoError(t, err)
	return first, whole, len(text), int(n)
}

// connections returns how many connections to the page the collector has open, from proc_net_tcp(5).
func connections(t *testing.T) (n int) {
	t.Helper()
	for _, file := range []string{"/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"} {
		opened, err := os.Open(file)
		require.NoError(t, err)
		lines := bufio.NewScanner(opened)
		for lines.Scan() {
			const listens, nobody = "0A", "0" // the state, and the inode of a socket that no process has
			fields := strings.Fields(lines.Text())
			if strings.HasSuffix(fields[1], ":24F9") && fields[3] != listens && fields[9] != nobody {
				n++
			}
		}
		require.NoError(t, lines.Err())
		require.NoError(t, opened.Close())
	}
	return n
}
