package e2e

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"example.com/tcpcheckreceiver/e2e/harness"
)

// fleet is two agents and a gateway, each a collector on a machine of its own, and
// the service on a fourth one that both agents check. Each agent has a cable to the
// gateway and another one to the service.
type fleet struct {
	t       *testing.T
	machine *harness.Machine // of the service
	service net.Listener
	agents  []*agent
	gateway *harness.Program
	arrived *recorder // what came to the gateway
	page    reader    // of the gateway
}

// agent is one vantage point of a fleet.
type agent struct {
	*harness.Program
	name      string
	measured  *recorder // what the agent measured
	toService *harness.Cable
	toGateway *harness.Cable
}

// Where the service is: addresses of the ranges for documentation (RFC 5737,
// RFC 3849).
const (
	serviceName = "service.test"
	service4    = "192.0.2.80"
	service6    = "2001:db8::80"
	servicePort = "8080"

	// serviceHosts are the hosts file of who knows it.
	serviceHosts = "127.0.0.1 localhost\n" + service4 + " " + serviceName + "\n" + service6 + " " + serviceName + "\n"
)

// startFleet returns a fleet that runs the configurations which are shipped.
func startFleet(t *testing.T) *fleet {
	t.Helper()
	f := &fleet{t: t, machine: harness.NewMachine(t)}
	f.machine.IP("addr", "add", service4+"/32", "dev", "lo")
	f.machine.IP("addr", "add", service6+"/128", "dev", "lo")
	f.open()

	gateway := harness.NewMachine(t)
	f.arrived = startRecorder(t, gateway.Listen("tcp4", "127.0.0.1:4318"))
	f.page = func() (harness.Page, error) { return gateway.ReadPage("127.0.0.1:9464") }
	f.gateway = f.run(gateway, []string{"RETENTION=4s"}, "../examples/gateway.yaml", recorderOverlay("otlp"))

	for i, family := range []string{"IPv4", "IPv6"} {
		f.agents = append(f.agents, f.startAgent(i, family, gateway))
	}
	return f
}

// startAgent starts agent i, which has the gateway's address of a family.
func (f *fleet) startAgent(i int, family string, gateway *harness.Machine) *agent {
	f.t.Helper()
	machine := harness.NewMachine(f.t)
	a := &agent{
		name:      "agent-" + family,
		measured:  startRecorder(f.t, machine.Listen("tcp4", "127.0.0.1:4318")),
		toService: connect(10+i, machine, f.machine),
		toGateway: connect(20+i, machine, gateway),
	}
	machine.IP("route", "add", service4, "via", far4(10+i).Addr().String())
	machine.IP("route", "add", service6, "via", far6(10+i).Addr().String())
	address := map[string]netip.Prefix{"IPv4": far4(20 + i), "IPv6": far6(20 + i)}[family].Addr()
	a.Program = f.run(machine, []string{
		"VANTAGE_POINT=" + a.name,
		"GATEWAY=" + netip.AddrPortFrom(address, 4317).String(),
		"TARGET_HOST=" + serviceName,
		"TARGET_PORT=" + servicePort,
		"CHECK_INTERVAL=1s",
	}, "../examples/agent.yaml", "receivers: {tcpcheck: {flush_interval: 1s}}\n"+recorderOverlay("tcpcheck")) // the page forgets in 4s
	return a
}

// connect lays cable number n, which has networks of its own.
func connect(n int, near, far *harness.Machine) *harness.Cable {
	return harness.Connect(fmt.Sprintf("cable%d", n), near, far,
		[]netip.Prefix{netip.MustParsePrefix(fmt.Sprintf("10.0.%d.1/24", n)), netip.MustParsePrefix(fmt.Sprintf("2001:db8:%d::1/64", n))},
		[]netip.Prefix{far4(n), far6(n)})
}

func far4(n int) netip.Prefix { return netip.MustParsePrefix(fmt.Sprintf("10.0.%d.2/24", n)) }
func far6(n int) netip.Prefix { return netip.MustParsePrefix(fmt.Sprintf("2001:db8:%d::2/64", n)) }

// run starts a collector on a machine, with an example and what is put over it.
func (f *fleet) run(machine *harness.Machine, environment []string, example, overlay string) *harness.Program {
	f.t.Helper()
	file := filepath.Join(f.t.TempDir(), "overlay.yaml")
	harness.Write(f.t, file, overlay)
	command := withHosts(f.t, serviceHosts, binary(f.t), "--config", example, "--config", file)
	command = machine.Command(command.Args...)
	command.Env = append(os.Environ(), environment...)
	return harness.Start(f.t, command, harness.CollectorReady)
}

// open lets the service listen.
func (f *fleet) open() {
	f.t.Helper()
	f.service = f.machine.Listen("tcp", net.JoinHostPort("", servicePort))
}

// close ends the service: from then on, its machine refuses connections.
func (f *fleet) close() {
	f.t.Helper()
	require.NoError(f.t, f.service.Close())
}

