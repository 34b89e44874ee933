//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// The lines of reliability.md between which the figures are.
const (
	beginFigures = "<!-- soak: begin -->\n"
	endFigures   = "<!-- soak: end -->\n"
)

// document is reliability.md with its chart.
type document struct {
	folder        string
	before, after string // the text around the figures
}

// openDocument reads reliability.md in a folder.
func openDocument(folder string) (*document, error) {
	d := &document{folder: folder}
	text, err := os.ReadFile(d.path("reliability.md"))
	if err != nil {
		return nil, err
	}
	before, rest, begins := strings.Cut(string(text), beginFigures)
	_, after, ends := strings.Cut(rest, endFigures)
	if !begins || !ends {
		return nil, fmt.Errorf("%s has no lines %q and %q", d.path("reliability.md"), beginFigures, endFigures)
	}
	d.before, d.after = before+beginFigures, endFigures+after
	return d, nil
}

// write replaces the figures and the chart by those of a run.
func (d *document) write(r *report) error {
	if err := os.WriteFile(d.path("reliability.svg"), []byte(chart(r)), 0o644); err != nil {
		return err
	}
	text := d.before + "\n" + r.markdown() + "\n" + d.after
	return os.WriteFile(d.path("reliability.md"), []byte(text), 0o644)
}

func (d *document) path(name string) string { return filepath.Join(d.folder, name) }
