package tlstable

import (
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"net/netip"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/internal/report/reporttest"
	"example.com/tcpcheckreceiver/internal/testnet"
)

// All attributes that are off by default have their values, and a renewal ends a series and begins one.
func TestAttributes(t *testing.T) {
	if _, err := exec.LookPath("nginx"); err != nil {
		t.Skip("needs nginx")
	}
	w := &world{t: t, root: testnet.NewAuthority(t), folder: t.TempDir(), own: netip.MustParseAddr("127.1.255.9")}
	w.file("ca.pem", w.root.PEM())
	w.file("ocsp.der", tryLater)
	first, second := w.root.Issue([]string{w.own.String()}), w.root.Issue([]string{w.own.String()}, until(80*day))
	nginx(func(*world) tls.Certificate { return first },
		"ssl_protocols TLSv1.2; ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256; ssl_stapling on; ssl_stapling_file $folder/ocsp.der;")(w)
	c := start(t, fmt.Sprintf(`
instances:
  - name: x
    endpoint: %s
    min_collection_interval: 1s
    tls: {interval: 1s, ca_file: %s/ca.pem}
metrics:
  tcpcheck.tls.certificate.time_left:
    attributes: [tls.server.subject, tls.server.issuer, tls.server.hash.sha256, tcpcheck.tls.serial_number, tls.protocol.version, tls.cipher, tcpcheck.tls.ocsp_stapled]
  tcpcheck.tls.certificate_chain.time_left:
    attributes: [tls.server.subject, tls.server.issuer, tls.server.hash.sha256, tcpcheck.tls.serial_number]
  tcpcheck.tls.handshake.duration:
    attributes: [tls.protocol.version, tls.cipher]
`, w.address, w.folder))
	const connection = "tls.cipher=TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 tls.protocol.version=1.2"
	of := func(shown tls.Certificate, ocsp, version string) string {
		return fmt.Sprintf("{%stcpcheck.tls.serial_number=%X %stls.server.hash.sha256=%X tls.server.issuer=CN=root tls.server.subject=CN=leaf}",
			ocsp, shown.Leaf.SerialNumber.Bytes(), version, sha256.Sum256(shown.Leaf.Raw))
	}
	leaf := func(shown tls.Certificate) string {
		return "{} tls.certificate.time_left" + of(shown, "tcpcheck.tls.ocsp_stapled=true ", connection+" ")
	}
	chain := func(shown tls.Certificate) string {
		return "{} tls.certificate_chain.time_left" + of(shown, "", "")
	}
	duration := "{} tls.handshake.duration{" + connection + "} s"
	c.awaitLines(leaf(first)+" s", chain(first)+" s", duration)
	w.files("server", second)
	require.NoError(t, exec.Command("nginx", "-e", "stderr", "-c", filepath.Join(w.folder, "nginx.conf"), "-s", "reload").Run())
	c.awaitLines(leaf(first)+" ended", chain(first)+" ended", leaf(second)+" s", chain(second)+" s", duration)
}

// awaitLines returns once a payload has all lines, and fails if none does.
func (r *running) awaitLines(lines ...string) {
	r.t.Helper()
	var last []string
	for deadline := time.After(patience); ; {
		select {
		case metrics := <-r.payloads:
			last = reporttest.Lines(r.t, metrics)
			if !slices.ContainsFunc(lines, func(line string) bool { return !slices.Contains(last, line) }) {
				return
			}
		case <-deadline:
			require.Subset(r.t, last, lines)
		}
	}
}
