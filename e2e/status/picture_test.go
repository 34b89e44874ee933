package status

import (
	"bytes"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"os"
	"testing"

	"github.com/go-rod/rod/lib/proto"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/e2e/harness"
)

// mostPicture is how many bytes the picture may have.
const mostPicture = 150_000

// The README and docs/status.md show the page of an outage, and in words what it says. With -update, the picture is taken anew.
func TestPicture(t *testing.T) {
	closeDatabase, _ := openShop(t, "tcp4")
	awaitPage(t, "1 of 6 targets is down over IPv6 only.")
	closeDatabase()
	awaitPage(t, "1 of 6 targets is down, and 1 more over IPv6 only.")
	tb := open(t, startBrowser(t), screen{})
	sentence := tb.text("h1")
	assert.Contains(t, harness.Read(t, "../../README.md"), "![A status page that says: "+sentence+"](docs/status.png)")
	assert.Contains(t, harness.Read(t, "../../docs/status.md"), "![A status page that says: "+sentence+"](status.png)")
	const file = "../../docs/status.png"
	if *update {
		require.NoError(t, tb.SetViewport(&proto.EmulationSetDeviceMetricsOverride{Width: 1500, Height: 1000, DeviceScaleFactor: 0.8}))
		taken, err := tb.Screenshot(false, &proto.PageCaptureScreenshot{Format: proto.PageCaptureScreenshotFormatPng})
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(file, small(t, taken), 0o644)) //nolint:gosec // it is for all to read
	}
	shown, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Less(t, len(shown), mostPicture)
	size, err := png.DecodeConfig(bytes.NewReader(shown))
	require.NoError(t, err)
	assert.Equal(t, image.Pt(1200, 800), image.Pt(size.Width, size.Height))
}

// small returns a picture with few colours, those of which it has most first, in few bytes.
func small(t *testing.T, picture []byte) []byte {
	t.Helper()
	decoded, err := png.Decode(bytes.NewReader(picture))
	require.NoError(t, err)
	bounds := decoded.Bounds()
	counts := make(map[color.Color]int)
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			counts[decoded.At(x, y)]++
		}
	}
	few := image.NewPaletted(bounds, commonest(counts, 256))
	draw.Draw(few, bounds, decoded, bounds.Min, draw.Src)
	var out bytes.Buffer
	require.NoError(t, (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, few))
	return out.Bytes()
}

// commonest returns the colours that are counted most often, n at most.
func commonest(counts map[color.Color]int, n int) color.Palette {
	var palette color.Palette
	for len(palette) < n && len(counts) > 0 {
		var best color.Color
		for c, count := range counts {
			if best == nil || count > counts[best] {
				best = c
			}
		}
		palette = append(palette, best)
		delete(counts, best)
	}
	return palette
}
