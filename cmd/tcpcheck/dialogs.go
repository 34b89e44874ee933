package main

import (
	"errors"
	"strings"

	"example.com/tcpcheckreceiver/internal/check"
)

// errNoDialog is why nothing is known of a dialogue that was not held.
var errNoDialog = errors.New("no dialogue was held")

// dialogWords are those of the statuses that a dialogue has.
var dialogWords = map[check.Status]string{check.Up: "ok", check.Down: "failed", check.Unchecked: "unchecked"}

// addDialog adds what a dialogue found to the cells of its address. The reason is that of the connection or of
// the handshake if there is one.
func (c *cells) addDialog(r *check.DialogResult) {
	c.dialog = dialogWords[r.Status]
	if r.Status == check.Up {
		c.duration = short(r.Time)
	}
	if c.reason == "" {
		c.reason = dialogReason(r)
	}
}

// dialogReason returns why a dialogue fails, or was not held. It is empty if all steps were done.
func dialogReason(r *check.DialogResult) string {
	if r.Status == check.Unchecked {
		return r.Err.Error()
	}
	return r.ErrorType.Words()
}

// failedSteps returns a sentence for each step of a target at which a dialogue fails, and what the service said
// there: with which addresses.
func failedSteps(r *check.Report) []string {
	var errs []string
	addresses := make(map[string][]string) // by the error
	for _, f := range findings(r) {
		if f.dialog == nil || f.dialog.Status != check.Down {
			continue
		}
		err := f.dialog.Err.Error()
		if addresses[err] == nil {
			errs = append(errs, err)
		}
		addresses[err] = append(addresses[err], textOf(f.dialog.Address))
	}
	said := make([]string, len(errs))
	for i, err := range errs {
		said[i] = "The dialogue with " + strings.Join(addresses[err], ", ") + " fails: " + err + "."
	}
	return said
}

// jsonDialog is a DialogResult in JSON. The names are those of the receiver's metrics and attributes, without
// dialog before them.
type jsonDialog struct {
	Result    string   `json:"result"` // ok, failed or unchecked
	Seconds   *float64 `json:"duration_seconds,omitempty"`
	ErrorType string   `json:"error_type,omitempty"`
	Error     string   `json:"error,omitempty"`
}

func jsonDialogOf(r *check.DialogResult) *jsonDialog {
	made := &jsonDialog{Result: dialogWords[r.Status], ErrorType: string(r.ErrorType)}
	if r.Status == check.Up {
		seconds := r.Time.Seconds()
		made.Seconds = &seconds
	}
	if r.Err != nil {
		made.Error = r.Err.Error()
	}
	return made
}

// jUnitDialogOf returns a dialogue as a test of its own.
func jUnitDialogOf(target string, r *check.DialogResult, notes string) jUnitCase {
	c := jUnitCase{Class: "tcpcheck", Name: strings.Join([]string{target, nameOf(r.Family), textOf(r.Address), "dialogue"}, " "), Seconds: r.Time.Seconds()}
	switch r.Status {
	case check.Up:
	case check.Down:
		c.Failure = &jUnitProblem{Message: dialogReason(r) + ": " + r.Err.Error(), Type: string(r.ErrorType), Text: notes}
	default:
		c.Error = &jUnitProblem{Message: dialogReason(r), Text: notes}
	}
	return c
}
