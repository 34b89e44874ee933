package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/CycloneDX/cyclonedx-go"
)

// materials writes a bill of materials of each program, by CycloneDX: the modules that are in it.
func (r *release) materials() error {
	for _, p := range platforms {
		for _, name := range []string{collector, command} {
			made := filepath.Join(r.work, p.String(), name+".cdx.json")
			c := tool("tools/release/go.mod", "cyclonedx-gomod", "bin", "-json", "-noserial", "-notimestamp", "-std",
				"-version", "v"+r.version, "-output", made, r.program(name, p))
			if err := do(c); err != nil {
				return err
			}
			if err := r.normalize(made, r.file(name, p.String()+".cdx.json")); err != nil {
				return err
			}
		}
	}
	return nil
}

// module is that of the receiver, which the programs have by its folder.
const module = "example.com/tcpcheckreceiver"

// byFolder is the end of a reference to it that names the folder.
var byFolder = regexp.MustCompile(`golang/[./]+@\(devel\)`)

// normalize copies a bill of materials. It gives the receiver its name and version, and leaves out
// the sums of the tool, which was built where it is.
func (r *release) normalize(from, to string) error {
	made, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	made = byFolder.ReplaceAllLiteral(made, []byte("golang/"+module+"@v"+r.version))
	var bom cyclonedx.BOM
	if err := cyclonedx.NewBOMDecoder(bytes.NewReader(made), cyclonedx.BOMFileFormatJSON).Decode(&bom); err != nil {
		return err
	}
	for i, component := range *bom.Components {
		if component.Version == "(devel)" {
			(*bom.Components)[i].Name, (*bom.Components)[i].Version = module, "v"+r.version
		}
	}
	if tools := bom.Metadata.Tools; tools != nil && tools.Tools != nil {
		for i := range *tools.Tools {
			(*tools.Tools)[i].Hashes = nil
		}
	}
	bom.Metadata.Timestamp = r.time.Format("2006-01-02T15:04:05Z")
	var text strings.Builder
	if err := cyclonedx.NewBOMEncoder(&text, cyclonedx.BOMFileFormatJSON).SetPretty(true).Encode(&bom); err != nil {
		return err
	}
	return os.WriteFile(to, []byte(text.String()), 0o644)
}
