//go:build unix

package source

import (
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// A named pipe has nothing to read until somebody writes, perhaps never.
func TestInstancesFileIsNoPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	_, err := load(t, "instances_file: "+path)
	require.EqualError(t, err, "instances_file: "+path+" is not a regular file")
}
