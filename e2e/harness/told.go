package harness

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/receiver/receivertest"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"example.com/tcpcheckreceiver"
	"example.com/tcpcheckreceiver/internal/metadata"
)

// Told runs a receiver with a configuration until it has told of so many events, and returns all that it
// has told by then: the events, the log at every level, and the configuration as a library prints it.
func Told(t testing.TB, configuration string, events int) string {
	t.Helper()
	retrieved, err := confmap.NewRetrievedFromYAML([]byte(configuration))
	require.NoError(t, err)
	conf, err := retrieved.AsConf()
	require.NoError(t, err)
	factory := tcpcheckreceiver.NewFactory()
	config := factory.CreateDefaultConfig()
	require.NoError(t, conf.Unmarshal(config))

	core, logs := observer.New(zapcore.DebugLevel)
	settings := receivertest.NewNopSettings(metadata.Type)
	settings.Logger = zap.New(core)
	taken := make(chan plog.Logs, 100)
	next, err := consumer.NewLogs(func(_ context.Context, l plog.Logs) error { taken <- l; return nil })
	require.NoError(t, err)
	receiver, err := factory.CreateLogs(context.Background(), settings, config, next)
	require.NoError(t, err)
	require.NoError(t, receiver.Start(context.Background(), componenttest.NewNopHost()))
	told := fmt.Sprintf("%v %+v %#v", config, config, config)
	marshaler := plog.JSONMarshaler{}
	for events > 0 {
		l := <-taken
		text, err := marshaler.MarshalLogs(l)
		require.NoError(t, err)
		events -= l.LogRecordCount()
		told += string(text)
	}
	require.NoError(t, receiver.Shutdown(context.Background()))
	for _, entry := range logs.All() {
		told += fmt.Sprintln(entry.Message, entry.ContextMap())
	}
	return told
}
