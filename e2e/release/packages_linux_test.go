package release

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/e2e/harness"
)

// configuration is where a package has the configuration.
const configuration = "/etc/tcpcheck-collector/config.yaml"

// A packager is how packages of one format are installed.
type packager struct {
	format, install, upgrade, remove, purge string
	// What ends the name of the configuration of a new package, beside one that was changed, and of
	// one that was changed, after the removal.
	theirs, kept string
	list         string
}

var packagers = []packager{
	{
		format: "deb", install: "dpkg --install", upgrade: "dpkg --force-confdef --force-confold --install",
		remove: "dpkg --remove tcpcheck-collector", purge: "dpkg --purge tcpcheck-collector", theirs: ".dpkg-dist",
		list: "dpkg --listfiles tcpcheck-collector",
	},
	{
		format: "rpm", install: "rpm --nodeps --install", upgrade: "rpm --nodeps --upgrade",
		remove: "rpm --nodeps --erase tcpcheck-collector", purge: "true", theirs: ".rpmnew", kept: ".rpmsave",
		list: "rpm --query --list tcpcheck-collector",
	},
}

// documented returns the command of docs/installation.md that installs the package of the release. What Debian's rpm
// installs needs packages that it knows nothing of.
func (p packager) documented(t *testing.T) string {
	t.Helper()
	for line := range strings.Lines(ofVersion(t, harness.BlockOf(t, "docs/installation.md", "dpkg --install"))) {
		if program, _, _ := strings.Cut(p.install, " "); strings.HasPrefix(line, program+" --install ") {
			return strings.Replace(line, program+" --install", p.install, 1)
		}
	}
	require.Fail(t, "docs/installation.md does not install a package", p.format)
	return ""
}

// newer makes a package of a later version, with a configuration that the file has.
func newer(t *testing.T, p packager, version, config, folder string) {
	t.Helper()
	command := exec.Command("go", "tool", "-modfile=tools/release/go.mod", "nfpm", "package", "--config", "packaging/nfpm.yaml",
		"--packager", p.format, "--target", filepath.Join(folder, version+"."+p.format))
	command.Dir = repository
	command.Env = append(os.Environ(), "VERSION="+version, "ARCH=amd64", "CONFIG="+config)
	text, err := command.CombinedOutput()
	require.NoError(t, err, "%s", text)
}

