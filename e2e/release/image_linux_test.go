package release

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/e2e/harness"
	"example.com/tcpcheckreceiver/internal/testnet"
)

// What podman is told of the machine of the test: which program runs containers, and that it is to set no limit.
const engine = `
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
`

// The image is one index of both architectures. By the commands of docs/installation.md it runs with a read-only root, as
// a user without a name and without a capability, and checks what its configuration says, TLS as well where it is given roots.
func TestImage(t *testing.T) {
	needs(t, "skopeo", "podman", "runc")
	archive := file(t, "tcpcheck-collector", "oci.tar")
	for _, architecture := range []string{"amd64", "arm64"} {
		var image struct {
			Architecture string
			Created      string
			Config       struct {
				User   string
				Labels map[string]string
			} `json:"config"`
		}
		text := output(t, "skopeo", "inspect", "--config", "--override-os=linux", "--override-arch="+architecture, "oci-archive:"+archive)
		require.NoError(t, json.Unmarshal([]byte(text), &image))
		assert.Equal(t, architecture, image.Architecture)
		assert.Equal(t, "65532:65532", image.Config.User)
		assert.Equal(t, version(t), image.Config.Labels["org.opencontainers.image.version"])
		assert.Equal(t, image.Created, image.Config.Labels["org.opencontainers.image.created"])
	}

	harness.RequireRoot(t, "run a container")
	m := harness.NewMachine(t)
	authority := testnet.NewAuthority(t)
	listener := m.Listen("tcp4", "127.0.0.1:18443")
	certificate := authority.Issue([]string{"localhost"})
	testnet.ServeTLS(t, listener, func() *tls.Certificate { return &certificate })

	folder, err := os.MkdirTemp("", "podman") //nolint:usetesting // a container is cleaned up after it has ended, by a process of its own
	require.NoError(t, err)
	t.Cleanup(func() {
		assert.Eventually(t, func() bool { return os.RemoveAll(folder) == nil }, harness.Patience, 100*time.Millisecond)
	})
	require.NoError(t, os.Symlink(absolute(t, archive), filepath.Join(folder, filepath.Base(archive))))
	harness.Write(t, filepath.Join(folder, "engine.conf"), engine)
	harness.Write(t, filepath.Join(folder, "storage.conf"), fmt.Sprintf("[storage]\ndriver = \"vfs\"\ngraphroot = %q\nrunroot = %q\n", folder+"/storage", folder+"/run"))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "roots.crt"), authority.PEM(), 0o644))       //nolint:gosec // for the container's user
	require.NoError(t, os.WriteFile(filepath.Join(folder, "config.yaml"), []byte(inContainer), 0o644)) //nolint:gosec // as above
	podman := func(commands string) *exec.Cmd {
		command := m.Command("sh", "-euc", commands)
		command.Dir = folder
		command.Env = append(os.Environ(), "CONTAINERS_CONF="+folder+"/engine.conf", "CONTAINERS_STORAGE_CONF="+folder+"/storage.conf")
		return command
	}
	load, run, _ := strings.Cut(ofVersion(t, harness.BlockOf(t, "docs/installation.md", "podman load")), "\n")
	text, err := podman(load).CombinedOutput()
	require.NoError(t, err, "%s", text)

	places := strings.SplitAfter(strings.TrimSpace(harness.BlockOf(t, "docs/installation.md", "  --volume /etc/ssl")), "\n")
	require.Len(t, places, 2)
	for _, c := range []struct {
		name, volume string
		roots        bool
	}{
		{"no roots", "", false},
		{"Debian's place", places[0], true},
		{"Fedora's place", places[1], true},
	} {
		t.Run(c.name, func(t *testing.T) {
			volume, _, _ := strings.Cut(c.volume, "#")
			volume = regexp.MustCompile(`^--volume .*?:`).ReplaceAllString(strings.TrimSpace(volume), "--volume ./roots.crt:")
			collector := harness.Start(t, podman("exec "+strings.Replace(run, "podman run", "podman run --name=tested "+volume, 1)), harness.CollectorReady)
			page := harness.AwaitPage(t, func() (harness.Page, error) { return m.ReadPage("127.0.0.1:9464") }, func(p harness.Page) bool {
				return len(p.Of("network_tcp_can_connect")) == 2 && len(p.Of("tcpcheck_tls_verified")) > 0 == c.roots
			})
			for series, value := range page.Values("network_tcp_can_connect") {
				assert.InDelta(t, 1, value, 0, series)
			}
			for series, value := range page.Values("tcpcheck_tls_verified") {
				assert.InDelta(t, 1, value, 0, series)
			}
			if !c.roots {
				collector.Await("this machine has no root certificates")
			}
			process, err := podman("podman inspect --format '{{.State.Pid}}' tested").Output()
			require.NoError(t, err)
			status := harness.Read(t, "/proc/"+strings.TrimSpace(string(process))+"/status")
			assert.Contains(t, status, "Uid:\t65532\t65532\t65532\t65532\n")
			assert.Contains(t, status, "CapEff:\t0000000000000000\n")
			root, err := os.ReadDir("/proc/" + strings.TrimSpace(string(process)) + "/root")
			require.NoError(t, err)
			for _, entry := range root {
				assert.NotContains(t, []string{"bin", "lib"}, entry.Name(), "there is nothing else in the image")
			}
		})
	}
}

// inContainer is what the container's collector checks: its own page, and a port with a certificate.
const inContainer = `
receivers:
  tcpcheck:
    instances:
      - {name: this collector, endpoint: "127.0.0.1:9464"}
      - {name: with a certificate, endpoint: "127.0.0.1:18443", tls: {server_name: localhost}}
exporters:
  prometheus: {endpoint: "127.0.0.1:9464"}
service:
  telemetry: {metrics: {level: none}}
  pipelines: {metrics: {receivers: [tcpcheck], exporters: [prometheus]}}
`
