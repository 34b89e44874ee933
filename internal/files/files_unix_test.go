//go:build unix

package files

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A file of /proc has a size of 0 and more bytes than that.
func TestReadWithoutASize(t *testing.T) {
	const file = "/proc/self/status"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Skipf("there is no %s: %v", file, err)
	}
	_, err = Read(file, 10)
	require.EqualError(t, err, file+" has more than the 10 bytes that are read")
	read, err := Read(file, 2*int64(len(text)))
	require.NoError(t, err)
	assert.Contains(t, string(read), "Name:")
}

// What is no regular file is not opened, since that may wait, or be a command to a device.
func TestReadRegularFilesAlone(t *testing.T) {
	directory := t.TempDir()
	pipe, large := filepath.Join(directory, "pipe"), filepath.Join(directory, "large")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	require.NoError(t, os.WriteFile(large, make([]byte, 11), 0o600))
	for path, want := range map[string]string{
		pipe: pipe + " is not a regular file", directory: directory + " is not a regular file", os.DevNull: os.DevNull + " is not a regular file",
		large: large + " has 11 bytes; 10 are the most that are read", filepath.Join(directory, "none"): "stat " + filepath.Join(directory, "none") + ": no such file or directory",
	} {
		_, err := Read(path, 10)
		assert.EqualError(t, err, want)
	}
}
