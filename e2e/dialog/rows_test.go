package dialog

import (
	"net"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/e2e/harness"
	"example.com/tcpcheckreceiver/e2e/servers"
)

// log is how the log of a server is read.
type log struct {
	servers.Server
	prefix *regexp.Regexp // of a line, which is not told
	warns  bool           // of each dialogue, since its protocol has no goodbye before a login
}

var (
	postfix    = log{Server: servers.Postfix, prefix: regexp.MustCompile(`^.{15} \S+ postfix/(?:smtpd\[\d+\]: )?`)}
	imap       = log{Server: servers.DovecotIMAP, prefix: regexp.MustCompile(`^.{15} `)}
	pop3       = log{Server: servers.DovecotPOP3, prefix: regexp.MustCompile(`^.{15} `)}
	vsftpd     = log{Server: servers.Vsftpd, prefix: regexp.MustCompile(`^.{24} \[pid \d+\] `)}
	redis      = log{Server: servers.Redis, prefix: regexp.MustCompile(`^\d+:M .{24} [-*.] `)}
	memcached  = log{Server: servers.Memcached, prefix: regexp.MustCompile(`^[<>]?\d+:? `)}
	openSSH    = log{Server: servers.OpenSSH, prefix: regexp.MustCompile(`^`)}
	postgreSQL = log{Server: servers.PostgreSQL, prefix: regexp.MustCompile(`^\S+ \S+ \S+ \[\d+\] `)}
	mariaDB    = log{Server: servers.MariaDB, prefix: regexp.MustCompile(`^\S+ \S+ +\d+ (?:\[Note\].*)?`), warns: true}
	nginx      = log{Server: servers.Nginx, prefix: regexp.MustCompile(`^\S+/\S+ \S+ (?:\[info\] \d+#\d+: \*\d+ )?`)}
)

// trouble is what no server is to log of a dialogue that ends well.
var trouble = regexp.MustCompile(`(?i)error|warn|fatal`)

// row is a dialogue with a server.
type row struct {
	log
	example string   // of the document, by its name
	last    string   // what the last line has that the server logs of a dialogue
	secured bool     // the server has TLS
	more    []string // settings of the server

	wrong     string // what goes wrong; empty: nothing
	want      string // the error.type
	waits     bool   // until the timeout
	untrusted bool   // the client does not know who issued the certificate
	// prepare does what it takes for that; nil: nothing.
	prepare func(t *testing.T, address string, program *harness.Program)
}

var (
	smtps    = []string{"smtpd_tls_wrappermode = yes"}
	redirect = []string{"location = / { return 301 /health; }", `location = /health { return 200 "healthy\n"; }`}
)

