package main

import (
	"io"
	"os"
	"runtime"
	"strings"

	"golang.org/x/term"

	"example.com/tcpcheckreceiver/internal/check"
)

// The control sequences of ECMA-48 that are written to a terminal.
const (
	red       = "\x1b[31m"
	green     = "\x1b[32m"
	yellow    = "\x1b[33m"
	plain     = "\x1b[0m"
	eraseLine = "\r\x1b[K" // and go to its beginning
)

// colours are those of the words below RESULT, TLS and DIALOG.
var colours = map[string]string{
	words[check.Up]: green, words[check.Down]: red, words[check.Unchecked]: yellow, words[check.Unresolved]: yellow,
	handshakeWords[check.Up]: green, handshakeWords[check.Down]: red, dialogWords[check.Up]: green,
}

// isTerminal reports whether what is written is shown by a terminal that knows control sequences.
// Windows has to be asked to take them, which is not done.
func isTerminal(w io.Writer) bool {
	file, isFile := w.(*os.File)
	return isFile && runtime.GOOS != "windows" && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(file.Fd()))
}

// takesColour reports whether what is written may have colours (no-color.org).
func takesColour(w io.Writer) bool { return os.Getenv("NO_COLOR") == "" && isTerminal(w) }

// coloured returns rows with the words below RESULT, TLS and DIALOG in colour. The rows are aligned already, since
// control sequences have no width; the first one is the header.
func coloured(rows string) string {
	header, _, _ := strings.Cut(rows, "\n")
	var text strings.Builder
	for line := range strings.Lines(rows) {
		for _, title := range []string{" DIALOG ", " TLS ", " RESULT "} { // the last one first: it is in its column still
			line = colouredAt(line, strings.Index(header, title)+1) // in characters as well: a header is ASCII
		}
		text.WriteString(line)
	}
	return text.String()
}

// colouredAt returns a line with the word in colour that begins at a column. At 0 is none of them.
func colouredAt(line string, column int) string {
	characters := []rune(line)
	at := min(column, len(characters))
	word, rest, _ := strings.Cut(string(characters[at:]), " ")
	if colour := colours[word]; colour != "" && at > 0 {
		return string(characters[:at]) + colour + word + plain + " " + rest
	}
	return line
}
