package source

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/tcpcheckreceiver/internal/check"
)

const (
	oneInstance  = "instances: [{name: a, host: h, port: 1}]"
	twoInstances = "instances: [{name: a, host: h, port: 1}, {name: b, host: h, port: 2}]"
)

// watched is a watcher of files in a folder, whose clock a test moves.
type watched struct {
	*testing.T
	*watcher
	dir string
	now time.Time
}

func watch(t *testing.T, pattern string, files map[string]string) *watched {
	w := &watched{T: t, dir: t.TempDir(), now: time.Unix(1000, 0)}
	for name, text := range files {
		w.write(name, text)
	}
	options, err := load(t, "instances_file: '"+w.in(pattern)+"'")
	require.NoError(t, err)
	w.watcher = newWatcher(options, nil)
	return w
}

func (w *watched) in(name string) string { return filepath.Join(w.dir, name) }

// write writes a file in place, with a time that no other has.
func (w *watched) write(name, text string) {
	require.NoError(w, os.WriteFile(w.in(name), []byte(text), 0o600))
	w.now = w.now.Add(time.Second)
	require.NoError(w, os.Chtimes(w.in(name), w.now, w.now))
}

// settle polls until no file can be in the middle of a change, and reports whether
// something was new.
func (w *watched) settle() bool {
	changed := false
	for range 3 {
		w.now = w.now.Add(pollEvery)
		changed = w.poll(w.now, false) || changed
	}
	return changed
}

// list returns what is to be checked now.
func (w *watched) list() check.List {
	options := w.current()
	return options.ToCheck(options.Check(nil))
}

// names returns those of the targets.
func (w *watched) names() (names []string) {
	for _, target := range w.list().Targets {
		names = append(names, target.Labels.Name)
	}
	return names
}

// A new list is taken however it comes into the file's place.
func TestWatch(t *testing.T) {
	for name, change := range map[string]func(*watched){
		"written in place": func(w *watched) { w.write("a.yaml", twoInstances) },
		"renamed over it": func(w *watched) {
			w.write("new", twoInstances)
			require.NoError(w, os.Rename(w.in("new"), w.in("a.yaml")))
		},
		"removed and written again": func(w *watched) {
			require.NoError(w, os.Remove(w.in("a.yaml")))
			assert.True(w, w.settle())
			w.write("a.yaml", twoInstances)
		},
		"a link to another one": func(w *watched) {
			w.write("new", twoInstances)
			require.NoError(w, os.Remove(w.in("a.yaml")))
			require.NoError(w, os.Symlink("new", w.in("a.yaml")))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := watch(t, "a.yaml", map[string]string{"a.yaml": oneInstance})
			assert.False(t, w.settle())
			assert.Equal(t, []string{"a"}, w.names())
			change(w)
			assert.True(t, w.settle())
			assert.Equal(t, []string{"a", "b"}, w.names())
			assert.False(t, w.settle())
		})
	}
}

// A ConfigMap is a folder of links to a folder that is a link, which is swapped.
func TestWatchConfigMap(t *testing.T) {
	w := &watched{T: t, dir: t.TempDir(), now: time.Unix(1000, 0)}
	for folder, text := range map[string]string{"..1": oneInstance, "..2": twoInstances} {
		require.NoError(t, os.Mkdir(w.in(folder), 0o700))
		w.write(folder+"/a.yaml", text)
	}
	require.NoError(t, os.Symlink("..1", w.in("..data")))
	require.NoError(t, os.Symlink("..data/a.yaml", w.in("a.yaml")))
	options, err := load(t, "instances_file: "+w.in("a.yaml"))
	require.NoError(t, err)
	w.watcher = newWatcher(options, nil)
	assert.False(t, w.settle())
	require.NoError(t, os.Symlink("..2", w.in("..data_tmp")))
	require.NoError(t, os.Rename(w.in("..data_tmp"), w.in("..data")))
	assert.True(t, w.settle())
	assert.Equal(t, []string{"a", "b"}, w.names())
}

// A file that is being written is not read before it has kept its size and time.
func TestWatchUnsettled(t *testing.T) {
	w := watch(t, "a.yaml", map[string]string{"a.yaml": twoInstances})
	assert.False(t, w.settle())
	for _, text := range []string{"", "instances: [{name: a, host: h, port: 1}", oneInstance, oneInstance + "\n"} {
		w.write("a.yaml", text)
		assert.False(t, w.poll(w.now, false))
	}
	assert.Equal(t, []string{"a", "b"}, w.names())
	assert.True(t, w.poll(w.now, false))
	assert.Equal(t, []string{"a"}, w.names())
}

