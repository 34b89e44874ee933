package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/trace"
)

// tracing says whether the way to each target is to be walked, and how.
type tracing struct {
	wanted, resolve bool
	localPort       int
}

// atOnce is the number of targets whose ways are walked at the same time. The routers near this machine
// are on all of these ways, and send few ICMP errors a second to one machine.
const atOnce = 4

// addFlags gives a command the flags.
func (t *tracing) addFlags(c *cobra.Command) {
	c.Flags().BoolVar(&t.wanted, "trace", false, "show the way to each target, over each family, below the table or in the JSON (Linux 6.0 or later)")
	c.Flags().BoolVar(&t.resolve, "resolve", false, "name the hops of --trace, by reverse DNS")
	c.Flags().IntVar(&t.localPort, "local-port", 0, "walk the flow of --trace that has this local port, such as the one of a log line; without it, any")
}

// validate returns what is wrong with the flags, beside those that say how often the targets are checked
// and how that is shown. The error has a line for each thing.
func (t *tracing) validate(c *cobra.Command, repeats *repetition, output string) error {
	var wrong []error
	refuse := func(is bool, sentence string) {
		if is {
			wrong = append(wrong, errors.New(sentence))
		}
	}
	fixed := c.Flags().Changed("local-port")
	refuse(fixed && (t.localPort < 1 || t.localPort > 65535), fmt.Sprintf("--local-port: %d is not between 1 and 65535", t.localPort))
	refuse(fixed && !t.wanted, "--local-port: it is for --trace; write both")
	refuse(t.resolve && !t.wanted, "--resolve: it is for --trace; write both")
	refuse(t.wanted && repeats.wanted(c), "--trace: it is for one check; leave --count and --interval out")
	refuse(t.wanted && (output == "junit" || output == "nagios"), "--trace: "+output+" has no place for it; table and json have")
	return errors.Join(wrong...)
}

// write writes reports in a format, with the ways to their targets: the tables of the ways come as they
// are known.
func (t *tracing) write(ctx context.Context, to io.Writer, output string, reports []check.Report, slow limits) error {
	if output == "json" {
		targets := jsonTargets(reports, slow)
		for i, known := range t.walk(ctx, reports) {
			targets[i].Trace = (<-known).json()
		}
		return encodeJSON(to, targets)
	}
	if err := formats[output](to, reports, slow); err != nil {
		return err
	}
	for i, known := range t.walk(ctx, reports) {
		ways := <-known
		if len(ways.ways) == 0 {
			continue
		}
		target := reports[i].Target.HostPort()
		text := ways.table()
		if text != "" {
			text = "The way to " + target + ":\n" + text
		}
		if err := writeTrimmed(to, "\n"+text+ways.notes(target)); err != nil {
			return err
		}
	}
	return nil
}

// walk walks the ways to the targets of reports, and returns a channel for each target, on which its ways
// come. Two targets that have an address and a port in common have its way in common, if they leave
// this machine alike.
func (t *tracing) walk(ctx context.Context, reports []check.Report) []chan *ways {
	all := make([]chan *ways, len(reports))
	here := make([][]func() *trace.Way, len(reports))
	walks := make(map[string]func() *trace.Way)
	for i := range reports {
		all[i] = make(chan *ways, 1)
		for _, result := range dialled(&reports[i]) {
			target := netip.AddrPortFrom(result.Address, reports[i].Target.Port)
			outgoing := reports[i].Target.Outgoing
			flow := target.String()
			if outgoing != nil {
				flow += fmt.Sprint(*outgoing)
			}
			if walks[flow] == nil {
				walks[flow] = sync.OnceValue(func() *trace.Way {
					return trace.Walk(ctx, target, trace.Options{
						LocalPort: uint16(t.localPort), Outgoing: outgoing, RoundTrip: roundTrip(&result), //nolint:gosec // it is valid
					})
				})
			}
			here[i] = append(here[i], walks[flow])
		}
	}
	go func() {
		slots := make(chan struct{}, atOnce)
		for i := range all {
			slots <- struct{}{}
			go func() {
				all[i] <- t.walkAll(ctx, here[i])
				<-slots
			}()
		}
	}()
	return all
}

// walkAll walks ways at the same time.
func (t *tracing) walkAll(ctx context.Context, walks []func() *trace.Way) *ways {
	found := &ways{ways: make([]*trace.Way, len(walks))}
	var walking sync.WaitGroup
	for i, walk := range walks {
		walking.Go(func() { found.ways[i] = walk() })
	}
	walking.Wait()
	if t.resolve {
		found.names = trace.Names(ctx, found.addresses())
	}
	return found
}

// dialled returns the first result of each family that is one of an address.
func dialled(r *check.Report) []check.Result {
	var first []check.Result
	for _, family := range check.Families {
		is := func(r check.Result) bool { return r.Address.IsValid() && check.FamilyOf(r.Address) == family }
		if i := slices.IndexFunc(r.Results, is); i >= 0 {
			first = append(first, r.Results[i])
		}
	}
	return first
}

// roundTrip returns how long the answer of an address took, or 0 if it is not known: what took long may have
// been the wait for a SYN that was lost.
func roundTrip(r *check.Result) time.Duration {
	if r.Status != check.Up || r.SYNRetransmits > 0 {
		return 0
	}
	return r.HandshakeTime
}

// ways are those to a target, one for each of its families at most.
type ways struct {
	ways  []*trace.Way
	names map[netip.Addr]string // of hops
}

