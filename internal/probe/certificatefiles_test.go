package probe

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/testnet"
)

// issued returns a certificate that ends after so many days, with an intermediate one that ends after 40.
func issued(t *testing.T, days int) tls.Certificate {
	t.Helper()
	ends := func(days int) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.NotAfter = time.Now().AddDate(0, 0, days) }
	}
	return testnet.NewAuthority(t).Intermediate(ends(40)).Issue([]string{"x"}, ends(days))
}

// What may be in a file.
func TestCertificatesIn(t *testing.T) {
	c := issued(t, 60)
	chain, key := testnet.PEM(t, c)
	leaf, _ := testnet.PEM(t, tls.Certificate{Certificate: c.Certificate[:1], PrivateKey: c.PrivateKey})
	half := leaf[:len(leaf)/2]
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	for _, test := range []struct {
		name string
		text []byte
		want int    // certificates
		err  string // or a part of it
	}{
		{name: "one", text: leaf, want: 1},
		{name: "a chain", text: chain, want: 2},
		{name: "a chain with the key in front", text: join(key, chain), want: 2},
		{name: "the key behind", text: join(leaf, key), want: 1},
		{name: "comments", text: join([]byte("subject=CN = x\n# a comment\n"), leaf, []byte("\nmore\n-- more --\n"), leaf, []byte("end")), want: 2},
		{name: "lines of Windows", text: bytes.ReplaceAll(chain, []byte("\n"), []byte("\r\n")), want: 2},
		{name: "a line without an end", text: bytes.TrimSpace(leaf), want: 1},
		{name: "DER", text: c.Certificate[0], want: 1},
		{name: "nothing", err: "it is empty"},
		{name: "white space", text: []byte(" \n\n"), err: "it is empty"},
		{name: "a key alone", text: key, err: "there is no certificate in it, neither as PEM nor as DER"},
		{name: "garbage", text: bytes.Repeat([]byte{0, 0xff, '\n', 0x30, 0x82}, 1000), err: "there is no certificate in it, neither as PEM nor as DER"},
		{name: "two as DER", text: join(c.Certificate...), err: "there is no certificate in it"},
		{name: "half of DER", text: c.Certificate[0][:100], err: "there is no certificate in it"},
		{name: "half of one", text: half, err: "a certificate in it is not whole"},
		{name: "the first one is not whole", text: join(half, []byte("\n"), chain), err: "a certificate in it is not whole"},
		{name: "the last one is not whole", text: chain[:len(chain)-30], err: "a certificate in it is not whole"},
		{name: "the line where the last one begins is not whole", text: join(leaf, []byte("-----BEGIN CERT")), err: "a certificate in it is not whole"},
		{name: "a byte is another one", text: bytes.Replace(chain, []byte("\nMII"), []byte("\nM*I"), 1), err: "a certificate in it is not whole"},
		{name: "PEM of something else", text: join(leaf, []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")), err: "certificate 2 in it cannot be read: x509: "},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := certificatesIn(test.text)
			if test.err != "" {
				require.ErrorContains(t, err, test.err)
				return
			}
			require.NoError(t, err)
			require.Len(t, got, test.want)
			assert.Equal(t, c.Leaf.Raw, got[0].Raw, "the first one comes first")
		})
	}
}

// No input panics, and no error has a part of it.
func FuzzCertificatesIn(f *testing.F) {
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		found, err := certificatesIn(text)
		assert.Equal(t, err == nil, len(found) > 0)
	})
}

// following is what follows files in a directory, by a clock that the test moves.
type following struct {
	t         *testing.T
	directory string
	*CertificateFiles
	clock time.Time
}

func follow(t *testing.T, patterns ...string) *following {
	t.Helper()
	f := &following{t: t, directory: t.TempDir(), clock: time.Now()}
	for i, pattern := range patterns {
		patterns[i] = f.at(pattern)
	}
	f.CertificateFiles = NewCertificateFiles(patterns)
	return f
}

func (f *following) at(name string) string { return filepath.Join(f.directory, name) }

func (f *following) write(name string, text []byte) {
	f.t.Helper()
	require.NoError(f.t, os.WriteFile(f.at(name), text, 0o600))
}

