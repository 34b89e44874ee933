package source

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/confmap"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/testnet"
)

// What an absent section, an empty one, and one that says insecure mean.
func TestTLS(t *testing.T) {
	authority := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(authority, testnet.NewAuthority(t).PEM(), 0o600))
	for _, test := range []struct {
		name, yaml string
		on         bool
		want       check.TLS // but for its client
		skips      bool      // the verification
	}{
		{name: "absent", yaml: "{instances: [{name: a, host: h, port: 1}]}"},
		{name: "nothing", yaml: "{instances: [{name: a, host: h, port: 1, tls: }]}"},
		{name: "empty", yaml: "{instances: [{name: a, host: h, port: 1, tls: {}}]}", on: true, want: check.TLS{Interval: 5 * time.Minute}},
		{name: "insecure", yaml: "{instances: [{name: a, host: h, port: 1, tls: {insecure: true}}]}"},
		{name: "insecure, and an authority", yaml: "{instances: [{name: a, host: h, port: 1, tls: {insecure: true, ca_file: " + authority + "}}]}", on: true, want: check.TLS{Interval: 5 * time.Minute}},
		{name: "not verified", yaml: "{instances: [{name: a, host: h, port: 1, tls: {insecure_skip_verify: true}}]}", on: true, want: check.TLS{Interval: 5 * time.Minute}, skips: true},
		{name: "default", yaml: "{defaults: {tls: {interval: 60, server_name_override: web.example}}, instances: [{name: a, host: h, port: 1}]}", on: true, want: check.TLS{Interval: time.Minute, ServerName: "web.example"}},
		{name: "default, and not here", yaml: "{defaults: {tls: {}}, instances: [{name: a, host: h, port: 1, tls: {insecure: true}}]}"},
		{name: "all of its own", yaml: "{instances: [{name: a, host: h, port: 1, tls: {interval: 1h, server_name: '::1', alpn: [h2, http/1.1]}}]}", on: true, want: check.TLS{Interval: time.Hour, ServerName: "::1", ALPN: []string{"h2", "http/1.1"}}},
		{name: "one protocol", yaml: "{instances: [{name: a, host: h, port: 1, tls: {alpn: h2}}]}", on: true, want: check.TLS{Interval: 5 * time.Minute, ALPN: []string{"h2"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			options, err := load(t, test.yaml)
			require.NoError(t, err)
			got := options.ToCheck(&Problems{}).Targets[0].TLS
			require.Equal(t, test.on, got != nil)
			if !test.on {
				return
			}
			again, err := load(t, test.yaml)
			require.NoError(t, err)
			assert.True(t, reflect.DeepEqual(got, again.ToCheck(&Problems{}).Targets[0].TLS), "what is written alike is equal")
			config, err := got.Client.Load()
			require.NoError(t, err)
			assert.Equal(t, test.skips, config.InsecureSkipVerify)
			plain := *got
			plain.Client = nil
			assert.Equal(t, test.want, plain)
		})
	}
}

// Many instances that have a section in common have one in common afterwards, whose files are read once.
func TestTLSInCommon(t *testing.T) {
	options, err := load(t, "{defaults: {tls: {}}, instances: [{name: a, host: h, port: 1}, {name: b, host: h, port: 2}]}")
	require.NoError(t, err)
	targets := options.ToCheck(&Problems{}).Targets
	assert.Same(t, targets[0].TLS, targets[1].TLS)
}

// A reload interval that is pasted is told to have no effect, and no secret is in what is told.
func TestTLSNotes(t *testing.T) {
	options, err := load(t, "{instances: [{name: a, host: h, port: 1, tls: {reload_interval: 1h}}]}")
	require.NoError(t, err)
	assert.Equal(t, []string{`instances[0] "a" .tls.reload_interval: it has no effect: the files are read again for each handshake`}, options.Warnings())
	_, err = load(t, "{instances: [{name: a, host: h, port: 0, tls: {key_pem: my-secret, cert_pem: my-secret}}]}")
	require.Error(t, err)
	assert.NotContains(t, err.Error(), "my-secret")
}

// A section with quiet checks, here or by default.
func TestTLSBesideQuiet(t *testing.T) {
	for yaml, want := range map[string]string{
		"{instances: [{name: a, host: h, port: 1, tls: {}, quiet: true}]}":                  `instances[0] "a" .tls: it needs a connection that the server accepts, and quiet is true`,
		"{defaults: {quiet: true}, instances: [{name: a, host: h, port: 1, tls: {}}]}":      `instances[0] "a" .tls: it needs a connection that the server accepts, and quiet is true`,
		"{defaults: {tls: {}}, instances: [{name: a, host: h, port: 1, quiet: true}]}":      `instances[0] "a" .tls: it needs a connection that the server accepts, and quiet is true`,
		"{quiet: true, instances: [{name: a, host: h, port: 1, tls: {}}]}":                  `instances[0] "a" .tls: it needs a connection that the server accepts, and quiet is true`,
		"{instances: [{name: a, host: h, port: 1, tls: {insecure: true}, quiet: true}]}":    "",
		"{defaults: {tls: {ca_pem: x}}, instances: [{name: a, host: h, port: 1, tls: {}}]}": "defaults.tls: failed to load TLS config: failed to load CA CertPool PEM: failed to parse cert",
	} {
		_, err := load(t, yaml)
		if want == "" {
			require.NoError(t, err, yaml)
			continue
		}
		assert.EqualError(t, err, want, yaml)
	}
}

// A key is told by nothing that is wrong with it.
func TestKeyIsNotTold(t *testing.T) {
	authority := testnet.NewAuthority(t)
	chain, key := testnet.PEM(t, authority.Issue([]string{"client"}))
	_, other := testnet.PEM(t, authority.Issue([]string{"other"}))
	lines := strings.Split(strings.TrimSpace(string(key)), "\n")
	for name, section := range map[string]map[string]any{
		"without a certificate": {"key_pem": string(key)},
		"of another one":        {"cert_pem": string(chain), "key_pem": string(other)},
		"cut short":             {"cert_pem": string(chain), "key_pem": lines[0] + "\n" + lines[1]},
		"no PEM":                {"cert_pem": string(chain), "key_pem": lines[1]},
		"twice":                 {"cert_pem": string(chain), "key_pem": string(key), "key_file": "client.key"},
		"a list":                {"cert_pem": string(chain), "key_pem": []any{string(key)}},
	} {
		for _, place := range []string{"instance", "defaults"} {
			t.Run(name+", "+place, func(t *testing.T) {
				instance := map[string]any{"name": "a", "host": "h", "port": 1}
				config := map[string]any{"instances": []any{instance}}
				if place == "defaults" {
					config["defaults"] = map[string]any{"tls": section}
				} else {
					instance["tls"] = section
				}
				options := &Options{}
				options.Decode(confmap.NewFromStringMap(config), options)
				err := validate(options)
				require.Error(t, err)
				for _, pem := range [][]byte{key, other} {
					for line := range strings.SplitSeq(strings.TrimSpace(string(pem)), "\n") {
						if !strings.HasPrefix(line, "-----") {
							assert.NotContains(t, err.Error(), line)
						}
					}
				}
			})
		}
	}
}
