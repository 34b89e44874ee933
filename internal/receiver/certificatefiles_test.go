package receiver

import (
	"context"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/receiver/receivertest"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/metadata"
	"example.com/tcpcheckreceiver/internal/report/reporttest"
	"example.com/tcpcheckreceiver/internal/testnet"
)

// certificate returns one that ends after a time, as PEM, with its key.
func certificate(t *testing.T, lasts time.Duration) []byte {
	t.Helper()
	chain, key := testnet.PEM(t, testnet.SelfSigned(t, []string{"x"}, func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = c.NotBefore.AddDate(-1, 0, 0), time.Now().Add(lasts)
	}))
	return append(key, chain...)
}

// filed is a checker of files in a directory.
type filed struct {
	*testing.T
	*checker
	directory string
}

func newFiled(t *testing.T, patterns ...string) *filed {
	t.Helper()
	f := &filed{t, newChecker(t, reporttest.DefaultMetrics()), t.TempDir()}
	for i, pattern := range patterns {
		patterns[i] = f.at(pattern)
	}
	f.files, f.settings.CertificateInterval = newCertificateFiles(patterns), time.Minute
	return f
}

func (f *filed) at(name string) string { return filepath.Join(f.directory, name) }

func (f *filed) write(name string, text []byte) {
	f.Helper()
	require.NoError(f, os.WriteFile(f.at(name), text, 0o600))
}

// look looks at the files, and returns what is handed over and what is logged, without the directory and dates, and
// the time to the next look.
func (f *filed) look() (lines []string, next time.Duration) {
	f.Helper()
	next = f.lookAtFiles()
	metrics := f.collect(f.T)
	for _, rm := range metrics.ResourceMetrics().All() {
		for _, m := range rm.ScopeMetrics().At(0).Metrics().All() {
			for _, point := range reporttest.Points(m).All() {
				value := "ended"
				if !point.Flags().NoRecordedValue() {
					value = fmt.Sprintf("%.0f", point.DoubleValue()/(24*3600))
				}
				lines = append(lines, strings.TrimPrefix(m.Name(), "tcpcheck.tls.certificate")+reporttest.Attributes(point.Attributes().AsRaw())+" "+value)
			}
		}
	}
	slices.Sort(lines)
	for _, entry := range f.logs.TakeAll() {
		message, _, _ := strings.Cut(entry.Message, ", at ")
		message, _, _ = strings.Cut(message, ", until ")
		lines = append(lines, entry.Level.String()+" "+message)
	}
	for i := range lines {
		lines[i] = strings.ReplaceAll(lines[i], f.directory+"/", "")
	}
	return lines, next
}

// What is reported of files, and what is logged.
func TestCertificateFiles(t *testing.T) {
	f := newFiled(t, "*.crt", "b")
	points := func(name, value string) []string {
		return []string{fmt.Sprintf(".time_left{file.path=%s} %s", name, value), fmt.Sprintf("_chain.time_left{file.path=%s} %s", name, value)}
	}
	look := func(want ...string) {
		t.Helper()
		got, next := f.look()
		assert.Equal(t, want, got)
		assert.Equal(t, time.Minute, next)
	}
	look(`warn certificate_files[0]: there is no file "*.crt"`, `warn certificate_files[1]: there is no file "b"`)
	look()
	f.write("a.crt", certificate(t, 40*24*time.Hour))
	look(points("a.crt", "40")...)
	look(points("a.crt", "40")...)

	f.write("a.crt", certificate(t, 6*24*time.Hour))
	look(append(points("a.crt", "6"), `info there is another certificate in "a.crt"`, `warn the certificate in "a.crt" ends within 7 days`)...)
	f.write("a.crt", certificate(t, -24*time.Hour))
	look(append(points("a.crt", "-1"), `warn the certificate in "a.crt" has ended`, `info there is another certificate in "a.crt"`)...)
	look(points("a.crt", "-1")...)
	f.write("a.crt", certificate(t, 90*24*time.Hour))
	look(append(points("a.crt", "90"), `info the certificate in "a.crt" is valid again`, `info there is another certificate in "a.crt"`)...)

	require.NoError(t, os.Truncate(f.at("a.crt"), 0))
	got, next := f.look()
	assert.Equal(t, points("a.crt", "90"), got, "it may be being written")
	assert.Equal(t, lookAgainAfter, next)
	look(append(points("a.crt", "90"), `error the certificate in "a.crt" cannot be taken as it is, so the last good one stays, if there was one`)...)
	assert.Positive(t, f.files.sources.staleFor(time.Now().Add(time.Second))[f.at("a.crt")])
	require.EqualError(t, f.health.files, fmt.Sprintf("the certificate in %q cannot be taken as it is since %s: it is empty", f.at("a.crt"), f.files.sources.known[0].Stale.Format(time.RFC3339)))
	look(points("a.crt", "90")...)
	f.write("a.crt", certificate(t, 50*24*time.Hour))
	look(append(points("a.crt", "50"), `info the certificate in "a.crt" is up to date again`, `info there is another certificate in "a.crt"`)...)
	require.NoError(t, f.health.files)

	require.NoError(t, os.Remove(f.at("a.crt")))
	got, _ = f.look()
	assert.Equal(t, points("a.crt", "50"), got)
	look(append(points("a.crt", "ended"), `warn the file "a.crt" is gone, so its certificate is no longer reported`)...)
	assert.Empty(t, f.files.files)
	look(`warn certificate_files[0]: there is no file "*.crt"`)
}