// addresses returns those of all hops, each once.
func (w *ways) addresses() []netip.Addr {
	var all []netip.Addr
	for _, way := range w.ways {
		for _, hop := range way.Hops {
			if hop.Address.IsValid() && !slices.Contains(all, hop.Address) {
				all = append(all, hop.Address)
			}
		}
	}
	return all
}

// unanswered is shown for a hop that did not answer.
const unanswered = "*"

// table returns a line for each hop, with the ways side by side. The last hops, if none of them answered,
// share a line.
func (w *ways) table() string {
	var text strings.Builder
	table := newColumns(&text)
	header, length, silence := []string{"HOP"}, 0, 0
	for _, way := range w.ways {
		header = append(header, strings.ToUpper(familyOf(way)), "TIME")
		length = max(length, len(way.Hops))
		answered := len(way.Hops)
		for answered > 0 && !way.Hops[answered-1].Address.IsValid() {
			answered--
		}
		silence = max(silence, answered)
	}
	if length == 0 {
		return ""
	}
	table.line(header...)
	for i := 0; i < length; i++ {
		cells, last := w.row(i), i
		for i >= silence && last+1 < length && slices.Equal(cells, w.row(last+1)) {
			last++
		}
		hops := fmt.Sprint(i + 1)
		if last > i {
			hops = fmt.Sprintf("%d-%d", i+1, last+1)
		}
		table.line(append([]string{hops}, cells...)...)
		i = last
	}
	table.end()
	return text.String()
}

// row returns the cells of a hop, counted from 0.
func (w *ways) row(i int) []string {
	var cells []string
	for _, way := range w.ways {
		switch {
		case i >= len(way.Hops):
			cells = append(cells, "", "")
		case !way.Hops[i].Address.IsValid():
			cells = append(cells, unanswered, "")
		default:
			hop, text := way.Hops[i], w.text(way.Hops[i].Address)
			if hop.Said != "" {
				text += ", " + hop.Said
			}
			cells = append(cells, text, short(hop.Time))
		}
	}
	return cells
}

// text returns an address, with its name if that is known.
func (w *ways) text(address netip.Addr) string {
	if name := w.names[address]; name != "" {
		return name + " (" + address.String() + ")"
	}
	return address.String()
}

func familyOf(way *trace.Way) string { return check.FamilyOf(way.Target.Addr()).String() }

// notes returns a line for each way of which there is something to say, and one that tells the flows.
func (w *ways) notes(target string) string {
	var text strings.Builder
	line := func(sentence string) { text.WriteString(target + ": " + sentence + ".\n") }
	var flows []string
	for _, way := range w.ways {
		if note := w.note(way); note != "" {
			line("over " + familyOf(way) + " " + note)
		}
		if len(way.Hops) > 0 {
			flows = append(flows, way.Local.String())
		}
	}
	if len(flows) > 0 {
		line("the flow is from " + strings.Join(flows, ", and from "))
	}
	return text.String()
}

// note says how a way ended if it did not end at the target; it is empty if it did.
func (w *ways) note(way *trace.Way) string {
	last := way.Last()
	switch {
	case errors.Is(way.Err, context.Canceled):
		return "the way is not known to its end: " + interrupted
	case way.Err != nil:
		return "the way is not known: " + way.Err.Error()
	case len(way.Loop) > 0:
		var routers []string
		for _, router := range way.Loop {
			routers = append(routers, w.text(router))
		}
		return "the way is a loop: " + strings.Join(routers, ", ") + ", and again"
	case last.Said == trace.Connected || last.Said == trace.Refused:
		return ""
	case last.Said != "" && last.Address == way.Local.Addr():
		return "the way ends on this machine: " + last.Said
	case last.Said != "":
		return "the way ends at " + w.text(last.Address) + ": " + last.Said
	case !last.Address.IsValid():
		return "nothing answers"
	case way.Hops[len(way.Hops)-1] == last:
		return fmt.Sprintf("the way has more than %d hops", trace.MaxHops)
	}
	return "nothing answers behind " + w.text(last.Address)
}

// jsonWay is the way over a family in JSON.
type jsonWay struct {
	Family       string    `json:"network_type"`
	Address      string    `json:"network_peer_address"`
	LocalAddress string    `json:"network_local_address,omitempty"`
	LocalPort    uint16    `json:"network_local_port,omitempty"`
	Hops         []jsonHop `json:"hops"`
	Note         string    `json:"note,omitempty"`
}

// jsonHop is a hop in JSON; one that did not answer has its number alone.
type jsonHop struct {
	Hop     int      `json:"hop"` // from 1
	Address string   `json:"address,omitempty"`
	Name    string   `json:"name,omitempty"`
	Seconds *float64 `json:"time_seconds,omitempty"`
	Said    string   `json:"said,omitempty"`
}

func (w *ways) json() []jsonWay {
	var all []jsonWay
	for _, way := range w.ways {
		made := jsonWay{
			Family: familyOf(way), Address: way.Target.Addr().String(), LocalAddress: textOf(way.Local.Addr()), LocalPort: way.Local.Port(),
			Hops: []jsonHop{}, Note: w.note(way),
		}
		for i, hop := range way.Hops {
			shown := jsonHop{Hop: i + 1, Address: textOf(hop.Address), Name: w.names[hop.Address], Said: hop.Said}
			if hop.Address.IsValid() {
				seconds := hop.Time.Seconds()
				shown.Seconds = &seconds
			}
			made.Hops = append(made.Hops, shown)
		}
		all = append(all, made)
	}
	return all
}
