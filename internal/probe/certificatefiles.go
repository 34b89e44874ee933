package probe

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"time"
	"unicode/utf8"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/files"
)

const (
	// mostCertificateFiles is how many files with certificates are read.
	mostCertificateFiles = 1000
	// largestCertificateFile is the size in bytes of such a file at most: 1 MiB are some 500 certificates.
	largestCertificateFile = 1 << 20
	// rereadEvery is how often a file is read that seems to be the same: the clock of a file system may be
	// too coarse to tell.
	rereadEvery = 5 * time.Minute
	// sureAfter is how often in a row a file has to be missing, or wrong, until it is: others may be writing
	// it, or putting another one in its place.
	sureAfter = 2
)

// CertificateFiles follows the files that match patterns, each with the certificates of a chain. It is for one
// goroutine at a time.
type CertificateFiles struct {
	patterns []string
	known    map[string]*certificateFile // by path, from when there was one until it is gone
}

// certificateFile is what is known of a file.
type certificateFile struct {
	pattern     int // by which it was found first
	stamp       files.Stamp
	read        time.Time          // when that was last done
	certificate *check.Certificate // the last one that could be read; nil for none
	err         error              // why it could not be read the last time; nil if it could
	since       time.Time          // it cannot
	failures    int                // in a row
}

// NewCertificateFiles returns what follows the files that match patterns, which are as filepath.Match has them.
func NewCertificateFiles(patterns []string) *CertificateFiles {
	return &CertificateFiles{patterns: patterns, known: make(map[string]*certificateFile)}
}

// Look looks at the files, reads those that have changed, and returns those that are there, by their absolute
// paths, in the order of these. It returns a warning for each pattern that no file matches, and for what is left
// out. If it is unsure of a file, it is well to look again before long.
func (c *CertificateFiles) Look(now time.Time) (found []check.CertificateFile, warnings []string, unsure bool) {
	warnings = c.find()
	for _, path := range slices.Sorted(maps.Keys(c.known)) {
		f := c.known[path]
		f.look(path, now)
		if f.failures > 0 && f.failures < sureAfter {
			unsure = true
		}
		file := check.CertificateFile{Source: check.Source{Name: path, Certificates: true}, Certificate: f.certificate}
		if f.failures >= sureAfter {
			if errors.Is(f.err, fs.ErrNotExist) {
				delete(c.known, path)
				continue
			}
			file.Err, file.Stale = f.err, f.since
		}
		found = append(found, file)
	}
	return found, warnings, unsure
}

// find takes note of files that are new. One that is known is so until it is gone, whether it is found or not:
// a directory that cannot be read has no files to be found.
func (c *CertificateFiles) find() (warnings []string) {
	matched := make([]bool, len(c.patterns))
	for _, f := range c.known {
		matched[f.pattern] = true
	}
	left := 0
	for i, pattern := range c.patterns {
		for _, path := range files.Paths([]string{pattern}) {
			if absolute, err := filepath.Abs(path); err == nil {
				path = absolute
			}
			if c.known[path] != nil {
				matched[i] = true
				continue
			}
			stamp, err := files.StampOf(path)
			switch {
			case errors.Is(err, fs.ErrNotExist):
			case stamp.IsDir() && files.IsPattern(pattern): // as * has them as well
			case !utf8.ValidString(path):
				matched[i] = true
				warnings = append(warnings, fmt.Sprintf("certificate_files[%d]: the path %q is not read, since it is no UTF-8", i, path))
			case len(c.known) >= mostCertificateFiles:
				matched[i] = true
				left++
			default:
				matched[i] = true
				c.known[path] = &certificateFile{pattern: i}
			}
		}
		if !matched[i] {
			warnings = append(warnings, fmt.Sprintf("certificate_files[%d]: there is no file %q", i, pattern))
		}
	}
	if left > 0 {
		warnings = append(warnings, fmt.Sprintf("certificate_files: there are more files than the %d that are read; some are left out", mostCertificateFiles))
	}
	return warnings
}

// errChanging is why a file is not taken that has changed while it was read.
var errChanging = errors.New("it changes while it is read")

// look looks at the file at a path, and reads it if it has changed, if it could not be read before, or if that
// was long ago.
func (f *certificateFile) look(path string, now time.Time) {
	stamp, err := files.StampOf(path)
	if err == nil && f.failures == 0 && f.certificate != nil && stamp.Same(f.stamp) && now.Sub(f.read) < rereadEvery {
		return
	}
	var certificate *check.Certificate
	if err == nil {
		certificate, err = readCertificates(path)
	}
	if after, _ := files.StampOf(path); err == nil && !after.Same(stamp) {
		err = errChanging
	}
	f.stamp, f.read, f.err = stamp, now, err
	switch {
	case err == nil:
		f.certificate, f.failures = certificate, 0
		return
	case f.failures == 0:
		f.since = now
	}
	f.failures++
}

// readCertificates returns what is known of the first certificate in a file, whose chain are all that are in it.
func readCertificates(path string) (*check.Certificate, error) {
	text, err := files.Read(path, largestCertificateFile)
	if err != nil {
		return nil, err
	}
	chain, err := certificatesIn(text)
	if err != nil {
		return nil, err
	}
	return certificateOf(&tls.ConnectionState{PeerCertificates: chain}, chain), nil
}

// label is that of a certificate in PEM (RFC 7468, section 5.1).
const label = "CERTIFICATE"

var (
	errEmpty         = errors.New("it is empty")
	errNoCertificate = errors.New("there is no certificate in it, neither as PEM nor as DER")
	errNotWhole      = errors.New("a certificate in it is not whole")
)

// certificatesIn returns the certificates in a text, at least one: those that are there as PEM, or one as DER. Other
// blocks of PEM, such as a private key, and comments do not matter. It has an error if one of them is not whole:
// without it, another one would be the first. No error has a part of the text in it.
func certificatesIn(text []byte) ([]*x509.Certificate, error) {
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, errEmpty
	}
	begun, err := begunIn(text)
	if err != nil {
		return nil, err
	}
	if begun == 0 {
		if one, err := x509.ParseCertificate(text); err == nil {
			return []*x509.Certificate{one}, nil
		}
		return nil, errNoCertificate
	}
	var chain []*x509.Certificate
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != label {
			continue
		}
		one, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d in it cannot be read: %w", len(chain)+1, err)
		}
		chain = append(chain, one)
	}
	if len(chain) != begun {
		return nil, errNotWhole
	}
	return chain, nil
}

// begunIn returns how many certificates begin in a text of PEM. It has an error if the text ends within the line
// where one does.
func begunIn(text []byte) (n int, err error) {
	for line := range bytes.Lines(text) {
		line = bytes.TrimRight(line, " \t\r\n")
		switch {
		case string(line) == "-----BEGIN "+label+"-----":
			n++
		case bytes.HasPrefix(line, []byte("-----BEGIN")) && !bytes.HasSuffix(line, []byte("-----")):
			return 0, errNotWhole
		}
	}
	return n, nil
}
