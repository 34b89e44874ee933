package probe

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/testnet"
)

// script is a server that says a text, and then, for each line that it is sent, what stands for it; "TLS" is a
// handshake. It closes where nothing stands for a line, and is silent where that is empty.
type script struct {
	greeting string
	answers  map[string]string
}

func (s script) serve(secured *tls.Config) func(net.Conn) {
	return func(conn net.Conn) {
		_, _ = io.WriteString(conn, s.greeting)
		lines := bufio.NewReader(conn)
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				return
			}
			answer, known := s.answers[strings.TrimSpace(line)]
			if !known {
				return
			}
			text, begins := strings.CutSuffix(answer, "TLS")
			_, _ = io.WriteString(conn, text)
			if begins {
				client := tls.Server(conn, secured)
				conn, lines = client, bufio.NewReader(client)
			}
		}
	}
}

func expect(pattern string) check.Step {
	return check.Step{Expect: regexp.MustCompile("(?m)" + strings.ReplaceAll(pattern, "$", "\r?$"))}
}

func send(text string) check.Step { return check.Step{Send: text + "\r\n"} }

var smtp = []check.Step{
	expect("^220 "), send("EHLO tcpcheck"), expect("^250 "), send("STARTTLS"), expect("^220 "), {StartTLS: check.StartTLSNow}, send("EHLO tcpcheck"), expect("^250 "), send("QUIT"), expect("^221 "),
}

// inPieces returns a server that says texts, one after the other, and then nothing.
func inPieces(texts ...string) func(net.Conn) {
	return func(conn net.Conn) {
		for _, text := range texts {
			_, _ = io.WriteString(conn, text)
			pause()
		}
		_, _ = io.Copy(io.Discard, conn)
	}
}

// pause lets a client receive what was sent before more is; nothing depends on it.
func pause() { time.Sleep(10 * time.Millisecond) } //nolint:forbidigo // see above

