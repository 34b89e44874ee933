package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// tool returns the command that runs a tool of the module that a go.mod is of.
func tool(mod string, words ...string) *exec.Cmd {
	return exec.Command("go", append([]string{"tool", "-modfile=" + mod}, words...)...)
}

// do runs a command, whose errors are written to the standard error.
func do(c *exec.Cmd) error {
	c.Stderr = os.Stderr
	if err := c.Run(); err != nil {
		return fmt.Errorf("%s: %w", strings.Join(c.Args, " "), err)
	}
	return nil
}

var (
	outputPath = regexp.MustCompile(`(?m)^  output_path: .*$`)
	ofBuilder  = regexp.MustCompile(`(?m)^  version: .*$`)
)

// source is the folder of the collector's source.
func (r *release) source() string { return filepath.Join(r.work, "collector") }

// generate writes the source of the collector, as builder-config.yaml has it but for the version.
func (r *release) generate() error {
	config, err := os.ReadFile("builder-config.yaml")
	if err != nil {
		return err
	}
	config = outputPath.ReplaceAll(config, []byte("  output_path: "+filepath.ToSlash(r.source())))
	config = ofBuilder.ReplaceAll(config, []byte("  version: "+r.version))
	file := filepath.Join(r.work, "builder-config.yaml")
	if err := os.WriteFile(file, config, 0o644); err != nil {
		return err
	}
	return do(tool("tools/go.mod", "builder", "--config", file, "--skip-compilation"))
}

// build builds the programs, and what the command says of itself.
func (r *release) build() error {
	for _, p := range platforms {
		for name, source := range map[string]string{collector: r.source(), command: filepath.Join("cmd", command)} {
			program, err := filepath.Abs(r.program(name, p))
			if err != nil {
				return err
			}
			c := r.compiler(p, "build", "-o", program)
			c.Dir = source
			if err := do(c); err != nil {
				return err
			}
			if err := r.licenses(r.program(name, p), source); err != nil {
				return err
			}
		}
	}
	return r.share()
}

// compiler returns a go command for a platform, and for the oldest processors of its architecture.
// Nothing in what it builds tells of the machine: no path, no time, and no C.
func (r *release) compiler(p platform, verb string, words ...string) *exec.Cmd {
	words = append([]string{verb, "-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid= -X main.version=" + r.version}, words...)
	c := exec.Command("go", append(words, ".")...)
	c.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off", "GOEXPERIMENT=", "GOOS="+p.os, "GOARCH="+p.arch, "GOAMD64=v1", "GOARM64=v8.0")
	return c
}

// shells has the file of each completion, as the shells look for them.
var shells = map[string]string{"bash": "tcpcheck.bash", "zsh": "_tcpcheck", "fish": "tcpcheck.fish"}

// share writes what is the same for all platforms: completions and the manual page.
func (r *release) share() error {
	for shell, file := range shells {
		c := exec.Command("go", "run", ".", "completion", shell)
		c.Dir = filepath.Join("cmd", command)
		var text bytes.Buffer
		c.Stdout = &text
		if err := do(c); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(r.work, file), text.Bytes(), 0o644); err != nil {
			return err
		}
	}
	for _, name := range []string{"tcpcheck.1", "tcpcheck-status.1"} {
		manual, err := os.ReadFile(filepath.Join("cmd", command, name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(r.work, name+".gz"), compress(manual), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// compress compresses data by gzip, without a name or a time.
func compress(data []byte) []byte {
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // the level is one
	_, _ = w.Write(data)                                  // to memory
	_ = w.Close()
	return b.Bytes()
}
