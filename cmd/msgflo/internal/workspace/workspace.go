// Package workspace is a directory with its configuration, state and
// providers: what every command works on. It is the only opener of providers
// and the only place where reading, planning and carrying out are joined; the
// rules themselves live below it. It imports no view and no command line.
package workspace

import (
	"log/slog"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/msgflo/msgflo/config"
	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/planner/desired"
	"github.com/msgflo/msgflo/providers"
)

// Options is what a command was told, as far as it concerns the directory.
type Options struct {
	Dir         string
	Types       []*providers.Type
	Version     string
	VarArgs     []config.VarArg // -var and -var-file in the order given
	Environ     []string        // os.Environ()
	Lock        bool
	LockTimeout time.Duration
	Parallelism int
	Log         *slog.Logger // nil: nobody listens
	AcceptEmpty bool         // -accept-empty-broker: every recorded object may be gone
}

// A Workspace is an opened directory.
type Workspace struct {
	o      Options
	module *config.Module
	vars   map[string]config.Var
	extra  map[string]*hcl.File // variable files, for snippets

	passwords passwords
}

// Open loads the directory's configuration and variable values. The workspace
// is returned with errors too, so that they can be shown with their sources.
func Open(o Options) (*Workspace, hcl.Diagnostics) {
	w := &Workspace{o: o}
	var diags hcl.Diagnostics
	m, ds := config.Load(o.Dir, config.Options{Types: o.Types, Version: o.Version})
	diags = append(diags, ds...)
	w.module = m
	if m == nil {
		return w, diags
	}
	w.debug("configuration loaded", "dir", o.Dir, "files", len(m.AllFiles()))
	broken := diags.HasErrors()
	diags = append(diags, w.loadVars()...)
	if broken {
		diags = append(diags, w.alsoWrong(diags)...)
	}
	return w, diags
}

func (w *Workspace) loadVars() hcl.Diagnostics {
	vars, files, diags := config.LoadVars(w.o.Dir, w.o.VarArgs, w.o.Environ, w.module.Variables)
	w.vars, w.extra = vars, files
	return diags
}

// debug logs what the workspace does, where anybody listens.
func (w *Workspace) debug(msg string, args ...any) {
	if w.o.Log != nil {
		w.o.Log.Debug(msg, args...)
	}
}

// Dir is the configuration's directory as given.
func (w *Workspace) Dir() string { return w.o.Dir }

// Files are all sources by path, for snippets in diagnostics.
func (w *Workspace) Files() map[string]*hcl.File {
	out := map[string]*hcl.File{}
	if w.module != nil {
		maps.Copy(out, w.module.AllFiles())
	}
	maps.Copy(out, w.extra)
	return out
}

// Types are the kinds of provider by name.
func (w *Workspace) Types() map[string]*providers.Type {
	m := make(map[string]*providers.Type, len(w.o.Types))
	for _, t := range w.o.Types {
		m[t.Name] = t
	}
	return m
}

func (w *Workspace) lookupEnv(name string) (string, bool) {
	for _, e := range slices.Backward(w.o.Environ) {
		if len(e) > len(name) && e[len(name)] == '=' && e[:len(name)] == name {
			return e[len(name)+1:], true
		}
	}
	return "", false
}

func (w *Workspace) env() desired.Env {
	return desired.Env{Vars: w.vars, Types: w.o.Types, Environ: w.lookupEnv, Dir: w.o.Dir,
		Secret: func(command []string) (string, error) { return w.passwords.of(command, w.o.Dir) }}
}

// Validate checks all that can be known without a broker: the whole
// configuration is evaluated, and linted as far as wanted objects alone allow.
func (w *Workspace) Validate() hcl.Diagnostics {
	res, diags := desired.Build(w.module, w.validateEnv())
	if diags.HasErrors() {
		return diags
	}
	return append(diags, lint(res, nil)...)
}

// validateEnv gives variables without a value an unknown one, as Terraform's
// validate does: their absence is an error of plan, not of the configuration.
func (w *Workspace) validateEnv() desired.Env {
	e := w.env()
	e.AllowMissing, e.Secret = true, nil // validate runs nothing
	return e
}

// lint asks each provider type what only several objects together can get wrong.
func lint(res *desired.Result, live map[addr.Provider][]providers.Object) hcl.Diagnostics {
	want := map[addr.Provider][]providers.Object{}
	for i := range res.Objects {
		o := &res.Objects[i]
		want[o.Provider] = append(want[o.Provider], providers.Object{Addr: o.Addr, Type: o.Type, Value: o.Value, Decl: o.Decl})
	}
	var diags hcl.Diagnostics
	for _, p := range sortedProviders(res.Providers) {
		if t := res.Providers[p].Type; t.Lint != nil {
			diags = append(diags, t.Lint(want[p], live[p])...)
		}
	}
	return diags
}

// workDir is the folder for what is no state: journals of remote stores.
const workDir = ".msgflo"

func host() string {
	h, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return h
}
