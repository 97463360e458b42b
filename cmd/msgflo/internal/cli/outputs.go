package cli

import (
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/msgflo/msgflo/cmd/msgflo/internal/ui"
	"github.com/msgflo/msgflo/cmd/msgflo/internal/ui/tfjson"
	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/state"
)

// printOutputs prints all outputs, or the one that is named.
func (a *app) printOutputs(outs map[string]state.Output, name string, json, raw bool) error {
	if name == "" {
		if json {
			return printJSON(a.env.Stdout, tfjson.Outputs(outs))
		}
		if len(outs) == 0 {
			a.say("No outputs are recorded: output blocks declare them, and apply records them.")
		}
		_, err := io.WriteString(a.env.Stdout, ui.OutputsText(outs))
		return err
	}
	o, ok := outs[name]
	if !ok {
		return usagef("no output %q is recorded.%s Outputs are recorded by apply", name, diag.DidYouMean(name, slices.Collect(maps.Keys(outs))))
	}
	switch {
	case json:
		return printJSON(a.env.Stdout, tfjson.Outputs(outs)[name].Value)
	case raw:
		text, err := ui.OutputRaw(name, o)
		if err == nil {
			_, err = io.WriteString(a.env.Stdout, text)
		}
		return err
	}
	_, err := fmt.Fprintln(a.env.Stdout, ui.OutputText(o))
	return err
}
