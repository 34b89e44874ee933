package status

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/e2e/harness"
)

// ran returns what a command prints and its exit status.
func ran(t *testing.T, c *exec.Cmd) (printed string, status int) {
	t.Helper()
	text, err := c.CombinedOutput()
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		return string(text), exit.ExitCode()
	}
	require.NoError(t, err)
	return string(text), 0
}

// What `tcpcheck status` prints of a collector, and as what it ends.
func TestCommand(t *testing.T) {
	closeDatabase, _ := openShop(t, "tcp4")
	awaitPage(t, "1 of 6 targets is down over IPv6 only.") // so the database has connected, and has an average
	closeDatabase()
	awaitPage(t, "1 of 6 targets is down, and 1 more over IPv6 only.")
	program := harness.Command(t)
	for _, c := range []struct {
		arguments string
		status    int
		names     []string // in the order of the lines
	}{
		{"", 2, []string{"database", "database", "api", "api", "imap", "imap", "smtp", "smtp", "cache", "cache", "web", "web"}},
		{"mail", 0, []string{"imap", "imap", "smtp", "smtp"}},
		{"--service mail 993", 0, []string{"imap", "imap"}},
		{"--state down", 2, []string{"database", "database"}},
		{"--state one_family", 1, []string{"api", "api"}},
		{"--state down --family ipv6", 2, []string{"database", "database", "api", "api"}},
		{"--service -", 0, nil},
	} {
		t.Run(c.arguments, func(t *testing.T) {
			printed, status := ran(t, exec.Command(program, append([]string{"status"}, strings.Fields(c.arguments)...)...))
			assert.Equal(t, c.status, status, printed)
			var names []string
			for _, line := range regexp.MustCompile(`(?m)^(\w+) +\S+:\d+ +ipv[46] `).FindAllStringSubmatch(printed, -1) {
				names = append(names, line[1])
			}
			assert.Equal(t, c.names, names, printed)
			assert.True(t, strings.HasPrefix(printed, "1 of 6 targets is down, and 1 more over IPv6 only ("), printed)
		})
	}
	printed, status := ran(t, exec.Command(program, "status", "-o", "json", "--state", "one_family"))
	assert.Equal(t, 1, status)
	served := get(t, "api/v1/status?state=one_family")
	assert.Equal(t, untimed(served), untimed(printed))

	const page = "../../docs/command.md"
	shown := harness.BlockOf(t, "docs/command.md", "$ tcpcheck status\n")
	printed, _ = ran(t, exec.Command(program, "status"))
	printed = "$ tcpcheck status\n" + printed
	if *update {
		harness.Write(t, page, strings.Replace(harness.Read(t, page), shown, printed, 1))
		return
	}
	assert.Equal(t, untimed(shown), untimed(printed), "run the test with -update")
}

// untimed returns what is printed without times, which are others every time.
func untimed(printed string) string {
	printed = regexp.MustCompile(`\d{4}-\d\d-\d\d[ T][\d:.]+Z?|\b[\d.]+[nµm]?s?\b|"(average_)?response_time_seconds":[\d.e-]+`).ReplaceAllString(printed, "…")
	return regexp.MustCompile(` +`).ReplaceAllString(printed, " ")
}

// Without a page, with another server in its place, or with a filter that is none, a sentence says so.
func TestCommandFails(t *testing.T) {
	harness.RequireNamespace(t)
	program := harness.Command(t)
	printed, status := ran(t, exec.Command(program, "status"))
	assert.Equal(t, 3, status)
	assert.Contains(t, printed, "http://localhost:9465 does not answer, where the status page of a collector is to be")
	openShop(t, "tcp")
	for arguments, want := range map[string]string{
		"--state broken":  `http://localhost:9465 answers 400 Bad Request: state: "broken" is none; they are down, one_family, partly, failing, unchecked, unknown, up, troubled`,
		"-o xml":          `--output "xml" is none; it is table or json`,
		"--url localhost": `--url "localhost" is not such as http://localhost:9465`,
	} {
		printed, status := ran(t, exec.Command(program, append([]string{"status"}, strings.Fields(arguments)...)...))
		assert.Equal(t, 3, status, arguments)
		assert.Contains(t, printed, want)
	}
}

// one returns the configuration of a receiver with one target.
func one(id, options string) string {
	return "  " + id + ":\n    " + options + "\n    instances: [{name: " + strings.Trim(id, `"`) + ", host: 127.0.0.1, port: 7000}]\n"
}