// Of a file that cannot be taken as a whole, the last good list stays, and it is said why.
func TestWatchStale(t *testing.T) {
	w := watch(t, "a.yaml", map[string]string{"a.yaml": oneInstance})
	path := w.in("a.yaml")
	assert.Equal(t, []check.Source{{Name: path}}, w.options.sources)
	assert.False(t, w.settle())
	for _, test := range []struct{ text, want string }{
		{"", "instances_file: " + path + ": it is no mapping; write the instances as a list below the key instances"},
		{"instances: [{name: a", "instances_file: " + path + ": yaml: line 1: did not find expected ',' or '}'"},
		{"instances: many", `instances_file.instances: "many" is not a list of instances`},
		{"{defaults: {timeout: -1}, instances: [{name: a, host: h, port: 1}]}", "instances_file.defaults.timeout: -1s is not more than 0"},
		{"{init_config: {a: b}, " + twoInstances + "}", "instances_file.init_config.a: unknown option; init_config has service"},
	} {
		w.write("a.yaml", test.text)
		since := w.now
		assert.True(t, w.settle(), test.text)
		list := w.list()
		assert.Equal(t, []string{"a"}, w.names())
		require.Len(t, list.Sources, 1)
		require.EqualError(t, list.Sources[0].Err, test.want)
		assert.False(t, list.Sources[0].Stale.After(since.Add(3*pollEvery)))
		assert.False(t, w.settle(), "it is said once")
	}
	since := w.list().Sources[0].Stale
	require.NoError(t, os.Remove(path))
	assert.True(t, w.settle())
	require.ErrorContains(t, w.list().Sources[0].Err, "no such file")
	assert.Equal(t, since, w.list().Sources[0].Stale, "it has been since the first mistake")

	w.write("a.yaml", oneInstance)
	assert.True(t, w.settle(), "the same list as before the mistakes")
	assert.Equal(t, []check.Source{{Name: path}}, w.list().Sources)
	w.write("a.yaml", "instances: []")
	assert.True(t, w.settle())
	assert.Empty(t, w.names(), "an empty list is one")
}

// One instance that is wrong does not keep the others out, and is named.
func TestWatchOneWrong(t *testing.T) {
	w := watch(t, "a.yaml", map[string]string{"a.yaml": oneInstance})
	w.write("a.yaml", "instances: [{name: a, host: h, port: 1, timeout: -1}, {name: b, host: h, port: 0}, {name: c, host: h, port: 3}, {name: d, host: h, port: 4, tags: [':x']}]")
	assert.True(t, w.settle())
	list := w.list()
	assert.Equal(t, []string{"c"}, w.names())
	assert.Equal(t, []check.Key{{Host: "h", Port: 1, Name: "a"}}, list.Kept)
	assert.Equal(t, 3, list.Refused)
	assert.Equal(t, []string{
		`instances_file.instances[0] "a" .timeout: -1s is not more than 0`,
		`instances_file.instances[1] "b" .port: 0 is not between 1 and 65535`,
		`instances_file.instances[3] "d" .tags[0]: ":x" has no key; write key:value`,
	}, list.Warnings)
	require.NoError(t, list.Sources[0].Err)
}

// The files of a pattern come and go.
func TestWatchPattern(t *testing.T) {
	w := watch(t, "*.yaml", map[string]string{"a.yaml": oneInstance})
	assert.False(t, w.settle())
	w.write("b.yaml", "instances: [{name: b, host: h, port: 2}]")
	assert.True(t, w.settle())
	assert.Equal(t, []string{"a", "b"}, w.names())
	w.write("c.yaml", "]")
	assert.True(t, w.settle())
	assert.Equal(t, []string{"a", "b"}, w.names())
	require.Error(t, w.list().Sources[2].Err)
	require.NoError(t, os.Remove(w.in("a.yaml")))
	require.NoError(t, os.Remove(w.in("c.yaml")))
	assert.True(t, w.settle())
	assert.Equal(t, []string{"b"}, w.names())
	assert.Equal(t, []check.Source{{Name: w.in("b.yaml")}}, w.list().Sources)
	assert.False(t, w.settle())
}

// What looks the same from outside is read again from time to time.
func TestWatchReread(t *testing.T) {
	w := watch(t, "a.yaml", map[string]string{"a.yaml": "instances: [{name: a, host: h, port: 1}]"})
	assert.False(t, w.settle())
	info, err := os.Stat(w.in("a.yaml"))
	require.NoError(t, err)
	w.write("a.yaml", "instances: [{name: b, host: h, port: 1}]")
	require.NoError(t, os.Chtimes(w.in("a.yaml"), info.ModTime(), info.ModTime()))
	assert.False(t, w.settle())
	assert.True(t, w.poll(w.now, true))
	assert.Equal(t, []string{"b"}, w.names())
	assert.False(t, w.poll(w.now, true))
}

// The real clock and the real watch.
func TestWatchRuns(t *testing.T) {
	path := writeFile(t, oneInstance)
	options, err := load(t, "instances_file: "+path)
	require.NoError(t, err)
	ctx, end := context.WithCancel(context.Background())
	lists, ended := make(chan *Options), make(chan struct{})
	go func() {
		defer close(ended)
		options.Watch(ctx, nil, func(o *Options) { lists <- o })
	}()
	require.NoError(t, os.WriteFile(path, []byte(twoInstances), 0o600))
	now := <-lists
	list := now.ToCheck(now.Check(nil))
	assert.Len(t, list.Targets, 2)
	end()
	<-ended
}
