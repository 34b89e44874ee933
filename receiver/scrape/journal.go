package scrape

import (
	"net/netip"
	"time"

	"go.uber.org/zap"

	"example.com/tcpcheckreceiver/receiver/probe"
	"example.com/tcpcheckreceiver/receiver/target"
)

// journal logs when the state of an address changes, and its first result if
// that is down. Nothing is logged again while the state lasts.
type journal struct {
	logger  *zap.Logger
	targets []target.Target
	states  []map[endpoint]state // per target
}

// endpoint is what a state belongs to: an address, or a family of a name where
// no address is known.
type endpoint struct {
	family  target.Family
	address netip.Addr
}

type state struct {
	connected bool
	since     time.Time
}

func newJournal(logger *zap.Logger, targets []target.Target) *journal {
	j := &journal{logger: logger, targets: targets, states: make([]map[endpoint]state, len(targets))}
	for i := range j.states {
		j.states[i] = make(map[endpoint]state)
	}
	return j
}

// observe takes note of what a check of target i at now found. No results mean
// that it was not checked.
func (j *journal) observe(i int, results []probe.Result, now time.Time) {
	if len(results) == 0 {
		return
	}
	hint := familyHint(results)
	seen := make(map[endpoint]bool, len(results))
	for _, result := range results {
		e := endpoint{result.Family, result.Address}
		seen[e] = true
		before, known := j.states[i][e]
		if result.LocalFault || known && before.connected == result.Connected() {
			continue
		}
		j.states[i][e] = state{connected: result.Connected(), since: now}
		switch {
		case !result.Connected():
			j.logDown(i, &result, before, hint)
		case known:
			j.logger.Info("Connection restored", append(j.fields(i, e), zap.Time("down_since", before.since))...)
		}
	}
	for e, s := range j.states[i] {
		if seen[e] {
			continue
		}
		delete(j.states[i], e)
		if !s.connected {
			j.logger.Info("No longer checked", append(j.fields(i, e), zap.Time("down_since", s.since))...)
		}
	}
}

// logDown logs a failed result. A zero before says that it is the first one.
func (j *journal) logDown(i int, result *probe.Result, before state, hint string) {
	fields := append(j.fields(i, endpoint{result.Family, result.Address}),
		zap.String("error.type", string(result.ErrorType)), zap.Error(result.Err))
	if !before.since.IsZero() {
		fields = append(fields, zap.Time("up_since", before.since))
	}
	if hint != "" {
		fields = append(fields, zap.String("hint", hint))
	}
	j.logger.Warn("Cannot connect", fields...)
}

func (j *journal) fields(i int, e endpoint) []zap.Field {
	t := &j.targets[i]
	fields := []zap.Field{zap.String("tcpcheck.instance", t.Name), zap.String("endpoint", t.HostPort())}
	if e.family != 0 {
		fields = append(fields, zap.Stringer("network.type", e.family))
	}
	if e.address.IsValid() {
		fields = append(fields, zap.Stringer("network.peer.address", e.address))
	}
	return fields
}

// familyHint says what it usually means, and what to do, where one family of a
// target connects and the other one does not. It is empty otherwise.
func familyHint(results []probe.Result) string {
	connected := make(map[target.Family]bool)
	refused := make(map[target.Family]bool)
	failed := make(map[target.Family]bool)
	for _, r := range results {
		switch {
		case r.LocalFault || r.Speculative:
		case r.Connected():
			connected[r.Family] = true
		default:
			failed[r.Family] = true
			refused[r.Family] = refused[r.Family] || r.ErrorType == probe.ConnectionRefused
		}
	}
	for _, up := range target.Families {
		down := up.Other()
		if !connected[up] || connected[down] || !failed[down] {
			continue
		}
		remedy := " If it is meant to be so, ask only for that family: " + familyOption[up] + "."
		if refused[down] {
			return "The service listens on " + up.String() + " only. To serve both families, bind it to " + bindAddress[down] + " as well." + remedy
		}
		return "The host is reached over " + up.String() + " only: look at its " + down.String() + " address in DNS, its route and its firewall." + remedy
	}
	return ""
}

// familyOption is what to write to check one family only.
var familyOption = map[target.Family]string{
	target.IPv4: "address_families: [ipv4], or ipv4_only: true",
	target.IPv6: "address_families: [ipv6]",
}

// bindAddress is the wildcard address of a family.
var bindAddress = map[target.Family]string{target.IPv4: "0.0.0.0", target.IPv6: "[::]"}
