package tcpcheckreceiver

import (
	collector "go.opentelemetry.io/collector/receiver"

	"example.com/tcpcheckreceiver/internal/factory"
	"example.com/tcpcheckreceiver/internal/metadata"
)

// Config is what a user may write below the receiver's name.
type Config = factory.Config

// NewFactory returns the factory of the tcpcheck receiver.
func NewFactory() collector.Factory { return factory.New(metadata.Type) }
