// Package funcs is the functions of the language: those of go-cty's standard
// library under Terraform's names, with Terraform's meaning where the two
// differ, and those that read files and the environment. None depends on time
// or chance, so a plan is the same whenever it is made.
//
// It imports cty, hcl and the ground floor only.
package funcs

import (
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	ctyyaml "github.com/zclconf/go-cty-yaml"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// Functions returns every function by name. Relative paths in the file
// functions start at baseDir; environ answers env(), as os.LookupEnv does.
func Functions(baseDir string, environ func(string) (string, bool)) map[string]function.Function {
	all := pure()
	maps.Copy(all, files(baseDir))
	all["env"] = env(environ)
	all["templatefile"] = templateFile(baseDir, maps.Clone(all))
	return all
}

// Names lists the functions in alphabetical order.
func Names() []string {
	return slices.Sorted(maps.Keys(Functions("", func(string) (string, bool) { return "", false })))
}

// pure are the functions that need nothing but their arguments.
func pure() map[string]function.Function {
	return map[string]function.Function{
		// numbers
		"abs": stdlib.AbsoluteFunc, "ceil": stdlib.CeilFunc, "floor": stdlib.FloorFunc, "log": stdlib.LogFunc,
		"max": stdlib.MaxFunc, "min": stdlib.MinFunc, "parseint": stdlib.ParseIntFunc, "pow": stdlib.PowFunc,
		"signum": stdlib.SignumFunc, "sum": sum(),

		// strings
		"chomp": stdlib.ChompFunc, "endswith": endsWith(), "format": stdlib.FormatFunc, "formatlist": stdlib.FormatListFunc,
		"indent": stdlib.IndentFunc, "join": stdlib.JoinFunc, "lower": stdlib.LowerFunc, "regex": stdlib.RegexFunc,
		"regexall": stdlib.RegexAllFunc, "replace": replace(), "split": stdlib.SplitFunc, "startswith": startsWith(),
		"strcontains": strContains(), "strrev": stdlib.ReverseFunc, "substr": stdlib.SubstrFunc, "title": stdlib.TitleFunc,
		"trim": stdlib.TrimFunc, "trimprefix": stdlib.TrimPrefixFunc, "trimspace": stdlib.TrimSpaceFunc,
		"trimsuffix": stdlib.TrimSuffixFunc, "upper": stdlib.UpperFunc,

		// collections
		"alltrue": allTrue(), "anytrue": anyTrue(), "chunklist": stdlib.ChunklistFunc, "coalesce": coalesce(),
		"coalescelist": stdlib.CoalesceListFunc, "compact": stdlib.CompactFunc, "concat": stdlib.ConcatFunc,
		"contains": stdlib.ContainsFunc, "distinct": stdlib.DistinctFunc, "element": stdlib.ElementFunc,
		"flatten": stdlib.FlattenFunc, "index": index(), "keys": stdlib.KeysFunc, "length": length(), "lookup": lookup(),
		"matchkeys": matchKeys(), "merge": stdlib.MergeFunc, "one": one(), "range": stdlib.RangeFunc,
		"reverse": stdlib.ReverseListFunc, "setintersection": stdlib.SetIntersectionFunc, "setproduct": stdlib.SetProductFunc,
		"setsubtract": stdlib.SetSubtractFunc, "setunion": stdlib.SetUnionFunc, "slice": stdlib.SliceFunc,
		"sort": stdlib.SortFunc, "transpose": transpose(), "values": stdlib.ValuesFunc, "zipmap": stdlib.ZipmapFunc,

		// encodings
		"base64decode": base64Decode(), "base64encode": base64Encode(), "csvdecode": stdlib.CSVDecodeFunc,
		"jsondecode": guarded(stdlib.JSONDecodeFunc, checkJSON), "jsonencode": stdlib.JSONEncodeFunc,
		"sha256": sha256Func(), "urlencode": urlEncode(), "yamldecode": guarded(ctyyaml.YAMLDecodeFunc, checkYAML),
		"yamlencode": ctyyaml.YAMLEncodeFunc,

		// times as text; there is no clock here
		"formatdate": stdlib.FormatDateFunc, "timeadd": stdlib.TimeAddFunc,

		// types
		"tobool": stdlib.MakeToFunc(cty.Bool), "tolist": toList(),
		"tomap": stdlib.MakeToFunc(cty.Map(cty.DynamicPseudoType)), "tonumber": stdlib.MakeToFunc(cty.Number),
		"toset": toSet(), "tostring": stdlib.MakeToFunc(cty.String),
		"can": tryfunc.CanFunc, "try": tryfunc.TryFunc,
		"sensitive": sensitive(), "nonsensitive": nonsensitive(), "issensitive": isSensitive(),

		// paths as text
		"basename": basename(), "dirname": dirname(),
	}
}
