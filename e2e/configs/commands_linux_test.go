package configs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/e2e/harness"
	"example.com/tcpcheckreceiver/internal/testnet"
)

// on returns a command for a folder, with programs in its PATH by their names.
func on(t *testing.T, command *exec.Cmd, folder string, programs map[string]string) *exec.Cmd {
	t.Helper()
	path := t.TempDir()
	for name, program := range programs {
		absolute, err := filepath.Abs(program)
		require.NoError(t, err)
		require.NoError(t, os.Symlink(absolute, filepath.Join(path, name)))
	}
	command.Dir = folder
	command.Env = append(os.Environ(), "PATH="+path+":"+os.Getenv("PATH"))
	return command
}

// The examples of docs/command.md print what the page says, on a machine with both families.
func TestDocumentedCommand(t *testing.T) {
	m := harness.NewMachine(t)
	require.NoError(t, m.Do(func() error { return os.WriteFile("/proc/sys/net/ipv6/conf/lo/disable_ipv6", []byte("0"), 0o600) }))
	program, folder := harness.Command(t), t.TempDir()
	hosts := filepath.Join(folder, "hosts")
	harness.Write(t, hosts, "127.0.0.1 localhost\n::1 localhost\n")

	m.Listen("tcp4", "127.0.0.1:18080")
	authority := testnet.NewAuthority(t)
	harness.Write(t, filepath.Join(folder, "root.pem"), string(authority.PEM()))
	for address, changes := range map[string][]func(*x509.Certificate){
		"127.0.0.1:18443": {testnet.Lasting(59*24*time.Hour + time.Hour)},
		"[::1]:18443":     {func(c *x509.Certificate) { c.NotBefore = time.Now().Add(-48 * time.Hour) }, testnet.Lasting(-25 * time.Hour)},
	} {
		certificate := authority.Issue([]string{"localhost"}, changes...)
		testnet.ServeTLS(t, m.Listen("tcp", address), func() *tls.Certificate { return &certificate })
	}
	for address, answer := range map[string]string{"127.0.0.1:16379": "+PONG\r\n", "[::1]:16379": "-NOAUTH Authentication required.\r\n"} {
		serve(t, m.Listen("tcp", address), answer)
	}

	for _, c := range []struct {
		block, config string
		status        int
	}{
		{harness.BlockOf(t, "docs/command.md", "$ tcpcheck --config collector.yaml\nreceivers::"), "receivers: {tcpcheck: {instances: [{name: web, host: localhost, port: 0}]}}", 3},
		{harness.BlockOf(t, "docs/command.md", "$ tcpcheck -c 2"), "", 0},
		{harness.BlockOf(t, "docs/command.md", "$ tcpcheck -o nagios"), "", 0},
		{harness.BlockOf(t, "docs/command.md", "$ tcpcheck --tls"), "", 2},
		{harness.BlockOf(t, "docs/command.md", "$ tcpcheck --config collector.yaml\nTARGET"), harness.BlockOf(t, "docs/command.md", "receivers:"), 2},
	} {
		line, shown, _ := strings.Cut(c.block, "\n")
		t.Run(line, func(t *testing.T) {
			harness.Write(t, filepath.Join(folder, "collector.yaml"), c.config)
			ran := on(t, m.Command(harness.WithFile("/etc/hosts", hosts, "sh", "-c", strings.TrimPrefix(line, "$ ")).Args...), folder, map[string]string{"tcpcheck": program})
			printed, err := ran.CombinedOutput()
			status := 0
			if exit := new(exec.ExitError); errors.As(err, &exit) {
				status = exit.ExitCode()
			} else {
				require.NoError(t, err)
			}
			assert.Equal(t, c.status, status)
			assert.Equal(t, lasting(shown), lasting(string(printed)))
		})
	}
}

// lasting returns what is printed without what is another every time: how long something took, and when it was.
func lasting(printed string) string {
	printed = regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC|\b[\d.]+[nµm]?s\b|=[\d.e-]+s`).ReplaceAllString(printed, "…")
	return regexp.MustCompile(` +`).ReplaceAllString(regexp.MustCompile(` +\n`).ReplaceAllString(printed, "\n"), " ")
}

// serve answers whatever is said first over each connection that a listener accepts, until the client closes it.
func serve(t *testing.T, listener net.Listener, answer string) {
	t.Helper()
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = connection.Close() }()
				if _, err := connection.Read(make([]byte, 64)); err == nil {
					_, _ = io.WriteString(connection, answer)
				}
				_, _ = io.Copy(io.Discard, connection)
			}()
		}
	}()
}

// The completion of docs/command.md knows the flags of the command.
func TestDocumentedCompletion(t *testing.T) {
	const library = "/usr/share/bash-completion/bash_completion"
	if _, err := os.Stat(library); err != nil {
		t.Skip("needs bash-completion, which .ci/run installs")
	}
	script := "source " + library + "\n" + harness.BlockOf(t, "docs/command.md", "source ") + `
complete -p tcpcheck >/dev/null
COMP_WORDS=(tcpcheck --trac) COMP_CWORD=1 COMP_LINE="tcpcheck --trac" COMP_POINT=15
"$(complete -p tcpcheck | sed 's/.*-F \([^ ]*\).*/\1/')" tcpcheck --trac tcpcheck && printf '%s\n' "${COMPREPLY[@]}"`
	said, err := on(t, exec.Command("bash", "-ec", script), t.TempDir(), map[string]string{"tcpcheck": harness.Command(t)}).CombinedOutput()
	require.NoError(t, err, "%s", said)
	assert.Contains(t, string(said), "--trace")
}

// The README's commands: the first one checks what it is given, and the other two are what CI runs.
func TestDocumentedTargets(t *testing.T) {
	commands := strings.Split(strings.TrimSpace(harness.BlockOf(t, "README.md", "make check")), "\n")
	require.Len(t, commands, 3)
	said, err := on(t, exec.Command("sh", "-euc", commands[0]), "../..", nil).CombinedOutput()
	require.Error(t, err, "not every address connects, of these targets on any machine that this test runs on")
	assert.Regexp(t, `(?m)^localhost:22 .*\n`, string(said))
	assert.Regexp(t, `(?m)^example.com:443 .*\n`, string(said))

	assert.Regexp(t, `^make run +#`, commands[1])
	assert.Contains(t, harness.Read(t, "../without-ipv6.sh"), `"$@" run`)
	assert.Regexp(t, `^make test +#`, commands[2])
	assert.Regexp(t, `(?m)^for step in .*\btest\b.*; do\n(.*\n)*? *make "\$step"$`, harness.Read(t, "../../.ci/run"))

	// It takes ten minutes: make says what it would do.
	for line := range strings.Lines(harness.BlockOf(t, "docs/reliability.md", "make soak")) {
		said, err := on(t, exec.Command("sh", "-euc", strings.Replace(line, "make ", "make --dry-run ", 1)), "../..", nil).CombinedOutput()
		require.NoError(t, err, "%s", said)
		assert.Contains(t, string(said), "-run TestSoak ./soak")
	}
}