var rows = []row{
	{log: postfix, example: "SMTP", last: "disconnect from", want: "-"},
	{log: postfix, example: "submission", last: "disconnect from", secured: true, want: "-"},
	{log: postfix, example: "SMTP over TLS", last: "disconnect from", secured: true, more: smtps, want: "-"},
	{log: imap, example: "IMAP", last: "Aborted login", want: "-"},
	{log: imap, example: "IMAP with STARTTLS", last: "Aborted login", secured: true, want: "-"},
	{log: pop3, example: "POP3", last: "Aborted login", want: "-"},
	{log: pop3, example: "POP3 with STLS", last: "Aborted login", secured: true, want: "-"},
	{log: vsftpd, example: "FTP", last: "221", want: "-"},
	{log: vsftpd, example: "FTP with AUTH TLS", last: "221", secured: true, want: "-"},
	{log: redis, example: "Redis", last: "Accepted", want: "-"},
	{log: redis, example: "Redis with a password", last: "Accepted", more: []string{"--requirepass", password}, want: "-"},
	{log: memcached, example: "memcached", last: "connection closed", want: "-"},
	{log: openSSH, example: "SSH", last: "Connection closed", want: "-"},
	{log: postgreSQL, example: "PostgreSQL", last: "connection received", secured: true, want: "-"},
	{log: mariaDB, example: "MySQL", last: "Aborted connection", secured: true, want: "-"},
	{log: nginx, example: "HTTP", last: "/health", more: redirect, want: "-"},
	{log: nginx, example: "HTTP after a redirect", last: "/health", more: redirect, want: "-"},

	{log: nginx, example: "HTTP", wrong: "there is no /health", last: "/health", more: []string{"return 404;"}, want: "unexpected_answer"},
	{log: redis, example: "Redis", wrong: "it asks for a password", last: "Client closed", more: []string{"--requirepass", password}, waits: true, want: "unexpected_answer"},
	{log: redis, example: "Redis with a password", wrong: "the password is another one", last: "Client closed", more: []string{"--requirepass", "an0ther"}, waits: true, want: "unexpected_answer"},
	{log: postfix, example: "submission", wrong: "it has no TLS", last: "disconnect from", waits: true, want: "starttls_refused"},
	{log: imap, example: "IMAP with STARTTLS", wrong: "`ssl = no`", last: "Disconnected", waits: true, want: "starttls_refused"},
	{log: pop3, example: "POP3 with STLS", wrong: "`ssl = no`", last: "Disconnected", waits: true, want: "starttls_refused"},
	{log: vsftpd, example: "FTP with AUTH TLS", wrong: "`ssl_enable=NO`", last: "530", waits: true, want: "starttls_refused"},
	{log: postgreSQL, example: "PostgreSQL", wrong: "`ssl=off`", last: "connection received", want: "starttls_refused"},
	{log: mariaDB, example: "MySQL", wrong: "it has no certificate", last: "Aborted connection", want: "starttls_refused"},
	{log: postgreSQL, example: "SMTP", wrong: "it speaks another protocol, and waits for the client to begin", last: "connection received", waits: true, want: "dialog_timeout"},
	{log: postfix, example: "submission", wrong: "nobody trusts its certificate", last: "disconnect from", secured: true, untrusted: true, want: "tls_unknown_authority"},
	{log: mariaDB, example: "MySQL", wrong: "it has blocked the host (`max_connect_errors`)", secured: true, more: []string{"--max-connect-errors=1"}, last: "Aborted connection", prepare: blocked, want: "unexpected_answer"},
}

// blocked breaks handshakes off until the server refuses the host.
func blocked(t *testing.T, address string, program *harness.Program) {
	t.Helper()
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", address)
		require.NoError(t, err)
		defer func() { _ = conn.Close() }()
		greeting := make([]byte, 512)
		n, _ := conn.Read(greeting)
		return strings.Contains(string(greeting[:n]), "is blocked")
	}, harness.Patience, harness.Patience/1000)
	program.Await("Aborted connection", servers.Host) // it does not ask for the name of a host that it has blocked
}

var general = []struct {
	is      *regexp.Regexp
	becomes string
}{
	{regexp.MustCompile(regexp.QuoteMeta(servers.Host) + `(:\d+| port \d+|\b.*?\bport=\d+)?`), "ADDRESS"},
	{regexp.MustCompile(`Date: .*? GMT`), "Date: DATE"},
	{regexp.MustCompile(`, session=<[^>]*>`), ""},
	{regexp.MustCompile(`(FTP \w+:) Client "ADDRESS",`), "$1"},
	{regexp.MustCompile(`\b(connection |id=|fd: |errno: )\d+`), "${1}N"},
	{regexp.MustCompile(`attempts in \d+ secs`), "attempts in N secs"},
	{regexp.MustCompile(` laddr=.*`), " …"},
	{regexp.MustCompile(`\r?\n|[|]`), " "},
}

// generic returns a line without what is different each time.
func generic(line string) string {
	for _, g := range general {
		line = g.is.ReplaceAllString(line, g.becomes)
	}
	return line
}
