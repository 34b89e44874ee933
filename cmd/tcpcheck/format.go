package main

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"example.com/tcpcheckreceiver/internal/check"
)

// format writes reports, which are judged by limits.
type format func(to io.Writer, reports []check.Report, limits limits) error

// formats are those of --output by their names.
var formats = map[string]format{"table": writeTable, "json": writeJSON, "junit": writeJUnit, "nagios": writeNagios}

// formatOf returns the format of a name.
func formatOf(name string) (format, error) {
	if f := formats[name]; f != nil {
		return f, nil
	}
	return nil, fmt.Errorf("--output: %q is no format; they are %s", name, strings.Join(slices.Sorted(maps.Keys(formats)), ", "))
}

// jsonTarget is a target in JSON. The names are those of the labels that Prometheus makes of the
// receiver's attributes.
type jsonTarget struct {
	Address string       `json:"server_address"`
	Port    uint16       `json:"server_port"`
	Status  string       `json:"status"` // OK, WARNING, CRITICAL or UNKNOWN
	Results []jsonResult `json:"results"`
	Notes   []string     `json:"notes,omitempty"`
	Servers []string     `json:"name_servers,omitempty"` // that answered for the name
	Trace   []jsonWay    `json:"trace,omitempty"`
}

// jsonResult is a Result in JSON.
type jsonResult struct {
	Family         string   `json:"network_type,omitempty"`
	Address        string   `json:"network_peer_address,omitempty"`
	NAT64          string   `json:"tcpcheck_nat64_address,omitempty"` // the IPv4 address behind the translator
	Result         string   `json:"result,omitempty"`                 // up, down, unchecked or unresolved; not there if there was a session alone
	Seconds        *float64 `json:"response_time_seconds,omitempty"`
	SYNRetransmits *int     `json:"syn_retransmits,omitempty"`
	ErrorType      string   `json:"error_type,omitempty"`
	Error          string   `json:"error,omitempty"`
	Sender         string   `json:"sender,omitempty"`

	TLS    *jsonHandshake `json:"tls,omitempty"`
	Dialog *jsonDialog    `json:"dialog,omitempty"`
}

// writeJSON writes a list of targets, each with its results.
func writeJSON(to io.Writer, reports []check.Report, limits limits) error {
	return encodeJSON(to, jsonTargets(reports, limits))
}

func jsonTargets(reports []check.Report, limits limits) []jsonTarget {
	targets := make([]jsonTarget, len(reports))
	for i := range reports {
		r := &reports[i]
		targets[i] = jsonTarget{Address: r.Target.Host, Port: r.Target.Port, Status: limits.status(r).String(), Results: []jsonResult{}, Notes: sentences(r), Servers: nameServers(r)}
		for _, f := range findings(r) {
			targets[i].Results = append(targets[i].Results, jsonOfFinding(f, r))
		}
	}
	return targets
}

func encodeJSON(to io.Writer, targets []jsonTarget) error {
	encoder := json.NewEncoder(to)
	encoder.SetIndent("", "  ")
	return encoder.Encode(targets)
}

// jsonOfFinding returns a finding of a report.
func jsonOfFinding(f finding, r *check.Report) jsonResult {
	at := f.endpoint()
	made := jsonResult{Family: nameOf(at.Family), Address: textOf(at.Address)}
	if f.connection != nil {
		made = jsonOf(f.connection)
	}
	if f.handshake != nil {
		made.TLS = jsonHandshakeOf(f.handshake, r.Session.Time)
	}
	if f.dialog != nil {
		made.Dialog = jsonDialogOf(f.dialog)
	}
	return made
}

func jsonOf(r *check.Result) jsonResult {
	c := cellsOf(r)
	made := jsonResult{Family: c.family, Address: c.address, NAT64: r.Translated.String(), Result: c.result, ErrorType: string(r.ErrorType), Sender: c.sender}
	if r.Status == check.Up {
		seconds := r.HandshakeTime.Seconds()
		made.Seconds = &seconds
	}
	if r.SYNRetransmits != check.UnknownRetransmits && r.Address.IsValid() {
		made.SYNRetransmits = &r.SYNRetransmits
	}
	if r.Err != nil {
		made.Error = r.Err.Error()
	}
	return made
}

// jUnitSuite is what CI servers read as the results of tests: a test for each address, one for its
// certificate, and one for its dialogue.
type jUnitSuite struct {
	XMLName  xml.Name    `xml:"testsuite"`
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Cases    []jUnitCase `xml:"testcase"`
}

type jUnitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Seconds float64       `xml:"time,attr"`
	Failure *jUnitProblem `xml:"failure"`
	Error   *jUnitProblem `xml:"error"` // what could not be checked
}

type jUnitProblem struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr,omitempty"`
	Text    string `xml:",chardata"`
}

// writeJUnit writes a test suite.
func writeJUnit(to io.Writer, reports []check.Report, limits limits) error {
	suite := jUnitSuite{Name: "tcpcheck"}
	add := func(c jUnitCase) {
		suite.Cases = append(suite.Cases, c)
		suite.Tests++
		if c.Failure != nil {
			suite.Failures++
		}
		if c.Error != nil {
			suite.Errors++
		}
	}
	for i := range reports {
		r := &reports[i]
		notes := strings.Join(sentences(r), "\n")
		for _, f := range findings(r) {
			if f.connection != nil {
				add(jUnitOf(r.Target.HostPort(), f.connection, limits, notes))
			}
			if f.handshake != nil {
				add(jUnitHandshakeOf(r.Target.HostPort(), f.handshake, notes))
			}
			if f.dialog != nil {
				add(jUnitDialogOf(r.Target.HostPort(), f.dialog, notes))
			}
		}
		if !r.Done() {
			add(jUnitCase{Class: "tcpcheck", Name: r.Target.HostPort(), Error: &jUnitProblem{Message: interrupted}})
		}
	}
	if _, err := io.WriteString(to, xml.Header); err != nil {
		return err
	}
	encoder := xml.NewEncoder(to)
	encoder.Indent("", "  ")
	if err := encoder.Encode(suite); err != nil {
		return err
	}
	_, err := io.WriteString(to, "\n")
	return err
}

func jUnitOf(target string, r *check.Result, limits limits, notes string) jUnitCase {
	cells := cellsOf(r)
	c := jUnitCase{Class: "tcpcheck", Name: strings.TrimSpace(target + " " + cells.family + " " + cells.address), Seconds: r.HandshakeTime.Seconds()}
	problem := &jUnitProblem{Message: cells.reason, Type: string(r.ErrorType), Text: notes}
	if cells.sender != "" {
		problem.Message += ", said by " + cells.sender
	}
	switch {
	case r.Status == check.Up:
		if s := limits.of(r.HandshakeTime); s != statusOK {
			c.Failure = &jUnitProblem{Message: s.String() + ": the handshake took " + cells.time}
		}
	case r.Status == check.Unchecked || isUnnamed(r):
		c.Error = problem
	default:
		c.Failure = problem
	}
	return c
}

// writeNagios writes a line as the Monitoring Plugins have it, with performance data, and the
// table below.
func writeNagios(to io.Writer, reports []check.Report, limits limits) error {
	var up, all, verified, shaken, answered, asked int
	var data []string
	for i := range reports {
		for _, f := range findings(&reports[i]) {
			if f.handshake != nil {
				shaken++
				if f.handshake.Status == check.Up {
					verified++
				}
			}
			if f.dialog != nil {
				asked++
				if f.dialog.Status == check.Up {
					answered++
				}
			}
		}
		for _, r := range reports[i].Results {
			all++
			if r.Status != check.Up {
				continue
			}
			up++
			data = append(data, fmt.Sprintf("'%s %v %s'=%gs;%s;%s;0;%g", reports[i].Target.HostPort(), r.Family, r.Address, r.HandshakeTime.Seconds(),
				limitText(limits.warning.Seconds()), limitText(limits.critical.Seconds()), reports[i].Target.Timeout.Seconds()))
		}
	}
	targets := fmt.Sprintf("%d targets", len(reports))
	if len(reports) == 1 {
		targets = reports[0].Target.HostPort()
	}
	line := fmt.Sprintf("TCPCHECK %v - %s: %d of %d addresses connected", limits.worst(reports), targets, up, all)
	if shaken > 0 {
		line += fmt.Sprintf(", %d of %d verified", verified, shaken)
	}
	if asked > 0 {
		line += fmt.Sprintf(", %d of %d answered as expected", answered, asked)
	}
	if len(data) > 0 {
		line += " | " + strings.Join(data, " ")
	}
	if _, err := io.WriteString(to, line+"\n"); err != nil {
		return err
	}
	text := rowsOf(reports, true, false) + notesOf(reports)
	return writeTrimmed(to, strings.ReplaceAll(text, "|", `\x7c`)) // which begins performance data, and may be in an answer
}

// limitText returns a limit as performance data has it: nothing for none.
func limitText(seconds float64) string {
	if seconds == 0 {
		return ""
	}
	return fmt.Sprintf("%g", seconds)
}
