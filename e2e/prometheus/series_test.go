package prometheus

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The exporter makes the label job of a service's name, and so does the server of
// its own. Who wins, in each way to configure it, and what else there is of the
// service.
func TestJobAndInstance(t *testing.T) {
	web := newService(t, "127.0.0.1")
	c := startCollector(t, fmt.Sprintf(`{name: with service, endpoint: "127.0.0.1:%[1]d", service: shop}, {name: without, endpoint: "127.0.0.1:%[1]d"}`, web.port), "")
	relabel := `    metric_relabel_configs:
      # The exporter's job is the service, which service_name says as well.
      - {action: labeldrop, regex: exported_job}
`
	for _, test := range []struct {
		name         string
		replacements []string
		labels       model.Metric // of the one with a service
	}{
		{"as shipped", nil, model.Metric{"job": "tcpcheck", "service_name": "shop"}},
		{"without the relabelling", []string{relabel, ""}, model.Metric{"job": "tcpcheck", "exported_job": "shop", "service_name": "shop"}},
		{"honor_labels", []string{"honor_labels: false", "honor_labels: true"}, model.Metric{"job": "shop", "service_name": "shop"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := startServer(t, c, test.replacements...)
			s.awaitSome(`network_tcp_can_connect{tcpcheck_instance="without"}`)
			for _, sample := range s.query(canConnect) {
				want := model.Metric{
					"__name__": canConnect, "job": "tcpcheck", "instance": model.LabelValue(c.page),
					"tcpcheck_instance": sample.Metric["tcpcheck_instance"], "network_type": "ipv4", "network_peer_address": "127.0.0.1",
					"server_address": "127.0.0.1", "server_port": model.LabelValue(fmt.Sprint(web.port)),
				}
				if want["tcpcheck_instance"] == "with service" {
					maps.Copy(want, test.labels)
				}
				assert.Equal(t, want, sample.Metric)
			}
			assert.Len(t, s.query(canConnect), 2)
			assert.Empty(t, s.query(`target_info{job!="tcpcheck-collector"}`), "there is one only for a resource with service.instance.id")
		})
	}
}

// The opt-in attribute instance, named as tcp_check names its tag, gives way to
// the server's label.
func TestInstanceAttribute(t *testing.T) {
	web := newService(t, "127.0.0.1")
	c := startCollector(t, fmt.Sprintf("{name: web, endpoint: '127.0.0.1:%d'}", web.port),
		"receivers::tcpcheck::metrics::network.tcp.can_connect::attributes: [tcpcheck.instance, instance]")
	s := startServer(t, c)
	s.awaitSome(canConnect)
	assert.Equal(t, []string{c.page + " web web"}, linesOf(s.query(canConnect), []model.LabelName{"instance", "exported_instance", "tcpcheck_instance"}))
}

// An address that a name has no longer is gone at the next scrape, however long
// metric_expiration is; but not where the exporter sends timestamps.
func TestRemovedAddress(t *testing.T) {
	w := newWorld(t)
	web := newService(t, "127.0.0.1", "127.0.0.2")
	for _, test := range []struct {
		name       string
		timestamps bool
		later      []string // the addresses, half of the time that the server looks back after the last sample of the old one
	}{
		{"as shipped", false, []string{"127.0.0.2"}},
		{"send_timestamps", true, []string{"127.0.0.1", "127.0.0.2"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			w.resolve("moves.test", "127.0.0.1")
			c := startCollector(t, fmt.Sprintf("{name: moves, host: moves.test, port: %d, ip_cache_duration: 0}", web.port),
				fmt.Sprintf("exporters: {prometheus: {send_timestamps: %t, metric_expiration: 1h}}", test.timestamps))
			s := startServer(t, c)
			labels := []model.LabelName{"network_peer_address"}
			s.awaitLines(canConnect, labels, "127.0.0.1")

			w.resolve("moves.test", "127.0.0.2")
			s.awaitLines(canConnect, labels, "127.0.0.2")
			// It was on the page until a scrape before this one.
			last := s.query(`max_over_time(timestamp(network_tcp_can_connect{network_peer_address="127.0.0.1"})[1m:100ms])`)
			require.Len(t, last, 1)
			later := time.UnixMilli(int64(1000 * float64(last[0].Value))).Add(lookBack / 2)
			answer, _, err := s.api.Query(t.Context(), canConnect, later)
			require.NoError(t, err)
			assert.Equal(t, test.later, linesOf(answer.(model.Vector), labels))
		})
	}
}
