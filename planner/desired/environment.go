package desired

import (
	"encoding/json"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/config/envfile"
	"github.com/msgflo/msgflo/config/funcs"
)

// texts are files that were read once for all participants that use them.
type texts struct {
	env     map[[2]string]envText
	digests map[[2]string]digest
}

type envText struct {
	vars []envfile.Var
	err  error
}

type digest struct {
	sum string
	err error
}

// The variables that every participant gets (msgflo-wire.md §1.4).
const (
	brokerVariable = "MSGFLO_BROKER"
	roleVariable   = "MSGFLO_ROLE"
)

// environment gathers a process's variables: what later ones say holds. Secret
// ones go to the process only.
func (e *evaluator) environment(l *lowering, p *player, out map[string]cty.Value) bool {
	vars := map[string]cty.Value{}
	ok := e.envFile(p, vars)
	if p.comp.cfg != nil {
		ok = e.envMap(p.val("env"), p.comp.at("env", true), "component."+p.comp.name, vars) && ok
	}
	ok = e.envMap(p.inst.val("env"), p.inst.decl(), p.label(), vars) && ok
	link, fine := e.clientURL(l.broker, p)
	if !ok || !fine {
		return false
	}
	vars[brokerVariable] = cty.StringVal(link).Mark(sensitive)
	vars[roleVariable] = cty.StringVal(p.role.Name)
	open, secret := map[string]cty.Value{}, map[string]cty.Value{}
	for name, v := range vars {
		if traitsOf(v).sensitive {
			secret[name] = plain(v)
		} else {
			open[name] = plain(v)
		}
	}
	out["env"], out["secret_env"] = cty.MapVal(open), cty.MapVal(secret)
	return true
}

// envMap adds the variables of an attribute env. A map that is secret as a
// whole has secret values.
func (e *evaluator) envMap(v cty.Value, at hcl.Range, whose string, to map[string]cty.Value) bool {
	if !whollyKnown(v) {
		return false
	}
	if isNull(v) {
		return true
	}
	top, marks := v.Unmark()
	ok := true
	for it := top.ElementIterator(); it.Next(); {
		k, val := it.Element()
		name := text(k)
		if isNull(val) {
			continue // as if it were not written: so that a condition can leave one out
		}
		val = val.WithMarks(marks)
		if why := badVariable(name, text(val)); why != "" {
			e.errorf(at, "Invalid environment variable", "The env of %s: %s", whose, why)
			ok = false
		}
		to[name] = val
	}
	return ok
}

// badVariable says what is wrong with a variable, never its value.
func badVariable(name, value string) string {
	shown := diag.Escape(name)
	switch {
	case name == "":
		return "a variable has an empty name."
	case strings.ContainsAny(name, "=\x00"):
		return "the name \"" + shown + "\" has a character (= or NUL) that no variable's name can have."
	case name == brokerVariable || name == roleVariable:
		return shown + " is always set by msgflo: to the broker that the participant is on, and its role. Take it out; write broker or role in the participant instead."
	case strings.ContainsRune(value, 0):
		return "the value of " + shown + " has a NUL character in it, and values end there."
	}
	return ""
}

// envFile adds the variables of the component's env_file, all of them secret:
// that is what such files are for.
func (e *evaluator) envFile(p *player, to map[string]cty.Value) bool {
	v := p.val("env_file")
	if !known(v) {
		return false
	}
	name, ok := stringOf(v)
	if !ok {
		return true
	}
	at := p.comp.at("env_file", traitsOf(v).sensitive)
	vars, err := e.readEnvFile(p.comp.mod.cfg.Dir, name)
	if err != nil {
		e.errorf(at, "Unusable env_file", "The env_file of component.%s: %s.", p.comp.name, err)
		return false
	}
	for _, x := range vars {
		if why := badVariable(x.Name, x.Value); why != "" {
			e.errorf(at, "Unusable env_file", "%s, line %d: %s", diag.Escape(name), x.Line, why)
			ok = false
		}
		to[x.Name] = cty.StringVal(x.Value).Mark(sensitive)
	}
	return ok
}

func (e *evaluator) readEnvFile(dir, name string) ([]envfile.Var, error) {
	key := [2]string{dir, name}
	t, ok := e.text.env[key]
	if !ok {
		var src string
		if src, t.err = funcs.ReadText(dir, name); t.err == nil {
			t.vars, t.err = envfile.Parse(name, src)
		}
		if e.text.env == nil {
			e.text.env = map[[2]string]envText{}
		}
		e.text.env[key] = t
	}
	return t.vars, t.err
}

// watched is the digest of the files that a participant watches.
func (e *evaluator) watched(p *player, out map[string]cty.Value) bool {
	v := p.inst.val("watch")
	if !whollyKnown(v) {
		return false
	}
	if isNull(v) {
		return true
	}
	var patterns []string
	for it := plain(v).ElementIterator(); it.Next(); {
		if _, s := it.Element(); !s.IsNull() {
			patterns = append(patterns, s.AsString())
		}
	}
	if len(patterns) == 0 {
		return true
	}
	key := [2]string{p.inst.block.mod.cfg.Dir, strings.Join(patterns, "\x00")}
	d, ok := e.text.digests[key]
	if !ok {
		d.sum, d.err = funcs.Digest(key[0], patterns)
		if e.text.digests == nil {
			e.text.digests = map[[2]string]digest{}
		}
		e.text.digests[key] = d
	}
	if d.err != nil {
		e.errorf(p.inst.at("watch"), "Nothing to watch", "The watch of %s: %s.", p.label(), d.err)
		return false
	}
	out["watched"] = cty.StringVal(d.sum)
	return true
}

func quoteJSON(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		return `""`
	}
	return string(b)
}
