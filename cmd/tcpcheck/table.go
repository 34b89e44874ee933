package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/report"
)

// writeTable writes a line for each address, and below these what there is to say about each
// target as a whole.
func writeTable(to io.Writer, reports []check.Report) error {
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	line := func(cells ...string) { _, _ = fmt.Fprintln(table, strings.Join(cells, "\t")) } // a Builder takes all
	line("TARGET", "FAMILY", "ADDRESS", "RESULT", "TIME", "REASON", "SENDER")
	for i := range reports {
		r := &reports[i]
		for _, result := range r.Results {
			line(append([]string{r.Target.HostPort()}, cellsOf(&result)...)...)
		}
		if !r.Done() {
			line(r.Target.HostPort(), "", "", "unchecked", "", "it was interrupted", "")
		}
	}
	_ = table.Flush()
	for i := range reports {
		for _, sentence := range sentences(&reports[i]) {
			_, _ = fmt.Fprintf(&text, "%s: %s\n", reports[i].Target.HostPort(), sentence)
		}
	}
	for l := range strings.Lines(text.String()) {
		if _, err := io.WriteString(to, strings.TrimRight(l, " \n")+"\n"); err != nil {
			return err
		}
	}
	return nil
}

// cellsOf returns the cells of a result, but for the target.
func cellsOf(r *check.Result) []string {
	cells := make([]string, 6)
	if r.Family != 0 {
		cells[0] = r.Family.String()
	}
	if r.Address.IsValid() {
		cells[1] = r.Address.String()
	}
	cells[2] = words[r.Status]
	switch {
	case r.Status == check.Up:
		cells[3] = short(r.HandshakeTime)
	case r.Status == check.Unchecked || r.ErrorType == check.Other:
		cells[4] = r.Err.Error()
	default:
		cells[4] = r.ErrorType.Words()
	}
	if sender := r.Sender(); sender.IsValid() {
		cells[5] = sender.String()
	}
	return cells
}

var words = map[check.Status]string{check.Up: "up", check.Down: "down", check.Unchecked: "unchecked", check.Unresolved: "unresolved"}

// short returns a time with three digits.
func short(d time.Duration) string {
	unit := time.Nanosecond
	for d/unit >= 1000 {
		unit *= 10
	}
	return d.Round(unit).String()
}

// sentences returns what there is to say about a target.
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
	if hint := report.Hint(r.Results, nil); hint != "" {
		said = append(said, hint)
	}
	return said
}
