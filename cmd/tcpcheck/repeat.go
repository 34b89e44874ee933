package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"example.com/tcpcheckreceiver/internal/check"
)

// repetition says how often, and how long after each other, targets are checked.
type repetition struct {
	count    int
	interval time.Duration
}

// wanted reports whether more than one check is wanted of the command.
func (r *repetition) wanted(c *cobra.Command) bool {
	return r.count != 1 || c.Flags().Changed("interval")
}

// validate returns what is wrong with the repetition, which is shown in a format.
func (r *repetition) validate(c *cobra.Command, format string) error {
	switch {
	case r.count < 0:
		return fmt.Errorf("--count: %d is less than 0", r.count)
	case r.interval <= 0:
		return fmt.Errorf("--interval: %v is not more than 0", r.interval)
	case r.wanted(c) && format != "table":
		return errors.New("--output: " + format + " is for one check; leave --count and --interval out")
	}
	return nil
}

// run repeats the checks, writes a line for each, and a summary at the end, also where that is an
// interrupt. It returns the worst status of all.
func (r *repetition) run(c *cobra.Command, checker *checker, slow limits) (status, error) {
	count := r.count
	if !c.Flags().Changed("count") {
		count = 0
	}
	var all summary
	worst, said, rounds := statusOK, []string(nil), 0
	out := c.OutOrStdout()
	err := checker.repeat(c.Context(), count, r.interval, func(reports []check.Report) error {
		all.add(reports)
		worst = worse(worst, slow.worst(reports))
		text := rowsOf(reports, rounds == 0, takesColour(out))
		rounds++
		notes := slices.Collect(strings.Lines(notesOf(reports)))
		for _, note := range notes {
			if !slices.Contains(said, note) { // what is not new is not said again
				text += note
			}
		}
		said = notes
		return writeTrimmed(out, text)
	})
	if err != nil {
		return statusUnknown, err
	}
	if len(all.tallies) == 0 {
		worst = statusUnknown // nothing was checked
	}
	if _, err := io.WriteString(out, "\n"); err != nil {
		return statusUnknown, err
	}
	return worst, all.write(out)
}