// look returns a line for each file: the days that its certificate lasts, and those of the chain, or what is
// wrong; then the warnings, and "unsure" if it is. The directory is left off.
func (f *following) look() []string {
	f.t.Helper()
	f.clock = f.clock.Add(15 * time.Second)
	found, warnings, unsure := f.Look(f.clock)
	var lines []string
	for _, file := range found {
		lines = append(lines, f.line(&file))
	}
	for _, warning := range warnings {
		lines = append(lines, strings.ReplaceAll(warning, f.directory+"/", ""))
	}
	if unsure {
		lines = append(lines, "unsure")
	}
	return lines
}

func (f *following) line(file *check.CertificateFile) string {
	line := strings.TrimPrefix(file.Name, f.directory+"/")
	if c := file.Certificate; c != nil {
		days := func(end time.Time) int { return int(time.Until(end).Hours()/24 + 0.5) }
		line += fmt.Sprintf(" %d %d", days(c.NotAfter), days(c.ChainNotAfter))
	}
	if file.Err != nil {
		assert.NotZero(f.t, file.Stale)
		line += ": " + strings.ReplaceAll(file.Err.Error(), f.directory+"/", "")
	}
	return line
}

func TestCertificateFiles(t *testing.T) {
	first, _ := testnet.PEM(t, issued(t, 60))
	second, _ := testnet.PEM(t, issued(t, 90))
	last, _ := testnet.PEM(t, issued(t, 30))

	t.Run("come and go", func(t *testing.T) {
		f := follow(t, "*.crt", "own.pem")
		assert.Equal(t, []string{`certificate_files[0]: there is no file "*.crt"`, `certificate_files[1]: there is no file "own.pem"`}, f.look())
		f.write("b.crt", first)
		f.write("own.pem", last)
		f.write("key.pem", []byte("no certificate"))
		require.NoError(t, os.Mkdir(f.at("directory.crt"), 0o700))
		assert.Equal(t, []string{"b.crt 60 40", "own.pem 30 30"}, f.look())
		f.write("a.crt", second)
		assert.Equal(t, []string{"a.crt 90 40", "b.crt 60 40", "own.pem 30 30"}, f.look())
		require.NoError(t, os.Remove(f.at("b.crt")))
		assert.Equal(t, []string{"a.crt 90 40", "b.crt 60 40", "own.pem 30 30", "unsure"}, f.look(), "another one may come in its place")
		assert.Equal(t, []string{"a.crt 90 40", "own.pem 30 30"}, f.look())
		require.NoError(t, os.Remove(f.at("a.crt")))
		f.look()
		assert.Equal(t, []string{"own.pem 30 30"}, f.look())
		assert.Equal(t, []string{"own.pem 30 30", `certificate_files[0]: there is no file "*.crt"`}, f.look())
	})

	t.Run("a file is being written", func(t *testing.T) {
		f := follow(t, "a")
		f.write("a", first)
		assert.Equal(t, []string{"a 60 40"}, f.look())
		f.write("a", second[:len(second)-100])
		assert.Equal(t, []string{"a 60 40", "unsure"}, f.look())
		f.write("a", second)
		assert.Equal(t, []string{"a 90 40"}, f.look())
		f.write("a", nil)
		assert.Equal(t, []string{"a 90 40", "unsure"}, f.look())
		assert.Equal(t, []string{"a 90 40: it is empty"}, f.look())
		f.write("a", first[:100])
		assert.Equal(t, []string{"a 90 40: a certificate in it is not whole"}, f.look())
		f.write("a", first)
		assert.Equal(t, []string{"a 60 40"}, f.look())
	})

	t.Run("wrong from the start", func(t *testing.T) {
		f := follow(t, "a", "directory", "null")
		f.write("a", make([]byte, largestCertificateFile+1))
		require.NoError(t, os.Mkdir(f.at("directory"), 0o700))
		require.NoError(t, os.Symlink(os.DevNull, f.at("null")))
		assert.Equal(t, []string{"a", "directory", "null", "unsure"}, f.look())
		assert.Equal(t, []string{"a: a has 1048577 bytes; 1048576 are the most that are read", "directory: directory is not a regular file", "null: null is not a regular file"}, f.look())
	})

	t.Run("renamed to the path, with the same size and time", func(t *testing.T) {
		f := follow(t, "a")
		c := issued(t, 60)
		other, _ := testnet.PEM(t, c)
		f.write("a", first)
		f.look()
		at := time.Now()
		f.write("new", other)
		for _, name := range []string{"a", "new"} {
			require.NoError(t, os.Chtimes(f.at(name), at, at))
		}
		require.NoError(t, os.Rename(f.at("new"), f.at("a")))
		found, _, _ := f.Look(f.clock)
		assert.Equal(t, serialNumber(c.Leaf), found[0].Certificate.SerialNumber)
	})

	t.Run("a link that is swapped, as Kubernetes does", func(t *testing.T) {
		f := follow(t, "secret/*")
		for name, text := range map[string][]byte{"secret/..1": first, "secret/..2": second} {
			require.NoError(t, os.MkdirAll(f.at(name), 0o700))
			f.write(name+"/tls.crt", text)
		}
		require.NoError(t, os.Symlink("..1", f.at("secret/..data")))
		require.NoError(t, os.Symlink("..data/tls.crt", f.at("secret/tls.crt")))
		assert.Equal(t, []string{"secret/tls.crt 60 40"}, f.look())
		require.NoError(t, os.Symlink("..2", f.at("secret/..data_tmp")))
		require.NoError(t, os.Rename(f.at("secret/..data_tmp"), f.at("secret/..data")))
		require.NoError(t, os.RemoveAll(f.at("secret/..1")))
		assert.Equal(t, []string{"secret/tls.crt 90 40"}, f.look())
		require.NoError(t, os.Remove(f.at("secret/..data")))
		f.look()
		assert.Empty(t, f.look(), "a link that leads nowhere is no file")
		assert.Equal(t, []string{`certificate_files[0]: there is no file "secret/*"`}, f.look())
	})

	t.Run("the same size, time and file", func(t *testing.T) {
		f := follow(t, "a")
		at := time.Now()
		f.write("a", first)
		require.NoError(t, os.Chtimes(f.at("a"), at, at))
		f.look()
		f.write("a", append([]byte{'\n'}, first[:len(first)-1]...))
		require.NoError(t, os.Chtimes(f.at("a"), at, at))
		stamped := f.known[f.at("a")].read
		f.look()
		assert.Equal(t, stamped, f.known[f.at("a")].read, "it is not read")
		f.clock = f.clock.Add(rereadEvery)
		f.look()
		assert.Equal(t, f.clock, f.known[f.at("a")].read, "it is read some time")
	})

	t.Run("found by two patterns", func(t *testing.T) {
		f := follow(t, "a*", "*")
		f.write("a", first)
		assert.Equal(t, []string{"a 60 40"}, f.look())
		assert.Equal(t, []string{"a 60 40"}, f.look())
	})

	t.Run("a name that is no UTF-8", func(t *testing.T) {
		f := follow(t, "*")
		if err := os.WriteFile(f.at("\xff"), first, 0o600); err != nil {
			t.Skipf("this file system has no such names: %v", err)
		}
		lines := f.look()
		require.Len(t, lines, 1)
		assert.Contains(t, lines[0], `\xff" is not read, since it is no UTF-8`)
	})

	t.Run("a relative path", func(t *testing.T) {
		t.Chdir(t.TempDir())
		require.NoError(t, os.WriteFile("a.crt", first, 0o600))
		directory, err := os.Getwd()
		require.NoError(t, err)
		found, _, _ := NewCertificateFiles([]string{"*.crt"}).Look(time.Now())
		require.Len(t, found, 1)
		assert.Equal(t, filepath.Join(directory, "a.crt"), found[0].Name)
	})
}

