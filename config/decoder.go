package config

import (
	"fmt"
	"path/filepath"
	"slices"

	"github.com/hashicorp/hcl/v2"

	"github.com/msgflo/msgflo/config/diag"
)

// A decoder turns the files of one directory into a Module.
type decoder struct {
	l      *loader
	m      *Module
	root   bool
	diags  hcl.Diagnostics
	uses   []use                // expressions whose references are checked at the end
	first  map[string]hcl.Range // where each name was declared
	broken map[string]bool      // files with syntax errors: what they lack says nothing
}

func newDecoder(l *loader, dir string, root bool) *decoder {
	return &decoder{
		l: l, root: root, first: map[string]hcl.Range{}, broken: map[string]bool{},
		m: &Module{
			Dir: dir, Settings: &Settings{OwnershipMarks: true},
			Variables: map[string]*Variable{}, Locals: map[string]*Local{}, Outputs: map[string]*Output{},
			Brokers: map[string]*Broker{}, Launchers: map[string]*Launcher{}, Components: map[string]*Component{}, Calls: map[string]*Call{},
			Resources: map[string]*Resource{}, Data: map[string]*Resource{}, Files: map[string]*hcl.File{},
			brokerAttrs: l.broker,
		},
	}
}

func (d *decoder) errorf(rng hcl.Range, summary, format string, args ...any) {
	d.diags = append(d.diags, diag.Error(rng, summary, fmt.Sprintf(format, args...)))
}

func (d *decoder) warnf(rng hcl.Range, summary, format string, args ...any) {
	d.diags = append(d.diags, diag.Warning(rng, summary, fmt.Sprintf(format, args...)))
}

// declare reports whether the name is new; a second declaration is an error
// that names the first.
func (d *decoder) declare(what string, rng hcl.Range) bool {
	if first, ok := d.first[what]; ok {
		d.errorf(rng, "Declared twice", "%s is declared already, at %s. Names are unique within a module: rename one of the two, or remove it.", what, at(first))
		return false
	}
	d.first[what] = rng
	return true
}

func at(r hcl.Range) string {
	return fmt.Sprintf("%s, line %d", diag.Escape(filepath.Base(r.Filename)), r.Start.Line)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func sortedValues[V any](m map[string]V) []V {
	out := make([]V, 0, len(m))
	for _, k := range sortedKeys(m) {
		out = append(out, m[k])
	}
	return out
}
