// Package files has what it takes to follow files that others change: which of them match a pattern, whether
// one has changed, and what is in it, bounded in size and without waiting for anybody.
package files

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// IsPattern reports whether a path stands for any number of files.
func IsPattern(path string) bool { return strings.ContainsAny(path, "*?[") }

// Paths returns those of the files that patterns stand for, as filepath.Match has them, each once and in
// their order. A path that is no pattern is returned whether there is such a file or not; a pattern that is
// wrong stands for none, and so does one of a directory that cannot be read.
func Paths(patterns []string) []string {
	var paths []string
	known := make(map[string]bool)
	for _, written := range patterns {
		var found []string
		switch {
		case IsPattern(written):
			found, _ = filepath.Glob(written) // whoever has taken the pattern has checked it
		case written != "":
			found = []string{written}
		}
		for _, path := range found {
			if !known[path] {
				known[path] = true
				paths = append(paths, path)
			}
		}
	}
	return paths
}

// Read reads a regular file of at most so many bytes. Anything else, such as a named
// pipe, may block for ever or have no end.
func Read(path string, most int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if err := readable(path, info, most); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_RDONLY|doNotWait, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	// Another file may have taken its place meanwhile.
	if info, err = file.Stat(); err != nil {
		return nil, err
	}
	if err := readable(path, info, most); err != nil {
		return nil, err
	}
	// A file such as those of /proc has a size of 0, and may have no end.
	text, err := io.ReadAll(io.LimitReader(file, most+1))
	if err == nil && int64(len(text)) > most {
		err = fmt.Errorf("%s has more than the %d bytes that are read", path, most)
	}
	return text, err
}

// readable returns why a file is not read.
func readable(path string, info os.FileInfo, most int64) error {
	switch {
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is not a regular file", path)
	case info.Size() > most:
		return fmt.Errorf("%s has %d bytes; %d are the most that are read", path, info.Size(), most)
	}
	return nil
}

// Stamp is what a file looks like from outside. The zero value is that of a file that was never
// looked at.
type Stamp struct {
	asked bool
	info  os.FileInfo // nil if there is no such file, or it cannot be seen
}

// StampOf returns that of the file at a path, which symbolic links may lead to. The error says why there is
// none to be seen, and the Stamp says that there is none.
func StampOf(path string) (Stamp, error) {
	info, err := os.Stat(path)
	if err != nil {
		info = nil
	}
	return Stamp{true, info}, err
}

// Same reports whether nothing speaks for a change.
func (s Stamp) Same(other Stamp) bool {
	if s.info == nil || other.info == nil {
		return s == other
	}
	return os.SameFile(s.info, other.info) && s.info.Size() == other.info.Size() && s.info.ModTime().Equal(other.info.ModTime())
}

// IsDir reports whether it is that of a directory.
func (s Stamp) IsDir() bool { return s.info != nil && s.info.IsDir() }
