package journal

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/msgflo/msgflo/providers/providertest/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

func TestConcurrentAppend(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	j, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	const writers, each = 32, 20
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				if err := j.Append(fmt.Appendf(nil, "%d %d", w, i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if err := errors.Join(j.Close(), j.Close()); err != nil {
		t.Fatal(err)
	}
	got := read(t, path)
	if len(got) != writers*each {
		t.Fatalf("%d records", len(got))
	}
	var last [writers]int // each writer's records are in its own order
	for _, r := range got {
		var w, i int
		if _, err := fmt.Sscanf(r, "%d %d", &w, &i); err != nil || i != last[w] {
			t.Fatalf("record %q, want %d of writer %d (%v)", r, last[w], w, err)
		}
		last[w]++
	}
	if err := j.Append([]byte("late")); !errors.Is(err, ErrClosed) {
		t.Errorf("append after close: %v", err)
	}
}

func read(t testing.TB, path string) []string {
	t.Helper()
	records, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]string, len(records))
	for i, r := range records {
		out[i] = string(r)
	}
	return out
}

func TestReadAbsent(t *testing.T) {
	if got := read(t, filepath.Join(t.TempDir(), "none")); len(got) != 0 {
		t.Errorf("%v", got)
	}
}

// layout writes a journal of batches down as Append does.
func layout(batches [][]string) []byte {
	var buf []byte
	var n uint64
	for _, b := range batches {
		for i, p := range b {
			buf = appendRecord(buf, n+uint64(i), n, []byte(p))
		}
		n += uint64(len(b))
	}
	return buf
}

func genBatches(t *rapid.T) [][]string {
	return rapid.SliceOfN(rapid.SliceOfN(rapid.StringMatching(`[a-z{} ":0-9]{0,12}`), 1, 4), 1, 5).Draw(t, "batches")
}

// However the last batch is torn, all before it are read, and of it a prefix.
// The journal goes on behind that prefix.
func TestTornLastBatch(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		batches := genBatches(t)
		all := slices.Concat(batches...)
		durable := layout(batches[:len(batches)-1])
		whole := layout(batches)
		tail := slices.Clone(whole[len(durable):])
		cut := rapid.IntRange(0, len(tail)).Draw(t, "cut")
		switch rapid.SampledFrom([]string{"short", "zeros", "garbage"}).Draw(t, "how") {
		case "short":
			tail = tail[:cut]
		case "zeros": // the length reached the disk, some blocks did not
			end := rapid.IntRange(cut, len(tail)).Draw(t, "end")
			clear(tail[cut:end])
		case "garbage":
			tail = append(tail[:cut], rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")...)
		}
		path := filepath.Join(dir, "j")
		must(t, os.WriteFile(path, append(slices.Clone(durable), tail...), 0o600))
		j, err := Append(path)
		if err != nil {
			t.Fatal(err)
		}
		must(t, j.Append([]byte("after")))
		must(t, j.Close())
		records, err := Read(path)
		if err != nil {
			t.Fatal(err)
		}
		n := len(records) - 1
		if min := len(all) - len(batches[len(batches)-1]); n < min {
			t.Fatalf("%d acknowledged records, %d read", min, n)
		}
		for i, r := range records[:n] {
			if string(r) != all[i] {
				t.Fatalf("record %d is %q, was %q", i, r, all[i])
			}
		}
		if string(records[n]) != "after" {
			t.Fatalf("the new record is %q", records[n])
		}
	})
}

// A changed byte in a batch that another one follows is damage, not a torn write.
func TestDamage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		batches := append(genBatches(t), []string{"last"})
		b := layout(batches)
		acknowledged := len(layout(batches[:len(batches)-1]))
		at := rapid.IntRange(0, acknowledged-1).Draw(t, "at")
		b[at] ^= byte(rapid.IntRange(1, 255).Draw(t, "flip"))
		_, _, err := parse(b)
		var c *CorruptError
		if !errors.As(err, &c) || c.Line < 1 {
			t.Fatalf("byte %d of %q: %v", at, b, err)
		}
	})
}