// await returns once the gateway's page says this of each vantage point and family, and
// nothing else.
func (f *fleet) await(want map[string]float64) {
	f.t.Helper()
	f.page.await(f.t, func(page harness.Page) bool {
		found := make(map[string]float64)
		for _, sample := range page.Of(canConnect) {
			found[sample.Labels["host_name"]+" "+sample.Labels["network_type"]] = sample.Value
		}
		return maps.Equal(found, want)
	})
}

// says is what the page says where agents report these values, each over both
// families.
func (f *fleet) says(values ...float64) map[string]float64 {
	want := make(map[string]float64)
	for i, value := range values {
		want[f.agents[i].name+" ipv4"], want[f.agents[i].name+" ipv6"] = value, value
	}
	return want
}

// A cut between one vantage point and the service is that one's zero, and the
// other one still connects.
func TestFleetVantagePoints(t *testing.T) {
	f := startFleet(t)
	f.await(f.says(1, 1))

	f.agents[0].toService.Cut()
	f.await(f.says(0, 1))
	f.agents[0].toService.Mend()
	f.await(f.says(1, 1))

	f.agents[1].toService.Cut()
	f.await(f.says(1, 0))
	f.agents[1].toService.Mend()
	f.await(f.says(1, 1))
}

// What an agent measures while it is cut off from the gateway arrives afterwards,
// each result with its own time: also an outage that has come and gone meanwhile.
func TestFleetQueue(t *testing.T) {
	f := startFleet(t)
	f.await(f.says(1, 1))
	cut, other := f.agents[0], f.agents[1]

	cut.toGateway.Cut()
	began := time.Now()
	f.await(map[string]float64{other.name + " ipv4": 1, other.name + " ipv6": 1}) // its series have ended
	f.close()
	for _, family := range []string{"ipv4", "ipv6"} {
		cut.Await(`cannot connect to "web"`, "over "+family)
	}
	f.open()
	for _, family := range []string{"ipv4", "ipv6"} {
		cut.Await(`connected again to "web"`, "over "+family)
	}
	ended := time.Now()
	for _, record := range f.arrived.of(cut.name) {
		assert.EqualValues(t, 1, record.value, "before the cut ended, the gateway had %v", record)
	}
	cut.toGateway.Mend()
	f.await(f.says(1, 1))

	// Each sends what is left in its queues, and the gateway what came of it to the
	// recorder.
	for _, agent := range f.agents {
		agent.Stop()
	}
	f.gateway.Stop()
	for _, agent := range f.agents {
		measured, arrived := texts(agent.measured.of("")), texts(f.arrived.of(agent.name))
		assert.Equal(t, measured, slices.Compact(arrived), "%s measured, and the gateway got", agent.name)
	}
	var during, outage int
	for _, record := range f.arrived.of(cut.name) {
		if record.at.After(began) && record.at.Before(ended) {
			during++
			outage += 1 - int(record.value)
		}
	}
	t.Logf("cut for %v: %d results from during the cut arrived, %d of them of the outage", ended.Sub(began), during, outage)
	assert.GreaterOrEqual(t, outage, 2, "a result for each family")
}

// texts returns records as sorted lines.
func texts(records []record) []string {
	var lines []string
	for _, record := range records {
		lines = append(lines, record.String())
	}
	slices.Sort(lines)
	return lines
}

// record is a result of a check, as it was sent.
type record struct {
	vantage string // host.name of the resource
	family  string
	at      time.Time
	value   int64
}

func (r record) String() string {
	return fmt.Sprintf("%s %s %d", r.family, r.at.Format(time.RFC3339Nano), r.value)
}

// recorder keeps the results of checks that it gets by OTLP.
type recorder struct {
	mu      sync.Mutex
	records []record
}

// startRecorder returns a recorder that serves a listener until the end of the
// test.
func startRecorder(t *testing.T, listener net.Listener) *recorder {
	t.Helper()
	r := &recorder{}
	harness.StartSink(t, listener, func(metrics pmetric.Metrics) {
		r.mu.Lock()
		defer r.mu.Unlock()
		for resource, point := range harness.Points(metrics, "network.tcp.can_connect") {
			vantage, family := harness.Text(resource, "host.name"), harness.Text(point.Attributes(), "network.type")
			r.records = append(r.records, record{vantage, family, point.Timestamp().AsTime(), point.IntValue()})
		}
	})
	return r
}

// of returns what was recorded of a vantage point, in the order of its arrival.
func (r *recorder) of(vantage string) []record {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(r.records), func(record record) bool { return record.vantage != vantage })
}

// recorderOverlay is a configuration that adds a pipeline to another one, from a
// receiver to a recorder on port 4318 of the same machine.
func recorderOverlay(receiver string) string {
	return fmt.Sprintf(`
exporters:
  otlp_http/recorder:
    endpoint: http://127.0.0.1:4318
    compression: none
    sending_queue:
      num_consumers: 1
service:
  pipelines:
    metrics/recorder:
      receivers: [%s]
      exporters: [otlp_http/recorder]
`, receiver)
}
