package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
)

// archives writes an archive of each program for each platform.
func (r *release) archives() error {
	for _, p := range platforms {
		for name, files := range map[string][]string{
			collector: {"config.yaml", "packaging/config.yaml"},
			command: {
				"tcpcheck.1", "cmd/tcpcheck/tcpcheck.1", "tcpcheck-status.1", "cmd/tcpcheck/tcpcheck-status.1",
				"completions/tcpcheck.bash", filepath.Join(r.work, shells["bash"]),
				"completions/_tcpcheck", filepath.Join(r.work, shells["zsh"]),
				"completions/tcpcheck.fish", filepath.Join(r.work, shells["fish"]),
			},
		} {
			program := r.program(name, p)
			found, err := read(name+"_"+r.version+"_"+p.String()+"/", append(files,
				name, program, "LICENSE", "LICENSE", "THIRD_PARTY_LICENSES", program+".licenses")...)
			if err != nil {
				return err
			}
			archive, err := r.tar(found)
			if err != nil {
				return err
			}
			if err := os.WriteFile(r.file(name, p.String()+".tar.gz"), compress(archive), 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

// tar returns an archive of files that are root's and of the time of the release.
func (r *release) tar(files entries) ([]byte, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, file := range files {
		header := &tar.Header{Typeflag: tar.TypeReg, Name: file.path, Mode: file.mode, Size: int64(len(file.data)), ModTime: r.time, Format: tar.FormatUSTAR}
		if err := w.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := w.Write(file.data); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return b.Bytes(), err
}

// sums writes the SHA-256 sum of each file of the release, as sha256sum does.
func (r *release) sums() error {
	files, err := os.ReadDir(r.out)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	for _, file := range files {
		data, err := os.ReadFile(filepath.Join(r.out, file.Name()))
		if err != nil {
			return err
		}
		_, _ = fmt.Fprintf(&text, "%x  %s\n", sha256.Sum256(data), file.Name()) // to memory
	}
	return os.WriteFile(filepath.Join(r.out, "SHA256SUMS"), text.Bytes(), 0o644)
}
