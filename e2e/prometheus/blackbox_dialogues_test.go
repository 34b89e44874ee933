package prometheus

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/e2e/harness"
	"example.com/tcpcheckreceiver/internal/testnet"
)

// pings are services at which the page's module for Redis, and the steps that it becomes, say PING; in the
// order of the page's table. Each says something and goes on as long as the client does, or closes.
var pings = []struct {
	does   string // in the words of the page
	says   string
	closes bool
}{
	{"`+PONG`", "+PONG\r\n", false},
	{"`+PONG`, without the end of a line", "+PONG", false},
	{"`-LOADING`", "-LOADING\r\n", false},
	{"`-LOADING`, and closes", "-LOADING\r\n", true},
	{"nothing", "", false},
	{"nothing, and closes", "", true},
}

// The exporter's modules with query_response, and the steps that take their place, say of the same services
// what the page says.
func TestBlackboxDialogues(t *testing.T) {
	requireInstalled(t, blackboxProgram)
	w := newWorld(t)
	authority, ca := testnet.NewAuthority(t), filepath.Join(t.TempDir(), "ca.pem")
	harness.Write(t, ca, string(authority.PEM()))
	for name, serve := range map[string]func(net.Conn){
		"redis.example.com:6379": func(c net.Conn) { answer(c, map[string]string{"PING": "+PONG\r\n"}) },
		"chat.example.com:6667": func(c net.Conn) {
			answer(c, map[string]string{"USER": "PING :4711\r\n", "PONG 4711": ":chat.example.com 001 check :welcome\r\n"})
		},
		"mail.example.com:25": func(c net.Conn) { serveMail(c, authority.Issue([]string{"mail.example.com"})) },
	} {
		host, port, _ := net.SplitHostPort(name)
		w.resolve(host, "127.0.0.1")
		testnet.Serve(t, "tcp4", "127.0.0.1:"+port, serve)
	}
	targets := make([]string, len(pings))
	for i, ping := range pings {
		targets[i] = testnet.Serve(t, "tcp4", "127.0.0.1:0", func(c net.Conn) {
			line, _ := bufio.NewReader(c).ReadString('\n')
			_, _ = io.WriteString(c, ping.says)
			if line != "" && !ping.closes {
				_, _ = io.Copy(io.Discard, c)
			}
		}).String()
	}
	closed := testnet.ClosedPort(t, "127.0.0.1").String()

	_, section, found := strings.Cut(harness.Read(t, blackboxPage), "\n## Dialogues\n")
	require.True(t, found)
	config := filepath.Join(t.TempDir(), "blackbox.yml")
	const pageCA = "/etc/ssl/mail-ca.pem"
	modules := harness.BlockOf(t, "docs/migrating-from-blackbox-exporter.md", "modules:\n  redis:")
	receiver := harness.BlockOf(t, "docs/migrating-from-blackbox-exporter.md", "receivers:\n  tcpcheck:\n    scrape_configs:\n      - job_name: redis\n")
	require.Contains(t, modules, pageCA)
	require.Contains(t, receiver, pageCA)
	harness.Write(t, config, strings.ReplaceAll(modules, pageCA, ca))
	harness.Start(t, exec.Command(blackboxProgram, "--config.file="+config, "--web.listen-address=127.0.0.1:9115"), "Listening on")

	ofJob := map[string][]string{
		"redis": append([]string{"redis.example.com:6379", closed}, targets...), "chat": {"chat.example.com:6667"}, "mail": {"mail.example.com:25"},
	}
	jobs := "scrape_configs:\n"
	for job, targets := range ofJob {
		list, err := json.Marshal(targets) // which is YAML as well
		require.NoError(t, err)
		inPage := fmt.Sprintf("targets: [%q]", targets[0])
		require.Contains(t, receiver, inPage)
		receiver = strings.Replace(receiver, inPage, "targets: "+string(list), 1)
		jobs += fmt.Sprintf(`  - job_name: %s
    metrics_path: /probe
    params: {module: [%[1]s]}
    scrape_interval: 3s
    scrape_timeout: 3s
    static_configs: [{targets: %s}]
    relabel_configs:
      - {source_labels: [__address__], target_label: __param_target}
      - {source_labels: [__param_target], target_label: instance}
      - {target_label: __address__, replacement: "127.0.0.1:9115"}
`, job, list)
	}
	c := startCollectorAt(t, "localhost:9464", "", strings.ReplaceAll(receiver, pageCA, ca)+"exporters: {prometheus: {metric_expiration: 10s}}\n")
	s := startServer(t, c, "scrape_configs:\n", jobs)

	for _, targets := range ofJob {
		s.awaitLines(fmt.Sprintf("probe_success{instance=%q} == 1", targets[0]), []model.LabelName{"instance"}, targets[0])
		s.awaitLines(fmt.Sprintf("tcpcheck_dialog_ok{tcpcheck_instance=%q} == 1", targets[0]), []model.LabelName{"tcpcheck_instance"}, targets[0])
	}
	s.awaitLines("tcpcheck_tls_verified == 1", []model.LabelName{"tcpcheck_instance"}, ofJob["mail"][0])
	s.await("tcpcheck_dialog_ok", func(answer model.Vector) bool { return len(answer) == len(targets)+len(ofJob) })
	s.await(`probe_success{job="redis"}`, func(answer model.Vector) bool { return len(answer) == len(ofJob["redis"]) })

	rows, does := append([]string{closed}, targets...), []string{"(does not accept)"}
	for _, ping := range pings {
		does = append(does, ping.does)
	}
	compareTable(t, "dialogues", func() string {
		table := "| the service says | `probe_success` | `probe_failed_due_to_regex` | `network_tcp_can_connect` | `tcpcheck_dialog_ok` | `error_type` |\n" + strings.Repeat("| --- ", 6) + "|\n"
		for i, target := range rows {
			table += "| " + does[i]
			for _, name := range []string{"probe_success", "probe_failed_due_to_regex"} {
				table += " | " + valueOf(s.query(fmt.Sprintf("%s{instance=%q}", name, target)))
			}
			for _, name := range []string{"network_tcp_can_connect", "tcpcheck_dialog_ok"} {
				table += " | " + valueOf(s.query(fmt.Sprintf("%s{tcpcheck_instance=%q}", name, target)))
			}
			reasons := linesOf(s.query(fmt.Sprintf("tcpcheck_errors_total{tcpcheck_instance=%q}", target)), []model.LabelName{"error_type"})
			table += " | " + quotedOrNone(strings.Join(reasons, ", ")) + " |\n"
		}
		return table
	})
	query := regexp.MustCompile("`(min without \\(\\) [^`]+)`").FindStringSubmatch(section)
	require.NotNil(t, query)
	for i, target := range rows {
		ours, theirs := s.query("("+query[1]+fmt.Sprintf(") and on (tcpcheck_instance) network_tcp_can_connect{tcpcheck_instance=%q}", target)), s.query(fmt.Sprintf("probe_success{instance=%q}", target))
		assert.Equal(t, valueOf(ours) == valueOf(theirs), i != 2, "the one without the end of a line is another: %s", does[i])
	}
}

