// Package tcpprobe has the tcpcheck receiver under the type tcp_probe, for a distribution that
// has contrib's TCP check receiver as well: that one's type is tcp_check, and tcpcheck is its
// deprecated name, which no other receiver may have beside it.
package tcpprobe

import (
	"go.opentelemetry.io/collector/component"
	collector "go.opentelemetry.io/collector/receiver"

	"example.com/tcpcheckreceiver/internal/factory"
)

// NewFactory returns the factory of the tcp_probe receiver.
func NewFactory() collector.Factory { return factory.New(component.MustNewType("tcp_probe")) }
