package logs

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/msgflo/msgflo/providers/local/control"
)

var epoch = time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)

// logLine is a line as the shim writes it, n seconds after the epoch.
func logLine(n int, text string) string {
	return epoch.Add(time.Duration(n)*time.Second).Format(control.LogTime) + " " + text + "\n"
}

func put(t testing.TB, path string, lines ...string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(strings.Join(lines, "")); err != nil {
		t.Fatal(err)
	}
}

// rotate puts .1 behind the name, as the shim does, from the old end.
func rotate(t testing.TB, path string) {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		return // nothing was written since it was rotated
	}
	files := control.LogFiles(path)
	for i, f := range files {
		to := fmt.Sprintf("%s.%d", path, len(files)-i)
		if err := os.Rename(f, to); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
}

func reader(t testing.TB, folder string, roles ...string) *Reader {
	t.Helper()
	r := New(func() ([]Source, error) {
		var all []Source
		for _, role := range roles {
			s, err := Sources(role, filepath.Join(folder, role))
			if err != nil {
				return nil, err
			}
			all = append(all, s...)
		}
		return all, nil
	})
	t.Cleanup(func() { r.Close() })
	return r
}

func collect(into *[]string) func(Line) error {
	return func(l Line) error {
		*into = append(*into, fmt.Sprintf("%s.%d %s", l.Source.Role, l.Source.Index, l.Text))
		return nil
	}
}

func folder(t testing.TB, roles ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, r := range roles {
		if err := os.MkdirAll(filepath.Join(dir, r), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestRead(t *testing.T) {
	dir := folder(t, "a", "b")
	a0, a1, b0 := filepath.Join(dir, "a", "0.log"), filepath.Join(dir, "a", "1.log"), filepath.Join(dir, "b", "0.log")
	put(t, a0, logLine(1, "one"), logLine(4, "four"))
	rotate(t, a0)
	put(t, a0, logLine(5, "five"))
	rotate(t, a0)
	put(t, a0, logLine(7, "seven"), "its rest, without a time\n", logLine(9, "nine, cut")[:33])
	put(t, a1, logLine(2, "two"), logLine(8, "eight"))
	put(t, b0, logLine(3, "three"), logLine(3, "three again"), logLine(6, "six"))
	put(t, filepath.Join(dir, "a", "x.log"), "not ours\n")
	all := []string{"a.0 one", "a.1 two", "b.0 three", "b.0 three again", "a.0 four", "a.0 five", "b.0 six", "a.0 seven", "a.0 its rest, without a time", "a.1 eight", "a.0 nine, cu"}
	for _, c := range []struct {
		name string
		sel  Selection
		want []string
	}{
		{"all", Selection{Last: -1}, all},
		{"since", Selection{Last: -1, Since: epoch.Add(6 * time.Second)}, all[6:]},
		{"since and last", Selection{Last: 1, Since: epoch.Add(7 * time.Second)}, []string{"a.1 eight", "a.0 nine, cu"}},
		{"last two of each", Selection{Last: 2}, []string{"a.1 two", "b.0 three again", "b.0 six", "a.0 its rest, without a time", "a.1 eight", "a.0 nine, cu"}},
		{"more than there are", Selection{Last: 100}, all},
		{"none", Selection{Last: 0}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			if err := reader(t, dir, "a", "b", "never ran").Read(c.sel, collect(&got)); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %q\nwant %q", got, c.want)
			}
		})
	}
}

// TestFollow: whatever is written, rotated and read in whatever order, each
// line is given once and in order, those of new replicas too.
func TestFollow(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir := t.TempDir()
		n := 0
		want := map[int][]string{}
		write := func(rt *rapid.T) {
			i := rapid.IntRange(0, 2).Draw(rt, "replica")
			if err := os.MkdirAll(filepath.Join(dir, "a"), 0o700); err != nil {
				rt.Fatal(err)
			}
			for range rapid.IntRange(1, 3).Draw(rt, "lines") {
				n++
				text := strings.Repeat("x", rapid.SampledFrom([]int{0, 1, 70_000}).Draw(rt, "length")) + fmt.Sprint(n)
				put(t, filepath.Join(dir, "a", fmt.Sprintf("%d.log", i)), logLine(n, text))
				want[i] = append(want[i], text)
			}
		}
		r := New(func() ([]Source, error) { return Sources("a", filepath.Join(dir, "a")) })
		defer r.Close()
		got := map[int]string{}
		emit := func(l Line) error {
			got[l.Source.Index] += string(l.Text)
			return nil
		}
		look := func(*rapid.T) {
			ctx, cancel := context.WithCancel(context.Background())
			tick := make(chan time.Time)
			done := make(chan error)
			go func() { done <- r.Follow(ctx, tick, emit, func() error { return nil }) }()
			select {
			case tick <- epoch:
			case err := <-done:
				rt.Fatal(err)
			}
			cancel()
			if err := <-done; err != nil {
				rt.Fatal(err)
			}
		}
		first := rapid.IntRange(0, 2).Draw(rt, "before")
		for range first {
			write(rt)
		}
		if err := r.Read(Selection{Last: -1}, emit); err != nil {
			rt.Fatal(err)
		}
		rt.Repeat(map[string]func(*rapid.T){
			"write": write,
			"rotate": func(rt *rapid.T) {
				rotate(t, filepath.Join(dir, "a", fmt.Sprintf("%d.log", rapid.IntRange(0, 2).Draw(rt, "replica"))))
			},
			"look": look,
		})
		look(rt)
		look(rt) // nothing comes twice
		for i, lines := range want {
			if all := strings.Join(lines, ""); all != got[i] {
				rt.Fatalf("replica %d: got %d bytes, want %d", i, len(got[i]), len(all))
			}
		}
	})
}

func TestSince(t *testing.T) {
	zone := time.FixedZone("", 3600)
	now := time.Date(2026, 3, 4, 12, 0, 0, 0, zone)
	for text, want := range map[string]time.Time{
		"10m":                     now.Add(-10 * time.Minute),
		"1h30m":                   now.Add(-90 * time.Minute),
		"0s":                      now,
		"2026-03-04T11:00:00Z":    now,
		"2026-03-04T11:00:00.5Z":  now.Add(500 * time.Millisecond),
		"2026-03-04T12:00:00":     now,
		"2026-03-04 12:00:00":     now,
		"2026-03-04":              time.Date(2026, 3, 4, 0, 0, 0, 0, zone),
		"2026-03-04T11:00:00-00:": {},
	} {
		got, ok := Since(text, now)
		if ok == want.IsZero() || ok && !got.Equal(want) {
			t.Errorf("%s: %v %v", text, got, ok)
		}
	}
	for _, bad := range []string{"", "10", "-5m", "yesterday", "2026-13-01"} {
		if got, ok := Since(bad, now); ok {
			t.Errorf("%q: %v", bad, got)
		}
	}
}

func FuzzSince(f *testing.F) {
	for _, s := range []string{"10m", "2026-03-04", "2026-03-04T11:00:00Z", "-1h"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if at, ok := Since(s, epoch); ok && at.IsZero() && !strings.HasPrefix(s, "0001") {
			t.Errorf("%q is the zero time", s)
		}
	})
}
