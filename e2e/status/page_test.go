package status

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/go-rod/rod/lib/input"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/e2e/harness"
)

// awaitPage returns once the sentence of the page is this one, whoever asks.
func awaitPage(t *testing.T, sentence string) {
	t.Helper()
	is := regexp.MustCompile("<h1.*</h1>")
	var last struct{ heading string }
	require.Eventually(t, func() bool {
		text := get(t, "")
		last.heading = is.FindString(text)
		return strings.HasSuffix(last.heading, ">"+sentence+"</h1>")
	}, harness.Patience/8, harness.Patience/1000, "%q; it is %v", sentence, &last)
}

// An outage comes and goes in a page that nobody reloads.
func TestOutage(t *testing.T) {
	closeDatabase, openDatabase := openShop(t, "tcp")
	tb := open(t, startBrowser(t), screen{})
	tb.becomes("All 6 targets connect.")
	tb.says(`window.loadedOnce = "yes"`)
	assert.Empty(t, tb.text("#wrong"))

	closeDatabase()
	tb.becomes("1 of 6 targets is down.")
	assert.Equal(t, "yes", tb.says("window.loadedOnce"))
	assert.Equal(t, "What is wrong", tb.says(`document.querySelector("main h1 + section h2").innerText`), "it comes first")
	assert.Equal(t, "1 of 6 targets is down.", tb.text("#announce"), "a screen reader is told")
	assert.Equal(t, "1 of 6 targets is down – tcpcheck", tb.says("document.title"))
	card := tb.text(".cards > .card")
	assert.Contains(t, card, "database db.example.com:5432\ndown · shop\n▲ down IPv4 192.0.2.3: connection refused, said by the host itself, for ")
	assert.Regexp(t, `▲ down IPv6 2001:db8::3: connection refused.* \(since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC\)`, card)

	openDatabase()
	tb.becomes("All 6 targets connect.")
	assert.Equal(t, "yes", tb.says("window.loadedOnce"))
	assert.Empty(t, tb.text("#wrong"))
}

// While somebody reads a target or fills in the filter, nothing is taken from under their fingers; and updates can be paused.
func TestPause(t *testing.T) {
	closeDatabase, _ := openShop(t, "tcp")
	awaitPage(t, "All 6 targets connect.")
	tb := open(t, startBrowser(t), screen{})
	tb.tabTo("pause")
	tb.press(input.Space)
	assert.Equal(t, "true", tb.says(`document.getElementById("pause").getAttribute("aria-pressed")`))
	closeDatabase()
	awaitPage(t, "1 of 6 targets is down.")
	assert.Equal(t, "All 6 targets connect.", tb.text("h1"))
	tb.press(input.Space)
	tb.becomes("1 of 6 targets is down.")
	assert.Equal(t, "pause", tb.says("document.activeElement.id"))
}

// The filter is filled in by the keyboard, with the page's script and without.
func TestFilter(t *testing.T) {
	closeDatabase, _ := openShop(t, "tcp4")
	closeDatabase()
	awaitPage(t, "1 of 6 targets is down, and 1 more over IPv6 only.")
	browser := startBrowser(t)
	names := func(tb *tab) string { return strings.ReplaceAll(tb.text(".targets th[scope=row] a"), "\n", " ") }
	for _, s := range []screen{{}, {noScript: true}} {
		t.Run(s.String(), func(t *testing.T) {
			tb := open(t, browser, s)
			assert.Equal(t, "imap smtp api cache database web", names(tb))
			for _, c := range []struct{ fill, query, names, found string }{
				{"q=MAIL.example", "q=MAIL.example&state=&family=&service=", "imap smtp", "2 of 6 targets."},
				{"q=team:blue", "q=team%3Ablue&state=&family=&service=", "web", "1 of 6 targets."},
				{"f-state=down", "q=&state=down&family=&service=", "database", "1 of 6 targets."},
				{"f-state=troubled", "q=&state=troubled&family=&service=", "api database", "2 of 6 targets."},
				{"f-state=down f-family=ipv6", "q=&state=down&family=ipv6&service=", "api database", "2 of 6 targets."},
				{"f-service=mail", "q=&state=&family=&service=mail", "imap smtp", "2 of 6 targets."},
				{"q=nothing f-service=shop", "q=nothing&state=&family=&service=shop", "", "No target is like that."},
			} {
				tb.visit(at)
				for _, one := range strings.Fields(c.fill) {
					id, value, _ := strings.Cut(one, "=")
					if id == "q" {
						tb.tabTo(id)
						require.NoError(t, tb.InsertText(value))
					} else {
						tb.choose(id, value)
					}
				}
				tb.tabTo("submit")
				tb.leads(func() { tb.press(input.Enter) })
				assert.Equal(t, at+"?"+c.query, tb.says("location.href"))
				assert.Equal(t, c.names, names(tb), c.fill)
				assert.Equal(t, c.found, tb.text("#found"), c.fill)
				assert.Empty(t, tb.text("#wrong"), "the list alone is wanted")
			}
		})
	}
}