// The monitor that docs/migrating-from-datadog.md sends is the one that is shipped.
func TestDocumentedMonitor(t *testing.T) {
	var got *http.Request
	var body []byte
	authority := testnet.NewAuthority(t)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, request *http.Request) {
		got = request
		body, _ = io.ReadAll(request.Body)
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{authority.Issue([]string{"api.localhost"})}, MinVersion: tls.VersionTLS13}
	server.StartTLS()
	t.Cleanup(server.Close)
	roots := filepath.Join(t.TempDir(), "roots.pem")
	harness.Write(t, roots, string(authority.PEM()))
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	require.NoError(t, err)

	sending := on(t, exec.Command("sh", "-euc", harness.BlockOf(t, "docs/migrating-from-datadog.md", "curl")), "../..", nil)
	sending.Env = append(sending.Env, "CURL_CA_BUNDLE="+roots, "DD_SITE=localhost:"+port, "DD_API_KEY=a", "DD_APP_KEY=b")
	said, err := sending.CombinedOutput()
	require.NoError(t, err, "%s", said)
	require.NotNil(t, got)
	assert.Equal(t, "POST /api/v1/monitor application/json a b", strings.Join([]string{
		got.Method, got.URL.Path, got.Header.Get("Content-Type"), got.Header.Get("Dd-Api-Key"), got.Header.Get("Dd-Application-Key"),
	}, " "))
	assert.JSONEq(t, harness.Read(t, "../../datadog/monitor.json"), string(body))
}

// The agent of docs/scaling.md starts, and a collector whose configuration is another one reads it as the page says.
func TestDocumentedReload(t *testing.T) {
	collector := map[string]string{"tcpcheck-collector": harness.Binary(t, "COLLECTOR", "configs")}
	harness.Start(t, on(t, exec.Command("sh", "-euc", "exec env "+harness.BlockOf(t, "docs/scaling.md", "VANTAGE_POINT=")), "../..", collector), harness.CollectorReady).Stop()

	folder, page := t.TempDir(), harness.FreeAddress(t)
	configure := func(name string) {
		harness.Write(t, filepath.Join(folder, "collector.yaml"), strings.NewReplacer("NAME", name, "PAGE", page).Replace(`
receivers: {tcpcheck: {initial_delay: 0s, instances: [{name: NAME, endpoint: "PAGE"}]}}
exporters: {prometheus: {endpoint: "PAGE"}}
service:
  telemetry: {metrics: {level: none}}
  pipelines: {metrics: {receivers: [tcpcheck], exporters: [prometheus]}}
`))
	}
	await := func(name string) {
		harness.AwaitPage(t, func() (harness.Page, error) { return harness.ReadPage(page) }, func(p harness.Page) bool {
			found := p.Of("network_tcp_can_connect")
			return len(found) == 1 && found[0].Labels["tcpcheck_instance"] == name
		})
	}
	configure("first")
	running := exec.Command(collector["tcpcheck-collector"], "--config", filepath.Join(folder, "collector.yaml"))
	harness.Start(t, running, harness.CollectorReady)
	await("first")
	configure("second")
	reload := on(t, exec.Command("sh", "-euc", harness.BlockOf(t, "docs/scaling.md", "tcpcheck-collector validate")), folder, collector)
	reload.Env = append(reload.Env, "PID="+strconv.Itoa(running.Process.Pid))
	said, err := reload.CombinedOutput()
	require.NoError(t, err, "%s", said)
	await("second")
}

// The module can be renamed by the command of CONTRIBUTING.md: all is generated anew, and builds.
func TestDocumentedRename(t *testing.T) {
	clone := filepath.Join(t.TempDir(), "clone")
	said, err := exec.Command("git", "clone", "--quiet", "../..", clone).CombinedOutput()
	require.NoError(t, err, "%s", said)
	said, err = on(t, exec.Command("sh", "-euc", harness.BlockOf(t, "CONTRIBUTING.md", "git ls-files")+"\ngo build ./... && go -C cmd/tcpcheck vet ./..."), clone, nil).CombinedOutput()
	require.NoError(t, err, "%s", said)
	left, _ := on(t, exec.Command("git", "grep", "--files-with-matches", `example\.com/tcpcheckreceiver`), clone, nil).Output()
	assert.Empty(t, string(left))
}
