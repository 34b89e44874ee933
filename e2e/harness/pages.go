package harness

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Repository returns the path of the repository's folder, from that of the test.
func Repository(t testing.TB) string {
	t.Helper()
	folder := "."
	for range 5 {
		if _, err := os.Stat(filepath.Join(folder, "metadata.yaml")); err == nil {
			return folder
		}
		folder = filepath.Join("..", folder)
	}
	require.Fail(t, "the test is in no folder of the repository")
	return ""
}

// Command builds tcpcheck, and returns its path.
func Command(t testing.TB) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(t.TempDir(), "tcpcheck"))
	require.NoError(t, err)
	said, err := exec.Command("go", "-C", filepath.Join(Repository(t), "cmd", "tcpcheck"), "build", "-o", path, ".").CombinedOutput()
	require.NoError(t, err, "%s", said)
	return path
}

// Block is what a page has between two lines of backquotes.
type Block struct {
	Page     string // its path in the repository
	Line     int    // of the page, at which it begins
	Language string // "sh" and the like; "" for what a program prints
	Text     string // each line ends with a newline
}

// Pages returns the paths of all pages of the repository.
func Pages(t testing.TB) []string {
	t.Helper()
	repository := Repository(t)
	var pages []string
	require.NoError(t, filepath.WalkDir(repository, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "build" || entry.Name() == "node_modules" || entry.Name() == ".git"):
			return filepath.SkipDir
		case filepath.Ext(path) == ".md":
			page, err := filepath.Rel(repository, path)
			pages = append(pages, filepath.ToSlash(page))
			return err
		}
		return nil
	}))
	return pages
}

// Blocks returns the blocks of a page in these languages, or all, without the indentation that they have in a list. Page and
// languages are to be literals, as those of BlockOf.
func Blocks(t testing.TB, page string, languages ...string) []Block {
	t.Helper()
	var blocks []Block
	var indent string
	inside, number := false, 0
	for line := range strings.Lines(Read(t, filepath.Join(Repository(t), page))) {
		number++
		mark := strings.TrimSpace(line)
		switch {
		case !inside && strings.HasPrefix(mark, "```"):
			inside = true
			indent, _, _ = strings.Cut(line, "`")
			blocks = append(blocks, Block{Page: page, Line: number, Language: strings.TrimPrefix(mark, "```")})
		case inside && mark == "```":
			inside = false
		case inside:
			blocks[len(blocks)-1].Text += strings.TrimPrefix(line, indent)
		}
	}
	require.False(t, inside, "%s: a block has no end", page)
	return slices.DeleteFunc(blocks, func(b Block) bool { return len(languages) > 0 && !slices.Contains(languages, b.Language) })
}

// BlockOf returns the text of the only block of a page that begins with a text. That a test asks for a block
// is how e2e/configs knows that it is run: page and begin are to be literals.
func BlockOf(t testing.TB, page, begin string) string {
	t.Helper()
	var found []Block
	for _, block := range Blocks(t, page) {
		if strings.HasPrefix(block.Text, begin) {
			found = append(found, block)
		}
	}
	require.Len(t, found, 1, "%s: the blocks that begin with %q", page, begin)
	return found[0].Text
}
