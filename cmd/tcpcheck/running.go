package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"example.com/tcpcheckreceiver/internal/check"
)

// running is a collector that runs, and has a status page: how it is asked, and for what.
type running struct {
	url, authority, tokenFile, output string
	timeout                           time.Duration
	state, family, service            string
}

// newStatusCommand returns the command that prints what a collector that runs knows of its targets, and
// says in result how they are.
func newStatusCommand(result *status) *cobra.Command {
	var r running
	c := &cobra.Command{
		Use:   "status [flags] [text]",
		Short: "Print what a running collector knows of its targets",
		Long: `tcpcheck status asks the status page of a collector that runs, and prints a line for
each address of each target: its state and for how long it is in it, the last and the
average time of the handshake, and why it is down. What is down comes first. With a
text, it prints those targets that have it in a name, a host, a service, a tag, an
address or an error. Nothing is checked for it.

Exit status:

  0  every target is up
  1  a target is down over some of its addresses
  2  a target is down, or TLS or a dialogue with it fails
  3  bad use, no answer, or there is a target of which the state is not known`,
		Example: `  tcpcheck status
  tcpcheck status --state down
  tcpcheck status --url https://collector.example.com:9465 --ca-file ca.pem shop`,
		DisableFlagsInUseLine: true,
		Args:                  cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			write, known := runningFormats[r.output]
			if !known {
				return fmt.Errorf("--output %q is none; it is table or json", r.output)
			}
			text, err := r.ask(c.Context(), strings.Join(args, ""))
			if err != nil {
				return err
			}
			var said statusDocument
			if err := json.Unmarshal(text, &said); err != nil || said.Taken.IsZero() {
				return fmt.Errorf("what answers at %s is no status page of tcpcheck", r.url)
			}
			*result = said.worst()
			return write(c.OutOrStdout(), text, &said)
		},
	}
	c.Flags().StringVar(&r.url, "url", "http://localhost:9465", "where the page is; http://user:password@host:port where it asks for that")
	c.Flags().StringVar(&r.authority, "ca-file", "", "a file with the certificates, in PEM, that are trusted in place of the roots of this machine")
	c.Flags().StringVar(&r.tokenFile, "bearer-token-file", "", "a file with the token that the page asks for (RFC 6750)")
	c.Flags().DurationVar(&r.timeout, "timeout", defaultTimeout, "how long the answer may take")
	c.Flags().StringVar(&r.state, "state", "", "only the targets in a state: "+strings.Join(states, ", "))
	c.Flags().StringVar(&r.family, "family", "", "only the targets with an address in a family, which is in that state: ipv4, ipv6")
	c.Flags().StringVar(&r.service, "service", "", "only the targets of a service; - is those of none")
	c.Flags().StringVarP(&r.output, "output", "o", "table", "table, or json, which is what the page has")
	for flag, values := range map[string][]string{"family": {"ipv4", "ipv6"}, "state": states, "output": {"json", "table"}} {
		_ = c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)) // the flag is there
	}
	c.ValidArgsFunction = cobra.NoFileCompletions
	return c
}

// states are those of a target, as the page has them.
var states = []string{"down", "one_family", "partly", "failing", "unchecked", "unknown", "up"}

// mostAnswered bounds the answer of a page, in bytes.
const mostAnswered = 1 << 30

// ask returns the document of the page that has a text.
func (r *running) ask(ctx context.Context, text string) ([]byte, error) {
	at, err := url.Parse(r.url)
	if err != nil || at.Host == "" || at.Scheme != "http" && at.Scheme != "https" {
		return nil, fmt.Errorf("--url %q is not such as http://localhost:9465", r.url)
	}
	shown := at.Redacted()
	at = at.JoinPath("api", "v1", "status")
	query := url.Values{}
	for name, value := range map[string]string{"q": text, "state": r.state, "family": r.family, "service": r.service} {
		if value != "" {
			query.Set(name, value)
		}
	}
	at.RawQuery = query.Encode()
	ctx, end := context.WithTimeout(ctx, r.timeout)
	defer end()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), http.NoBody)
	if err != nil {
		return nil, err
	}
	if r.tokenFile != "" {
		token, err := os.ReadFile(r.tokenFile)
		if err != nil {
			return nil, fmt.Errorf("--bearer-token-file: %w", err)
		}
		request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	}
	client, err := r.client()
	if err != nil {
		return nil, err
	}
	defer client.CloseIdleConnections()
	answer, err := client.Do(request)
	if err != nil {
		var of *url.Error
		if errors.As(err, &of) {
			err = of.Err // which is without the URL, that may have a password
		}
		return nil, fmt.Errorf("%s does not answer, where the status page of a collector is to be: %w", shown, err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(answer.Body, mostAnswered))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", shown, err)
	}
	if answer.StatusCode != http.StatusOK {
		why, _, _ := strings.Cut(string(body), "\n")
		return nil, fmt.Errorf("%s answers %s: %s", shown, answer.Status, printable(why))
	}
	return body, nil
}