// valueOf returns the value of the one sample of an answer, or a dash if there is none.
func valueOf(answer model.Vector) string {
	if len(answer) == 0 {
		return "-"
	}
	return answer[0].Value.String()
}

// quotedOrNone returns a text as code, or a dash if it is empty.
func quotedOrNone(text string) string {
	if text == "" {
		return "-"
	}
	return "`" + text + "`"
}

// answer answers the lines of a client that begin with a text, until it closes the connection.
func answer(conn io.ReadWriter, answers map[string]string) {
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		for begin, text := range answers {
			if !strings.HasPrefix(lines.Text(), begin) {
				continue
			}
			if _, err := io.WriteString(conn, text); err != nil {
				return
			}
		}
	}
}

// serveMail is a server of SMTP that has STARTTLS (RFC 3207).
func serveMail(conn net.Conn, certificate tls.Certificate) {
	_, _ = io.WriteString(conn, "220 mail.example.com ESMTP\r\n")
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		switch line := lines.Text(); {
		case strings.HasPrefix(line, "EHLO"):
			_, _ = io.WriteString(conn, "250-mail.example.com\r\n250-STARTTLS\r\n250 DSN\r\n")
		case line == "STARTTLS":
			_, _ = io.WriteString(conn, "220 go ahead\r\n")
			answer(tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}),
				map[string]string{"EHLO": "250-mail.example.com\r\n250 DSN\r\n", "QUIT": "221 bye\r\n"})
			return
		}
	}
}