// A target has a page of its own, with all that is known of it.
func TestInstance(t *testing.T) {
	closeDatabase, _ := openShop(t, "tcp4")
	awaitPage(t, "1 of 6 targets is down over IPv6 only.")
	closeDatabase()
	awaitPage(t, "1 of 6 targets is down, and 1 more over IPv6 only.")
	browser := startBrowser(t)
	for _, s := range []screen{{}, {phone: true}, {noScript: true}} {
		t.Run(s.String(), func(t *testing.T) {
			tb := open(t, browser, s)
			tb.tabTo(tb.says(`[...document.querySelectorAll(".targets a")].find((e) => e.innerText === "api").id`))
			tb.leads(func() { tb.press(input.Enter) })
			assert.Equal(t, "api is down over IPv6 only.", tb.text("h1"))
			assert.Contains(t, tb.text(".hint"), "It connects over ipv4 and is refused over ipv6")
			assert.Equal(t, "IPv4 192.0.2.2\nIPv6 2001:db8::2", tb.text("h3"))
			assert.Contains(t, tb.text(".events"), `warn cannot connect to "api" ([2001:db8::2]:8080) over ipv6: connection refused`)
			assert.Equal(t, "last 6 hours: down", tb.says(`document.querySelectorAll(".strip")[1].getAttribute("aria-label")`))
			tb.fits()
			tb.tabTo("back")
			tb.leads(func() { tb.press(input.Enter) })
			assert.Equal(t, at, tb.says("location.href"))
			tb.settled()
		})
	}
}

// The colours of a dark screen are dark.
func TestDark(t *testing.T) {
	openShop(t, "tcp4")
	awaitPage(t, "1 of 6 targets is down over IPv6 only.")
	browser := startBrowser(t)
	// luminance is that of WCAG 2.2, from 0 (black) to 1 (white).
	colour := func(tb *tab, property string) (said string, luminance float64) {
		said = tb.says(`getComputedStyle(document.body).` + property)
		_, err := fmt.Sscan(tb.says(`String(`+"`"+said+"`"+`.match(/[0-9]+/g).slice(0, 3).map((c) => c / 255).map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
			.reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0))`), &luminance)
		require.NoError(t, err)
		return said, luminance
	}
	light, dark := open(t, browser, screen{}), open(t, browser, screen{dark: true})
	lightPaper, lightPaperIs := colour(light, "backgroundColor")
	lightInk, lightInkIs := colour(light, "color")
	darkPaper, darkPaperIs := colour(dark, "backgroundColor")
	darkInk, darkInkIs := colour(dark, "color")
	assert.NotEqual(t, lightPaper, darkPaper)
	assert.NotEqual(t, lightInk, darkInk)
	assert.Greater(t, (lightPaperIs+0.05)/(lightInkIs+0.05), 7.0, "contrast of level AAA")
	assert.Greater(t, (darkInkIs+0.05)/(darkPaperIs+0.05), 7.0, "contrast of level AAA")
	assert.Less(t, darkPaperIs, 0.05)
}

// Without JavaScript all is there, and it says how to see what is new.
func TestWithoutJavaScript(t *testing.T) {
	closeDatabase, _ := openShop(t, "tcp4")
	closeDatabase()
	awaitPage(t, "1 of 6 targets is down, and 1 more over IPv6 only.")
	browser := startBrowser(t)
	with, without := open(t, browser, screen{}), open(t, browser, screen{noScript: true})
	assert.Equal(t, with.text("h1, h2, h3, th, caption, label"), without.text("h1, h2, h3, th, caption, label"))
	assert.Contains(t, without.text(".clock"), "(reload the page to see what is new)")
	assert.NotContains(t, with.text(".clock"), "reload")
	assert.Contains(t, with.text("body"), "Pause updates")
	assert.NotContains(t, without.text("body"), "Pause updates", "a button that does nothing")
}

