// Package release tests the files of a release, as make release makes them, by the tools of those
// who install them.
package release

import (
	"bytes"
	"debug/elf"
	"debug/macho"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/e2e/harness"
)

// The folders of the repository and of the release.
const (
	repository = "../.."
	built      = repository + "/build/release"
)

// version returns the version of the release, which the names of its files have.
func version(t *testing.T) string {
	t.Helper()
	found, err := filepath.Glob(built + "/tcpcheck-collector_*_oci.tar")
	require.NoError(t, err)
	require.Len(t, found, 1, "run the tests by make e2e-release")
	return strings.TrimSuffix(strings.TrimPrefix(filepath.Base(found[0]), "tcpcheck-collector_"), "_oci.tar")
}

// file returns the path of a file of the release.
func file(t *testing.T, name, rest string) string {
	t.Helper()
	return filepath.Join(built, name+"_"+version(t)+"_"+rest)
}

// ofVersion returns commands of docs/installation.md with the version of the release in the place of its example.
func ofVersion(t *testing.T, commands string) string {
	t.Helper()
	return strings.ReplaceAll(commands, "1.2.3", version(t))
}

// needs skips the test without programs that Debian has.
func needs(t *testing.T, programs ...string) {
	t.Helper()
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("needs %s, which .ci/run installs", program)
		}
	}
}

// output runs a command that is to succeed, and returns what it writes.
func output(t *testing.T, words ...string) string {
	t.Helper()
	text, err := exec.Command(words[0], words[1:]...).CombinedOutput()
	require.NoError(t, err, "%q: %s", words, text)
	return string(text)
}

// unpack unpacks an archive into a folder, and returns the names of its files.
func unpack(t *testing.T, archive, folder string) []string {
	t.Helper()
	output(t, "tar", "--extract", "--gzip", "--file", archive, "--directory", folder)
	for line := range strings.Lines(output(t, "tar", "--list", "--verbose", "--numeric-owner", "--gzip", "--file", archive)) {
		assert.Regexp(t, `^-rw[x-]r-[x-]r-[x-] 0/0 `, line)
	}
	return strings.Fields(output(t, "tar", "--list", "--gzip", "--file", archive))
}

// Each file of the release has a sum, by which sha256sum checks it, and there is none besides.
func TestSums(t *testing.T) {
	command := exec.Command("sha256sum", "--check", "--strict", "SHA256SUMS")
	command.Dir = built
	text, err := command.CombinedOutput()
	require.NoError(t, err, "%s", text)
	found, err := os.ReadDir(built)
	require.NoError(t, err)
	assert.Equal(t, len(found)-1, strings.Count(string(text), ": OK\n"))
	assert.Len(t, found, 6+4+1+6+1, "archives, packages, an image, bills of materials and the sums")
}

// An archive has a static program of its platform, and what goes with it.
func TestArchives(t *testing.T) {
	t.Parallel()
	inside := map[string][]string{
		"tcpcheck-collector": {"LICENSE", "THIRD_PARTY_LICENSES", "config.yaml", "tcpcheck-collector"},
		"tcpcheck":           {"LICENSE", "THIRD_PARTY_LICENSES", "completions/_tcpcheck", "completions/tcpcheck.bash", "completions/tcpcheck.fish", "tcpcheck", "tcpcheck-status.1", "tcpcheck.1"},
	}
	for _, platform := range []string{"linux_amd64", "linux_arm64", "darwin_arm64"} {
		for name, files := range inside {
			t.Run(name+"_"+platform, func(t *testing.T) {
				folder := t.TempDir()
				top := name + "_" + version(t) + "_" + platform
				var wanted []string
				for _, file := range files {
					wanted = append(wanted, top+"/"+file)
				}
				assert.Equal(t, wanted, unpack(t, file(t, name, platform+".tar.gz"), folder))
				program := filepath.Join(folder, top, name)
				data, err := os.ReadFile(program)
				require.NoError(t, err)
				assert.False(t, bytes.Contains(data, []byte(absolute(t, repository))), "it has a path of this machine")
				assert.Contains(t, harness.Read(t, filepath.Join(folder, top, "THIRD_PARTY_LICENSES")), "==== go.uber.org/zap v")

				switch platform {
				case "darwin_arm64":
					found, err := macho.Open(program)
					require.NoError(t, err)
					defer func() { assert.NoError(t, found.Close()) }()
					assert.Equal(t, macho.CpuArm64, found.Cpu)
					assert.Equal(t, macho.TypeExec, found.Type)
				case "linux_arm64":
					isStatic(t, program, elf.EM_AARCH64)
					needs(t, "qemu-aarch64-static")
					assert.Equal(t, name+" version "+version(t)+"\n", output(t, "qemu-aarch64-static", program, "--version"))
				default:
					isStatic(t, program, elf.EM_X86_64)
					assert.Equal(t, name+" version "+version(t)+"\n", output(t, program, "--version"))
				}
			})
		}
	}
}

// isStatic asserts that a program is for a machine, and needs neither a library nor an interpreter.
func isStatic(t *testing.T, program string, machine elf.Machine) {
	t.Helper()
	found, err := elf.Open(program)
	require.NoError(t, err)
	defer func() { assert.NoError(t, found.Close()) }()
	assert.Equal(t, machine, found.Machine)
	for _, part := range found.Progs {
		assert.NotContains(t, []elf.ProgType{elf.PT_INTERP, elf.PT_DYNAMIC}, part.Type)
	}
	assert.Nil(t, found.Section(".note.go.buildid"))
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	require.NoError(t, err)
	return path
}

