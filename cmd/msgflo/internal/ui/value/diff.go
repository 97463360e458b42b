package value

import (
	"slices"
	"strings"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers"
)

// Diff renders what changes from one value to the other, leaf by leaf, and
// counts the attributes that stay. Only, where not empty, limits it to these
// paths: the planner knows which differences count (a default spelt out, a
// normal form). Force are those that make it a replace.
type Diff struct {
	Schema      *providers.Schema
	Only, Force Paths
	Sep         string
}

// Lines compares two values that were masked and filled.
func (d Diff) Lines(before, after map[string]any) (lines []Line, unchanged int) {
	var attrs []providers.Attr
	if d.Schema != nil {
		attrs = d.Schema.Attrs
	}
	w := &differ{sep: d.Sep}
	return w.objects(before, after, attrs, 0, scope{paths: d.Only, all: len(d.Only) == 0, implicit: len(d.Only) == 0}, scope{paths: d.Force})
}

// A scope is a set of paths seen from one place; all: the place is inside it;
// implicit: only because no paths were given.
type scope struct {
	paths         Paths
	all, implicit bool
}

func (s scope) key(k string) scope {
	if s.all {
		return s
	}
	p, all := s.paths.Key(k)
	return scope{paths: p, all: all}
}

func (s scope) holds() bool { return s.all || len(s.paths) > 0 }

type differ struct{ sep string }

type change struct {
	key           string
	before, after any
	sign          rune
	only, force   scope
}

func (w *differ) objects(before, after map[string]any, attrs []providers.Attr, depth int, only, force scope) (lines []Line, unchanged int) {
	var changes []change
	var keys []string
	for _, k := range keysIn(attrs, before, after) {
		c := change{key: k, before: before[k], after: after[k], only: only.key(k), force: force.key(k)}
		if c.sign = signOf(c); c.sign == 0 {
			if !isEmpty(c.after) {
				unchanged++
			}
			continue
		}
		changes = append(changes, c)
		keys = append(keys, k)
	}
	names, wide := AlignKeys(keys)
	for i, c := range changes {
		lines = append(lines, w.one(c, names[i], wide, blockAttrs(attrs, c.key), depth)...)
	}
	return lines, unchanged
}

// signOf says how an attribute changes, 0 where it does not. Of a secret only
// the planner's word tells: neither side has the value.
func signOf(c change) rune {
	sign := '~'
	switch {
	case !c.only.holds():
		return 0
	case isSecret(c.before) || isSecret(c.after):
		if c.only.implicit {
			return 0
		}
	case Equal(c.before, c.after) || isEmpty(c.before) && isEmpty(c.after):
		return 0
	case isEmpty(c.before):
		sign = '+'
	case isEmpty(c.after):
		sign = '-'
	}
	if c.force.all || len(c.force.paths) > 0 && !bothObjects(c) {
		return '±'
	}
	return sign
}

func isSecret(v any) bool { _, ok := v.(Secret); return ok }

func bothObjects(c change) bool {
	_, a := c.before.(map[string]any)
	_, b := c.after.(map[string]any)
	return a && b
}

func (w *differ) one(c change, name string, wide int, attrs []providers.Attr, depth int) []Line {
	line := Line{Depth: depth, Sign: c.sign, Key: pad(name, w.sep, wide), Path: c.key}
	header := Line{Depth: depth, Sign: c.sign, Key: name + strings.TrimRight(w.sep, " "), Path: c.key}
	bm, bok := c.before.(map[string]any)
	am, aok := c.after.(map[string]any)
	switch {
	case bok && aok, aok && c.sign == '+' && attrs != nil, bok && c.sign == '-' && attrs != nil:
		in, _ := w.objects(bm, am, attrs, depth+1, c.only, c.force)
		return append([]Line{header}, in...)
	case c.sign == '+':
		return LiteralLines(line, c.after)
	case c.sign == '-':
		return LiteralLines(line, c.before)
	}
	if isSecret(c.before) || isSecret(c.after) {
		line.Text = SecretText
		return []Line{line}
	}
	bl, bok := c.before.([]any)
	al, aok := c.after.([]any)
	if bok && aok {
		return append([]Line{header}, listLines(bl, al, depth+1)...)
	}
	bs, bok := c.before.(string)
	as, aok := c.after.(string)
	if bok && aok {
		return w.strings(line, header, bs, as)
	}
	line.Old, line.Text = orNull(c.before), orNull(c.after)
	return []Line{line}
}

