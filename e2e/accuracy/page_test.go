package accuracy

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/extension/extensiontest"

	"example.com/tcpcheckreceiver/e2e/harness"
	"example.com/tcpcheckreceiver/extension/tcpcheckstatus"
)

var pageID = component.MustNewID("tcpcheck_status")

// hostOf is a collector with extensions.
type hostOf map[component.ID]component.Component

// GetExtensions implements component.Host.
func (h hostOf) GetExtensions() map[component.ID]component.Component { return h }

// startPage returns a collector with a status page, which is fetched ten times a second until stop is called: the list,
// and all of it as JSON, in turn.
func startPage(t *testing.T) (host component.Host, stop func()) {
	t.Helper()
	address := harness.FreeAddress(t)
	factory := tcpcheckstatus.NewFactory()
	config := factory.CreateDefaultConfig()
	require.NoError(t, confmap.NewFromStringMap(map[string]any{"endpoint": address}).Unmarshal(config))
	page, err := factory.Create(context.Background(), extensiontest.NewNopSettings(factory.Type()), config)
	require.NoError(t, err)
	require.NoError(t, page.Start(context.Background(), componenttest.NewNopHost()))
	ended, fetched := make(chan struct{}), 0
	var fetching sync.WaitGroup
	fetching.Go(func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			answer, err := http.Get("http://" + address + []string{"/", "/api/v1/status"}[fetched%2])
			if err != nil {
				t.Errorf("the page: %v", err)
				return
			}
			_, _ = io.Copy(io.Discard, answer.Body)
			_ = answer.Body.Close()
			fetched++
			select {
			case <-tick.C:
			case <-ended:
				return
			}
		}
	})
	return hostOf{pageID: page}, func() {
		close(ended)
		fetching.Wait()
		fmt.Printf("the page was fetched %d times\n", fetched)
		require.NoError(t, page.Shutdown(context.Background()))
	}
}
