package desired_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"golang.org/x/tools/txtar"
	"pgregory.net/rapid"

	"github.com/msgflo/msgflo/config"
	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/planner/desired"
)

func build(src string) (*desired.Result, hcl.Diagnostics) {
	types := testTypes()
	m, diags := config.Load(".", config.Options{Types: types, Version: "0.3.0", Sources: map[string][]byte{"main.flo.hcl": []byte(src)}})
	if diags.HasErrors() {
		return nil, diags
	}
	return desired.Build(m, desired.Env{Types: types})
}

// topology draws blocks that refer to each other at random, by reference, by
// name, through locals, instances and depends_on.
func topology(t *rapid.T) []string {
	n := rapid.IntRange(1, 6).Draw(t, "n")
	pick := func(label string) int { return rapid.IntRange(0, n-1).Draw(t, label) }
	blocks := []string{"broker \"main\" {\n  url = \"amqp://localhost\"\n}\n"}
	for i := range n {
		ref := []string{
			fmt.Sprintf("exchange.e%d", pick("to")), fmt.Sprintf("\"e%d\"", pick("to")), fmt.Sprintf("local.l%d", pick("to")),
			fmt.Sprintf("\"${exchange.e%d.name}\"", pick("to")), fmt.Sprintf("exchange.many%d[\"a\"]", pick("to")), "null",
		}
		either := func(label string) string { return rapid.SampledFrom(ref).Draw(t, label) }
		blocks = append(blocks,
			fmt.Sprintf("locals {\n  l%d = exchange.e%d.name\n}\n", i, pick("local")),
			fmt.Sprintf("exchange \"e%d\" {\n  alternate = %s\n}\n", i, either("alternate")),
			fmt.Sprintf("exchange \"many%d\" {\n  for_each = toset([\"a\", \"b\"])\n  name = \"many%d-${each.key}\"\n  alternate = %s\n}\n", i, i, either("many")),
			fmt.Sprintf("queue \"q%d\" {\n  dead_letter {\n    exchange = coalesce(%s, \"x\")\n  }\n%s}\n", i, either("dead"),
				rapid.SampledFrom([]string{"", fmt.Sprintf("  depends_on = [exchange.e%d]\n", pick("dep")), fmt.Sprintf("  depends_on = [queue.q%d]\n", pick("dep"))}).Draw(t, "depends")),
			fmt.Sprintf("binding \"b%d\" {\n  source = exchange.e%d\n  destination = queue.q%d\n  routing_key = \"%d\"\n}\n", i, pick("source"), pick("destination"), i),
		)
	}
	return blocks
}

// TestOrderOfDeclaration: whatever the order of the blocks, the objects, their
// relations and what is wrong are the same; relations run in no circle, and
// lead to objects that are there.
func TestOrderOfDeclaration(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { inAnyOrder(t, topology(t), build) })
}

// inAnyOrder fails unless blocks mean the same in another order, and the
// objects are sound. It returns what they mean, nil where something is wrong
// with them, and the diagnostics of both orders.
func inAnyOrder(t *rapid.T, blocks []string, build func(string) (*desired.Result, hcl.Diagnostics)) (r *desired.Result, one, other hcl.Diagnostics) {
	t.Helper()
	a, diagsA := build(strings.Join(blocks, ""))
	b, diagsB := build(strings.Join(rapid.Permutation(blocks).Draw(t, "order"), ""))
	if (a == nil) != (b == nil) || diagsA.HasErrors() != diagsB.HasErrors() {
		t.Fatalf("%v\nversus\n%v", diagsA, diagsB)
	}
	if a == nil || diagsA.HasErrors() {
		return nil, diagsA, diagsB
	}
	if x, y := dump(a), dump(b); x != y {
		t.Fatalf("%s\nversus\n%s", x, y)
	}
	sound(t, a)
	return a, diagsA, diagsB
}

// sound fails unless objects can be made in some order, each after its relations.
func sound(t interface{ Fatalf(string, ...any) }, r *desired.Result) {
	open := map[addr.Instance][]addr.Instance{}
	for i := range r.Objects {
		o := &r.Objects[i]
		open[o.Addr] = slices.Concat(o.Within, o.After)
	}
	for _, needs := range open {
		for _, n := range needs {
			if _, ok := open[n]; !ok {
				t.Fatalf("a relation leads to %s, which is not desired", n)
			}
		}
	}
	for len(open) > 0 {
		before := len(open)
		for a, needs := range open {
			if !slices.ContainsFunc(needs, func(n addr.Instance) bool { _, waits := open[n]; return waits }) {
				delete(open, a)
			}
		}
		if len(open) == before {
			t.Fatalf("the relations of %v run in a circle", open)
		}
	}
}

// large finds numbers that could be a count of a million.
var large = regexp.MustCompile(`[0-9]{4}|[0-9][eE]`)

// seed begins a fuzz test with the configurations of testdata.
func seed(f *testing.F) {
	f.Helper()
	paths, err := txtarSeeds()
	if err != nil {
		f.Fatal(err)
	}
	for _, p := range paths {
		ar, err := txtar.ParseFile(p)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range ar.Files {
			if file.Name == "main.flo.hcl" {
				f.Add(string(file.Data))
			}
		}
	}
}

// FuzzBuild: whatever loads can be evaluated without a panic, and no secret is
// ever in a diagnostic.
func FuzzBuild(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, src string) {
		if large.MatchString(src) {
			return // a count of a million is allowed, and takes its time
		}
		r, diags := build("variable \"fuzz_secret\" {\n  sensitive = true\n  default = \"s3cr3t-value\"\n}\n" + src)
		for _, d := range diags {
			if !strings.Contains(src, "s3cr3t-value") && strings.Contains(d.Summary+d.Detail, "s3cr3t-value") {
				t.Fatalf("a secret in %q", d.Detail)
			}
		}
		if r != nil && !diags.HasErrors() {
			sound(t, r)
		}
	})
}
