package source

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"go.opentelemetry.io/collector/config/configtls"

	"example.com/tcpcheckreceiver/internal/check"
)

const (
	defaultTLSInterval = 5 * time.Minute
	minTLSInterval     = time.Second
	// maxProtocol is the length of the name of an application protocol (RFC 7301, section 3.1).
	maxProtocol = 255
)

// TLS says how the certificates of a port are checked. An empty section verifies by the roots of this machine, for the host.
// `insecure: true` without an authority (ca_file, ca_pem) is no TLS, as everywhere in the collector.
type TLS struct {
	// Interval is the time between two handshakes with each address: 1s or more.
	Interval *Duration `mapstructure:"interval" default:"5m"`
	// ServerName is the name that is asked for and verified.
	ServerName string `mapstructure:"server_name" default:"the host"`
	// ALPN are the application protocols that are offered, such as `h2`.
	ALPN Texts `mapstructure:"alpn" is:"a list of application protocols" each:"an application protocol, such as h2"`
	// ClientConfig is what all clients of the collector have, of which its documentation tells:
	// https://github.com/open-telemetry/opentelemetry-collector/blob/v0.155.0/config/configtls/README.md.
	// The files are read again for each handshake, so reload_interval has no effect.
	ClientConfig configtls.ClientConfig `mapstructure:",squash"`
}

// tlsClient is a ClientConfig, as a target has it: it is equal to another one if they are written alike.
type tlsClient struct{ configtls.ClientConfig }

// Load implements check.TLSClient.
func (c tlsClient) Load() (*tls.Config, error) { return c.LoadTLSConfig(context.Background()) }

// isOff reports whether the section says that there is no TLS.
func (s *TLS) isOff() bool {
	return s == nil || s.ClientConfig.Insecure && s.ClientConfig.CAFile == "" && s.ClientConfig.CAPem == ""
}

// loadedTLS is what is known of a section.
type loadedTLS struct {
	target *check.TLS // nil if certificates are not checked
	wrong  error      // with what configtls judges
}

// loadTLS returns what is known of a section, whose files are read once.
func (j *judge) loadTLS(s *TLS) *loadedTLS {
	loaded := j.tls[s]
	if loaded == nil {
		loaded = s.load()
		j.tls[s] = loaded
	}
	return loaded
}

// load reads the files that the section names, if there is one.
func (s *TLS) load() *loadedTLS {
	if s == nil {
		return &loadedTLS{}
	}
	if err := s.ClientConfig.Validate(); err != nil {
		return &loadedTLS{wrong: err}
	}
	if _, err := s.ClientConfig.LoadTLSConfig(context.Background()); err != nil {
		return &loadedTLS{wrong: err}
	}
	if s.isOff() {
		return &loadedTLS{}
	}
	return &loadedTLS{target: &check.TLS{
		Client: tlsClient{s.ClientConfig}, ServerName: cmp.Or(s.ServerName, s.ClientConfig.ServerName), ALPN: s.ALPN, Interval: s.Interval.or(defaultTLSInterval),
	}}
}

// checkTLS finds what is wrong with how certificates are to be checked.
func (v *instanceValidator) checkTLS(loaded *loadedTLS, quiet bool) {
	if v.TLS == nil {
		return
	}
	v.checkDuration("tls.interval", v.TLS.Interval, minTLSInterval)
	v.checkServerName("tls.server_name", v.TLS.ServerName)
	v.checkServerName("tls.server_name_override", v.TLS.ClientConfig.ServerName)
	if v.TLS.ServerName != "" && v.TLS.ClientConfig.ServerName != "" {
		v.add("tls.server_name_override", "%q is written as server_name already, as %q; write one of them", v.TLS.ClientConfig.ServerName, v.TLS.ServerName)
	}
	for i, protocol := range v.TLS.ALPN {
		option := fmt.Sprintf("tls.alpn[%d]", i)
		switch {
		case protocol == "":
			v.add(option, "there is none")
		case len(protocol) > maxProtocol:
			v.add(option, "%q is longer than the %d bytes of an application protocol", protocol, maxProtocol)
		case slices.Contains(v.TLS.ALPN[:i], protocol):
			v.add(option, "%q is there twice", protocol)
		}
	}
	if quiet && !v.TLS.isOff() {
		v.addTogether("tls", []string{"quiet"}, "it needs a connection that the server accepts, and quiet is true")
	}
	if loaded.wrong != nil {
		v.add("tls", "%v", loaded.wrong)
	}
}

// checkServerName checks a name that a certificate may be for.
func (v *instanceValidator) checkServerName(option, name string) {
	if name == "" {
		return
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return
	}
	if reason := nameProblem(name); reason != "" {
		v.add(option, "%q %s", name, reason)
	}
}
