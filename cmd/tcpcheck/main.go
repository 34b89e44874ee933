// Command tcpcheck checks targets once, over every address family of each, with the probe of the
// tcpcheck receiver. It says of each address whether it connected, how long the handshake took,
// and if it failed, why and who said so.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
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

// defaultTimeout is that of the receiver.
const defaultTimeout = 10 * time.Second

// newCommand returns the command, which says in result how the checks went.
func newCommand(result *status) *cobra.Command {
	var o options
	c := &cobra.Command{
		Use:   "tcpcheck [flags] host:port...",
		Short: "Check TCP targets once, over every address family",
		Long: `tcpcheck connects to each target once, over every address of every address family,
and says of each address whether it connected, how long the handshake took, and
if it failed, why, and who said so. A connection is closed at once; nothing is
sent. The families are those that the name has an address in and that this
machine has one for, unless --family asks for them.

The exit status is that of the Monitoring Plugins:

  0  every address connected
  1  a target connected over some of its addresses, and not over all
  2  a target connected over none
  3  bad use, a name that does not resolve, or this machine was unable to check`,
		Example: `  tcpcheck localhost:22
  tcpcheck --family ipv6 --timeout 2s example.com:443 '[2001:db8::1]:443'`,
		SilenceUsage:          true,
		SilenceErrors:         true,
		DisableFlagsInUseLine: true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("there is no target; write host:port, such as localhost:22")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			targets, err := targetsOf(args, o)
			if err != nil {
				return err
			}
			reports := checkAll(c.Context(), targets)
			*result = statusOf(reports)
			return writeTable(c.OutOrStdout(), reports)
		},
	}
	c.Flags().StringSliceVar(&o.families, "family", nil, "the families that have to connect: ipv4, ipv6, or ipv4,ipv6")
	c.Flags().DurationVar(&o.timeout, "timeout", defaultTimeout, "how long each name resolution, and each connection, may take")
	return c
}
