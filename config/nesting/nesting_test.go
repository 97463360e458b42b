package nesting

import (
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// Every shape makes hclsyntax, or the evaluation of its tree, recurse once a
// repetition; at some 200 000 it would be the end of the process.
func TestDeepShapesAreRefused(t *testing.T) {
	const n = 5_000
	rep := strings.Repeat
	for name, src := range map[string]string{
		"parens":        "a = " + rep("(", n),
		"brackets":      "a = " + rep("[", n),
		"braces":        "a = " + rep("{a=", n),
		"blocks":        rep("a {\n", n),
		"bang":          "a = " + rep("!", n) + "true",
		"minus":         "a = " + rep("-", n) + "1",
		"minus spaced":  "a = " + rep("- ", n) + "1",
		"interpolation": "a = " + rep(`"${`, n),
		"conditional":   "a = " + rep("true ? 1 : ", n) + "1",
		"conditional 2": "a = " + rep("true ? ", n) + "1",
		"sum":           "a = 1" + rep(" + 1", n),
		"or":            "a = true" + rep(" || true", n),
		"equal":         "a = 1" + rep(" == 1", n),
		"index":         "a = f()" + rep("[0]", n),
		"index expr":    "a = x" + rep("[y]", n),
		"splat":         "a = x" + rep("[*]", n),
		"attr splat":    "a = x" + rep(".*.y", n),
		"calls":         "a = " + rep("f(", n),
		"template if":   "a = \"" + rep("%{ if true }", n) + "\"",
		"template for":  "a = <<E\n" + rep("%{ for x in y }", n) + "\nE\n",
		"for in braces": "a = {for x in y : x => 1" + rep(" +\n 1", n) + "}",
		"for":           "a = " + rep("[for x in ", n),
		"heredoc":       "a = " + rep("<<E\n${", n),
		"lone closers":  "a = " + rep("(]", n),
		"mixed":         "a = " + rep("!(-[true ? ", n),
	} {
		if Check([]byte(src), "x", hcl.InitialPos, Config) == nil {
			t.Errorf("%s: let through", name)
		}
	}
}

func TestExpressionLinesDoNotEnd(t *testing.T) {
	src := "1" + strings.Repeat(" +\n1", 5_000)
	if Check([]byte(src), "x", hcl.InitialPos, Expression) == nil {
		t.Error("let through")
	}
}

// What people write passes, however long, and what passes parses.
func TestOrdinaryTextsPass(t *testing.T) {
	rep := strings.Repeat
	for name, src := range map[string]string{
		"blocks":      rep("queue \"a\" {\n  name = \"x-${var.a}\"\n  n = 1 + 2\n  l = [1, 2, -3]\n}\n", 5000),
		"long list":   "a = [" + rep("-1, ", 5000) + "]",
		"long object": "a = {\n" + rep("k = !true ? 1 : 2\n", 5000) + "}",
		"template":    "a = <<E\n" + rep("%{ if true }x%{ else }y%{ endif }\n", 3000) + "E\n",
		"just below":  "a = " + rep("(", Limit/2-3) + "1" + rep(")", Limit/2-3),
	} {
		if err := Check([]byte(src), "x", hcl.InitialPos, Config); err != nil {
			t.Errorf("%s: %v at %s", name, err, err.Range)
		}
		if _, diags := hclsyntax.ParseConfig([]byte(src), "x", hcl.InitialPos); diags.HasErrors() && name != "blocks" && name != "long object" {
			t.Errorf("%s: %v", name, diags)
		}
	}
}

func TestJSON(t *testing.T) {
	rep := strings.Repeat
	for name, c := range map[string]struct {
		src  string
		deep bool
	}{
		"lists":      {rep("[", 5000), true},
		"objects":    {rep(`{"a":`, 5000), true},
		"template":   {`{"a":"` + rep("${", 5000) + `"}`, true},
		"expression": {`{"a":"` + rep("(", 5000) + `"}`, true},
		"in string":  {`{"a":"` + rep("[ ]", 500) + `"}`, false},
		"escaped":    {`{"a":"\"` + rep("x", 5000) + `", "b": [1]}`, false},
		"wide":       {`[` + rep(`{"a":[1]},`, 5000) + `1]`, false},
	} {
		if got := CheckJSON([]byte(c.src), "x", true) != nil; got != c.deep {
			t.Errorf("%s: deep = %v", name, got)
		}
	}
}

func TestYAML(t *testing.T) {
	rep := strings.Repeat
	for name, c := range map[string]struct {
		src  string
		deep bool
	}{
		"flow":        {rep("[", 5000), true},
		"hidden":      {rep(`["]", `, 5000), true},
		"compact":     {rep("- ", 5000) + "a", true},
		"keys":        {rep("? ", 5000) + "a", true},
		"lines":       {rep("- a: [1, {b: c}]\n", 5000), false},
		"apostrophes": {rep("- don't [do]\n", 5000), false},
	} {
		if got := CheckYAML([]byte(c.src)) != nil; got != c.deep {
			t.Errorf("%s: deep = %v", name, got)
		}
	}
}

// What the guard lets through, the parser survives.
func FuzzCheck(f *testing.F) {
	f.Add("a = [1, -2 ? \"${x}\" : {b = !c}]")
	f.Fuzz(func(t *testing.T, s string) {
		src := []byte(strings.Repeat(s, 1+min(4096, 100_000/(len(s)+1))))
		if Check(src, "x", hcl.InitialPos, Config) == nil {
			hclsyntax.ParseConfig(src, "x", hcl.InitialPos)
		}
		CheckJSON(src, "x", true)
		CheckYAML(src)
	})
}