// A collector that is written wrongly says what is wrong, ends, and nothing of it stays.
func TestBadConfigurations(t *testing.T) {
	harness.RequireNamespace(t)
	notPEM := filepath.Join(t.TempDir(), "not.pem")
	harness.Write(t, notPEM, "x")
	shown := one("tcpcheck", "status: tcpcheck_status")
	for _, c := range []struct {
		name, config string
		busy         bool
		want         string
	}{
		{"a busy port", configuration(plain, "tcpcheck_status", shown), true, "endpoint: listen tcp 127.0.0.1:9465: bind: address already in use"},
		{"no file of TLS", configuration("  tcpcheck_status: {tls: {cert_file: /nowhere.pem, key_file: /nowhere.key}}\n", "tcpcheck_status", shown), false, "/nowhere.pem: no such file or directory"},
		{"a wrong file of TLS", configuration("  tcpcheck_status: {tls: {cert_file: "+notPEM+", key_file: "+notPEM+"}}\n", "tcpcheck_status", shown), false, "tls: failed to load TLS config"},
		{"no authenticator", configuration("  tcpcheck_status: {auth: {authenticator: basicauth}}\n", "tcpcheck_status", shown), false, `authenticator "basicauth"`},
		{"a wrong host", configuration("  tcpcheck_status: {hosts: ['http://a']}\n", "tcpcheck_status", shown), false, `hosts[0]: "http://a" is no name of a host`},
		{"no such extension", configuration(plain, "tcpcheck_status", one("tcpcheck", "status: tcpcheck_status/other")), false, "status: there is no extension tcpcheck_status/other; it has to be in extensions, and in service.extensions"},
		{"an extension that does not run", configuration(plain, "", shown), false, "status: there is no extension tcpcheck_status; it has to be in extensions, and in service.extensions"},
		{"an extension of another type", configuration(plain+"  healthcheckv2:\n", "tcpcheck_status, healthcheckv2", one("tcpcheck", "status: healthcheckv2")), false, "status: the extension healthcheckv2 shows no status"},
		{"two receivers of one name", configuration(plain, "tcpcheck_status", shown+shown), false, `mapping key "tcpcheck" already defined`},
		{"two receivers of one name, written differently", configuration(plain, "tcpcheck_status", one("tcpcheck/a", "status: tcpcheck_status")+one(`"tcpcheck/ a"`, "status: tcpcheck_status")), false, `duplicate name "tcpcheck/`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.busy {
				defer func(l net.Listener) { _ = l.Close() }(listen(t, "tcp", "127.0.0.1:9465"))
			}
			printed, status := ran(t, collector(t, c.config))
			assert.Equal(t, 1, status)
			assert.Contains(t, printed, c.want)
			assert.NotContains(t, printed, "panic")
			assert.NotContains(t, printed, harness.CollectorReady)
			if !c.busy {
				_, err := net.Dial("tcp", "127.0.0.1:9465")
				require.Error(t, err, "nobody listens")
			}
		})
	}
}

// Each receiver that names the page is on it once, also one of several pipelines; and it goes on over a reload.
func TestReceivers(t *testing.T) {
	harness.RequireNamespace(t)
	config := configuration(plain, "tcpcheck_status", one("tcpcheck", "{status: tcpcheck_status}")+one("tcpcheck/second", "status: tcpcheck_status")+one("tcpcheck/hidden", "quiet: false"))
	config = strings.Replace(config, "    {status: tcpcheck_status}", "    status: tcpcheck_status\n    initial_delay: 0", 1)
	config = strings.Replace(config, "    status: tcpcheck_status\n    instances: [{name: tcpcheck/second", "    status: tcpcheck_status\n    initial_delay: 0\n    instances: [{name: tcpcheck/second", 1)
	config += "    logs:\n      receivers: [tcpcheck]\n      exporters: [debug]\n"
	command := collector(t, config)
	program := harness.Start(t, command, harness.CollectorReady)
	awaitPage(t, "2 of 2 targets are down.")
	before := get(t, "api/v1/status")
	file := command.Args[2]
	harness.Write(t, file, strings.Replace(config, "name: tcpcheck/second", "name: renamed", 1))
	program.Reload()
	awaitPage(t, "2 of 2 targets are down.")
	after := get(t, "api/v1/status")
	ids := func(text string) []string {
		var ids []string
		for _, id := range regexp.MustCompile(`"id":"(\w+)","receiver":"tcpcheck",`).FindAllStringSubmatch(text, -1) {
			ids = append(ids, id[1])
		}
		return ids
	}
	assert.Len(t, ids(before), 1)
	assert.Equal(t, ids(before), ids(after), "a link to a target stays")
	assert.NotContains(t, after, "tcpcheck/hidden")
	_, err := os.Stat(file)
	require.NoError(t, err)
}
