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

// Checks get half of the descriptors, of which a quarter is for lookups: enough for one of
// both families.
func TestSharesOfDescriptors(t *testing.T) {
	for limit, want := range map[int64][2]int64{0: {2, 4}, 8: {2, 4}, 16: {4, 4}, 256: {96, 32}, 1000: {375, 125}} {
		assert.Equal(t, want, [2]int64{dialShare(limit), lookupShare(limit)}, "%d", limit)
	}
	assert.Equal(t, int(dialShare(descriptorLimit())), MostDials())
}