// What comes of a dialogue, by what the service says.
func TestDialog(t *testing.T) {
	root := testnet.NewAuthority(t)
	secured := &tls.Config{Certificates: []tls.Certificate{root.Issue([]string{"127.0.0.1"})}, MinVersion: tls.VersionTLS12}
	mail := script{"220-first\r\n220 mail.example ESMTP\r\n", map[string]string{
		"EHLO tcpcheck": "250-mail.example\r\n250-SIZE\r\n250 STARTTLS\r\n", "STARTTLS": "220 2.0.0 go ahead\r\nTLS", "QUIT": "221 bye\r\n",
	}}
	says := func(line, answer string) script {
		changed := script{mail.greeting, map[string]string{line: answer}}
		for l, a := range mail.answers {
			if l != line {
				changed.answers[l] = a
			}
		}
		return changed
	}
	for _, test := range []struct {
		name    string
		server  func(net.Conn)
		steps   []check.Step
		secured bool
		want    check.ErrorType
		says    string
		tls     check.Status // 0: there is none
		waits   bool         // for an answer that does not come
	}{
		{name: "SMTP", server: mail.serve(secured), steps: smtp, secured: true, tls: check.Up},
		{name: "SMTP, without TLS", server: mail.serve(nil), steps: []check.Step{smtp[0], smtp[1], smtp[2], smtp[8], smtp[9]}},
		{name: "no STARTTLS", waits: true, server: says("STARTTLS", "454 TLS not available\r\n").serve(nil), steps: smtp, secured: true, want: check.StartTLSRefused, says: `steps[4] (expect): the service said "454 TLS not available\r\n"`, tls: check.Unchecked},
		{name: "more before the handshake", server: says("STARTTLS", "220 go\r\n250 injected\r\n").serve(nil), steps: smtp, secured: true, want: check.UnexpectedAnswer, says: `steps[5] (starttls): the service said "250 injected\r\n", which is more than it may before the handshake`, tls: check.Unchecked},
		{name: "busy", waits: true, server: script{"554 no\r\n", nil}.serve(nil), steps: smtp[:1], want: check.UnexpectedAnswer, says: `steps[0] (expect): the service said "554 no\r\n"`},
		{name: "closes after an answer", server: func(c net.Conn) { _, _ = io.WriteString(c, "421 too many\r\n") }, steps: smtp[:1], want: check.UnexpectedAnswer, says: `steps[0] (expect): the service said "421 too many\r\n", the connection was closed`},
		{name: "says nothing", waits: true, server: script{}.serve(nil), steps: smtp[:1], want: check.DialogTimeout, says: "steps[0] (expect): no answer"},
		{name: "closes", server: func(net.Conn) {}, steps: smtp[:1], want: check.ConnectionClosed, says: "steps[0] (expect): the connection was closed"},
		{name: "closes at a step", server: mail.serve(nil), steps: []check.Step{smtp[0], send("NOOP"), expect("^250 ")}, want: check.ConnectionClosed, says: "steps[2] (expect): the connection was closed"},
		{name: "a group", server: script{"hello 42 you\r\n", map[string]string{"I am 42 $": "yes\r\n"}}.serve(nil), steps: []check.Step{expect(`hello (\d+)`), send("I am ${1} $$"), expect("^yes")}},
		{name: "a group to the end of a line", server: script{"hello 42\r\n", map[string]string{"I am 42, too": "yes\r\n"}}.serve(nil), steps: []check.Step{expect(`^hello (.*)$`), send("I am ${1}, too"), expect("^yes")}},
		{name: "a group that did not match", server: script{"hello\r\n", map[string]string{"I am": "yes\r\n"}}.serve(nil), steps: []check.Step{expect(`hello|(\d+)`), send("I am ${1}"), expect("^yes")}},
		{name: "no group of that number", server: script{"hello\r\n", map[string]string{"I am": "yes\r\n"}}.serve(nil), steps: []check.Step{expect("hello"), send("I am ${7}"), expect("^yes")}},
		{name: "what stands in the line that matched is used up", server: script{"220 250 x\r\n", map[string]string{"HELO": "250 y\r\n"}}.serve(nil), steps: []check.Step{expect("^220"), send("HELO"), expect("^250 y")}},
		{name: "an echo of what was sent", waits: true, server: script{"", map[string]string{"PASS secret": "no such password: PASS secret\r\n"}}.serve(nil), steps: []check.Step{send("PASS secret"), expect(`^\+OK`)}, want: check.UnexpectedAnswer, says: `"no such password: PASS ***\r\n"`},
		{name: "an echo of what was sent before", waits: true, server: script{"", map[string]string{"USER me": "+OK\r\n", "c2VjcmV0": "no: USER me, AUTH c2VjcmV0\r\n"}}.serve(nil), steps: []check.Step{send("USER me"), expect(`^\+OK`), send("c2VjcmV0"), expect(`^\+OK`)}, want: check.UnexpectedAnswer, says: `"no: USER me, AUTH ***\r\n"`},
		{name: "what is expected is no secret", server: script{"", map[string]string{"GET / HTTP/1.1": "HTTP/1.1 404 Not Found\r\n"}}.serve(nil), waits: true, steps: []check.Step{send("GET / HTTP/1.1"), expect(`^HTTP/1\.1 200 `)}, want: check.UnexpectedAnswer, says: `said "HTTP/1.1 404 Not Found`},
		{name: "an endless echo", server: func(c net.Conn) {
			for {
				if _, err := io.WriteString(c, "secret"); err != nil {
					return
				}
			}
		}, steps: []check.Step{send("PASS secret"), expect(`^\+OK`)}, want: check.UnexpectedAnswer, says: `the service said "******`},
		{name: "binary", server: func(c net.Conn) { _, _ = c.Write([]byte{0, 1, 2, 0xff}); _, _ = io.Copy(io.Discard, c) }, steps: []check.Step{expect(`^\x00\x01`)}},
		{name: "endless", server: func(c net.Conn) {
			for {
				if _, err := io.WriteString(c, strings.Repeat("x", 1<<10)); err != nil {
					return
				}
			}
		}, steps: smtp[:1], want: check.UnexpectedAnswer, says: `and 65336 bytes more`},
		{name: "endless, a byte at a time", server: func(c net.Conn) {
			for {
				if _, err := io.WriteString(c, "\n"); err != nil {
					return
				}
			}
		}, steps: []check.Step{expect(`(\n+x?)*y`)}, want: check.UnexpectedAnswer, says: `and 65336 bytes more`},
		{name: "a match in pieces", server: inPieces("hello 4", "2 you\r\n", "bye 42\r\n"), steps: []check.Step{expect(`^hello (\d+)`), expect(`^bye`)}},
		{name: "more of a line in pieces", waits: true, server: inPieces("OK", "AY\r\n"), steps: []check.Step{expect(`^OK$`)}, want: check.UnexpectedAnswer, says: `the service said "OKAY\r\n"`},
		{name: "a prompt", server: script{"login: ", map[string]string{"me": "hello\r\n"}}.serve(nil), steps: []check.Step{expect(`^login: `), send("me"), expect("^hello$")}},
		{name: "closes after a send", server: func(c net.Conn) { _, _ = io.WriteString(c, "hello you"); _ = c.(*net.TCPConn).CloseWrite() }, steps: []check.Step{expect("^hello"), send("x"), expect("y")}, want: check.ConnectionClosed, says: "steps[2] (expect): the connection was closed"},
		{name: "TLS from the start", server: func(c net.Conn) {
			mail.serve(nil)(tls.Server(c, secured))
		}, steps: []check.Step{smtp[0], smtp[8], smtp[9]}, secured: true, tls: check.Up},
		{name: "no TLS at the start", server: mail.serve(nil), steps: []check.Step{smtp[0]}, secured: true, tls: check.Down},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			target := literal(serve(t, test.server))
			target.Timeout = 10 * time.Second
			if test.waits {
				target.Timeout = 300 * time.Millisecond
			}
			target.Dialog = &check.Dialog{Steps: test.steps}
			if test.secured {
				target.TLS = &check.TLS{Client: tlsClient{config: &tls.Config{RootCAs: root.Pool(), MinVersion: tls.VersionTLS12}}}
			}
			report := NewSystem(0).Session(&target).Check(context.Background(), time.Now, unknownHost)
			require.Len(t, report.Dialogs, 1)
			got := report.Dialogs[0]
			assert.Equal(t, test.want, got.ErrorType, "%v", got.Err)
			switch {
			case test.tls == check.Down:
				assert.Equal(t, check.Unchecked, got.Status)
			case test.want == "":
				assert.Equal(t, check.Up, got.Status, "%v", got.Err)
				assert.Positive(t, got.Time)
			default:
				assert.Equal(t, check.Down, got.Status)
				require.ErrorContains(t, got.Err, test.says)
			}
			require.Equal(t, test.secured, len(report.TLS) == 1)
			if test.secured {
				assert.Equal(t, test.tls, report.TLS[0].Status, "%v", report.TLS[0].Err)
				assert.Equal(t, test.tls == check.Up, report.TLS[0].Err == nil)
			}
		})
	}
}

