package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.opentelemetry.io/collector/confmap"

	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/source"
)

// options say what is checked.
type options struct {
	config string // a file that has targets; empty for none
	// Those of the arguments have these:
	families []string // none for those that the host has
	sources  []string // none for those that the system chooses
	device   string   // empty for that which the routes say
	dscp     int
	servers  []string // that resolve names; none for those of this machine
	tls      bool     // their certificates are checked
	// What the certificates are for, and the file of who may have issued them; empty for the host, and for
	// the roots of this machine.
	serverName, authority string
	timeout               time.Duration
}

// targets returns the targets of arguments and of a configuration, and the status for what of the
// configuration is lacking, which is told as an error of the command. The error has a line for each
// thing that is wrong.
func (o *options) targets(c *cobra.Command, args []string) ([]*check.Target, status, error) {
	switch {
	case o.config == "" && c.Flags().Changed("config"):
		return nil, statusUnknown, errors.New("--config: there is no path")
	case o.config == "" && len(args) == 0:
		return nil, statusUnknown, errors.New("there is no target; write host:port, such as localhost:22")
	case o.timeout <= 0:
		return nil, statusUnknown, fmt.Errorf("--timeout: %v is not more than 0", o.timeout)
	}
	if len(args) == 0 {
		if err := forArguments(c); err != nil {
			return nil, statusUnknown, err
		}
	}
	targets, err := targetsOf(args, *o)
	err = errors.Join(err, forTLS(c, o.tls))
	if o.config == "" {
		return targets, statusOK, err
	}
	ctx, end := context.WithTimeout(c.Context(), o.timeout)
	defer end()
	lists, wrong := configured(ctx, o.config)
	lacking := statusOK
	for _, list := range lists {
		targets = append(targets, list.Targets...)
		said := list.Warnings
		for _, source := range list.Sources {
			if source.Err != nil {
				lacking = statusUnknown
				said = append(said, fmt.Sprintf("the list of %s is missing: %v", source.Name, source.Err))
			}
		}
		if list.Refused > 0 {
			lacking = statusUnknown
		}
		for _, sentence := range said {
			c.PrintErrln(sentence)
		}
	}
	if wrong == nil && len(targets) == 0 {
		lacking = statusUnknown
		c.PrintErrln("there is no target to check")
	}
	return targets, lacking, errors.Join(err, wrong)
}

// ofArguments are the flags that are for the targets of arguments, and the options that these are in a
// configuration.
var ofArguments = []struct{ flag, option string }{
	{"family", "address_families"},
	{"source-address", "source_address"},
	{"interface", "interface"},
	{"dscp", "dscp"},
	{"resolver", "resolver"},
	{"tls", "tls"},
	{"server-name", "tls.server_name"},
	{"ca-file", "tls.ca_file"},
}

// forTLS returns what is wrong where there is no --tls. The error has a line for each flag.
func forTLS(c *cobra.Command, tls bool) error {
	var wrong []error
	for _, flag := range []string{"server-name", "ca-file"} {
		if !tls && c.Flags().Changed(flag) {
			wrong = append(wrong, fmt.Errorf("--%s: it is for --tls; write both", flag))
		}
	}
	return errors.Join(wrong...)
}

// forArguments returns what is wrong where there are no arguments. The error has a line for each flag.
func forArguments(c *cobra.Command) error {
	var wrong []error
	for _, of := range ofArguments {
		if c.Flags().Changed(of.flag) {
			wrong = append(wrong, fmt.Errorf("--%s: it is for the targets of arguments; write %s in the configuration", of.flag, of.option))
		}
	}
	return errors.Join(wrong...)
}

// targetsOf returns the targets that arguments name, as the receiver would have them. The error has
// a line for each thing that is wrong.
func targetsOf(args []string, o options) ([]*check.Target, error) {
	if len(args) == 0 {
		return nil, nil
	}
	instances := make([]any, 0, len(args))
	for i, arg := range args {
		if !slices.Contains(args[:i], arg) {
			instances = append(instances, map[string]any{"name": arg, "endpoint": arg})
		}
	}
	defaults := map[string]any{"timeout": o.timeout.String(), "multiple_ips": true, "interface": o.device, "dscp": o.dscp}
	if o.families != nil {
		defaults["address_families"] = o.families
	}
	if o.sources != nil {
		defaults["source_address"] = o.sources
	}
	if o.servers != nil {
		defaults["resolver"] = map[string]any{"servers": o.servers}
	}
	if o.tls {
		defaults["tls"] = map[string]any{"server_name": o.serverName, "ca_file": o.authority}
	}
	config, err := decode(confmap.NewFromStringMap(map[string]any{"instances": instances, "defaults": defaults}))
	if err != nil {
		return nil, errors.New(asArguments(err.Error()))
	}
	return config.Options.ToCheck(&source.Problems{}).Targets, nil
}

// inInstance is where the receiver says that something is wrong with an option of an instance.
const inInstance = `(?m)^(?:defaults|instances\[\d+\](?: ".*?" )?)\.`

// asArguments returns the lines of an error of the receiver as those of one about arguments.
func asArguments(text string) string {
	text = regexp.MustCompile(inInstance+"(?:endpoint|name|host|port): ").ReplaceAllString(text, "")
	for _, of := range ofArguments {
		text = regexp.MustCompile(inInstance+of.option+`(?:\.servers)?(?:\[\d+\])?: `).ReplaceAllString(text, "--"+of.flag+": ")
	}
	lines := strings.Split(text, "\n")
	slices.Sort(lines)
	return strings.Join(slices.Compact(lines), "\n")
}