// A bill of materials is as the schema of CycloneDX has it, and names what is in the program.
func TestMaterials(t *testing.T) {
	list := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/CycloneDX/cyclonedx-go")
	list.Dir = repository + "/tools/release"
	folder, err := list.Output()
	require.NoError(t, err)
	compiler := jsonschema.NewCompiler()
	for name, file := range map[string]string{"bom-1.6": "bom-1.6.schema.json", "spdx": "spdx.schema.json", "jsf-0.82": "jsf-0.82.schemax.json"} {
		text, err := jsonschema.UnmarshalJSON(strings.NewReader(harness.Read(t, filepath.Join(strings.TrimSpace(string(folder)), "schema", file))))
		require.NoError(t, err)
		require.NoError(t, compiler.AddResource("http://cyclonedx.org/schema/"+name+".schema.json", text))
	}
	schema, err := compiler.Compile("http://cyclonedx.org/schema/bom-1.6.schema.json")
	require.NoError(t, err)

	for _, name := range []string{"tcpcheck-collector", "tcpcheck"} {
		for _, platform := range []string{"linux_amd64", "linux_arm64", "darwin_arm64"} {
			text := harness.Read(t, file(t, name, platform+".cdx.json"))
			value, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
			require.NoError(t, err)
			require.NoError(t, schema.Validate(value), "%s %s", name, platform)
			var bom struct {
				SpecVersion, SerialNumber string
				Metadata                  struct {
					Component struct{ Name, Version string }
				}
				Components []struct{ Name, Version string }
			}
			require.NoError(t, json.Unmarshal([]byte(text), &bom))
			assert.Equal(t, "1.6", bom.SpecVersion)
			assert.Empty(t, bom.SerialNumber)
			assert.Equal(t, "v"+version(t), bom.Metadata.Component.Version)
			versions := make(map[string]string)
			for _, component := range bom.Components {
				versions[component.Name] = component.Version
			}
			for _, module := range []string{"example.com/tcpcheckreceiver", "go.opentelemetry.io/collector/confmap", "std"} {
				assert.Contains(t, versions, module, "%s %s", name, platform)
			}
			assert.NotContains(t, text, absolute(t, repository))
		}
	}
}

// The unit is what systemd takes for one without a mistake, and as closed as the documentation says.
func TestUnit(t *testing.T) {
	needs(t, "systemd-analyze")
	folder := t.TempDir()
	// systemd-analyze verify wants the program to be there.
	unit := strings.NewReplacer("/usr/bin/tcpcheck-collector", "/bin/true", "man:tcpcheck(1)", "man:true(1)").
		Replace(harness.Read(t, repository+"/packaging/tcpcheck-collector.service"))
	path := filepath.Join(folder, "tcpcheck-collector.service")
	harness.Write(t, path, unit)
	assert.Empty(t, output(t, "systemd-analyze", "verify", "--man=no", path))

	text := output(t, "systemd-analyze", "security", "--offline=true", "--no-pager", path)
	figure := regexp.MustCompile(`Overall exposure level for tcpcheck-collector\.service: (\d+\.\d) (\w+)`).FindStringSubmatch(text)
	require.NotNil(t, figure, text)
	assert.Contains(t, harness.Read(t, repository+"/docs/installation.md"), "`systemd-analyze security` says "+figure[1]+", "+figure[2])
}

// Two builds in two folders are the same byte for byte.
func TestReproducible(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "another", "place")
	require.NoError(t, os.MkdirAll(folder, 0o755))
	list := exec.Command("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z")
	list.Dir = repository
	files, err := list.Output()
	require.NoError(t, err)
	pack := exec.Command("tar", "--create", "--null", "--files-from=-", "--file=-")
	pack.Dir, pack.Stdin = repository, bytes.NewReader(files)
	packed, err := pack.Output()
	require.NoError(t, err)
	extract := exec.Command("tar", "--extract", "--touch", "--file=-")
	extract.Dir, extract.Stdin = folder, bytes.NewReader(packed)
	require.NoError(t, extract.Run())

	git := func(words ...string) string {
		return strings.TrimSpace(output(t, append([]string{"git", "-C", repository}, words...)...))
	}
	again := exec.Command("make", "release", "VERSION="+version(t),
		"REVISION="+git("rev-parse", "HEAD"), "SOURCE_DATE_EPOCH="+git("show", "-s", "--format=%ct", "HEAD"))
	again.Dir = folder
	again.Env = append(os.Environ(), "TZ=Asia/Tokyo", "LC_ALL=C", "HOSTNAME=another", "MAKEFLAGS=")
	text, err := again.CombinedOutput()
	require.NoError(t, err, "%s", text)

	sums := harness.Read(t, built+"/SHA256SUMS")
	assert.Equal(t, sums, harness.Read(t, folder+"/build/release/SHA256SUMS"))
	for line := range strings.Lines(sums) {
		name := strings.Fields(line)[1]
		one, err := os.ReadFile(filepath.Join(built, name))
		require.NoError(t, err)
		other, err := os.ReadFile(filepath.Join(folder, "build/release", name))
		require.NoError(t, err)
		assert.True(t, bytes.Equal(one, other), name)
	}
}
