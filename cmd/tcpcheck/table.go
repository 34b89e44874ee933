package main

import (
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/report"
)

// interrupted is the reason where a check was cut short.
const interrupted = "it was interrupted"

// writeTable writes a line for each address, and below these what there is to say about each
// target as a whole.
func writeTable(to io.Writer, reports []check.Report, _ limits) error {
	return writeTrimmed(to, rowsOf(reports, true, takesColour(to))+notesOf(reports))
}

// rowsOf returns the lines of the addresses, below a header if there is to be one, and in colour if
// they are to be.
func rowsOf(reports []check.Report, header, inColour bool) string {
	var text strings.Builder
	table := newColumns(&text)
	secured := slices.ContainsFunc(reports, func(r check.Report) bool { return r.Target.TLS != nil })
	talks := slices.ContainsFunc(reports, func(r check.Report) bool { return r.Target.Dialog != nil })
	line := func(target string, c cells) {
		texts := []string{target, c.family, c.address, c.result, c.time}
		if secured {
			texts = append(texts, c.tls, c.handshake, c.lasts)
		}
		if talks {
			texts = append(texts, c.dialog, c.duration)
		}
		table.line(append(texts, c.reason, c.sender)...)
	}
	line("TARGET", cells{"FAMILY", "ADDRESS", "RESULT", "TIME", "REASON", "SENDER", "TLS", "HANDSHAKE", "LASTS", "DIALOG", "DURATION"})
	for i := range reports {
		r := &reports[i]
		for _, f := range findings(r) {
			line(r.Target.HostPort(), cellsOfFinding(f, r))
		}
		if !r.Done() {
			line(r.Target.HostPort(), cells{result: words[check.Unchecked], reason: interrupted})
		}
	}
	table.end()
	rows := text.String()
	if inColour {
		rows = coloured(rows)
	}
	if !header {
		_, rows, _ = strings.Cut(rows, "\n")
	}
	return rows
}

// notesOf returns the lines of the targets as a whole, and then who resolved their names: a line for
// each of those, since most targets have the same.
func notesOf(reports []check.Report) string {
	var text strings.Builder
	var resolvers []string
	resolved := make(map[string][]*check.Report)
	for i := range reports {
		for _, sentence := range sentences(&reports[i]) {
			text.WriteString(reports[i].Target.HostPort() + ": " + sentence + "\n")
		}
		if by := strings.Join(nameServers(&reports[i]), ", "); by != "" && slices.ContainsFunc(reports[i].Results, isNamed) {
			if resolved[by] == nil {
				resolvers = append(resolvers, by)
			}
			resolved[by] = append(resolved[by], &reports[i])
		}
	}
	for _, by := range resolvers {
		what := fmt.Sprintf("%d targets", len(resolved[by]))
		if len(resolved[by]) == 1 {
			what = resolved[by][0].Target.HostPort()
		}
		text.WriteString(what + ": resolved by " + by + ".\n")
	}
	return text.String()
}

// nameServers returns the name servers that answered for the name of a target, each once.
func nameServers(r *check.Report) []string {
	var servers []string
	for _, lookup := range r.Lookups {
		if server := lookup.Server.String(); lookup.Server.IsValid() && !slices.Contains(servers, server) {
			servers = append(servers, server)
		}
	}
	return servers
}

// isNamed reports whether an address comes of the name of the target as it was resolved now.
func isNamed(r check.Result) bool { return r.Address.IsValid() && !isUnnamed(&r) }

// columns writes lines whose cells are below each other.
type columns struct{ *tabwriter.Writer }

// narrowest is the width of a column at least, so that the lines of one table after another are below
// each other as well.
const narrowest = 6

func newColumns(to *strings.Builder) columns {
	return columns{tabwriter.NewWriter(to, narrowest+2, 0, 2, ' ', 0)}
}

func (c columns) line(cells ...string) { _, _ = fmt.Fprintln(c, strings.Join(cells, "\t")) } // a Builder takes all

func (c columns) end() { _ = c.Flush() }

// writeTrimmed writes lines without the spaces at their ends.
func writeTrimmed(to io.Writer, text string) error {
	for l := range strings.Lines(text) {
		if _, err := io.WriteString(to, strings.TrimRight(l, " \n")+"\n"); err != nil {
			return err
		}
	}
	return nil
}

// cells are what is shown of a result, each as text.
type cells struct {
	family, address, result, time, reason, sender string
	tls, handshake, lasts                         string // where certificates are checked
	dialog, duration                              string // where dialogues are held
}

// cellsOfFinding returns those of a finding of a report.
func cellsOfFinding(f finding, r *check.Report) cells {
	at := f.endpoint()
	c := cells{family: nameOf(at.Family), address: textOf(at.Address)}
	if f.connection != nil {
		c = cellsOf(f.connection)
	}
	if f.handshake != nil {
		c.addHandshake(f.handshake, r.Session.Time)
	}
	if f.dialog != nil {
		c.addDialog(f.dialog)
	}
	return c
}

func cellsOf(r *check.Result) cells {
	c := cells{family: nameOf(r.Family), address: textOf(r.Address), result: words[r.Status], sender: textOf(r.Sender())}
	switch {
	case r.Status == check.Up:
		c.time = short(r.HandshakeTime)
	case r.Status == check.Unchecked || r.ErrorType == check.Other:
		c.reason = r.Err.Error()
	default:
		c.reason = r.Reason()
	}
	return c
}

// nameOf returns the name of a family, or an empty text if there is none.
func nameOf(family check.Family) string {
	if family == 0 {
		return ""
	}
	return family.String()
}

// textOf returns an address as text, or an empty text if there is none.
func textOf(address netip.Addr) string {
	if !address.IsValid() {
		return ""
	}
	return address.String()
}

// words are those of the statuses that a check has.
var words = map[check.Status]string{check.Up: "up", check.Down: "down", check.Unchecked: "unchecked", check.Unresolved: "unresolved"}

// short returns a time with three digits.
func short(d time.Duration) string {
	unit := time.Nanosecond
	for d/unit >= 1000 {
		unit *= 10
	}
	return d.Round(unit).String()
}

// sentences returns what there is to say about a target as a whole.
func sentences(r *check.Report) []string {
	var said []string
	for _, omission := range r.Omissions {
		why := "the name has an address of the other family only"
		if omission.Reason == check.MachineLacksFamily {
			why = check.LacksFamilyError{Family: omission.Family}.Error()
		}
		said = append(said, fmt.Sprintf("%v is not checked: %s.", omission.Family, why))
	}
	if i := slices.IndexFunc(r.Results, func(r check.Result) bool { return isUnnamed(&r) }); i >= 0 {
		said = append(said, fmt.Sprintf("%s: %v.", unnamed[r.Results[i].ErrorType], r.Results[i].Err))
	}
	for _, excess := range r.Excesses {
		said = append(said, fmt.Sprintf("%d of its %d %v addresses are checked.", excess.Checked, excess.Found, excess.Family))
	}
	hint := report.Hint(r.Target, r.Results, nil)
	for i := range r.Results {
		if behind := report.Behind(&r.Results[i]); behind != "" && !strings.Contains(hint, behind) { // which says it as well
			said = append(said, behind)
		}
	}
	if hint != "" {
		said = append(said, hint)
	}
	if different := differing(r); different != "" {
		said = append(said, different)
	}
	return append(said, failedSteps(r)...)
}
