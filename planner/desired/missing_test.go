package desired_test

import (
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"
	"golang.org/x/tools/txtar"

	"github.com/msgflo/msgflo/config"
	"github.com/msgflo/msgflo/planner/desired"
	"github.com/msgflo/msgflo/providers"
)

// literals are values that could be a variable's.
var literals = regexp.MustCompile(`(?:= |\[|, |\()("[^"$%\n]*"|[0-9]+|true|false)`)

// TestValidateHasNoFalseErrors: in every system of testdata that nothing is
// wrong with, each value that is written is in turn one that is not given. Validate
// then has nothing to say, and what it makes is what the plan would make, in part.
func TestValidateHasNoFalseErrors(t *testing.T) {
	paths, err := txtarSeeds()
	if err != nil {
		t.Fatal(err)
	}
	tried := 0
	for _, path := range paths {
		types := testTypes()
		if filepath.Base(filepath.Dir(path)) == "participants" {
			types = realTypes()
		}
		ar, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		sources, env := map[string][]byte{}, desired.Env{Types: types, Dir: ".", Vars: map[string]config.Var{}}
		for _, f := range ar.Files {
			switch {
			case strings.HasSuffix(f.Name, ".hcl"):
				sources[f.Name] = f.Data
			case f.Name == "vars":
				for name, v := range lines(string(f.Data), "=") {
					env.Vars[name] = config.Var{Value: cty.StringVal(v), Raw: true, Source: "-var"}
				}
			case f.Name == "env":
				environ := lines(string(f.Data), "=")
				env.Environ = func(name string) (string, bool) { v, ok := environ[name]; return v, ok }
			}
		}
		main := string(sources["main.flo.hcl"])
		if got, ok := validated(env, sources, main); !ok {
			if sensible(env, sources, main) {
				t.Errorf("%s: %s", path, got)
			}
			continue
		}
		if !sensible(env, sources, main) {
			continue
		}
		for _, at := range literals.FindAllStringSubmatchIndex(main, -1) {
			without := main[:at[2]] + "var.not_given" + main[at[3]:] + "\nvariable \"not_given\" {}\n"
			if loads(types, sources, without) == nil {
				continue // no variable may stand there
			}
			tried++
			got, ok := validated(env, sources, without)
			line := 1 + strings.Count(main[:at[2]], "\n")
			if !ok {
				t.Errorf("%s: without %s in line %d:\n%s", path, main[at[2]:at[3]], line, got)
			}
		}
	}
	if tried < 150 {
		t.Errorf("only %d values were left out", tried)
	}
}

func loads(types []*providers.Type, sources map[string][]byte, main string) *config.Module {
	all := map[string][]byte{}
	maps.Copy(all, sources)
	all["main.flo.hcl"] = []byte(main)
	m, diags := config.Load(".", config.Options{Types: types, Version: "0.3.0", Sources: all})
	if diags.HasErrors() {
		return nil
	}
	return m
}

// sensible systems have no error when they are planned, with what they need.
func sensible(env desired.Env, sources map[string][]byte, main string) bool {
	_, diags := desired.Build(loads(env.Types, sources, main), env)
	return !diags.HasErrors()
}

// validated is what validate says of a configuration; true: nothing is wrong.
func validated(env desired.Env, sources map[string][]byte, main string) (string, bool) {
	m := loads(env.Types, sources, main)
	if m == nil {
		return "it does not load", false
	}
	env.AllowMissing = true
	r, diags := desired.Build(m, env)
	if diags.HasErrors() {
		return text(m, diags), false
	}
	return dump(r), true
}

// TestNothingMoreIsMade: what validate makes without a value is among what is
// made with it.
func TestNothingMoreIsMade(t *testing.T) {
	src := `
variable "name" {
  default = "a"
}
broker "main" {
  url = "amqp://localhost"
}
queue "by_name" {
  name = var.name
}
queue "plain" {}
participant "p" {
  role      = "${var.name}-p"
  component = "msgflo/Repeat"
}
participant "q" {
  component = "msgflo/Repeat"
}
`
	types := realTypes()
	addresses := func(src string, allow bool) (out []string) {
		r, diags := desired.Build(loads(types, nil, src), desired.Env{Types: types, Dir: ".", AllowMissing: allow})
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		for i := range r.Objects {
			out = append(out, r.Objects[i].Addr.String())
		}
		return out
	}
	all := addresses(src, false)
	some := addresses(strings.Replace(src, "  default = \"a\"\n", "", 1), true)
	if len(some) == 0 || len(some) >= len(all) {
		t.Errorf("%d of %d", len(some), len(all))
	}
	for _, a := range some {
		if !slices.Contains(all, a) {
			t.Errorf("%s is made without the value only", a)
		}
	}
}
