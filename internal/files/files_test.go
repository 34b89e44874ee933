package files

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPaths(t *testing.T) {
	directory := t.TempDir()
	at := func(name string) string { return filepath.Join(directory, name) }
	for _, name := range []string{"a.crt", "b.crt", "c.key"} {
		require.NoError(t, os.WriteFile(at(name), nil, 0o600))
	}
	assert.Equal(t, []string{at("b.crt"), at("a.crt"), at("none")}, Paths([]string{at("b.crt"), at("*.crt"), "", at("none"), at("[")}))
	assert.Empty(t, Paths([]string{at("none/*")}))
	assert.True(t, IsPattern("[a]"))
	assert.False(t, IsPattern("a.crt"))
}

func TestStamp(t *testing.T) {
	directory := t.TempDir()
	path, other := filepath.Join(directory, "a"), filepath.Join(directory, "b")
	of := func(path string) Stamp {
		stamp, _ := StampOf(path)
		return stamp
	}
	none, err := StampOf(path)
	require.ErrorIs(t, err, os.ErrNotExist)
	assert.False(t, none.Same(Stamp{}), "it was never looked at")
	assert.True(t, none.Same(of(other)))
	require.NoError(t, os.WriteFile(path, []byte("one"), 0o600))
	require.NoError(t, os.WriteFile(other, []byte("two"), 0o600))
	now := time.Now()
	require.NoError(t, os.Chtimes(path, now, now))
	require.NoError(t, os.Chtimes(other, now, now))
	first := of(path)
	assert.False(t, first.Same(none))
	assert.True(t, first.Same(of(path)))
	assert.False(t, first.Same(of(other)), "another file, of the same size and time")
	require.NoError(t, os.Chtimes(path, now, now.Add(time.Second)))
	assert.False(t, first.Same(of(path)), "another time")
	require.NoError(t, os.WriteFile(path, []byte("three"), 0o600))
	require.NoError(t, os.Chtimes(path, now, now))
	assert.False(t, first.Same(of(path)), "another size")
	assert.True(t, of(directory).IsDir())
	assert.False(t, first.IsDir() || none.IsDir())
}
