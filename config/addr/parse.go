package addr

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// ParseError says why a text is no address.
type ParseError struct {
	Text    string
	Problem string
}

func (e *ParseError) Error() string { return fmt.Sprintf("%q is no address: %s", e.Text, e.Problem) }

// owners are the words that can stand before an object's type: what lowers to
// several objects.
var owners = map[string]bool{"participant": true, "graph": true, "broker": true}

// maxLength bounds what is handed to the HCL scanner; an address holds at most
// a few names of 255 bytes each.
const maxLength = 8192

// Parse reads an address that names one object: `queue.jobs["eu"]`,
// `module.eu.queue.jobs`, `participant.resize.process`. The error is a
// *ParseError.
func Parse(s string) (Instance, error) {
	t, err := ParseTarget(s)
	if err != nil {
		return Instance{}, err
	}
	if t.Instance.Type == "" {
		return Instance{}, &ParseError{s, "it names a " + t.kind() + ", not one object"}
	}
	return t.Instance, nil
}

// A Target is a pattern over addresses: an object, a block with all its
// instances, all that a participant or graph gives rise to, or a module with
// all in it.
type Target struct {
	Instance Instance // with Type "" where it names an owner or a module as a whole
}

func (t Target) kind() string {
	if t.Instance.Owner != "" {
		return "group of objects"
	}
	return "module"
}

// String returns the target as it was written.
func (t Target) String() string { return t.Instance.String() }

// Matches reports whether the target covers the object.
func (t Target) Matches(i Instance) bool {
	p := t.Instance
	switch {
	case p.Type == "" && p.Owner == "":
		return i.Module == p.Module || strings.HasPrefix(i.Module, p.Module+".") || sameModuleBlock(p.Module, i.Module)
	case p.Module != i.Module:
		return false
	case p.Type == "":
		return i.Owner == p.Owner || strings.HasPrefix(i.Owner, p.Owner+"[")
	}
	return p == i || p.Key == "" && p == i.Block()
}

// sameModuleBlock reports whether `module.eu` covers `module.eu["a"]…`.
func sameModuleBlock(pattern, module string) bool {
	return !strings.HasSuffix(pattern, "]") && strings.HasPrefix(module, pattern+"[")
}

// ParseTarget reads what `-target` takes. The error is a *ParseError.
func ParseTarget(s string) (Target, error) {
	steps, err := split(s)
	if err != nil {
		return Target{}, err
	}
	var t Target
	i := &t.Instance
	var mods []string
	for len(steps) >= 2 && steps[0].name == "module" {
		mods = append(mods, "module."+steps[1].name+steps[1].key)
		if steps[0].key != "" {
			return Target{}, &ParseError{s, "an index cannot follow the word module"}
		}
		steps = steps[2:]
	}
	i.Module = strings.Join(mods, ".")
	if len(steps) == 0 && len(mods) > 0 {
		return t, nil
	}
	// broker.main is a provider; broker.main.server an object the broker owns.
	if len(steps) >= 2 && owners[steps[0].name] {
		if steps[0].key != "" {
			return Target{}, &ParseError{s, "an index cannot follow the word " + steps[0].name}
		}
		i.Owner = steps[0].name + "." + steps[1].name + steps[1].key
		steps = steps[2:]
		if len(steps) == 0 {
			return t, nil
		}
		if len(steps) > 1 {
			return Target{}, &ParseError{s, "too many parts after " + i.Owner}
		}
		i.Type, i.Key = steps[0].name, steps[0].key
		return t, nil
	}
	if len(steps) != 2 || steps[0].key != "" {
		return Target{}, &ParseError{s, "an address is TYPE.NAME, as in queue.jobs or module.eu.queue.jobs[\"a\"]"}
	}
	i.Type, i.Name, i.Key = steps[0].name, steps[1].name, steps[1].key
	return t, nil
}

type step struct{ name, key string }

func split(s string) ([]step, error) {
	if len(s) > maxLength {
		return nil, &ParseError{s[:40] + "…", "it is too long"}
	}
	if steps, ok := splitPlain(s); ok {
		return steps, nil
	}
	return scan(s)
}

// scan splits an address with HCL's own scanner.
func scan(s string) ([]step, error) {
	tr, diags := hclsyntax.ParseTraversalAbs([]byte(s), "", hcl.InitialPos)
	if diags.HasErrors() {
		return nil, &ParseError{s, "an address is TYPE.NAME, as in queue.jobs or queue.jobs[\"eu\"]"}
	}
	var steps []step
	for _, tn := range tr {
		switch tn := tn.(type) {
		case hcl.TraverseRoot:
			steps = append(steps, step{name: tn.Name})
		case hcl.TraverseAttr:
			steps = append(steps, step{name: tn.Name})
		case hcl.TraverseIndex:
			last := &steps[len(steps)-1]
			if last.key != "" {
				return nil, &ParseError{s, "a name has one index at most"}
			}
			k, err := keyOf(tn.Key)
			if err != nil {
				return nil, &ParseError{s, err.Error()}
			}
			last.key = k
		default:
			return nil, &ParseError{s, "a splat names many objects; leave the index out to mean all"}
		}
	}
	return steps, nil
}

func keyOf(v cty.Value) (string, error) {
	if v.Type() == cty.String {
		return StringKey(v.AsString()), nil
	}
	bf := v.AsBigFloat()
	n, _ := bf.Int64()
	if !bf.IsInt() || n < 0 || n > 1<<31 {
		return "", fmt.Errorf("an index is a whole number from 0")
	}
	return IntKey(int(n)), nil
}

// quoteHCL quotes a string so that HCL reads the same string back, and no
// control character reaches a terminal.
func quoteHCL(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case (r == '$' || r == '%') && i+1 < len(s) && s[i+1] == '{':
			b.WriteRune(r)
			b.WriteRune(r)
		case strconv.IsPrint(r):
			b.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
