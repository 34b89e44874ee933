package status

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/go-rod/rod"
	"github.com/go-rod/rod/lib/input"
	"github.com/go-rod/rod/lib/proto"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/e2e/harness"
)

// screen is how a tab shows a page. The zero value is that of a desk, in light colours.
type screen struct {
	phone, dark, noScript bool
}

// String names the screen.
func (s screen) String() string {
	words := []string{"desk"}
	if s.phone {
		words[0] = "phone"
	}
	if s.dark {
		words = append(words, "dark")
	}
	if s.noScript {
		words = append(words, "without JavaScript")
	}
	return strings.Join(words, ", ")
}

// phoneWidth is that of a narrow phone, in pixels of CSS.
const phoneWidth = 360

// startBrowser runs a browser until the end of the test.
func startBrowser(t *testing.T) *rod.Browser {
	t.Helper()
	harness.RequireNamespace(t)
	const begins = "DevTools listening on "
	program := harness.Start(t, exec.Command("chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
		"--log-level=3", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-default-apps", "--force-color-profile=srgb", "--hide-scrollbars",
		"--remote-debugging-port=0", "--user-data-dir="+t.TempDir(), "about:blank"), begins)
	_, control, _ := strings.Cut(program.Await(begins), begins)
	browser := rod.New().ControlURL(strings.TrimSpace(control)).NoDefaultDevice()
	require.NoError(t, browser.Connect())
	return browser
}

// tab is a tab of a browser, and what went wrong in it.
type tab struct {
	*rod.Page
	t     *testing.T
	width int // of the screen, in pixels of CSS

	mu    sync.Mutex
	wrong []string
	last  chan struct{} // gets a value for each call of settled
}

// endMark is what the tab says to itself in its console once all that came before is known.
const endMark = "the end of what came before"

// open shows the page in a new tab. At the end of the test, nothing may have been said in its console, refused by its
// policy, or asked of another host than this machine.
func open(t *testing.T, browser *rod.Browser, s screen) *tab {
	t.Helper()
	page, err := browser.Page(proto.TargetCreateTarget{URL: "about:blank"})
	require.NoError(t, err)
	page = page.Timeout(harness.Patience)
	width, height := 1200, 800
	if s.phone {
		width, height = phoneWidth, 740
	}
	tb := &tab{Page: page, t: t, width: width, last: make(chan struct{})}
	listening := page.EachEvent(
		func(e *proto.RuntimeConsoleAPICalled) {
			text := fmt.Sprint(e.Args)
			if len(e.Args) == 1 {
				text = e.Args[0].Value.Str()
			}
			if text == endMark {
				tb.last <- struct{}{}
				return
			}
			tb.note("the console: %s", text)
		},
		func(e *proto.RuntimeExceptionThrown) { tb.note("an exception: %s", e.ExceptionDetails.Text) },
		func(e *proto.LogEntryAdded) { tb.note("the log: %s %s", e.Entry.Text, e.Entry.URL) },
		func(e *proto.AuditsIssueAdded) { tb.note("an issue: %s", e.Issue.Code) },
		func(e *proto.PageJavascriptDialogOpening) { tb.note("a dialog: %s", e.Message) },
		func(e *proto.NetworkRequestWillBeSent) {
			if asked, err := url.Parse(e.Request.URL); err != nil || asked.Scheme != "about" && "http://"+asked.Host+"/" != at {
				tb.note("a request to %s", e.Request.URL)
			}
		},
	)
	go listening()
	require.NoError(t, page.SetViewport(&proto.EmulationSetDeviceMetricsOverride{Width: width, Height: height, DeviceScaleFactor: 1, Mobile: s.phone}))
	if s.dark {
		require.NoError(t, proto.EmulationSetEmulatedMedia{Features: []*proto.EmulationMediaFeature{{Name: "prefers-color-scheme", Value: "dark"}}}.Call(page))
	}
	if s.noScript {
		require.NoError(t, proto.EmulationSetScriptExecutionDisabled{Value: true}.Call(page))
	}
	tb.visit(at)
	t.Cleanup(func() {
		tb.settled()
		_ = page.Close()
	})
	return tb
}

