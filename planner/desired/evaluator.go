package desired

import (
	"fmt"
	"sort"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/providers"
)

// An evaluator holds one evaluation. Everything is evaluated on demand and
// once: a declaration asks for what it refers to, so the order of declarations
// does not matter, and the stack of what is being evaluated is the circle
// where there is one.
type evaluator struct {
	env        Env
	diags      hcl.Diagnostics
	seen       map[string]bool // diagnostics already reported, so that 5 000 instances of one mistake are one
	stack      []node
	root       *module
	modules    []*module
	byPath     map[string]*module
	brokers    map[string]*broker
	functions  map[string]map[string]function.Function // by base directory
	schemas    map[*providers.Schema]*schemaInfo
	queries    []DataQuery
	live       map[addr.Instance]cty.Value // CheckAfter: what references see
	launchers  map[string]*launcher
	players    *schemaInfo // of participant blocks
	graphs     *schemaInfo // of graph blocks
	runs       *schemaInfo // of component blocks
	lowering   map[*broker]*lowering
	text       texts
	labelled   *[2]map[string][]string // see labelledPorts
	absent     map[string]cty.Value    // nested blocks of participants as they are when nothing is written
	labelledIn int                     // of how many modules
	imported   map[addr.Instance]*lateImport
	scratch    map[string]cty.Value // reused where a map is needed only to hand values over
}

// A node is a declaration, or a part of one, that is evaluated on its own.
type node interface {
	label() string // as users write it
	decl() hcl.Range
}

type state uint8

const (
	unvisited state = iota
	running
	done
)

// maxDepth bounds the chain of declarations evaluated for each other; each one
// takes some kilobytes of the goroutine's stack, and its end is no panic.
const maxDepth = 20_000

// once runs f unless it ran before. It reports false where n is running: the
// circle is reported, and the caller goes on with a broken value.
func (e *evaluator) once(n node, s *state, f func()) bool {
	switch *s {
	case done:
		return true
	case running:
		e.circle(n)
		return false
	}
	if len(e.stack) >= maxDepth {
		e.errorf(n.decl(), "Chain of references too long", "%s stands at the end of a chain of more than %d declarations that each refer to the next.", n.label(), maxDepth)
		return false
	}
	*s = running
	e.stack = append(e.stack, n)
	f()
	e.stack = e.stack[:len(e.stack)-1]
	*s = done
	return true
}

func (e *evaluator) circle(n node) {
	at := len(e.stack) - 1
	for at > 0 && e.stack[at] != n {
		at--
	}
	var names []string
	for _, m := range e.stack[at:] {
		if l := m.label(); len(names) == 0 || names[len(names)-1] != l {
			names = append(names, l)
		}
	}
	names = append(names, n.label())
	e.report(circleError(names, n.decl()))
}

// circleError words a circle; the first name is repeated at the end.
func circleError(names []string, at hcl.Range) *hcl.Diagnostic {
	if len(names) == 2 && names[0] == names[1] {
		return diag.Error(at, "Self-reference", fmt.Sprintf("%s refers to itself, so it would have to be made, or its value known, "+
			"before it is. Write the value out, put it into a local value that both places use, or take it out of depends_on.", names[0]))
	}
	if len(names) == 1 {
		names = append(names, names[0])
	}
	return diag.Error(at, "Circular reference", fmt.Sprintf("Each of these needs the next before it can be made or known:\n  %s\n"+
		"Break the circle: write one of the values out, put what they share into a local value, or take one out of depends_on.", strings.Join(names, "\n  → ")))
}

// report adds a diagnostic unless the same one is there: one mistake in a
// block with for_each is one diagnostic, not one an instance.
func (e *evaluator) report(ds ...*hcl.Diagnostic) {
	for _, d := range ds {
		k := d.Summary + "\x00" + d.Detail
		if d.Subject != nil {
			k += "\x00" + d.Subject.String()
		}
		if !e.seen[k] {
			e.seen[k] = true
			e.diags = append(e.diags, d)
		}
	}
}

func (e *evaluator) errorf(at hcl.Range, summary, format string, args ...any) {
	e.report(diag.Error(at, summary, fmt.Sprintf(format, args...)))
}

// sorted returns the diagnostics in the order of the sources, which does not
// depend on the order of evaluation.
func (e *evaluator) sorted() hcl.Diagnostics {
	sort.SliceStable(e.diags, func(i, j int) bool {
		a, b := e.diags[i].Subject, e.diags[j].Subject
		switch {
		case a == nil || b == nil:
			return a == nil && b != nil
		case a.Filename != b.Filename:
			return a.Filename < b.Filename
		case a.Start.Byte != b.Start.Byte:
			return a.Start.Byte < b.Start.Byte
		}
		return e.diags[i].Detail < e.diags[j].Detail
	})
	return e.diags
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}
