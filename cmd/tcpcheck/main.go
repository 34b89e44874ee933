// Command tcpcheck checks targets, over every address family of each, with the probe of the
// tcpcheck receiver. It says of each address whether it connected, how long the handshake took,
// and if it failed, why and who said so.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

func main() {
	ctx, end := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	end()
	os.Exit(int(status))
}

// run runs the command with arguments, and returns its exit status.
func run(ctx context.Context, args []string, out, errs io.Writer) status {
	result := statusOK
	c := newCommand(&result)
	c.SetArgs(append([]string{}, args...)) // of nil, it would take those of the process
	c.SetOut(out)
	c.SetErr(errs)
	if err := c.ExecuteContext(ctx); err != nil {
		_, _ = fmt.Fprintf(errs, "%v\nSee tcpcheck --help.\n", err)
		return statusUnknown
	}
	return result
}

// version is that of a release, which make release sets.
var version = "devel"

// defaultTimeout is that of the receiver.
const defaultTimeout = 10 * time.Second

// newCommand returns the command, which says in result how the checks went.
func newCommand(result *status) *cobra.Command {
	var o options
	var slow limits
	var output string
	var repeats repetition
	var way tracing
	c := &cobra.Command{
		Use:   "tcpcheck [flags] [--config file] [host:port...]",
		Short: "Check TCP targets, over every address family",
		Long: `tcpcheck connects to each target once, over every address of every address family,
and says of each address whether it connected, how long the handshake took, and
if it failed, why, and who said so. A connection is closed at once; nothing is
sent. The families are those that the name has an address in and that this
machine has one for, unless --family asks for them. With --count or --interval it
does so again and again, and ends with a summary for each address.

With --tls, or where a configuration has it so, it makes a TLS handshake with each
address as well, and says whether the certificate is verified, and if not, why; how
long the handshake took, and for how many days the certificate and its chain last.

Where a configuration has steps, it has that dialogue with each address as well, and
says whether all steps were done, how long that took, and if not, what was said.

With --trace it shows below the table the way to each target, over both families
side by side: which router answers at each hop, and where the way ends. That takes
no privilege, and Linux 6.0 or later. The exit status is that of the check.

With --config it checks what the tcpcheck receivers of a collector's configuration
would, with their defaults, files and discovered targets, and ${env:...} as the
collector has it; or the instances of a conf.yaml of Datadog's tcp_check. Mistakes
come as they do from the collector.

tcpcheck status checks nothing: it prints what a collector that runs has found.

Exit status:

It is as the Monitoring Plugins have it.

  0  every address connected
  1  a target connected over some of its addresses and not over all, or slower
     than --warn
  2  a target connected over none, or slower than --crit, or a certificate of it is
     not verified, or a dialogue with it fails
  3  bad use, a name that does not resolve, a source of targets that fails, or this
     machine was unable to check

Environment:

  NO_COLOR  if it is set and not empty, no colours are written to a terminal
  TERM      if it is dumb, neither are colours, nor how many targets were checked
  others    those that the file of --config names by ${env:...}`,
		Example: `  tcpcheck localhost:22
  tcpcheck --family ipv6 --timeout 2s example.com:443 '[2001:db8::1]:443'
  tcpcheck --resolver 10.0.0.53 web.internal:443
  tcpcheck --config collector.yaml
  tcpcheck --tls example.com:443
  tcpcheck --interval 1s localhost:22
  tcpcheck --trace --resolve example.com:443`,
		Version:               version,
		SilenceUsage:          true,
		SilenceErrors:         true,
		DisableFlagsInUseLine: true,
		Args:                  cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			write, noFormat := formatOf(output)
			targets, lacking, wrong := o.targets(c, args)
			if err := errors.Join(wrong, slow.validate(), noFormat, repeats.validate(c, output), way.validate(c, &repeats, output)); err != nil {
				return err
			}
			checker := newChecker(targets, c.ErrOrStderr())
			defer checker.close()
			var found status
			var err error
			if repeats.wanted(c) {
				found, err = repeats.run(c, checker, slow)
			} else {
				reports := checker.check(c.Context())
				found = slow.worst(reports)
				if way.wanted {
					err = way.write(c.Context(), c.OutOrStdout(), output, reports, slow)
				} else {
					err = write(c.OutOrStdout(), reports, slow)
				}
			}
			*result = worse(found, lacking)
			return err
		},
	}
	c.Flags().StringSliceVar(&o.families, "family", nil, "the families that have to connect: ipv4, ipv6, or ipv4,ipv6")
	c.Flags().StringSliceVar(&o.sources, "source-address", nil, "the address from which connections are made, or one of each family; an address alone leaves the other family out")
	c.Flags().StringVar(&o.device, "interface", "", "the interface over which connections leave (Linux)")
	c.Flags().IntVar(&o.dscp, "dscp", 0, "the differentiated services code point of what is sent, 0 to 63 (Linux)")
	c.Flags().StringSliceVar(&o.servers, "resolver", nil, "up to three name servers that are asked for the targets of arguments, in place of those of this machine, such as 10.0.0.53,[2001:db8::53]:5353")
	c.Flags().BoolVar(&o.tls, "tls", false, "make a TLS handshake with each address of the arguments as well, and verify its certificate")
	c.Flags().StringVar(&o.serverName, "server-name", "", "the name that --tls asks for, and that the certificate has to be for; without it, the host")
	c.Flags().StringVar(&o.authority, "ca-file", "", "a file with the certificates, in PEM, that --tls trusts in place of the roots of this machine")
	c.Flags().StringVar(&o.config, "config", "", "check the targets of a collector's configuration, or of a conf.yaml of tcp_check")
	c.Flags().DurationVar(&o.timeout, "timeout", defaultTimeout, "how long each name resolution, and each connection, may take; and with --config, each source of targets")
	c.Flags().DurationVar(&slow.warning, "warn", 0, "a longer handshake is a WARNING; 0 is none")
	c.Flags().DurationVar(&slow.critical, "crit", 0, "a longer handshake is CRITICAL; 0 is none")
	c.Flags().IntVarP(&repeats.count, "count", "c", 1, "how often each target is checked; 0 is until it is interrupted, and so is --interval alone")
	c.Flags().DurationVarP(&repeats.interval, "interval", "i", time.Second, "the time between two checks of a target")
	way.addFlags(c)
	c.Flags().StringVarP(&output, "output", "o", "table", "table, json, junit, or nagios, which has performance data in its first line")
	c.Flags().Bool("version", false, "print the version of the release, and check nothing")
	for flag, values := range map[string][]string{"family": {"ipv4", "ipv6"}, "output": slices.Sorted(maps.Keys(formats))} {
		_ = c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)) // the flag is there
	}
	c.ValidArgsFunction = cobra.NoFileCompletions
	c.AddCommand(newStatusCommand(result))
	return c
}