// A package is installed, runs, is upgraded, and removed, on a machine with systemd.
func TestPackages(t *testing.T) {
	t.Parallel()
	for _, p := range packagers {
		t.Run(p.format, func(t *testing.T) {
			needs(t, "dpkg", "rpm", "curl")
			folder := t.TempDir()
			other := filepath.Join(folder, "other.yaml")
			harness.Write(t, other, "# of the new version\n"+harness.Read(t, repository+"/packaging/config.yaml"))
			data, err := os.ReadFile(file(t, "tcpcheck-collector", "linux_amd64."+p.format))
			require.NoError(t, err)
			first := filepath.Base(file(t, "tcpcheck-collector", "linux_amd64."+p.format))
			require.NoError(t, os.WriteFile(filepath.Join(folder, first), data, 0o600))
			newer(t, p, "98.0.0", other, folder)
			newer(t, p, "99.0.0", "packaging/config.yaml", folder)
			m := newMachine(t, folder)

			// Where systemd is not what runs, as when an image is made: a configuration that nobody changed is
			// that of the new version, and it is valid for the package's user.
			m.run("mount --bind /mnt /run && " + p.install + " /run/" + first + " && " + p.upgrade + " /run/98.0.0." + p.format)
			m.run("grep --quiet 'of the new version' " + configuration + " && test ! -e " + configuration + p.theirs)
			m.run("setpriv --reuid=tcpcheck-collector --regid=tcpcheck-collector --clear-groups tcpcheck-collector validate --config " + configuration)
			m.run(p.remove + " && " + p.purge + " && umount /run && test ! -e /etc/tcpcheck-collector/config.yaml")

			m.run("cd /mnt && " + p.documented(t))
			assert.Contains(t, m.run(p.list), "/usr/share/man/man1/tcpcheck.1.gz\n")
			assert.Equal(t, "tcpcheck version "+version(t), m.run("tcpcheck --version"))
			assert.Contains(t, m.run("gzip --decompress --stdout /usr/share/man/man1/tcpcheck.1.gz"), "Check TCP targets")
			m.run("bash -c '. /usr/share/bash-completion/completions/tcpcheck'")
			m.run("systemd-analyze verify --man=no tcpcheck-collector.service")
			m.run("getent passwd tcpcheck-collector")
			_, status := m.try("systemctl is-active tcpcheck-collector || systemctl is-enabled tcpcheck-collector")
			assert.NotZero(t, status, "an installation starts nothing")

			// It runs as its user, without a privilege, and what it reads and serves is there.
			m.run(harness.BlockOf(t, "docs/installation.md", "systemctl enable"))
			page := m.await("curl --silent --fail http://localhost:9464/metrics | grep network_tcp_can_connect{")
			assert.Contains(t, page, `tcpcheck_instance="this collector"`)
			assert.True(t, strings.HasSuffix(strings.TrimSpace(page), "} 1"), page)
			assert.Regexp(t, `(?m)^this collector +127\.0\.0\.1:9464 +ipv4 +127\.0\.0\.1 +up `, m.await(harness.BlockOf(t, "docs/installation.md", "tcpcheck status")))
			privileges := m.run("cat /proc/" + m.run(mainPID) + "/status")
			assert.Contains(t, privileges, "NoNewPrivs:\t1\n")
			assert.Contains(t, privileges, "CapBnd:\t0000000000000000\n")
			assert.Contains(t, privileges, "Seccomp:\t2\n")
			assert.Contains(t, privileges, "Uid:\t"+m.run("id --user tcpcheck-collector"))
			m.run("curl --silent --fail http://localhost:9466/metrics | grep --quiet tcpcheck")
			m.run("test -z \"$(journalctl --unit=tcpcheck-collector --priority=err --quiet)\"")

			// A reload with a mistake changes nothing; one without does.
			process := m.run(mainPID)
			m.run("cp " + configuration + " /root/good && sed --in-place 's/endpoint: 127.0.0.1:9464/endpoint: 127.0.0.1:99999/' " + configuration)
			_, status = m.try("systemctl reload tcpcheck-collector")
			assert.NotZero(t, status)
			assert.Equal(t, process, m.run(mainPID))
			m.run("sed 's/name: this collector/name: still this one/' /root/good >" + configuration + " && systemctl reload tcpcheck-collector")
			m.await("curl --silent --fail http://localhost:9464/metrics | grep 'still this one'")
			assert.Equal(t, process, m.run(mainPID))

			// An upgrade keeps a configuration that was changed, and starts the new version.
			m.run(p.upgrade + " /mnt/98.0.0." + p.format)
			assert.NotEqual(t, process, m.run(mainPID))
			m.run("grep --quiet 'still this one' " + configuration + " && grep --quiet 'of the new version' " + configuration + p.theirs)
			m.await("curl --silent --fail http://localhost:9464/metrics | grep 'still this one'")

			// With a mistake in it, the old version runs on, and the upgrade says so.
			process = m.run(mainPID)
			m.run("sed --in-place 's/endpoint: 127.0.0.1:9464/endpoint: 127.0.0.1:99999/' " + configuration)
			text := m.run(p.upgrade + " /mnt/99.0.0." + p.format)
			assert.Contains(t, text, "99999")
			assert.Contains(t, text, "The old one runs on.")
			assert.Equal(t, process, m.run(mainPID))
			m.run("curl --silent --fail http://localhost:9464/metrics | grep 'still this one'")

			m.run(p.remove)
			_, status = m.try("systemctl is-active tcpcheck-collector || test -e /usr/bin/tcpcheck-collector")
			assert.NotZero(t, status)
			m.run("test -e " + configuration + p.kept)
			m.run(p.purge + " && test ! -e " + configuration)
		})
	}
}

const mainPID = "systemctl show --property=MainPID --value tcpcheck-collector"

// The rpm says who made it, has the configuration as one to keep, and nothing outside of its places.
func TestRPM(t *testing.T) {
	needs(t, "rpm")
	for _, platform := range []string{"linux_amd64", "linux_arm64"} {
		path := file(t, "tcpcheck-collector", platform+".rpm")
		assert.Contains(t, output(t, "rpm", "--query", "--info", "--package", path), "License     : Apache-2.0\n")
		assert.Equal(t, configuration+"\n", output(t, "rpm", "--query", "--configfiles", "--package", path))
		assert.Contains(t, output(t, "rpm", "--query", "--scripts", "--package", path), "systemd-sysusers tcpcheck-collector.conf")
		assert.Contains(t, output(t, "rpm", "--query", "--list", "--package", path), "/usr/share/zsh/site-functions/_tcpcheck\n")
	}
}

// The commands of docs/installation.md, in a folder with the files of the release: an archive's collector runs with the
// configuration that is beside it.
func TestDocumentedArchives(t *testing.T) {
	m := harness.NewMachine(t)
	m.Listen("tcp4", "127.0.0.1:22")
	folder := t.TempDir()
	require.NoError(t, os.CopyFS(folder, os.DirFS(built)))
	commands := strings.TrimSuffix(ofVersion(t, harness.BlockOf(t, "docs/installation.md", "tar --extract")), "\n")
	last := strings.LastIndex(commands, "\n") + 1
	command := m.Command("sh", "-euc", commands[:last]+"exec "+commands[last:])
	command.Dir = folder
	harness.Start(t, command, harness.CollectorReady)
	harness.AwaitPage(t, func() (harness.Page, error) { return m.ReadPage("127.0.0.1:9464") }, func(p harness.Page) bool {
		return len(p.Of("network_tcp_can_connect")) == 1
	})
}
