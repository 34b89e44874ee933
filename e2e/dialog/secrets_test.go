package dialog

import (
	"bufio"
	"fmt"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/e2e/harness"
	"example.com/tcpcheckreceiver/internal/testnet"
)

// What is sent is in no event, in no line of the log, and not in the configuration as it is printed, whatever a service
// makes of it.
func TestSentIsNotTold(t *testing.T) {
	instances := ""
	for name, answer := range map[string]string{
		"repeats": "-ERR unknown command 'LOGIN', with args: %s %s\r\n", "quotes": "500 %q %q?\r\n", "mixes": "no%s%s\r\n", "goes on": "%s", "closes": "",
	} {
		server := testnet.Serve(t, "tcp4", "127.0.0.1:0", func(conn net.Conn) {
			line, err := bufio.NewReader(conn).ReadString('\n')
			if err != nil {
				return // it is the check of the connection
			}
			var command, user, password string
			_, _ = fmt.Sscan(line, &command, &user, &password)
			switch answer {
			case "":
			case "%s":
				for {
					if _, err := conn.Write([]byte(line)); err != nil {
						return
					}
				}
			default:
				_, _ = fmt.Fprintf(conn, answer, user, password)
			}
		})
		instances += fmt.Sprintf("  - {name: %s, host: 127.0.0.1, port: %d}\n", name, server.Port())
	}
	told := harness.Told(t, `initial_delay: 0
defaults:
  steps_interval: 1s
  steps:
    - send: "LOGIN alice-of-wonderland hunter2\r\n"
    - expect: ^OK
instances:
`+instances, 5)
	require.Contains(t, told, "tcpcheck.dialog.failed")
	require.Contains(t, told, "unknown command 'LOGIN'")
	require.NotContains(t, told, "alice-of-wonderland")
	require.NotContains(t, told, "hunter2")
}
