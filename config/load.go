// Package config turns a directory of HCL into a Module: typed, checked, every
// declaration with its source range. It imports the ground floor and
// providers; no planner, no state.
package config

import (
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

// Load reads every *.flo.hcl and *.flo.json of dir and, recursively, of the
// modules it calls. Everything wrong is reported in one run. The module is nil
// only where nothing could be read at all.
func Load(dir string, o Options) (*Module, hcl.Diagnostics) {
	panic("contract only")
}