// A directory that cannot be read is a fault of this machine, and no file is gone by it.
func TestCertificateFilesOfAnotherUser(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may read everything")
	}
	chain, _ := testnet.PEM(t, issued(t, 60))
	f := follow(t, "a/*")
	require.NoError(t, os.Mkdir(f.at("a"), 0o700))
	f.write("a/b", chain)
	assert.Equal(t, []string{"a/b 60 40"}, f.look())
	require.NoError(t, os.Chmod(f.at("a"), 0))
	defer func() { require.NoError(t, os.Chmod(f.at("a"), 0o700)) }()
	f.look()
	assert.Equal(t, []string{"a/b 60 40: stat a/b: permission denied"}, f.look())
}

// Those that were there first stay.
func TestTooManyCertificateFiles(t *testing.T) {
	chain, _ := testnet.PEM(t, issued(t, 60))
	f := follow(t, "*")
	for n := range mostCertificateFiles {
		f.write(fmt.Sprintf("b%04d", n), chain)
	}
	assert.Len(t, f.look(), mostCertificateFiles)
	f.write("a", chain)
	lines := f.look()
	assert.Len(t, lines, mostCertificateFiles+1)
	assert.Equal(t, "b0000 60 40", lines[0])
	assert.Equal(t, "certificate_files: there are more files than the 1000 that are read; some are left out", lines[mostCertificateFiles])
}
