package main

import (
	"bytes"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// licenseFile is the name of a file with a licence or a notice, which goes where the program goes.
var licenseFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice)([-.].*)?$`)

// licenses writes the licences of all modules of a program, and of Go, beside it.
func (r *release) licenses(program, source string) error {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return err
	}
	c := exec.Command("go", "list", "-m", "-json=Path,Dir")
	for _, module := range info.Deps {
		c.Args = append(c.Args, module.Path)
	}
	c.Dir = source
	list, err := c.Output()
	if err != nil {
		return fmt.Errorf("the modules of %s: %w", source, err)
	}
	folders := make(map[string]string)
	for decoder := json.NewDecoder(bytes.NewReader(list)); ; {
		var module struct{ Path, Dir string }
		if err := decoder.Decode(&module); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
		folders[module.Path] = module.Dir
	}
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return err
	}
	var text bytes.Buffer
	if err := license(&text, "Go "+info.GoVersion, strings.TrimSpace(string(goroot))); err != nil {
		return err
	}
	for _, module := range info.Deps {
		if module.Replace != nil {
			continue // it is of this repository
		}
		if err := license(&text, module.Path+" "+module.Version, folders[module.Path]); err != nil {
			return err
		}
	}
	return os.WriteFile(program+".licenses", text.Bytes(), 0o644)
}

// license writes the licences and notices that are in a folder, below a title.
func license(w io.Writer, title, folder string) error {
	found := false
	files, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	for _, file := range files {
		if file.IsDir() || !licenseFile.MatchString(file.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(folder, file.Name()))
		if err != nil {
			return err
		}
		found = true
		_, _ = fmt.Fprintf(w, "==== %s: %s\n\n%s\n\n", title, file.Name(), bytes.TrimSpace(text)) // to memory
	}
	if !found {
		return fmt.Errorf("%s: there is no licence in %s", title, folder)
	}
	return nil
}
