// Package tcpcheckstatus is an extension of the collector that shows what tcpcheck receivers know of their targets:
// on a page, and as JSON.
package tcpcheckstatus

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/extension"
)

// NewFactory returns the factory of the extension, of type tcpcheck_status.
func NewFactory() extension.Factory {
	return extension.NewFactory(component.MustNewType("tcpcheck_status"), createDefaultConfig, create, component.StabilityLevelAlpha)
}

// Config is what a user may write below the extension's name.
type Config struct {
	// ServerConfig has the options of the collector's HTTP servers, as endpoint, tls, auth and cors. The
	// default endpoint is localhost:9465.
	confighttp.ServerConfig `mapstructure:",squash"`
	// Hosts are names by which the page is asked for, besides localhost, the name of this machine, that of the
	// endpoint, and IP addresses. Under any other name it is refused, since a page of somebody else's
	// could read it by having a name of its own lead here (DNS rebinding).
	Hosts []string `mapstructure:"hosts"`
}

const defaultEndpoint = "localhost:9465"

func createDefaultConfig() component.Config {
	server := confighttp.NewDefaultServerConfig()
	server.NetAddr.Endpoint = defaultEndpoint
	server.ReadHeaderTimeout, server.WriteTimeout = 10*time.Second, 30*time.Second
	return &Config{ServerConfig: server}
}

// Validate returns an error that has a line for each thing that is wrong, or nil.
func (c *Config) Validate() error {
	var errs []error
	if c.NetAddr.Endpoint == "" {
		errs = append(errs, errors.New("endpoint: there is none; write host:port, such as "+defaultEndpoint))
	}
	for i, host := range c.Hosts {
		if host == "" || strings.ContainsAny(host, "/:* ") {
			errs = append(errs, fmt.Errorf("hosts[%d]: %q is no name of a host; write it without a scheme and a port", i, host))
		}
	}
	return errors.Join(errs...)
}

func create(_ context.Context, set extension.Settings, config component.Config) (extension.Extension, error) {
	c, ok := config.(*Config)
	if !ok {
		return nil, fmt.Errorf("%T is not a configuration of the %s extension", config, set.ID.Type())
	}
	return newPage(set, c), nil
}
