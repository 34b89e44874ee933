//go:build unix

package probe

import (
	"math"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDescriptorLimit(t *testing.T) {
	var limit syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	assert.Equal(t, min(uint64(limit.Cur), math.MaxInt32), uint64(descriptorLimit())) //nolint:unconvert // the type is int64 on FreeBSD
}

// Checks get half of the descriptors, and enough for one lookup of both families.
func TestShareOfDescriptors(t *testing.T) {
	for limit, want := range map[int64]int64{0: 4, 7: 4, 8: 4, 10: 5, 1000: 500} {
		assert.Equal(t, want, shareOf(limit), "%d", limit)
	}
	assert.Equal(t, int(shareOf(descriptorLimit())), MostDials())
}
