// Command release makes the files of a release: archives, packages, an image, bills of materials and
// their sums. They are the same byte for byte whenever and wherever the same version of Go makes them
// of the same commit.
package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// release is what is to be made.
type release struct {
	version  string    // semantic, without a v
	revision string    // the commit
	time     time.Time // of the commit, which all files have
	work     string    // the folder of what is made on the way
	out      string    // the folder of the release
}

// platform is what a program is built for, as Go names it.
type platform struct{ os, arch string }

var platforms = []platform{{"linux", "amd64"}, {"linux", "arm64"}, {"darwin", "arm64"}}

func (p platform) String() string { return p.os + "_" + p.arch }

// The programs.
const (
	collector = "tcpcheck-collector"
	command   = "tcpcheck"
)

func main() {
	root := flag.String("root", ".", "the folder of the repository")
	version := flag.String("version", "", "the version, such as 1.2.3")
	revision := flag.String("revision", "", "the commit")
	epoch := flag.String("time", "", "the time of the commit, in seconds since 1970")
	flag.Parse()
	if err := run(*root, *version, *revision, *epoch); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// semantic is a version of https://semver.org without build metadata, which a tag of an image cannot have.
var semantic = regexp.MustCompile(`^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?$`)

func run(root, version, revision, epoch string) error {
	var mistakes []error
	if !semantic.MatchString(version) {
		mistakes = append(mistakes, fmt.Errorf("-version: %q is not a semantic version such as 1.2.3 or 1.2.3-rc.1", version))
	}
	if revision == "" {
		mistakes = append(mistakes, errors.New("-revision: there is none"))
	}
	seconds, err := strconv.ParseUint(epoch, 10, 32)
	if err != nil {
		mistakes = append(mistakes, fmt.Errorf("-time: %q is not a number of seconds since 1970", epoch))
	}
	if err := errors.Join(mistakes...); err != nil {
		return err
	}
	if err := os.Chdir(root); err != nil {
		return err
	}
	r := &release{
		version: version, revision: revision, time: time.Unix(int64(seconds), 0).UTC(),
		work: filepath.Join("build", "releasing"), out: filepath.Join("build", "release"),
	}
	for _, folder := range []string{r.work, r.out} {
		if err := os.RemoveAll(folder); err != nil {
			return err
		}
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
	}
	for _, step := range []func() error{r.generate, r.build, r.archives, r.packages, r.image, r.materials, r.sums} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// program returns the path of a program for a platform.
func (r *release) program(name string, p platform) string {
	return filepath.Join(r.work, p.String(), name)
}

// file is the path of a file of the release, whose name begins with that of what is in it.
func (r *release) file(name, rest string) string {
	return filepath.Join(r.out, name+"_"+r.version+"_"+rest)
}

// entry is a file of an archive.
type entry struct {
	path string // with slashes
	mode int64
	data []byte
}

// entries has the files of an archive.
type entries []entry

// byPath sorts the files, so that their order is always the same.
func (e entries) byPath() entries {
	slices.SortFunc(e, func(a, b entry) int { return cmp.Compare(a.path, b.path) })
	return e
}

// read reads files into an archive, below a folder of it. They are given as pairs of a path in the
// archive and a file.
func read(folder string, pairs ...string) (entries, error) {
	var found entries
	for pair := range slices.Chunk(pairs, 2) {
		data, err := os.ReadFile(pair[1])
		if err != nil {
			return nil, err
		}
		info, err := os.Stat(pair[1])
		if err != nil {
			return nil, err
		}
		mode := int64(0o644)
		if info.Mode()&0o100 != 0 {
			mode = 0o755
		}
		found = append(found, entry{path: folder + pair[0], mode: mode, data: data})
	}
	return found.byPath(), nil
}
