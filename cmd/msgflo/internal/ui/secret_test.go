package ui

import (
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/msgflo/msgflo/cmd/msgflo/internal/ui/uitest"
	"github.com/msgflo/msgflo/planner/plan"
)

// A value at a path that the plan says is sensitive is in no view of the plan,
// be it the name of a queue, an end of a binding, an argument or part of drift,
// and even if the plan, which should not, has it in clear.
func TestSecretsOfAPlanNeverShown(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		typ := rapid.SampledFrom([]string{"queue", "binding", "policy", "user", "shovel", "unheard_of"}).Draw(r, "type")
		attr := rapid.SampledFrom([]string{"name", "vhost", "source", "destination", "routing_key", "arguments", "definition", "tags", "odd"}).Draw(r, "attribute")
		path, hidden := attr, any("leak")
		switch rapid.IntRange(0, 3).Draw(r, "where") {
		case 1:
			path, hidden = attr+".k.x", map[string]any{"k.x": "leak"}
		case 2:
			path, hidden = attr+`["k.x"]`, map[string]any{"k.x": "leak"}
		case 3:
			path, hidden = attr+"[1]", []any{"seen", "leak"}
		}
		if rapid.Bool().Draw(r, "wrapped") {
			hidden = map[string]any{"value": hidden, "type": []any{"object", map[string]any{}}}
		}
		v := map[string]any{"name": "n", "vhost": "v", "source": "s", "destination": "d", "destination_type": "queue", "routing_key": "r"}
		v[attr] = hidden
		raw, err := json.Marshal(v)
		if err != nil {
			r.Fatal(err)
		}
		a := rapid.SampledFrom([]plan.Action{plan.Create, plan.Update, plan.Delete, plan.Replace, plan.Adopt, plan.Forget, plan.Migrate}).Draw(r, "action")
		p := &plan.Plan{Mode: "normal"}
		add := func(a plan.Action, before, after string) {
			s := uitest.Step(a, typ+".x", before, after)
			s.Sensitive, s.Changed = []string{path}, []string{attr}
			p.Steps = append(p.Steps, s)
		}
		if a == plan.Replace {
			add(plan.Delete, string(raw), "")
			add(plan.Create, "", strings.ReplaceAll(string(raw), "leak", "leak2"))
		} else {
			add(a, string(raw), strings.ReplaceAll(string(raw), "leak", "leak2"))
		}
		p.Drift = []plan.Drift{{Addr: uitest.At(typ + ".x"), Recorded: raw, Live: json.RawMessage(strings.ReplaceAll(string(raw), "leak", "leak2")),
			Changed: []string{attr}, Sensitive: []string{path}}}
		p.Outputs = map[string]plan.Output{"o": {Sensitive: true, Changed: true, Before: json.RawMessage(`"leak"`), After: json.RawMessage(`"leak2"`)}}
		for _, f := range views(t, p) {
			if strings.Contains(string(f.Data), "leak") {
				r.Fatalf("%s shows what is at %s of\n%s\n%s", f.Name, path, raw, f.Data)
			}
		}
	})
}