// A checksum in capitals is the same number, but not what was written.
func TestDamageInTheCaseOfAChecksum(t *testing.T) {
	b := []byte("f7918938 0 0 \n8f609706 1 1 last\n")
	if _, _, err := parse(b); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 32
	var c *CorruptError
	if _, _, err := parse(b); !errors.As(err, &c) || c.Line != 1 {
		t.Fatalf("read %q: %v", b, err)
	}
}

func TestDamageNamesFileAndWayOut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	j, err := Create(path)
	must(t, err)
	for _, p := range []string{"a", "b", "c"} {
		must(t, j.Append([]byte(p)))
	}
	must(t, j.Close())
	b, err := os.ReadFile(path)
	must(t, err)
	b[10] ^= 1
	must(t, os.WriteFile(path, b, 0o600))
	for _, f := range []func() error{
		func() error { _, err := Read(path); return err },
		func() error { _, err := Append(path); return err },
	} {
		err := f()
		if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "msgflo plan") {
			t.Errorf("%v", err)
		}
	}
}

type tester interface {
	Helper()
	Fatal(...any)
}

func must(t tester, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// failing is a file whose disk breaks.
type failing struct {
	file
	write, sync error
}

func (f *failing) Write(b []byte) (int, error) {
	if f.write != nil {
		n, _ := f.file.Write(b[:len(b)/2])
		return n, f.write
	}
	return f.file.Write(b)
}

func (f *failing) Sync() error { return errors.Join(f.sync, f.file.Sync()) }

// After a failed write or fsync nothing is acknowledged any more, even if the
// disk works again: the kernel reports an fsync error once.
func TestFailureSticks(t *testing.T) {
	full := errors.New("no space left on device")
	for name, f := range map[string]*failing{"write": {write: full}, "sync": {sync: full}} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "j")
			j, err := Create(path)
			must(t, err)
			must(t, j.Append([]byte("kept")))
			f.file = j.file
			j.file = f
			if err := j.Append([]byte("lost")); !errors.Is(err, full) {
				t.Errorf("%v", err)
			}
			f.write, f.sync = nil, nil
			if err := j.Append([]byte("later")); !errors.Is(err, full) {
				t.Errorf("%v", err)
			}
			must(t, j.Close())
			if got := read(t, path); got[0] != "kept" || slices.Contains(got, "later") {
				t.Errorf("%q", got)
			}
		})
	}
}

func TestRefusesNewline(t *testing.T) {
	j, err := Create(filepath.Join(t.TempDir(), "j"))
	must(t, err)
	if err := j.Append([]byte("a\nb")); err == nil {
		t.Error("accepted")
	}
	must(t, j.Close())
}

func FuzzParse(f *testing.F) {
	f.Add(layout([][]string{{"a", "b"}, {"c"}}))
	f.Add([]byte("00000000 0 0 x\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		payloads, good, err := parse(b)
		if good > len(b) {
			t.Fatal(good)
		}
		if err != nil {
			return
		}
		again, n, err := parse(b[:good])
		if err != nil || n != good || len(again) != len(payloads) {
			t.Fatalf("%d records in %d bytes, then %d in %d (%v)", len(payloads), good, len(again), n, err)
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	for _, writers := range []int{1, 32} {
		b.Run(fmt.Sprint(writers), func(b *testing.B) {
			j, err := Create(filepath.Join(b.TempDir(), "j"))
			must(b, err)
			payload := bytes.Repeat([]byte("x"), 400)
			b.SetParallelism(max(1, writers/2))
			b.ResetTimer()
			if writers == 1 {
				for b.Loop() {
					must(b, j.Append(payload))
				}
			} else {
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						if err := j.Append(payload); err != nil {
							b.Error(err)
						}
					}
				})
			}
			b.StopTimer()
			must(b, j.Close())
		})
	}
}