// Nothing is said to a server whose certificate is not verified: it may be a password.
func TestDialogUnverified(t *testing.T) {
	root := testnet.NewAuthority(t)
	secured := &tls.Config{Certificates: []tls.Certificate{root.Issue([]string{"other.example"})}, MinVersion: tls.VersionTLS12}
	for _, skip := range []bool{false, true} {
		said := make(chan string, 1)
		target := literal(serve(t, func(conn net.Conn) {
			heard, _ := io.ReadAll(tls.Server(conn, secured))
			said <- string(heard)
		}))
		target.Timeout = 10 * time.Second
		target.Dialog = &check.Dialog{Steps: []check.Step{{Send: "PASS secret"}}}
		target.TLS = &check.TLS{Client: tlsClient{config: &tls.Config{RootCAs: root.Pool(), MinVersion: tls.VersionTLS12, InsecureSkipVerify: skip}}}
		report := NewSystem(0).Session(&target).Check(context.Background(), time.Now, unknownHost)
		if skip {
			assert.Equal(t, check.Up, report.Dialogs[0].Status)
			assert.Equal(t, "PASS secret", <-said)
		} else {
			assert.Equal(t, check.TLSNameMismatch, report.TLS[0].ErrorType)
			assert.Equal(t, check.Unchecked, report.Dialogs[0].Status)
			assert.Empty(t, <-said)
		}
	}
}

// A dialogue that is given up ends at once, and says nothing about the target.
func TestDialogIsGivenUp(t *testing.T) {
	for _, steps := range [][]check.Step{{expect("hello")}, {expect("^login"), expect("x")}} {
		ctx, giveUp := context.WithCancel(context.Background())
		target := literal(serve(t, func(conn net.Conn) {
			_, _ = io.WriteString(conn, "login:")
			giveUp()
			_, _ = io.Copy(io.Discard, conn)
		}))
		target.Timeout = time.Hour
		target.Dialog = &check.Dialog{Steps: steps}
		assert.Empty(t, NewSystem(0).Session(&target).Check(ctx, time.Now, unknownHost).Dialogs)
	}
}
