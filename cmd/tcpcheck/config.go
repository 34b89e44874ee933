package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/provider/envprovider"
	"go.opentelemetry.io/collector/confmap/provider/fileprovider"
	"go.opentelemetry.io/collector/confmap/provider/yamlprovider"
	"go.uber.org/zap"

	"example.com/tcpcheckreceiver"
	"example.com/tcpcheckreceiver/internal/check"
	"example.com/tcpcheckreceiver/internal/factory"
	"example.com/tcpcheckreceiver/tcpprobe"
)

// inReceivers is the part of a collector's configuration that has its receivers.
const inReceivers = "receivers"

// configured returns the lists of a file: those of every receiver of ours in a collector's
// configuration, or that of a conf.yaml of tcp_check. The error has a line for each thing that is
// wrong, as the collector has it.
func configured(ctx context.Context, path string) ([]check.List, error) {
	written, err := readConfig(ctx, path)
	if err != nil {
		return nil, err
	}
	var configs []*tcpcheckreceiver.Config
	var errs []error
	for _, id := range slices.Sorted(maps.Keys(written)) {
		config, err := decode(written[id])
		if err != nil {
			errs = append(errs, errors.New(withPlace(id, err.Error())))
		}
		configs = append(configs, config)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	lists := make([]check.List, len(configs))
	for i, config := range configs {
		lists[i] = factory.Once(ctx, config)
		if len(config.Options.Observers) > 0 {
			lists[i].Warnings = append(lists[i].Warnings, "observers: they are not asked, since they run in a collector alone")
		}
		if len(config.Options.CertificateFiles) > 0 {
			lists[i].Warnings = append(lists[i].Warnings, "certificate_files: they are not read, since the command checks ports alone")
		}
	}
	return lists, nil
}

// readConfig returns the configuration of each receiver in a file by its place, which is empty for
// a conf.yaml.
func readConfig(ctx context.Context, path string) (map[string]*confmap.Conf, error) {
	if info, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("--config: %w", err)
	} else if !info.Mode().IsRegular() { // it may have no end
		return nil, fmt.Errorf("--config: %s is not a regular file", path)
	}
	text, err := os.ReadFile(path) //nolint:gosec // it is for whoever runs the command to say which
	if err != nil {
		return nil, fmt.Errorf("--config: %w", err)
	}
	retrieved, err := confmap.NewRetrievedFromYAML(text)
	if err != nil {
		return nil, fmt.Errorf("--config: %s: %w", path, err)
	}
	conf, err := retrieved.AsConf()
	switch {
	case err != nil:
		// The collector takes what is no YAML for a text.
		if _, why, isNoYAML := strings.Cut(err.Error(), "not valid YAML: "); isNoYAML {
			return nil, fmt.Errorf("--config: %s: %s", path, why)
		}
		return nil, fmt.Errorf("--config: %s is no mapping, as a collector's configuration and a conf.yaml are", path)
	case len(conf.AllKeys()) == 0:
		return nil, fmt.Errorf("--config: %s is empty", path)
	}
	if !conf.IsSet(inReceivers) {
		return map[string]*confmap.Conf{"": confmap.NewFromStringMap(map[string]any{"instances_file": asPattern.Replace(path)})}, nil
	}
	resolver, err := confmap.NewResolver(confmap.ResolverSettings{
		URIs: []string{"file:" + path}, DefaultScheme: "env", ProviderSettings: confmap.ProviderSettings{Logger: zap.NewNop()},
		ProviderFactories: []confmap.ProviderFactory{fileprovider.NewFactory(), envprovider.NewFactory(), yamlprovider.NewFactory()},
	})
	if err != nil {
		return nil, err
	}
	defer func() { _ = resolver.Shutdown(ctx) }() // it has no watchers
	if conf, err = resolver.Resolve(ctx); err != nil {
		return nil, fmt.Errorf("--config: %s: %w", path, err)
	}
	receivers, err := conf.Sub(inReceivers)
	if err != nil {
		return nil, fmt.Errorf("--config: %s: %s is no mapping", path, inReceivers)
	}
	ours := []string{tcpcheckreceiver.NewFactory().Type().String(), tcpprobe.NewFactory().Type().String()}
	found := make(map[string]*confmap.Conf)
	for id := range receivers.ToStringMap() {
		kind, _, _ := strings.Cut(id, "/")
		if !slices.Contains(ours, strings.TrimSpace(kind)) {
			continue
		}
		if found[inReceivers+"::"+id], err = receivers.Sub(id); err != nil {
			return nil, fmt.Errorf("--config: %s: %s::%s is no mapping", path, inReceivers, id)
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("--config: %s has no receiver %s", path, strings.Join(ours, " or "))
	}
	return found, nil
}

// asPattern makes a path the pattern of itself alone, as filepath.Match has patterns.
var asPattern = strings.NewReplacer("*", "[*]", "?", "[?]", "[", "[[]")

// decode returns a configuration of the receiver, decoded and found valid.
func decode(conf *confmap.Conf) (*tcpcheckreceiver.Config, error) {
	config, _ := tcpcheckreceiver.NewFactory().CreateDefaultConfig().(*tcpcheckreceiver.Config) // there is no other type
	if err := conf.Unmarshal(config); err != nil {
		return nil, err
	}
	return config, confmap.Validate(config)
}

// withPlace puts the place of a receiver in front of each line.
func withPlace(place, text string) string {
	if place == "" {
		return strings.ReplaceAll("\n"+text, "\ninstances_file.", "\n")[1:]
	}
	return place + ": " + strings.ReplaceAll(text, "\n", "\n"+place+": ")
}
