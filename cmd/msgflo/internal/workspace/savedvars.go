package workspace

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/msgflo/msgflo/config"
	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/planner/desired"
	"github.com/msgflo/msgflo/planner/plan"
	"github.com/msgflo/msgflo/state"
)

// Embed puts the configuration's sources and the values of variables into a
// plan that is to be saved. Secrets stay out: they are asked for again, and a
// hash tells whether they are the same.
func (s *Session) Embed(p *Planned) hcl.Diagnostics {
	src, cut := s.w.module.EmbeddedSources(s.w.o.Dir)
	p.Plan.Sources, p.Plan.Cut = src, cut
	p.Plan.Variables = map[string]json.RawMessage{}
	same := map[string][]byte{}
	for name, v := range p.Desired.Variables {
		decl := s.w.module.Variables[name]
		secret := v.ContainsMarked() || decl.Sensitive || decl.Ephemeral
		b, err := variableJSON(v)
		switch {
		case err != nil && secret:
			return hcl.Diagnostics{diag.Error(decl.Decl, "Plan cannot be saved", fmt.Sprintf("The value of var.%s cannot be written down.", name))}
		case err != nil:
			return diag.At(err, decl.Decl)
		case !secret:
			p.Plan.Variables[name] = b
			continue
		case !decl.Ephemeral: // as in Terraform, an ephemeral one may be another at the apply
			same[name] = b
		}
		p.Plan.SecretVars = append(p.Plan.SecretVars, name)
	}
	slices.Sort(p.Plan.SecretVars)
	hashes, err := hashSecrets(same)
	p.Plan.SecretHashes = hashes
	return diag.At(err, hcl.Range{})
}

// variableJSON is a variable's value with its type, without marks.
func variableJSON(v cty.Value) ([]byte, error) {
	v, _ = v.UnmarkDeep()
	return ctyjson.Marshal(v, cty.DynamicPseudoType)
}

// hashSecrets hashes each value with a salt of its own, side by side: a hash
// costs some 30 ms, that being what makes a short secret hard to guess.
func hashSecrets(values map[string][]byte) (map[string]string, error) {
	names := slices.Sorted(maps.Keys(values))
	hashes, errs := make([]string, len(names)), make([]error, len(names))
	each(names, func(i int) { hashes[i], errs[i] = state.HashSecret(values[names[i]]) })
	var out map[string]string
	for i, name := range names {
		if errs[i] != nil {
			return nil, errs[i]
		}
		if out == nil {
			out = map[string]string{}
		}
		out[name] = hashes[i]
	}
	return out, nil
}

// each calls f for every index, a few at a time: a hash takes 19 MiB.
func each(names []string, f func(i int)) {
	const atOnce = 4
	var wg sync.WaitGroup
	free := make(chan struct{}, atOnce)
	for i := range names {
		free <- struct{}{}
		wg.Go(func() {
			defer func() { <-free }()
			f(i)
		})
	}
	wg.Wait()
}

// savedVars takes plain values from the plan and secret ones from today's
// variables. The plan was made with certain values, so others are refused: of
// plain ones that are given with -var or -var-file, and of secret ones.
func (w *Workspace) savedVars(p *plan.Plan) hcl.Diagnostics {
	given, files, diags := config.LoadVars(w.o.Dir, w.o.VarArgs, w.o.Environ, w.module.Variables)
	w.extra = files
	w.vars = map[string]config.Var{}
	planned := map[string]config.Var{}
	for name, raw := range p.Variables {
		v, err := ctyjson.Unmarshal(raw, cty.DynamicPseudoType)
		if err != nil {
			return append(diags, diag.At(fmt.Errorf("the plan's value of var.%s cannot be read: %w", name, err), hcl.Range{})...)
		}
		planned[name] = config.Var{Value: v, Source: "the plan file"}
		w.vars[name] = planned[name]
		if g, ok := given[name]; ok && w.byArgument(g) {
			w.vars[name] = g
		}
	}
	for _, name := range p.SecretVars {
		v, ok := given[name]
		if decl := w.module.Variables[name]; !ok && decl != nil && decl.Default == cty.NilVal {
			diags = append(diags, diag.Error(decl.Decl, "Secret variable not given",
				fmt.Sprintf("var.%s is secret, so its value is not in the plan file. Set MSGFLO_VAR_%s, or give -var or -var-file, as when the plan was made.", name, name)))
			continue
		}
		if ok {
			w.vars[name] = v
		}
	}
	if diags.HasErrors() {
		return diags
	}
	diags = append(diags, w.otherVars(p)...)
	maps.Copy(w.vars, planned)
	return diags
}

// byArgument reports whether a value was given on the command line. What the
// environment and the directory's own files say was perhaps not what the plan
// was made with either.
func (w *Workspace) byArgument(v config.Var) bool {
	return v.Source == "-var" || slices.ContainsFunc(w.o.VarArgs, func(a config.VarArg) bool { return a.File && a.Text == v.Source })
}

// otherVars reports the variables that now have another value than the plan
// was made with.
func (w *Workspace) otherVars(p *plan.Plan) hcl.Diagnostics {
	now := map[string][]byte{}
	for name, v := range desired.Variables(w.module, w.env()) {
		if b, err := variableJSON(v); err == nil {
			now[name] = b
		}
	}
	var diags hcl.Diagnostics
	for _, name := range slices.Sorted(maps.Keys(p.Variables)) {
		if b, ok := now[name]; ok && !sameJSON(b, p.Variables[name]) {
			diags = append(diags, w.otherVar(name, " It holds the value that it was made with, so "+leaveOut(w.vars[name])+"."))
		}
	}
	names := slices.Sorted(maps.Keys(p.SecretHashes))
	equal, errs := make([]bool, len(names)), make([]error, len(names))
	each(names, func(i int) { equal[i], errs[i] = state.VerifySecret(p.SecretHashes[names[i]], now[names[i]]) })
	for i, name := range names {
		switch {
		case now[name] == nil: // Build says what is wrong with it
		case errs[i] != nil:
			diags = append(diags, diag.Error(hcl.Range{}, "Plan file cannot be used",
				fmt.Sprintf("What the plan says of var.%s cannot be read: %s. Make a new plan.", name, errs[i])))
		case !equal[i]:
			diags = append(diags, w.otherVar(name, " It is secret and not in the plan file, so give the value that the plan was made with."))
		}
	}
	return diags
}

func (w *Workspace) otherVar(name, hint string) *hcl.Diagnostic {
	rng, source := hcl.Range{}, "its default"
	if v, ok := w.vars[name]; ok {
		rng, source = v.Decl, v.Source
	}
	if decl := w.module.Variables[name]; rng == (hcl.Range{}) && decl != nil {
		rng = decl.Decl
	}
	return diag.Error(rng, "Variable differs from the plan's", fmt.Sprintf("The saved plan was made with another value of var.%s than it has now, from %s.%s To use another value, make a new plan.",
		name, diag.Escape(source), hint))
}

// leaveOut says what to do with a value that the plan has already.
func leaveOut(v config.Var) string {
	if strings.HasPrefix(v.Source, "-var") {
		return "leave -var out"
	}
	return "take it out of that file, or leave the file out"
}
