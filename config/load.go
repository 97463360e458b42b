// Package config turns a directory of HCL into a Module: typed, checked, every
// declaration with its source range. It imports the ground floor and
// providers; no planner, no state.
package config

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/config/funcs"
	"github.com/msgflo/msgflo/providers"
)

// Options is what Load needs to know beside the directory.
type Options struct {
	Types []*providers.Type
	// Version is that of this program, for required_version.
	Version string
	// Sources, if set, replaces the file system: contents by path as Load would
	// have opened them (a plan file's embedded configuration).
	Sources map[string][]byte
}

// maxModules bounds the instances of the module tree: two calls a directory
// double it at every level.
const maxModules = 10_000

// Load reads every *.flo.hcl and *.flo.json of dir and, recursively, of the
// modules it calls. Everything wrong is reported in one run. The module is nil
// only where nothing could be read at all.
func Load(dir string, o Options) (*Module, hcl.Diagnostics) {
	l := &loader{
		vocabulary: newVocabulary(o.Types),
		version:    o.Version,
		sources:    sources{overlay: o.Sources},
		dirs:       map[string]*Module{},
	}
	m, diags := l.load(filepath.Clean(dir), nil)
	if m != nil {
		m.Dir = dir
		m.place(nil)
	}
	sortDiagnostics(diags)
	return m, diags
}

// A loader is one run of Load.
type loader struct {
	*vocabulary
	version string
	sources sources
	brokers map[string]*Broker // the root's, which all modules use
	dirs    map[string]*Module // decoded already, by path
	loading []string           // from the root to the directory at hand
	modules int
}

// load decodes the directory and what it calls, and checks all references.
// The call is nil for the root.
func (l *loader) load(dir string, call *Call) (*Module, hcl.Diagnostics) {
	d := newDecoder(l, dir, call == nil)
	if !d.files(call) {
		return nil, d.diags
	}
	if d.root {
		l.brokers = d.m.Brokers
	}
	l.loading = append(l.loading, dir)
	for _, c := range sortedValues(d.m.Calls) {
		d.child(c)
	}
	l.loading = l.loading[:len(l.loading)-1]
	d.checkReferences()
	return d.m, d.diags
}

// child loads what a call leads to. A directory that several calls share is
// decoded once, and what is wrong in it is said once.
func (d *decoder) child(c *Call) {
	dir, ok := d.sourceDir(c)
	if !ok {
		return
	}
	if at := slices.Index(d.l.loading, dir); at >= 0 {
		d.errorf(c.SourceRange, "Module calls itself",
			"Reading this module would never end: %s.", circle(append(d.l.loading[at:], dir)))
		return
	}
	if d.l.modules++; d.l.modules > maxModules {
		if d.l.modules == maxModules+1 {
			d.errorf(c.SourceRange, "Too many modules", "The configuration calls more than %d modules, counting each call. Use for_each on one call, or fewer levels.", maxModules)
		}
		return
	}
	m, known := d.l.dirs[dir]
	if !known {
		var diags hcl.Diagnostics
		m, diags = d.l.load(dir, c)
		d.diags = append(d.diags, diags...)
		if m == nil {
			return
		}
		d.l.dirs[dir] = m
	}
	if known {
		d.l.modules += m.size()
	}
	c.Module = m
	d.checkArguments(c)
}

func (m *Module) size() int {
	n := 0
	for _, c := range m.Calls {
		n++
		if c.Module != nil {
			n += c.Module.size()
		}
		if n > maxModules {
			return n
		}
	}
	return n
}

// place gives every module of the tree its own path: modules that were
// decoded once and called twice become two.
func (m *Module) place(path []string) {
	m.Path = path
	calls := make(map[string]*Call, len(m.Calls))
	for name, c := range m.Calls {
		own := *c
		if c.Module != nil {
			child := *c.Module
			child.place(append(slices.Clone(path), name))
			own.Module = &child
		}
		calls[name] = &own
	}
	m.Calls = calls
}

func circle(dirs []string) string {
	quoted := make([]string, len(dirs))
	for i, d := range dirs {
		quoted[i] = fmt.Sprintf("%q", d)
	}
	return strings.Join(quoted, " calls ")
}

// AllFiles returns the sources of the module and of those it calls, by path,
// for the snippets of diagnostics: also those that did not parse.
func (m *Module) AllFiles() map[string]*hcl.File {
	out := map[string]*hcl.File{}
	m.addFiles(out)
	return out
}

func (m *Module) addFiles(out map[string]*hcl.File) {
	for path, f := range m.Files {
		out[path] = f
	}
	for _, c := range m.Calls {
		if c.Module != nil {
			c.Module.addFiles(out)
		}
	}
}

// sortDiagnostics puts them in the order of the sources, so that a run reads
// from top to bottom and is the same every time.
func sortDiagnostics(diags hcl.Diagnostics) {
	slices.SortStableFunc(diags, func(a, b *hcl.Diagnostic) int {
		ra, rb := subject(a), subject(b)
		return cmp.Or(cmp.Compare(ra.Filename, rb.Filename), cmp.Compare(ra.Start.Byte, rb.Start.Byte),
			cmp.Compare(a.Summary, b.Summary), cmp.Compare(a.Detail, b.Detail))
	})
}

func subject(d *hcl.Diagnostic) hcl.Range {
	if d.Subject == nil {
		return hcl.Range{}
	}
	return *d.Subject
}

// A vocabulary is the names that the given provider types and the language
// make known.
type vocabulary struct {
	resources map[string]*kind
	data      map[string]*kind
	broker    []providers.Attr // the union of the types' broker settings
	brokerOf  *form
	functions map[string]bool
	top       *form
	nested    map[*providers.Attr]*form // made at first use
}

// A kind is a block type that makes or reads objects.
type kind struct {
	name   string
	of     *providers.Type
	schema *providers.Schema
	form   *form
}

func newVocabulary(types []*providers.Type) *vocabulary {
	v := &vocabulary{
		resources: map[string]*kind{}, data: map[string]*kind{}, functions: map[string]bool{},
		nested: map[*providers.Attr]*form{},
	}
	for _, t := range types {
		for name, s := range t.Resources {
			if v.resources[name] == nil {
				v.resources[name] = &kind{name: name, of: t, schema: s, form: resourceForm(name, s, false)}
			}
		}
		for name, s := range t.Data {
			if v.data[name] == nil {
				v.data[name] = &kind{name: name, of: t, schema: s, form: resourceForm(name, s, true)}
			}
		}
		v.broker = mergeAttrs(v.broker, t.Config.Attrs)
	}
	v.brokerOf = brokerForm(v.broker)
	for _, name := range funcs.Names() {
		v.functions[name] = true
	}
	v.top = topForm(v)
	return v
}

// mergeAttrs adds the attributes that are not there yet; blocks are merged
// within. What a broker's scheme does not know is the provider's to refuse.
func mergeAttrs(have, more []providers.Attr) []providers.Attr {
	out := slices.Clone(have)
	for _, a := range more {
		i := slices.IndexFunc(out, func(b providers.Attr) bool { return a.Name == b.Name })
		if i < 0 {
			// Whether it must be written depends on the provider type, known
			// only when the URL is.
			a.Required = a.Required && len(have) == 0
			out = append(out, a)
			continue
		}
		out[i].Attrs = mergeAttrs(out[i].Attrs, a.Attrs)
		out[i].Required = out[i].Required && a.Required
		if out[i].NotYet == "" || a.NotYet == "" {
			out[i].NotYet = ""
		}
	}
	return out
}

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
			Brokers: map[string]*Broker{}, Calls: map[string]*Call{},
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
