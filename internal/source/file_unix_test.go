//go:build unix

package source

import (
	"os"
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

// A file of /proc has a size of 0 and more bytes than that.
func TestReadRegular(t *testing.T) {
	const file = "/proc/self/status"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Skipf("there is no %s: %v", file, err)
	}
	_, err = readRegular(file, 10)
	require.EqualError(t, err, file+" has more than the 10 bytes that are read")
	read, err := readRegular(file, 2*int64(len(text)))
	require.NoError(t, err)
	require.Contains(t, string(read), "Name:")
}
