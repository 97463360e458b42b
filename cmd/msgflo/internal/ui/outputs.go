package ui

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/msgflo/msgflo/cmd/msgflo/internal/ui/value"
	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/state"
)

// OutputsText lists outputs as `name = value`, values as HCL writes them,
// sensitive ones named but not shown.
func OutputsText(outs map[string]state.Output) string {
	names := slices.Sorted(maps.Keys(outs))
	keys, wide := value.AlignKeys(names)
	var b strings.Builder
	for i, n := range names {
		fmt.Fprintf(&b, "%s%s = %s\n", keys[i], strings.Repeat(" ", max(0, wide-len(keys[i]))), OutputText(outs[n]))
	}
	return b.String()
}

// OutputText is one output's value as an HCL expression.
func OutputText(o state.Output) string {
	if o.Sensitive {
		return value.SecretText
	}
	return value.Text(value.DecodeAny(o.Value))
}

// OutputRaw is what `output -raw` prints: a string, number or bool without
// quotes. The error says why there is none.
func OutputRaw(name string, o state.Output) (string, error) {
	if o.Sensitive {
		return "", fmt.Errorf("output %q is sensitive: msgflo keeps no secret in its state, so there is nothing to print", name)
	}
	switch v := value.DecodeAny(o.Value).(type) {
	case string:
		return v, nil
	case map[string]any, []any:
		return "", fmt.Errorf("output %q is a collection and has no raw form: use -json", name)
	case nil:
		return "", fmt.Errorf("output %q is null and has no raw form: use -json", name)
	default:
		return diag.Escape(value.Inline(v)), nil
	}
}
