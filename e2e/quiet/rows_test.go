package quiet

import (
	"regexp"

	"example.com/tcpcheckreceiver/e2e/servers"
)

// row is a server, and how its log is read.
type row struct {
	servers.Server
	verbose string // what makes it log more than by default
	// line is what is told of a line of its log, and last what the last line of a check has.
	line *regexp.Regexp
	last string
}

var rows = []row{
	// Whether the banner of OpenSSH finds the connection closed or reset is chance.
	{servers.OpenSSH, "as by default", regexp.MustCompile(`^(kex_exchange_identification|Connection (?:closed|reset) by .*)`), " by " + servers.Host},
	{servers.PostgreSQL, "`log_connections=on`", regexp.MustCompile(`LOG:  (connection .*)`), "connection received"},
	{servers.MariaDB, "`log_warnings=4`", regexp.MustCompile(`(\[(?:Warning|Error)\] Aborted.*)`), "Aborted connection"},
	{servers.Redis, "`loglevel verbose`", regexp.MustCompile(`\d - ((?:Accepted|Client closed connection).*)`), "Client closed connection"},
	{servers.NginxStream, "`error_log … info` and an access log", regexp.MustCompile(`(client .* connected to.*|access: .*)`), "access:"},
	{servers.Postfix, "as by default", regexp.MustCompile(`smtpd\[\d+\]: (.*)`), "disconnect from"},
	{servers.DovecotIMAP, "as by default", regexp.MustCompile(`imap-login: Info: (Disconnected: Connection closed)`), "Disconnected"},
}
