package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/diag"
)

// A VarArg is one -var or -var-file of the command line.
type VarArg struct {
	File bool
	Text string // NAME=VALUE, or a path as the caller opens it
}

const (
	varsFile     = "msgflo.flovars.hcl"
	varsFileJSON = "msgflo.flovars.json"
	varEnv       = "MSGFLO_VAR_"
)

var autoVarsExt = []string{".auto.flovars.hcl", ".auto.flovars.json"}

// LoadVars collects the values of root variables from all places that give
// some, later ones winning, in Terraform's order: environ ("NAME=VALUE", as
// os.Environ has them; MSGFLO_VAR_x), dir's msgflo.flovars.hcl and .json, its
// *.auto.flovars.hcl and .json by name, then args in their order. The files
// that were read are returned for snippets, also with errors. Known are the
// module's variables: a value for another is a warning in a file, an error in
// an argument, and ignored in the environment.
func LoadVars(dir string, args []VarArg, environ []string, known map[string]*Variable) (map[string]Var, map[string]*hcl.File, hcl.Diagnostics) {
	c := &varCollector{vars: map[string]Var{}, files: map[string]*hcl.File{}, known: known}
	c.environment(environ)
	for _, path := range c.implied(dir) {
		c.file(path)
	}
	for _, a := range args {
		if a.File {
			c.file(a.Text)
		} else {
			c.argument(a.Text)
		}
	}
	sortDiagnostics(c.diags)
	return c.vars, c.files, c.diags
}

type varCollector struct {
	vars  map[string]Var
	files map[string]*hcl.File
	known map[string]*Variable
	diags hcl.Diagnostics
}

func (c *varCollector) add(d *hcl.Diagnostic) { c.diags = append(c.diags, d) }

func (c *varCollector) environment(environ []string) {
	for _, e := range environ {
		name, value, _ := strings.Cut(e, "=")
		name, ok := strings.CutPrefix(name, varEnv)
		if ok && c.known[name] != nil {
			c.vars[name] = Var{Value: cty.StringVal(value), Raw: true, Source: varEnv + name}
		}
	}
}

// implied lists the variable files that a directory brings itself.
func (c *varCollector) implied(dir string) []string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			c.add(diag.Error(hcl.Range{}, "Directory not readable", "Looking for variable files in \""+diag.Escape(dir)+"\": "+cause(err).Error()+"."))
		}
		return nil
	}
	var first, auto []string
	for _, e := range entries {
		name := e.Name()
		switch {
		case name == varsFile || name == varsFileJSON:
			first = append(first, filepath.Join(dir, name))
		case strings.HasPrefix(name, "."):
		case slices.ContainsFunc(autoVarsExt, func(ext string) bool { return strings.HasSuffix(name, ext) }):
			auto = append(auto, filepath.Join(dir, name))
		}
	}
	return append(first, auto...) // each in the order of names, as ReadDir has them
}

func (c *varCollector) file(path string) {
	src, err := readFile(path)
	if err != nil {
		c.add(diag.Error(hcl.Range{}, "Variable file not readable", "The variable file \""+diag.Escape(path)+"\" cannot be read: "+err.Error()+"."))
		return
	}
	f, diags := parse(src, path)
	c.diags = append(c.diags, diags...)
	c.files[path] = f
	if diags.HasErrors() {
		return // what is left of the file may be half a value
	}
	c.values(c.attributes(f.Body), path)
}

// attributes answers, beside them, who takes a variable file for configuration.
func (c *varCollector) attributes(body hcl.Body) hcl.Attributes {
	native, ok := body.(*hclsyntax.Body)
	if !ok {
		attrs, diags := body.JustAttributes()
		c.diags = append(c.diags, diags...)
		return attrs
	}
	for _, b := range native.Blocks {
		c.add(diag.Error(b.DefRange(), "Block in a variable file",
			"A variable file gives values to variables that are declared elsewhere, as in name = \"value\". Declarations belong in a file that ends in "+nativeExt+"."))
	}
	attrs := hcl.Attributes{}
	for name, a := range native.Attributes {
		attrs[name] = a.AsHCLAttribute()
	}
	return attrs
}

func (c *varCollector) values(attrs hcl.Attributes, path string) {
	for _, a := range sortedValues(attrs) {
		if c.known[a.Name] == nil {
			c.add(diag.Warning(a.NameRange, "Value for an undeclared variable", c.undeclared(a.Name)))
			continue
		}
		// In JSON a text is what it says, "${x}" too: programs write such files.
		if _, native := a.Expr.(hclsyntax.Expression); native && len(a.Expr.Variables()) > 0 {
			c.add(diag.Error(a.Expr.Range(), "Constant expected", "A variable file is read before anything has a value, so it cannot refer to anything."))
			continue
		}
		v, diags := a.Expr.Value(nil)
		c.diags = append(c.diags, diags...)
		if !diags.HasErrors() {
			c.vars[a.Name] = Var{Value: v, Source: path, Decl: a.Range}
		}
	}
}

func (c *varCollector) undeclared(name string) string {
	return "The configuration has no variable \"" + diag.Escape(name) + "\"." + diag.DidYouMean(name, sortedKeys(c.known)) + " Declare it, or remove the value."
}

func (c *varCollector) argument(text string) {
	name, value, ok := strings.Cut(text, "=")
	name = strings.TrimSpace(name)
	switch {
	case !ok || name == "":
		// The text is not shown: it may be a secret.
		c.add(diag.Error(hcl.Range{}, "Invalid -var", "-var takes NAME=VALUE, as in -var env=prod."))
	case c.known[name] == nil:
		c.add(diag.Error(hcl.Range{}, "Value for an undeclared variable", "-var: "+c.undeclared(name)))
	default:
		c.vars[name] = Var{Value: cty.StringVal(value), Raw: true, Source: "-var"}
	}
}