func orNull(v any) string { return Inline(v) }

// strings shows two texts: several lines as a difference by line, JSON inside a
// string as the objects it stands for, all else side by side.
func (w *differ) strings(line, header Line, before, after string) []Line {
	if isText(before) || isText(after) {
		header.Key, header.Text = line.Key, "<<-EOT"
		out := []Line{header}
		out = append(out, sequence(splitText(before), splitText(after), line.Depth+1, diag.EscapeText)...)
		return append(out, Line{Depth: line.Depth, Text: "EOT"})
	}
	bv, bok := encoded(before)
	av, aok := encoded(after)
	bm, bobj := bv.(map[string]any)
	am, aobj := av.(map[string]any)
	if bok && aok && bobj && aobj {
		in, _ := w.objects(bm, am, nil, line.Depth+1, scope{all: true}, scope{})
		if len(in) > 0 {
			header.Key, header.Text = line.Key, "jsonencode"
			return append([]Line{header}, in...)
		}
	}
	line.Old, line.Text = Inline(before), Inline(after)
	return []Line{line}
}

func splitText(s string) []string { return strings.Split(strings.TrimSuffix(s, "\n"), "\n") }

func listLines(before, after []any, depth int) []Line {
	return sequence(inlineAll(before), inlineAll(after), depth, func(s string) string { return s })
}

func inlineAll(l []any) []string {
	out := make([]string, len(l))
	for i, v := range l {
		out[i] = Inline(v)
	}
	return out
}

// maxTable bounds the table of the longest common subsequence; longer lists
// are shown as removed and added after their common ends.
const maxTable = 250_000

// sequence shows which elements go and which come, those that stay unsigned.
func sequence(a, b []string, depth int, show func(string) string) []Line {
	var out []Line
	add := func(sign rune, s string) { out = append(out, Line{Depth: depth, Sign: sign, Text: show(s)}) }
	start := 0
	for start < len(a) && start < len(b) && a[start] == b[start] {
		start++
	}
	enda, endb := len(a), len(b)
	for enda > start && endb > start && a[enda-1] == b[endb-1] {
		enda, endb = enda-1, endb-1
	}
	for _, s := range a[:start] {
		add(0, s)
	}
	middle(a[start:enda], b[start:endb], add)
	for _, s := range a[enda:] {
		add(0, s)
	}
	return out
}

func middle(a, b []string, add func(rune, string)) {
	var common [][]int
	if len(a)*len(b) <= maxTable {
		common = commonTable(a, b)
	}
	i, j := 0, 0
	for i < len(a) && j < len(b) && common != nil {
		switch {
		case a[i] == b[j]:
			add(0, a[i])
			i, j = i+1, j+1
		case common[i+1][j] >= common[i][j+1]:
			add('-', a[i])
			i++
		default:
			add('+', b[j])
			j++
		}
	}
	for ; i < len(a); i++ {
		add('-', a[i])
	}
	for ; j < len(b); j++ {
		add('+', b[j])
	}
}

// commonTable has, at [i][j], the length of the longest common subsequence of
// a[i:] and b[j:].
func commonTable(a, b []string) [][]int {
	t := make([][]int, len(a)+1)
	for i := range t {
		t[i] = make([]int, len(b)+1)
	}
	for i, x := range slices.Backward(a) {
		for j, y := range slices.Backward(b) {
			if x == y {
				t[i][j] = t[i+1][j+1] + 1
			} else {
				t[i][j] = max(t[i+1][j], t[i][j+1])
			}
		}
	}
	return t
}
