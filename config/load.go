// Package config turns a directory of HCL into a Module: typed, checked, every
// declaration with its source range. It imports the ground floor and
// providers; no planner, no state.
package config

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

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
	// Those of the root, which all modules use.
	brokers   map[string]*Broker
	launchers map[string]*Launcher

	dirs    map[string]*Module // decoded already, by path
	loading []string           // from the root to the directory at hand
	modules int                // instances in the tree so far
	tooMany bool               // and that was reported
}

// load decodes the directory and what it calls, and checks all references.
// The call is nil for the root.
func (l *loader) load(dir string, call *Call) (*Module, hcl.Diagnostics) {
	d := newDecoder(l, dir, call == nil)
	if !d.files(call) {
		return nil, d.diags
	}
	if d.root {
		l.brokers, l.launchers = d.m.Brokers, d.m.Launchers
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
	d.l.modules++
	if known {
		d.l.modules += m.size()
	}
	if d.l.modules > maxModules {
		if !d.l.tooMany {
			d.errorf(c.SourceRange, "Too many modules", "The configuration calls more than %d modules, counting each call. Use for_each on one call, or fewer levels.", maxModules)
		}
		d.l.tooMany = true
		return
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
	maps.Copy(out, m.Files)
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
