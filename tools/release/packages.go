package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// packages writes a deb and an rpm with both programs for each architecture of Linux.
func (r *release) packages() error {
	for _, p := range platforms {
		if p.os != "linux" {
			continue
		}
		var licenses bytes.Buffer
		for _, name := range []string{collector, command} {
			text, err := os.ReadFile(r.program(name, p) + ".licenses")
			if err != nil {
				return err
			}
			_, _ = fmt.Fprintf(&licenses, "%s contains:\n\n%s", name, text) // to memory
		}
		if err := os.WriteFile(filepath.Join(r.work, p.String(), "licenses"), licenses.Bytes(), 0o644); err != nil {
			return err
		}
		for _, format := range []string{"deb", "rpm"} {
			c := tool("tools/release/go.mod", "nfpm", "package", "--config", "packaging/nfpm.yaml", "--packager", format,
				"--target", r.file(collector, p.String()+"."+format))
			c.Env = append(os.Environ(), "VERSION="+r.version, "ARCH="+p.arch, "CONFIG=packaging/config.yaml",
				"SOURCE_DATE_EPOCH="+strconv.FormatInt(r.time.Unix(), 10))
			if err := do(c); err != nil {
				return err
			}
		}
	}
	return nil
}
