package main

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// image writes an archive of the collector's image for all architectures of Linux, as the OCI Image
// Layout Specification has it: one index, of which each machine takes its own.
func (r *release) image() error {
	annotations := map[string]string{
		"org.opencontainers.image.title":       collector,
		"org.opencontainers.image.description": "OpenTelemetry Collector with the TCP check receiver",
		"org.opencontainers.image.version":     r.version,
		"org.opencontainers.image.revision":    r.revision,
		"org.opencontainers.image.created":     r.time.Format("2006-01-02T15:04:05Z"),
		"org.opencontainers.image.licenses":    "Apache-2.0",
	}
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, p := range platforms {
		if p.os != "linux" {
			continue
		}
		image, err := r.imageFor(p, annotations)
		if err != nil {
			return err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add:        image,
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: p.os, Architecture: p.arch}},
		})
	}
	index = mutate.Annotations(index, annotations).(v1.ImageIndex)

	folder := filepath.Join(r.work, "image")
	path, err := layout.Write(folder, empty.Index)
	if err != nil {
		return err
	}
	name := layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": collector + ":" + r.version})
	if err := path.AppendIndex(index, name); err != nil {
		return err
	}
	var files entries
	err = filepath.WalkDir(folder, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		inside, err := filepath.Rel(folder, file)
		if err != nil {
			return err
		}
		found, err := read("", filepath.ToSlash(inside), file)
		files = append(files, found...)
		return err
	})
	if err != nil {
		return err
	}
	archive, err := r.tar(files.byPath())
	if err != nil {
		return err
	}
	return os.WriteFile(r.file(collector, "oci.tar"), archive, 0o644)
}

// imageFor returns the image for a platform: the collector, its configuration and licences, and
// nothing else.
func (r *release) imageFor(p platform, annotations map[string]string) (v1.Image, error) {
	program := r.program(collector, p)
	files, err := read("",
		"usr/bin/"+collector, program,
		"etc/"+collector+"/config.yaml", "packaging/config.yaml",
		"usr/share/doc/"+collector+"/LICENSE", "LICENSE",
		"usr/share/doc/"+collector+"/THIRD_PARTY_LICENSES", program+".licenses")
	if err != nil {
		return nil, err
	}
	archive, err := r.tar(files)
	if err != nil {
		return nil, err
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(archive)), nil }
	layer, err := tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, fmt.Errorf("the layer of %s: %w", p, err)
	}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err = mutate.Append(image, mutate.Addendum{Layer: layer, History: v1.History{
		Created: v1.Time{Time: r.time}, CreatedBy: "make release",
	}})
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy() // it has the layer
	config.OS, config.Architecture, config.Created = p.os, p.arch, v1.Time{Time: r.time}
	config.Config = v1.Config{
		User:         "65532:65532",
		Entrypoint:   []string{"/usr/bin/" + collector},
		Cmd:          []string{"--config", "/etc/" + collector + "/config.yaml"},
		WorkingDir:   "/etc/" + collector,
		Env:          []string{"METRICS_ENDPOINT=:9464"},
		ExposedPorts: map[string]struct{}{"9464/tcp": {}},
		Labels:       annotations,
	}
	image, err = mutate.ConfigFile(image, config)
	if err != nil {
		return nil, err
	}
	return mutate.Annotations(image, annotations).(v1.Image), nil
}
