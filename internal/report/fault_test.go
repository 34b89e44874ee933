package report

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/scraper/scrapererror"

	"example.com/tcpcheckreceiver/internal/check"
)

// A fault of this machine is told once for each reason, with the number of addresses that
// are unchecked for it.
func TestFault(t *testing.T) {
	unchecked := func(err error) check.Result { return check.Result{Status: check.Unchecked, Err: err} }
	noDescriptor := func(address string) error {
		return fmt.Errorf("check of %s: %w", address, &net.OpError{Op: "dial", Err: os.NewSyscallError("socket", syscall.EMFILE)})
	}
	const text = "a fault of this machine, and not of its targets, left addresses unchecked"
	for _, test := range []struct {
		name    string
		reports []check.Report
		failed  int
		want    string
	}{
		{"no report", nil, 0, ""},
		{"none", []check.Report{{}, {Results: []check.Result{connected(v4), failed(v6, check.Timeout)}}}, 0, ""},
		{"one", []check.Report{{Results: []check.Result{connected(v4), unchecked(errors.New("why"))}}}, 1, text + " (1): why"},
		{
			"two for one reason",
			[]check.Report{{Results: []check.Result{unchecked(noDescriptor("a")), connected(v4)}}, {Results: []check.Result{unchecked(noDescriptor("b"))}}},
			2, text + " (2): too many open files",
		},
		{
			"three for two reasons",
			[]check.Report{{Results: []check.Result{unchecked(errors.New("why")), unchecked(noDescriptor("a")), unchecked(errors.New("why"))}}},
			3, text + " (3): why\ntoo many open files",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := Fault(test.reports)
			if test.want == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, test.want)
			var partial scrapererror.PartialScrapeError
			require.ErrorAs(t, err, &partial)
			assert.Equal(t, test.failed, partial.Failed)
		})
	}
}
