package value

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers"
)

// Secret stands in a decoded value where a secret was; Unknown where a value is
// known only after apply.
type (
	Secret  struct{}
	Unknown struct{}
)

// Paths is a set of paths below one place in a value, as diag.FormatPath
// writes them, each with its leading dot or bracket.
type Paths []string

// NewPaths makes a set from paths that begin at the object.
func NewPaths(paths ...string) Paths {
	var out Paths
	for _, p := range paths {
		if p != "" && p[0] != '[' {
			p = "." + p
		}
		out = append(out, p)
	}
	return out
}

// SecretPaths are all paths of an object that are never shown: those recorded
// with it and the schema's own (so that a forgetful writer leaks nothing).
func SecretPaths(recorded []string, s *providers.Schema) Paths {
	out := NewPaths(recorded...)
	if s != nil {
		for _, p := range s.SensitivePaths() {
			out = append(out, NewPaths(diag.FormatPath(p))...)
		}
	}
	return out
}

// Key goes down to an attribute or map key. All reports that a path of the set
// ends there: everything below is in the set.
func (p Paths) Key(k string) (below Paths, all bool) {
	for _, s := range p {
		rest, ok := cutKey(s, k)
		if !ok {
			continue
		}
		if rest == "" {
			return nil, true
		}
		below = append(below, rest)
	}
	return below, false
}

// Index goes down to an element of a list.
func (p Paths) Index(i int) (below Paths, all bool) {
	at := "[" + strconv.Itoa(i) + "]"
	for _, s := range p {
		rest, ok := strings.CutPrefix(s, at)
		if !ok {
			rest, ok = strings.CutPrefix(s, anyElement)
		}
		// An element of a set is named by its own value: any of them may be meant.
		if !ok && strings.HasPrefix(s, "[") && (len(s) < 2 || s[1] < '0' || s[1] > '9') {
			return nil, true
		}
		if !ok {
			continue
		}
		if rest == "" {
			return nil, true
		}
		below = append(below, rest)
	}
	return below, false
}

// anyElement is how diag.FormatPath writes a step whose key is not known.
const anyElement = "[…]"

// cutKey follows the text by the key that is there, not by parsing it: a key
// may hold dots and brackets, and a secret must be found in spite of them.
func cutKey(path, k string) (rest string, ok bool) {
	if rest, ok = strings.CutPrefix(path, anyElement); ok {
		return rest, true
	}
	if strings.HasPrefix(path, ".") && strings.HasPrefix(path[1:], k) {
		rest = path[1+len(k):]
		if rest == "" || rest[0] == '.' || rest[0] == '[' {
			return rest, true
		}
	}
	if !strings.HasPrefix(path, "[") {
		return "", false
	}
	if rest, ok = strings.CutPrefix(path, "["+strconv.Quote(k)+"]"); ok {
		return rest, true
	}
	return strings.CutPrefix(path, "["+k+"]")
}

// Mask puts Secret in place of every value, not null, that the paths name. A
// path that leads on below a plain value hides that value: better too much
// hidden than a secret shown. The value given is changed in place.
func Mask(v any, p Paths) any {
	if v == nil || len(p) == 0 {
		return v
	}
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			v[k] = maskAt(e, p.Key, k)
		}
		// A wrapping that the schema does not know of (another build wrote it) is
		// not part of the path.
		if in, ok := unwrap(v); ok {
			v["value"] = Mask(in, p)
		}
		return v
	case []any:
		for i, e := range v {
			v[i] = maskAt(e, p.Index, i)
		}
		return v
	}
	return Secret{}
}

func maskAt[K any](v any, step func(K) (Paths, bool), k K) any {
	below, all := step(k)
	if all && v != nil {
		return Secret{}
	}
	return Mask(v, below)
}

// Put sets the value at a path, making the objects on the way; it fills the
// holes of a planned value with Secret or Unknown. A path through a plain value
// replaces that value.
func Put(v any, path string, leaf any) any {
	if path == "" {
		return leaf
	}
	if path[0] != '[' && path[0] != '.' {
		path = "." + path
	}
	return put(v, path, leaf)
}

func put(v any, path string, leaf any) any {
	if path == "" {
		return leaf
	}
	if _, hidden := v.(Secret); hidden {
		return v
	}
	if l, ok := v.([]any); ok {
		return putElement(l, path, leaf)
	}
	m, _ := v.(map[string]any)
	if m == nil {
		m = map[string]any{}
	}
	best, rest := "", ""
	found := false
	for k := range m {
		if r, ok := cutKey(path, k); ok && (!found || len(k) > len(best)) && !strings.HasPrefix(path, anyElement) {
			best, rest, found = k, r, true
		}
	}
	if !found {
		best, rest = firstStep(path)
	}
	m[best] = put(m[best], rest, leaf)
	return m
}

func putElement(l []any, path string, leaf any) any {
	step, rest := firstStep(path)
	i, err := strconv.Atoi(step)
	if err != nil || i < 0 || i > len(l) {
		return leaf // an element of a set: which one cannot be said
	}
	if i == len(l) {
		l = append(l, nil)
	}
	l[i] = put(l[i], rest, leaf)
	return l
}

// firstStep splits a path that leads to nothing present yet.
func firstStep(path string) (name, rest string) {
	if path[0] == '.' {
		end := strings.IndexAny(path[1:], ".[")
		if end < 0 {
			return path[1:], ""
		}
		return path[1 : 1+end], path[1+end:]
	}
	if q, err := strconv.QuotedPrefix(path[1:]); err == nil {
		name, _ = strconv.Unquote(q)
		return name, strings.TrimPrefix(path[1+len(q):], "]")
	}
	name, rest, _ = strings.Cut(path[1:], "]")
	return name, rest
}

// Steps splits a path into its names and, as numbers, its indexes: the form of
// Terraform's replace_paths.
func Steps(path string) []any {
	if path != "" && path[0] != '[' {
		path = "." + path
	}
	var out []any
	for path != "" && (path[0] == '.' || path[0] == '[') {
		list := path[0] == '['
		var name string
		name, path = firstStep(path)
		if n, err := strconv.Atoi(name); list && err == nil {
			out = append(out, n)
			continue
		}
		out = append(out, name)
	}
	return out
}

// Recorded decodes what a state keeps of an object: secrets by path masked, and
// shown as secrets too where only a hash of them is kept.
func Recorded(raw json.RawMessage, s *providers.Schema, secrets []string, hashes map[string]string) map[string]any {
	v, _ := Mask(Decode(raw, s), SecretPaths(secrets, s)).(map[string]any)
	for path := range hashes {
		if m, ok := Put(v, path, Secret{}).(map[string]any); ok {
			v = m
		}
	}
	return v
}