// Whoever does not see the page, uses no mouse, or has a phone has all of it, and a phone is not moved sideways.
func TestAccessible(t *testing.T) {
	closeDatabase, _ := openShop(t, "tcp4")
	closeDatabase()
	awaitPage(t, "1 of 6 targets is down, and 1 more over IPv6 only.")
	browser := startBrowser(t)
	first := open(t, browser, screen{})
	instance := first.says(`document.querySelector(".targets a").href`)
	first.says(`document.documentElement.lang = ""`)
	require.Contains(t, first.violations(), "html-has-lang: ", "axe-core finds what is wrong")
	for _, s := range []screen{{}, {dark: true}, {phone: true}, {phone: true, dark: true}} {
		t.Run(s.String(), func(t *testing.T) {
			tb := open(t, browser, s)
			for _, page := range []string{at, at + "?state=troubled&service=shop", instance, at + "?q=nothing", at + "not-checked"} {
				tb.visit(page)
				assert.Empty(t, tb.violations(), page)
				tb.fits()
			}
			tb.settled()
		})
	}
}

// hostile is what names, tags and services are, of which the page is to make text and nothing else. Control characters are
// refused in them.
var hostile = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `' onmouseover='alert(1)`, `javascript:alert(1)`, "\u202egnp.exe\u2066",
	"\u200b\ufeff.", "名前 שם اسم 🦆", "{{.}}", "</title></textarea></svg><h1>", strings.Repeat("long ", 2000), strings.Repeat("W", 10_000), "&lt;b&gt;", "https://evil.example/",
}

// Whatever a name, a tag, a service or what a service answers contains is text.
func TestHostile(t *testing.T) {
	harness.RequireNamespace(t)
	markup := "<script>alert(2)</script><img src=https://evil.example/x onerror=alert(2)>\u202e"
	listener := listen(t, "tcp4", "127.0.0.1:7001")
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte(markup + "\r\n")) // whoever only connects has gone
			_ = conn.Close()
		}
	}()
	var receivers strings.Builder
	receivers.WriteString("  tcpcheck:\n    status: tcpcheck_status\n    initial_delay: 0\n    collection_interval: 1s\n    instances:\n")
	for i, text := range hostile {
		fmt.Fprintf(&receivers, "      - {name: %s, host: 127.0.0.1, port: %d, service: %s, tags: [%s]}\n", quoted(text), 7000+i%2, quoted(text), quoted("key:"+text))
	}
	fmt.Fprintf(&receivers, "      - {name: says, host: 127.0.0.1, port: 7001, timeout: 1s, steps: [{expect: ready}]}\n")
	startCollector(t, plain, receivers.String())
	awaitPage(t, "7 of 14 targets are down, and 1 more failing above TCP.")

	browser := startBrowser(t)
	for _, s := range []screen{{}, {phone: true}, {phone: true, noScript: true}} {
		t.Run(s.String(), func(t *testing.T) {
			tb := open(t, browser, s)
			pages := strings.Fields(tb.says(`[...document.querySelectorAll(".targets a")].map((e) => e.href).join("\n")`))
			require.Len(t, pages, len(hostile)+1)
			for _, text := range hostile {
				for _, of := range []string{"q", "service"} {
					if len(text) < 1000 {
						pages = append(pages, at+"?"+of+"="+url.QueryEscape(text))
					}
				}
			}
			for _, page := range append(pages, at) {
				tb.visit(page)
				assert.Equal(t, "1", tb.says(`String(document.querySelectorAll("h1").length)`), page)
				assert.Equal(t, "0", tb.says(`String(document.querySelectorAll("main script, img, iframe, [onerror], [onmouseover], a[href^='javascript']").length)`), page)
				assert.Empty(t, tb.says(`[...document.links].map((e) => new URL(e.href).host).filter((h) => h !== location.host).join()`), page)
				tb.fits()
			}
			shown := tb.text(".targets")
			for _, text := range []string{hostile[0], hostile[1], "⟨U+202E⟩gnp.exe⟨U+2066⟩", "⟨U+200B⟩⟨U+FEFF⟩.", hostile[6], hostile[8], "&lt;b&gt;"} {
				assert.Contains(t, shown, text)
			}
			assert.Contains(t, tb.text(".cards"), `<script>alert(2)</script>`, "what the service says")
			assert.NotContains(t, tb.text("body"), "\u202e")
			if !s.noScript {
				assert.Empty(t, tb.violations())
			}
			tb.settled()
		})
	}
}

// quoted returns a text as YAML has it between quotation marks.
func quoted(text string) string {
	var out strings.Builder
	for _, r := range text {
		if r < ' ' || r == '"' || r == '\\' || r >= 0x7f && r < 0x10000 {
			fmt.Fprintf(&out, `\u%04x`, r)
		} else {
			out.WriteRune(r)
		}
	}
	return `"` + out.String() + `"`
}