// client returns what asks.
func (r *running) client() (*http.Client, error) {
	trusted := &tls.Config{MinVersion: tls.VersionTLS12}
	if r.authority != "" {
		text, err := os.ReadFile(r.authority)
		if err != nil {
			return nil, fmt.Errorf("--ca-file: %w", err)
		}
		trusted.RootCAs = x509.NewCertPool()
		if !trusted.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("--ca-file: %s has no certificate", r.authority)
		}
	}
	return &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: trusted}}, nil
}

// statusDocument is the document of a page, as docs/status.md has it.
type statusDocument struct {
	Taken   time.Time `json:"taken"`
	Summary struct {
		Sentence string `json:"sentence"`
	} `json:"summary"`
	Targets    []shownTarget `json:"targets"`
	NotChecked []struct {
		Instance string `json:"instance"`
		Host     string `json:"server_address"`
		Port     uint16 `json:"server_port"`
		Address  string `json:"network_peer_address"`
		Text     string `json:"text"`
	} `json:"not_checked"`
	StaleSources []struct {
		Source string    `json:"source"`
		Error  string    `json:"error_message"`
		Since  time.Time `json:"stale_since"`
	} `json:"stale_sources"`
}

// shownTarget is a target of a page.
type shownTarget struct {
	Instance  string          `json:"instance"`
	Host      string          `json:"server_address"`
	Port      uint16          `json:"server_port"`
	State     string          `json:"state"`
	Endpoints []shownEndpoint `json:"endpoints"`
	Omitted   []struct {
		Family string `json:"network_type"`
		Reason string `json:"reason"`
	} `json:"omitted_families"`
}

// shownEndpoint is an address of a target.
type shownEndpoint struct {
	Family   string      `json:"network_type"`
	Address  string      `json:"network_peer_address"`
	State    string      `json:"state"`
	Flapping bool        `json:"flapping"`
	Since    time.Time   `json:"since"`
	Reason   string      `json:"reason"`
	Sender   string      `json:"error_sender"`
	Hint     string      `json:"hint"`
	Last     float64     `json:"response_time_seconds"`
	Average  float64     `json:"average_response_time_seconds"`
	TLS      *shownLayer `json:"tls"`
	Dialog   *shownLayer `json:"dialog"`
}

// shownLayer is what goes on over a connection.
type shownLayer struct {
	State  string `json:"state"`
	Reason string `json:"reason"`
}

// worst returns how the targets are.
func (d *statusDocument) worst() status {
	worst := statusOK
	for _, t := range d.Targets {
		switch t.State {
		case "up":
		case "down", "failing":
			worst = worse(worst, statusCritical)
		case "one_family", "partly":
			worst = worse(worst, statusWarning)
		default:
			worst = worse(worst, statusUnknown)
		}
	}
	return worst
}

// runningFormats write a document.
var runningFormats = map[string]func(to io.Writer, text []byte, d *statusDocument) error{
	"json":  func(to io.Writer, text []byte, _ *statusDocument) error { _, err := to.Write(text); return err },
	"table": func(to io.Writer, _ []byte, d *statusDocument) error { return d.write(to) },
}

