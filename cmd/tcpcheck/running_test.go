package main

import (
	"context"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// page serves a document as the API of a status page, and takes note of what was asked for. A real page is
// asked in e2e/status.
func page(t *testing.T, serve func(handler http.Handler) *httptest.Server, answer int, document string) (at string, asked *http.Request) {
	t.Helper()
	asked = new(http.Request)
	server := serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*asked = *r
		w.WriteHeader(answer)
		_, _ = w.Write([]byte(document))
	}))
	t.Cleanup(server.Close)
	return server.URL, asked
}

// A page with a target of each kind is a table, the worst first, and an exit status.
func TestRunning(t *testing.T) {
	const document = `{"taken": "2026-01-02T03:04:05Z", "summary": {"sentence": "1 of 3 targets is down."}, "targets": [
{"instance": "good", "server_address": "h", "server_port": 1, "state": "up", "endpoints": [
  {"network_type": "ipv4", "network_peer_address": "192.0.2.1", "state": "up", "since": "2026-01-02T03:03:05Z", "response_time_seconds": 0.00123456, "average_response_time_seconds": 0.002,
   "tls": {"state": "down", "reason": "certificate expired"}, "dialog": {"state": "up"}}]},
{"instance": "bad\u001b[31m", "server_address": "::1", "server_port": 2, "state": "down", "endpoints": [
  {"network_type": "ipv6", "network_peer_address": "::1", "state": "down", "flapping": true, "since": "2025-12-30T03:03:05Z", "reason": "host unreachable", "error_sender": "2001:db8::1", "hint": "See the route."}],
 "omitted_families": [{"network_type": "ipv4", "reason": "machine_lacks_family"}, {"network_type": "ipv4", "reason": "name_lacks_family"}]},
{"instance": "new", "server_address": "h", "server_port": 3, "state": "unknown", "endpoints": []}],
"not_checked": [{"instance": "twice", "text": "it is instance 1 as well"}, {"instance": "bad", "network_peer_address": "169.254.0.1", "text": "it is denied"}],
"stale_sources": [{"source": "file a", "error_message": "no such file", "stale_since": "2026-01-01T00:00:00Z"}]}`
	t.Setenv("TZ", "UTC")
	at, asked := page(t, httptest.NewServer, http.StatusOK, document)
	got := runWith(context.Background(), "status", "--url", at, "--state", "down", "--family=ipv6", "--service", "-", "a b")
	assert.Empty(t, got.errs)
	assert.Equal(t, statusCritical, got.status)
	assert.Equal(t, "GET /api/v1/status?family=ipv6&q=a+b&service=-&state=down", asked.Method+" "+asked.URL.String())
	assert.Equal(t, `1 of 3 targets is down. (2026-01-02 03:04:05)

INSTANCE       TARGET   FAMILY  ADDRESS    RESULT           FOR     LAST    AVERAGE  TLS     DIALOG  REASON               SENDER
"bad\x1b[31m"  [::1]:2  ipv6    ::1        down (flapping)  3d                                       host unreachable     2001:db8::1
new            h:3                         unknown
good           h:1      ipv4    192.0.2.1  up               1m      1.23ms  2ms      failed  ok      certificate expired
"bad\x1b[31m": See the route.
"bad\x1b[31m": ipv4 is not checked: this machine has no address that could reach it.
twice is not checked: it is instance 1 as well
bad (169.254.0.1) is not checked: it is denied
the list of file a is that of 2026-01-01 00:00:00: no such file
`, got.out)

	got = runWith(context.Background(), "status", "--url", at, "-o", "json")
	assert.JSONEq(t, document, got.out)
	assert.Equal(t, statusCritical, got.status)
}

func TestRunningStates(t *testing.T) {
	for state, want := range map[string]status{
		"up": statusOK, "down": statusCritical, "failing": statusCritical, "one_family": statusWarning, "partly": statusWarning, "unchecked": statusUnknown,
		"unknown": statusUnknown, "of another version": statusUnknown,
	} {
		at, _ := page(t, httptest.NewServer, http.StatusOK, `{"taken": "2026-01-02T03:04:05Z", "targets": [{"state": "`+state+`"}]}`)
		assert.Equal(t, want, runWith(context.Background(), "status", "--url", at).status, state)
	}
}

// What is no page says so, and who is not let in as well.
func TestRunningRefuses(t *testing.T) {
	for _, c := range []struct {
		answer          int
		document, wants string
	}{
		{http.StatusOK, "hello", "what answers at URL is no status page of tcpcheck"},
		{http.StatusOK, "{}", "what answers at URL is no status page of tcpcheck"},
		{http.StatusUnauthorized, "no\x1b\nmore", `URL answers 401 Unauthorized: "no\x1b"`},
	} {
		at, _ := page(t, httptest.NewServer, c.answer, c.document)
		got := runWith(context.Background(), "status", "--url", at)
		assert.Equal(t, statusUnknown, got.status)
		assert.Equal(t, strings.ReplaceAll(c.wants, "URL", at)+"\nSee tcpcheck --help.\n", got.errs)
		assert.Empty(t, got.out)
	}
}

// A page by TLS is one of whom is trusted, and is given the token.
func TestRunningTLS(t *testing.T) {
	server := new(httptest.Server)
	at, asked := page(t, func(handler http.Handler) *httptest.Server {
		server = httptest.NewTLSServer(handler)
		return server
	}, http.StatusOK, `{"taken": "2026-01-02T03:04:05Z", "summary": {"sentence": "All is up."}}`)
	folder := t.TempDir()
	roots, token := filepath.Join(folder, "roots.pem"), filepath.Join(folder, "token")
	require.NoError(t, os.WriteFile(roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600))
	require.NoError(t, os.WriteFile(token, []byte("secret\n"), 0o600))
	got := runWith(context.Background(), "status", "--url", at)
	assert.Equal(t, statusUnknown, got.status)
	assert.Contains(t, got.errs, "certificate")
	got = runWith(context.Background(), "status", "--url", at, "--ca-file", roots, "--bearer-token-file", token)
	assert.Equal(t, statusOK, got.status, got.errs)
	assert.Equal(t, "Bearer secret", asked.Header.Get("Authorization"))
	assert.Contains(t, got.out, "All is up. (")
}
