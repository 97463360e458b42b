package apply

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/planner/plan"
	"github.com/msgflo/msgflo/planner/recorded"
)

// fill puts secrets and computed values into a wanted value. It returns the
// secrets also when it fails.
func (s *stepper) fill(st *plan.Step, v cty.Value) (cty.Value, []cty.Value, error) {
	v, _, err := s.fillComputed(st, v)
	if err != nil || v.IsNull() {
		return v, nil, err
	}
	var full cty.Value
	var secrets []cty.Value
	for _, h := range st.Holes {
		if !h.Secret {
			continue
		}
		if full == cty.NilVal {
			if full, err = s.secret(st); err != nil {
				return v, nil, err
			}
		}
		p, err := recorded.ParsePath(h.Path)
		if err != nil {
			return v, secrets, err
		}
		part := recorded.At(full, p)
		if part == cty.NilVal {
			return v, secrets, fmt.Errorf("the configuration has no value for %s, which is secret and so not in the plan", h.Path)
		}
		if !part.IsWhollyKnown() {
			return v, secrets, fmt.Errorf("the value of %s, which is secret and so not in the plan, is not known", h.Path)
		}
		secrets = append(secrets, part)
		if v, err = put(v, p, part); err != nil {
			return v, secrets, err
		}
	}
	return v, secrets, nil
}

func (s *stepper) secret(st *plan.Step) (cty.Value, error) {
	if s.d.Secrets == nil {
		return cty.NilVal, fmt.Errorf("it has secrets that are not in the plan, and nobody gives them")
	}
	full, err := s.d.Secrets(st.Addr)
	if err != nil {
		return cty.NilVal, fmt.Errorf("its secrets, which are not in the plan: %w", err)
	}
	if full.ContainsMarked() {
		full, _ = full.UnmarkDeep()
	}
	return full, nil
}

// fillComputed puts in what other steps made.
func (s *stepper) fillComputed(st *plan.Step, v cty.Value) (cty.Value, []cty.Value, error) {
	if v.IsNull() {
		return v, nil, nil
	}
	for _, h := range st.Holes {
		if h.Addr == nil {
			continue
		}
		p, err := recorded.ParsePath(h.Path)
		if err != nil {
			return v, nil, err
		}
		from, err := recorded.ParsePath(h.Attr)
		if err != nil {
			return v, nil, err
		}
		part := recorded.At(s.value(*h.Addr), from)
		if part == cty.NilVal || !part.IsWhollyKnown() {
			return v, nil, fmt.Errorf("%s is to be %s.%s, and that is not known", h.Path, *h.Addr, h.Attr)
		}
		if v, err = put(v, p, part); err != nil {
			return v, nil, err
		}
	}
	return v, nil, nil
}

// put sets a part of a value in the type it has there.
func put(v cty.Value, p cty.Path, part cty.Value) (cty.Value, error) {
	old := recorded.At(v, p)
	if old == cty.NilVal {
		return v, fmt.Errorf("the plan has no place for %s", diag.FormatPath(p))
	}
	part, err := convert.Convert(part, old.Type())
	if err != nil {
		return v, p.NewError(err)
	}
	return recorded.Set(v, p, part)
}

// remember keeps an object's value for steps that take computed values of it.
func (s *stepper) remember(a addr.Instance, v cty.Value) {
	if !s.asked[a] {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.made[a] = v
}

func (s *stepper) value(a addr.Instance) cty.Value {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.made[a]
}

// secretHoles are the write-only paths that a step has a secret for.
func secretHoles(f *recorded.Form, st *plan.Step) []string {
	var out []string
	for _, p := range f.WriteOnly {
		path := diag.FormatPath(p)
		for _, h := range st.Holes {
			if h.Secret && (h.Path == path || strings.HasPrefix(h.Path, path)) {
				out = append(out, path)
				break
			}
		}
	}
	return out
}

// describe makes the diagnostic of a failed step: at its declaration, in words
// for its action, no secret and no control character in it.
func describe(st *plan.Step, secrets []cty.Value, err error) hcl.Diagnostics {
	headlines := map[plan.Action]string{
		plan.Create: "Object not created", plan.Update: "Object not updated", plan.Delete: "Object not deleted",
		plan.Restart: "Object not restarted", plan.Adopt: "Object not adopted", plan.Record: "Object not recorded",
	}
	ds := diag.At(err, st.Decl)
	hide := hider(secrets)
	for _, d := range ds {
		if h := headlines[st.Action]; h != "" && d.Summary == "Operation failed" {
			d.Summary = h
		}
		d.Detail = diag.EscapeText(hide.Replace(d.Detail))
		d.Summary = hide.Replace(d.Summary)
	}
	return ds
}

// hider cuts secrets out of a text. A provider should not put any there; that
// of a broker's own words nobody can be sure.
func hider(secrets []cty.Value) *strings.Replacer {
	var pairs []string
	for _, v := range secrets {
		_ = cty.Walk(v, func(_ cty.Path, v cty.Value) (bool, error) {
			if v.Type() == cty.String && v.IsKnown() && !v.IsNull() && v.AsString() != "" {
				pairs = append(pairs, v.AsString(), "(sensitive)")
			}
			return true, nil
		})
	}
	return strings.NewReplacer(pairs...)
}
