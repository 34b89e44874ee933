package report

import (
	"errors"
	"fmt"

	"go.opentelemetry.io/collector/scraper/scrapererror"

	"example.com/tcpcheckreceiver/internal/check"
)

// Fault returns a partial scrape error if there are addresses that this machine was
// unable to check, with each distinct reason once, and nil otherwise.
func Fault(reports []check.Report) error {
	unchecked := 0
	var reasons []error
	seen := make(map[string]bool)
	for i := range reports {
		for k := range reports[i].Results {
			result := &reports[i].Results[k]
			if result.Status != check.Unchecked {
				continue
			}
			unchecked++
			if reason := rootCause(result.Err); !seen[reason.Error()] {
				seen[reason.Error()] = true
				reasons = append(reasons, reason)
			}
		}
	}
	if unchecked == 0 {
		return nil
	}
	err := fmt.Errorf("a fault of this machine, and not of its targets, left addresses unchecked (%d): %w", unchecked, errors.Join(reasons...))
	return scrapererror.NewPartialScrapeError(err, unchecked)
}
