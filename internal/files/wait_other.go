//go:build !unix

package files

// doNotWait is nothing where named pipes are no files.
const doNotWait = 0
