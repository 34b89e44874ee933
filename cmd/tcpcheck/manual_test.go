package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the manual pages")

// manuals are the files of the manual pages, by the command that each is of, and something that it says.
var manuals = map[string]struct {
	command func() *cobra.Command
	says    []string
}{
	"tcpcheck.1": {
		func() *cobra.Command { return newCommand(new(status)) },
		[]string{
			"\n.SH ENVIRONMENT\n", "\n0  every address connected\n", "\n3  bad use, ", "\nNO_COLOR  ", "${env:...}\n.EE", `\fBtcpcheck-status(1)\fP`,
			`\fB--tls\fP`, "Check TCP targets",
		},
	},
	"tcpcheck-status.1": {
		func() *cobra.Command {
			c, _, _ := newCommand(new(status)).Find([]string{"status"}) // it is there
			return c
		},
		[]string{"\n0  every target is up\n", `\fBtcpcheck(1)\fP`, `\fB--url\fP`, "Print what a running collector knows"},
	},
}

// manualPage returns the manual page of a command, made of what --help says: what has a title there is a section,
// and lists are as they are.
func manualPage(t *testing.T, c *cobra.Command) string {
	t.Helper()
	c.DisableAutoGenTag = true // which has the date
	c.Long = regexp.MustCompile(`(?m)^  `).ReplaceAllString(c.Long, "    ")
	c.Long = regexp.MustCompile(`(?m)^(?:Exit status|Environment):$`).ReplaceAllStringFunc(c.Long, func(title string) string {
		return "# " + strings.ToUpper(strings.TrimSuffix(title, ":"))
	})
	var made bytes.Buffer
	require.NoError(t, doc.GenMan(c, &doc.GenManHeader{Section: "1", Manual: "User Commands", Source: "tcpcheck", Date: new(time.Time)}, &made))
	page := strings.Replace(made.String(), `"Jan 0001"`, `""`, 1)
	return regexp.MustCompile(`(?m)^(?:\.PP\n)?(\\fB-.*)\n\t`).ReplaceAllString(page, ".TP\n$1\n") // an option, and below it what it is for
}

// A manual page says what the command says of itself.
func TestManual(t *testing.T) {
	for manual, of := range manuals {
		c := of.command()
		page := manualPage(t, c)
		if *update {
			require.NoError(t, os.WriteFile(manual, []byte(page), 0o644)) //nolint:gosec // it is for all to read
		}
		written, err := os.ReadFile(manual)
		require.NoError(t, err)
		assert.Equal(t, string(written), page, "make generate writes it")

		flags := 0
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			flags++
			assert.Contains(t, page, `\fB--`+f.Name+`\fP`)
			assert.Contains(t, page, "\n"+f.Usage+"\n")
		})
		assert.Positive(t, flags)
		for _, section := range []string{"EXIT STATUS", "OPTIONS", "EXAMPLE"} {
			assert.Contains(t, page, "\n.SH "+section+"\n")
		}
		assert.Contains(t, page, c.Example)
		for _, text := range of.says {
			assert.Contains(t, page, text)
		}
	}
}

func TestManualRenders(t *testing.T) {
	for manual, of := range manuals {
		for _, renderer := range [][]string{{"man", "--warnings", "-l", manual}, {"groff", "-man", "-ww", "-Tutf8", manual}, {"mandoc", "-Tlint", "-Wwarning", manual}} {
			t.Run(renderer[0]+" "+manual, func(t *testing.T) {
				if _, err := exec.LookPath(renderer[0]); err != nil {
					t.Skipf("needs %s: %v", renderer[0], err)
				}
				command := exec.Command(renderer[0], renderer[1:]...)
				command.Env = append(os.Environ(), "MANPAGER=cat", "LC_ALL=C.UTF-8")
				var warnings bytes.Buffer
				command.Stderr = &warnings
				text, err := command.Output()
				require.NoError(t, err, &warnings)
				assert.Empty(t, warnings.String())
				if renderer[0] == "mandoc" {
					assert.Empty(t, string(text)) // it has the warnings there
				} else {
					assert.Contains(t, strings.Join(strings.Fields(string(text)), " "), of.command().Short)
				}
			})
		}
	}
}

func TestCompletion(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		got := runWith(context.Background(), "completion", shell)
		assert.Equal(t, statusOK, got.status, shell)
		assert.Empty(t, got.errs, shell)
		assert.Contains(t, got.out, "__complete", shell)
		if _, err := exec.LookPath(shell); err == nil && (shell == "bash" || shell == "zsh" || shell == "fish") {
			check := exec.Command(shell, "-n")
			check.Stdin = strings.NewReader(got.out)
			said, err := check.CombinedOutput()
			assert.NoError(t, err, "%s: %s", shell, said)
		}
	}
	const files, nothing = cobra.ShellCompDirectiveDefault, cobra.ShellCompDirectiveNoFileComp
	for _, test := range []struct {
		words     []string
		want      []string
		directive cobra.ShellCompDirective
	}{
		{[]string{"--family", ""}, []string{"ipv4", "ipv6"}, nothing},
		{[]string{"-o", ""}, []string{"json", "junit", "nagios", "table"}, nothing},
		{[]string{"--output="}, []string{"json", "junit", "nagios", "table"}, nothing},
		{[]string{"--config", ""}, nil, files},
		{[]string{"--config=col"}, nil, files},
		{[]string{"x"}, nil, nothing}, // a target is no file
		{[]string{"status", "--family", ""}, []string{"ipv4", "ipv6"}, nothing},
		{[]string{"status", "-o", ""}, []string{"json", "table"}, nothing},
		{[]string{"status", ""}, nil, nothing},
	} {
		got := runWith(context.Background(), append([]string{"__complete"}, test.words...)...)
		assert.Equal(t, append(test.want, fmt.Sprintf(":%d", test.directive)), strings.Fields(got.out), test.words)
	}
}
