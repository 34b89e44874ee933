package faults

import (
	"flag"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/e2e/harness"
)

var update = flag.Bool("update", false, "write docs/faults.md")

// Every row of docs/faults.md.
func TestFaults(t *testing.T) {
	w := newWorld(t)
	for n, row := range rows {
		t.Run(row.group+": "+row.situation, func(t *testing.T) {
			row.run(w.in(t), addresses{
				v4:    netip.AddrFrom4([4]byte{198, 18, 1, byte(n + 1)}),
				v6:    netip.MustParseAddr(fmt.Sprintf("2001:db8:1::%x", n+0x100)),
				name:  fmt.Sprintf("name%d.test.", n),
				short: fmt.Sprintf("name%d", n),
			})
		})
	}
}

func (r row) run(w *world, a addresses) {
	w.t.Helper()
	r.set(w, a)
	fill := func(text string) string { return strings.ReplaceAll(a.fill(text), "$port", fmt.Sprint(w.port)) }
	at := 0
	var received *running
	logs := make(chan []string, 1000)
	started := make(chan struct{})
	config := fmt.Sprintf("%s\ninitial_delay: 0\ninstances:\n  - {name: x, %s}", r.receiver, fill(r.options))
	received = start(w.t, config, func() {
		<-started
		logs <- received.logged()
		if at++; at < len(r.steps) && r.steps[at].change != nil {
			r.steps[at].change(w, a)
		}
	})
	close(started)
	for _, step := range r.steps {
		assert.Equal(w.t, each(step.points, fill), points(received.collection()), step.then)
		assert.ElementsMatch(w.t, each(step.log, fill), <-logs, step.then)
	}
	require.NoError(w.t, received.receiver.Shutdown(w.t.Context()))
}

// each returns what f makes of texts, sorted.
func each(texts []string, f func(string) string) []string {
	made := make([]string, len(texts))
	for i, text := range texts {
		made[i] = f(text)
	}
	slices.Sort(made)
	return made
}

// The document has the rows that are tested.
func TestDocument(t *testing.T) {
	const file = "../../docs/faults.md"
	text := document()
	if *update {
		harness.Write(t, file, text)
	}
	assert.Equal(t, text, harness.Read(t, file), "run the test with -update")
}

func document() string {
	var b strings.Builder
	b.WriteString(`# The table of faults

Every row is a real situation, made in a network namespace, in which a test compares what the receiver reports and logs
with what stands here. ` + "`e2e/faults`" + ` has the test, and writes this page.

A line per address or family: its ` + "`can_connect`" + `, and the ` + "`error.type`" + ` that is counted. ADDRESS is the address that was
dialled, NAME a host name. A row with several lines has a collection for each. "-" stands for an attribute, a point or a log
line that there is not. A hint in the log is in brackets, shortened.
`)
	group := ""
	for _, row := range rows {
		if row.group != group {
			group = row.group
			fmt.Fprintf(&b, "\n## %s\n\n| situation | can_connect | error.type | log |\n| --- | --- | --- | --- |\n", group)
		}
		for i, step := range row.steps {
			situation := row.situation
			if i > 0 {
				situation = "… " + step.then
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", situation, cell(step.points, canConnectLine), cell(step.points, errorLine), cell(step.log, regexp.MustCompile(".*")))
		}
	}
	return b.String()
}

var (
	canConnectLine = regexp.MustCompile(`^(\S+) (?:-|\S*[.:$]\S*|\$\d) [01]$`)
	errorLine      = regexp.MustCompile(`^\S+ [a-z]+_?\w* \d+$`)
)

// cell joins those lines that match.
func cell(lines []string, match *regexp.Regexp) string {
	var kept []string
	for _, line := range lines {
		if match.MatchString(line) {
			kept = append(kept, generic.Replace(line))
		}
	}
	if len(kept) == 0 {
		return "-"
	}
	if len(kept) > 10 {
		kept = append(kept[:1], fmt.Sprintf("… and %d more", len(kept)-1))
	}
	return strings.Join(kept, "<br>")
}

var generic = strings.NewReplacer("$4", "ADDRESS", "[$6]", "[ADDRESS]", "$6", "ADDRESS", "$name", "NAME", "$short", "NAME", "$port", "PORT")
