package config

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/config/diag"
)

// reserved are the arguments of a module block, which no variable can share.
var reserved = []string{"source", "version", "providers", "broker", "count", "for_each", "depends_on", "lifecycle", "locals"}

func (d *decoder) variable(b *hcl.Block) {
	name, ok := d.name(b, 0)
	if ok && slices.Contains(reserved, name) {
		d.errorf(b.LabelRanges[0], "Reserved name", "A variable cannot be called %q: a module block uses that argument for itself.", name)
		ok = false
	}
	c := d.read(b.Body, variableForm)
	v := &Variable{Name: name, Type: cty.DynamicPseudoType, Decl: b.DefRange}
	v.Description = d.text(c.attrs["description"])
	v.Sensitive = d.flag(c.attrs["sensitive"], false)
	v.Ephemeral = d.flag(c.attrs["ephemeral"], false)
	v.Nullable = d.flag(c.attrs["nullable"], true)
	typed := true
	if t := c.attrs["type"]; t != nil {
		typed = d.variableType(v, t)
	}
	if def := c.attrs["default"]; def != nil {
		d.variableDefault(v, def, typed)
	}
	for _, vb := range c.blocks {
		d.validation(v, vb)
	}
	if ok && d.declare("var."+name, b.DefRange) {
		d.m.Variables[name] = v
	}
}

var typeWords = []string{"string", "number", "bool", "any", "list", "set", "map", "object", "tuple"}

func (d *decoder) variableType(v *Variable, a *hcl.Attribute) bool {
	if word := hcl.ExprAsKeyword(a.Expr); word != "" && !slices.Contains(typeWords, word) {
		d.errorf(a.Expr.Range(), "Unknown type", "There is no type %q.%s A type is string, number, bool, any, or made of those, as in list(string) or object({ size = number }).",
			word, diag.DidYouMean(word, typeWords))
		return false
	}
	t, defaults, diags := typeexpr.TypeConstraintWithDefaults(a.Expr)
	if diags.HasErrors() {
		d.diags = append(d.diags, diags...)
		return false
	}
	v.Type, v.TypeDefaults = t, defaults
	return true
}

func (d *decoder) variableDefault(v *Variable, a *hcl.Attribute, typed bool) {
	// Whatever is wrong below, a default was meant: the variable is optional.
	v.Default, v.defaultExpr = cty.NullVal(v.Type), a.Expr
	if len(a.Expr.Variables()) > 0 {
		d.errorf(a.Expr.Range(), "Constant expected", "A variable's default is known before any value is, so it cannot refer to anything. Put the expression into a locals block: coalesce(var.%s, …).", v.Name)
		return
	}
	val, diags := a.Expr.Value(nil)
	if diags.HasErrors() {
		d.diags = append(d.diags, diags...)
		return
	}
	if val.IsNull() && !v.Nullable {
		d.errorf(a.Expr.Range(), "Invalid default", "The default is null, but the variable says nullable = false.")
		return
	}
	if !typed {
		return
	}
	conv, err := v.Convert(val)
	if err != nil {
		d.errorf(a.Expr.Range(), "Invalid default", "The default does not fit the variable's type: %s", diag.Sentence(err.Error()))
		return
	}
	v.Default = conv
}

func (d *decoder) validation(v *Variable, b *hcl.Block) {
	s := scope{only: refVar | refLocal | refPath, what: "a variable's validation"}
	before := len(v.Validations)
	v.Validations = d.condition(v.Validations, b, validationForm, s)
	if len(v.Validations) == before {
		return
	}
	for _, t := range v.Validations[before].Condition.Variables() {
		if t.RootName() == "var" && len(t) > 1 {
			if step, ok := t[1].(hcl.TraverseAttr); ok && step.Name == v.Name {
				return
			}
		}
	}
	d.errorf(v.Validations[before].Condition.Range(), "Validation of something else", "The condition must refer to var.%s, the value that it validates.", v.Name)
}