// Of a file that cannot be read, the last good certificate is told of as long as it lasts, and its end is not: there
// may be another one by now.
func TestEndOfACertificateThatCannotBeRead(t *testing.T) {
	f := newFiled(t, "a")
	f.write("a", certificate(t, time.Hour))
	f.look()
	f.write("a", []byte("?"))
	f.look()
	lines, _ := f.look()
	assert.Len(t, lines, 3, "points, and that it cannot be taken")
	ended := *f.files.files[f.at("a")]
	f.reportFiles([]check.CertificateFile{{Source: f.files.sources.known[0], Certificate: &check.Certificate{ChainNotAfter: time.Now().Add(-time.Hour)}}}, time.Now())
	assert.Empty(t, f.collect(t).ResourceMetrics().Len())
	assert.Empty(t, f.logs.All())
	assert.Equal(t, ended.known, f.files.files[f.at("a")].known)
}

// A file that never had a certificate has no series.
func TestFileWithoutACertificate(t *testing.T) {
	f := newFiled(t, "a")
	f.write("a", []byte("?"))
	f.look()
	lines, _ := f.look()
	assert.Equal(t, []string{`error the certificate in "a" cannot be taken as it is, so the last good one stays, if there was one`}, lines)
	assert.Empty(t, f.files.files)
	require.NoError(t, os.Remove(f.at("a")))
	lines, _ = f.look()
	assert.Equal(t, []string(nil), lines)
	lines, _ = f.look()
	assert.Equal(t, []string{`warn certificate_files[0]: there is no file "a"`}, lines)
	require.NoError(t, f.health.files)
}

// A receiver that runs, without any target, beside files that are renamed and links that are swapped. The collector
// that is not elected reports none.
func TestCertificateFilesWhileItRuns(t *testing.T) {
	directory := t.TempDir()
	at := func(name string) string { return filepath.Join(directory, name) }
	for name, lasts := range map[string]time.Duration{"..1/tls.crt": 40 * 24 * time.Hour, "..2/tls.crt": 80 * 24 * time.Hour, "a.crt": 50 * 24 * time.Hour} {
		require.NoError(t, os.MkdirAll(filepath.Dir(at(name)), 0o700))
		require.NoError(t, os.WriteFile(at(name), certificate(t, lasts), 0o600))
	}
	require.NoError(t, os.Symlink("..1", at("..data")))
	require.NoError(t, os.Symlink("..data/tls.crt", at("tls.crt")))
	sink, e := &ends{live: make(map[string]bool)}, &elector{leads: true}
	set, logs := observed(receivertest.NewNopSettings(metadata.Type))
	r, err := newWithMetrics(set, Settings{
		CertificateFiles: []string{at("*.crt")}, CertificateInterval: 5 * time.Millisecond, Elector: "elector",
		FlushInterval: 5 * time.Millisecond, Metrics: reporttest.DefaultMetrics(),
	}, sink)
	require.NoError(t, err)
	require.NoError(t, r.Start(context.Background(), host{component.MustNewID("elector"): e}))
	eventually := func(so func() bool) {
		t.Helper()
		require.Eventually(t, so, time.Minute, time.Millisecond)
	}
	said := func(sentence string) func() bool {
		return func() bool { return logs.FilterMessageSnippet(sentence).Len() > 0 }
	}
	eventually(func() bool { return sink.count() == 4 })

	require.NoError(t, os.Symlink("..2", at("..data_tmp")))
	require.NoError(t, os.Rename(at("..data_tmp"), at("..data")))
	eventually(said("there is another certificate in " + `"` + at("tls.crt") + `"`))
	require.NoError(t, os.WriteFile(at("new"), certificate(t, 20*24*time.Hour), 0o600))
	require.NoError(t, os.Rename(at("new"), at("a.crt")))
	eventually(said(`the certificate in "` + at("a.crt") + `" ends within 30 days`))
	assert.Equal(t, 4, sink.count(), "the series go on")
	assert.Zero(t, logs.FilterMessageSnippet("cannot be taken").Len())
	assert.Zero(t, logs.FilterMessageSnippet("is gone").Len())

	require.NoError(t, os.Remove(at("tls.crt")))
	eventually(func() bool { return sink.count() == 2 })
	e.elect(false)
	eventually(func() bool { return sink.count() == 0 })
	e.elect(true)
	eventually(func() bool { return sink.count() == 2 })
	require.NoError(t, r.Shutdown(context.Background()))
	assert.Equal(t, 1, logs.FilterMessageSnippet("is gone").Len(), "who does not lead says nothing of them")
}

// Files and servers have series of the same metrics beside each other.
func TestCertificateFilesBesideTargets(t *testing.T) {
	authority := testnet.NewAuthority(t)
	f := newFiled(t, "a")
	f.write("a", certificate(t, 50*24*time.Hour))
	_, next := f.look()
	assert.Equal(t, time.Minute, next)
	target := newTarget("b", testnet.Listen(t, "tcp4", "127.0.0.1:0"), time.Hour)
	target.TLS = &check.TLS{Client: trusting{authority}, Interval: time.Hour}
	f.targets = append(f.targets, f.newTarget(&target, time.Now()))
	f.add(f.targets)
	f.lookAtFiles()
	lines := strings.Join(reporttest.Lines(t, f.collect(t)), "\n")
	assert.Contains(t, lines, "tls.certificate.time_left{file.path="+f.at("a")+"} s")
	assert.Contains(t, lines, "can_connect{network.peer.address=127.0.0.1")
}