// write writes a line for each address, those of the worst targets first, and below what there is to say.
func (d *statusDocument) write(to io.Writer) error {
	slices.SortStableFunc(d.Targets, func(a, b shownTarget) int {
		return slices.Index(states, a.State) - slices.Index(states, b.State)
	})
	var rows, notes strings.Builder
	table := newColumns(&rows)
	header := []string{"INSTANCE", "TARGET", "FAMILY", "ADDRESS", "RESULT", "FOR", "LAST", "AVERAGE"}
	secured := slices.ContainsFunc(d.Targets, hasLayer(func(e *shownEndpoint) *shownLayer { return e.TLS }))
	talks := slices.ContainsFunc(d.Targets, hasLayer(func(e *shownEndpoint) *shownLayer { return e.Dialog }))
	if secured {
		header = append(header, "TLS")
	}
	if talks {
		header = append(header, "DIALOG")
	}
	header = append(header, "REASON", "SENDER")
	table.line(header...)
	for i := range d.Targets {
		t := &d.Targets[i]
		at := (&check.Target{Host: printable(t.Host), Port: t.Port}).HostPort()
		if len(t.Endpoints) == 0 {
			cells := make([]string, len(header)) // as many as in the others, whose columns end otherwise
			copy(cells, []string{printable(t.Instance), at, "", "", printable(t.State)})
			table.line(cells...)
		}
		for j := range t.Endpoints {
			e := &t.Endpoints[j]
			cells := []string{printable(t.Instance), at, printable(e.Family), printable(e.Address), e.result(), e.lasting(d.Taken), seconds(e.Last), seconds(e.Average)}
			reason := e.Reason
			if secured {
				cells = append(cells, e.TLS.word(handshakeWords, &reason))
			}
			if talks {
				cells = append(cells, e.Dialog.word(dialogWords, &reason))
			}
			table.line(append(cells, printable(reason), printable(e.Sender))...)
			if hint := printable(e.Hint); hint != "" && !strings.Contains(notes.String(), hint) {
				notes.WriteString(printable(t.Instance) + ": " + hint + "\n")
			}
		}
		for _, o := range t.Omitted {
			if o.Reason == "machine_lacks_family" {
				notes.WriteString(printable(t.Instance) + ": " + printable(o.Family) + " is not checked: this machine has no address that could reach it.\n")
			}
		}
	}
	table.end()
	text := rows.String()
	if takesColour(to) {
		text = coloured(text)
	}
	for _, n := range d.NotChecked {
		what := printable(n.Instance)
		if n.Address != "" {
			what += " (" + printable(n.Address) + ")"
		}
		notes.WriteString(what + " is not checked: " + printable(n.Text) + "\n")
	}
	for _, s := range d.StaleSources {
		notes.WriteString("the list of " + printable(s.Source) + " is that of " + s.Since.Local().Format(time.DateTime) + ": " + printable(s.Error) + "\n")
	}
	return writeTrimmed(to, printable(d.Summary.Sentence)+" ("+d.Taken.Local().Format(time.DateTime)+")\n\n"+text+notes.String())
}

// hasLayer returns what reports whether a target has a layer.
func hasLayer(of func(*shownEndpoint) *shownLayer) func(shownTarget) bool {
	return func(t shownTarget) bool {
		return slices.ContainsFunc(t.Endpoints, func(e shownEndpoint) bool { return of(&e) != nil })
	}
}

// word returns the word of a layer's state, and adds why it does not work to a reason.
func (l *shownLayer) word(words map[check.Status]string, reason *string) string {
	if l == nil {
		return ""
	}
	if l.Reason != "" && *reason == "" {
		*reason = l.Reason
	}
	switch l.State {
	case "up":
		return words[check.Up]
	case "down":
		return words[check.Down]
	}
	return words[check.Unchecked]
}

// result returns the word for the state of an address.
func (e *shownEndpoint) result() string {
	if e.Flapping {
		return printable(e.State) + " (flapping)"
	}
	return printable(e.State)
}

// lasting returns for how long the address is in its state, in one unit or two.
func (e *shownEndpoint) lasting(now time.Time) string {
	d := now.Sub(e.Since)
	switch {
	case e.Since.IsZero() || d < 0:
		return ""
	case d < time.Minute:
		return strconv.Itoa(int(d.Seconds())) + "s"
	case d < time.Hour:
		return strconv.Itoa(int(d.Minutes())) + "m"
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return strconv.Itoa(int(d.Hours()/24)) + "d"
}

// seconds returns a time with three digits, which is empty where there is none.
func seconds(s float64) string {
	if s <= 0 {
		return ""
	}
	return short(time.Duration(s * float64(time.Second)))
}

// printable returns a text of elsewhere as a terminal may be given it: one with characters that cannot be seen,
// such as those by which a terminal is told something, is quoted.
func printable(text string) string {
	if strings.IndexFunc(text, func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }) < 0 {
		return text
	}
	return strconv.Quote(text)
}