func (tb *tab) note(format string, arguments ...any) {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	tb.wrong = append(tb.wrong, fmt.Sprintf(format, arguments...))
}

// settled sees to it that nothing went wrong so far.
func (tb *tab) settled() {
	tb.t.Helper()
	_, err := proto.RuntimeEvaluate{Expression: "console.debug(" + fmt.Sprintf("%q", endMark) + ")"}.Call(tb.Page)
	require.NoError(tb.t, err)
	<-tb.last
	tb.mu.Lock()
	defer tb.mu.Unlock()
	assert.Empty(tb.t, tb.wrong)
}

// leads does something that leads to another page, and returns once that is there.
func (tb *tab) leads(do func()) {
	tb.t.Helper()
	loaded := tb.WaitNavigation(proto.PageLifecycleEventNameLoad)
	do()
	loaded()
}

// visit goes to an address.
func (tb *tab) visit(address string) {
	tb.t.Helper()
	tb.leads(func() { require.NoError(tb.t, tb.Navigate(address)) })
}

// says returns what an expression of JavaScript is in the page, as a text. A promise is awaited.
func (tb *tab) says(expression string) string {
	tb.t.Helper()
	answer, err := proto.RuntimeEvaluate{Expression: expression, AwaitPromise: true, ReturnByValue: true}.Call(tb.Page)
	require.NoError(tb.t, err)
	require.Nil(tb.t, answer.ExceptionDetails, "%s", expression)
	return answer.Result.Value.Str()
}

// text returns the text of all of the elements that a selector matches, as it is shown, without empty lines.
func (tb *tab) text(selector string) string {
	tb.t.Helper()
	return tb.says(fmt.Sprintf(`[...document.querySelectorAll(%q)].map((e) => e.innerText.replace(/\n+/g, "\n")).join("\n")`, selector))
}

// becomes returns once the sentence of the page is this one, without a reload.
func (tb *tab) becomes(sentence string) {
	tb.t.Helper()
	tb.says(fmt.Sprintf(`new Promise((resolve) => {
		const is = () => document.querySelector("h1").innerText === %q && resolve("");
		new MutationObserver(is).observe(document.body, { subtree: true, childList: true, characterData: true });
		is();
	})`, sentence))
}

// press presses keys, one after the other.
func (tb *tab) press(keys ...input.Key) {
	tb.t.Helper()
	require.NoError(tb.t, tb.Keyboard.Type(keys...))
}

// tabTo presses the tabulator until the element of an ID has the focus.
func (tb *tab) tabTo(id string) {
	tb.t.Helper()
	for range 100 {
		if tb.says("document.activeElement.id || document.activeElement.type || ''") == id {
			return
		}
		tb.press(input.Tab)
	}
	require.Fail(tb.t, "it cannot be reached by the tabulator", id)
}

// choose chooses a value of the list that has the focus, by the arrows.
func (tb *tab) choose(id, value string) {
	tb.t.Helper()
	tb.tabTo(id)
	for range 20 {
		if tb.says("document.activeElement.value") == value {
			return
		}
		tb.press(input.ArrowDown)
	}
	require.Fail(tb.t, "it cannot be chosen", "%s in %s", value, id)
}

// fits sees to it that the page is no wider than the screen: nobody is to move it sideways.
func (tb *tab) fits() {
	tb.t.Helper()
	assert.Equal(tb.t, fmt.Sprintf("%d px: ", tb.width), tb.says(`(() => {
		const root = document.documentElement, inside = (e) => e.closest(".scroll, .unseen, .skip");
		const wide = [...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > root.clientWidth + 1 && !inside(e));
		return root.scrollWidth + " px: " + wide.slice(0, 5).map((e) => e.outerHTML.slice(0, 120)).join(" ");
	})()`))
}

// violations returns what axe-core finds in the page.
func (tb *tab) violations() string {
	tb.t.Helper()
	tb.says(harness.Read(tb.t, "node_modules/axe-core/axe.min.js") + `; ""`)
	return tb.says(`axe.run().then((found) => found.violations.map((v) => v.id + ": " + v.nodes.map((n) => n.html + " " + n.failureSummary).join("\n")).join("\n"))`)
}

func body(t *testing.T, answer *http.Response) string {
	t.Helper()
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	return string(text)
}
