package funcs

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/msgflo/msgflo/config/nesting"
)

// ofStrings makes a function of string arguments out of a Go function.
func ofStrings(result cty.Type, f func([]string) (cty.Value, error), params ...string) function.Function {
	spec := function.Spec{
		Type: function.StaticReturnType(result),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			texts := make([]string, len(args))
			for i, a := range args {
				texts[i] = a.AsString()
			}
			return f(texts)
		},
	}
	for _, p := range params {
		spec.Params = append(spec.Params, function.Parameter{Name: p, Type: cty.String})
	}
	return function.New(&spec)
}

func test(f func(string, string) bool, second string) function.Function {
	return ofStrings(cty.Bool, func(a []string) (cty.Value, error) { return cty.BoolVal(f(a[0], a[1])), nil }, "str", second)
}

func startsWith() function.Function  { return test(strings.HasPrefix, "prefix") }
func endsWith() function.Function    { return test(strings.HasSuffix, "suffix") }
func strContains() function.Function { return test(strings.Contains, "substr") }

func text(f func(string) string, param string) function.Function {
	return ofStrings(cty.String, func(a []string) (cty.Value, error) { return cty.StringVal(f(a[0])), nil }, param)
}

func urlEncode() function.Function { return text(url.QueryEscape, "str") }
func basename() function.Function  { return text(filepath.Base, "path") }
func dirname() function.Function   { return text(filepath.Dir, "path") }

func base64Encode() function.Function {
	return text(func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }, "str")
}

func sha256Func() function.Function {
	return text(func(s string) string {
		h := sha256.Sum256([]byte(s))
		return hex.EncodeToString(h[:])
	}, "str")
}

// base64Decode never repeats its argument in an error: it is often a secret.
func base64Decode() function.Function {
	return ofStrings(cty.String, func(a []string) (cty.Value, error) {
		b, err := base64.StdEncoding.DecodeString(a[0])
		if err != nil {
			return cty.NilVal, errors.New("the text is not Base64 (RFC 4648, with padding)")
		}
		if !utf8.Valid(b) {
			return cty.NilVal, errors.New("the decoded bytes are not UTF-8, and a string holds nothing else")
		}
		return cty.StringVal(string(b)), nil
	}, "str")
}

// replace takes a regular expression between slashes, as Terraform's does.
func replace() function.Function {
	return ofStrings(cty.String, func(a []string) (cty.Value, error) {
		s, old, with := a[0], a[1], a[2]
		if len(old) < 2 || old[0] != '/' || old[len(old)-1] != '/' {
			return cty.StringVal(strings.ReplaceAll(s, old, with)), nil
		}
		re, err := regexp.Compile(old[1 : len(old)-1])
		if err != nil {
			return cty.NilVal, function.NewArgError(1, err)
		}
		return cty.StringVal(re.ReplaceAllString(s, with)), nil
	}, "str", "substr", "replace")
}

// guarded keeps a text that nests too deeply from a decoder that recurses.
func guarded(f function.Function, check func(string) error) function.Function {
	refuse := func(args []cty.Value) error {
		if v, _ := args[0].Unmark(); v.IsKnown() && !v.IsNull() {
			if err := check(v.AsString()); err != nil {
				return function.NewArgError(0, err)
			}
		}
		return nil
	}
	return function.New(&function.Spec{
		Description: f.Description(),
		Params:      f.Params(),
		Type: func(args []cty.Value) (cty.Type, error) {
			if err := refuse(args); err != nil {
				return cty.NilType, err
			}
			return f.ReturnTypeForValues(args)
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) { return f.Call(args) },
	})
}

func checkJSON(s string) error { return asError(nesting.CheckJSON([]byte(s), "", false)) }
func checkYAML(s string) error { return asError(nesting.CheckYAML([]byte(s))) }

// asError avoids the interface that is not nil but holds a nil pointer.
func asError(e *nesting.Error) error {
	if e == nil {
		return nil
	}
	return e
}
