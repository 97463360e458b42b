package addr

import (
	"slices"
	"testing"
)

// The fast way must read exactly what HCL's scanner reads.
func FuzzSplitPlain(f *testing.F) {
	for _, s := range []string{
		`queue.jobs`, `module.eu["a"].queue.jobs[0]`, `queue.a-b["x.y]"]`, `queue.a[01]`, `queue.a[9999999999]`, `true.null`,
		`queue.a["$${x}"]`, `queue.a["%"]`, `queue.a["x"`, `queue.a[-1]`, `queue.a["x"]["y"]`, `-a.b`, `a..b`, `a.b[]`, `for.each`,
		`queue.a["$"]`, `queue.a[" "]`, `queue.a- b`, `queue.a--b`, `queue.a-[0]`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		plain, ok := splitPlain(s)
		if !ok || len(s) > maxLength {
			return
		}
		steps, err := scan(s)
		if err != nil || !slices.Equal(plain, steps) {
			t.Fatalf("%q: %v, but HCL reads %v (%v)", s, plain, steps, err)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(`queue.jobs["role-1234"]`); err != nil {
			b.Fatal(err)
		}
	}
}
