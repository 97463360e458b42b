package tfjson_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"

	terraform "github.com/hashicorp/terraform-json"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/msgflo/msgflo/cmd/msgflo/internal/ui/tfjson"
	"github.com/msgflo/msgflo/cmd/msgflo/internal/ui/uitest"
	"github.com/msgflo/msgflo/planner/plan"
	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/state"
)

func encode(t *testing.T, doc any) []byte {
	t.Helper()
	b, err := tfjson.Encode(doc)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(b, []byte("leak")) {
		t.Errorf("a secret is in %s", b)
	}
	return b
}

func planDoc(t *testing.T, p *plan.Plan, prior *state.Snapshot) *terraform.Plan {
	t.Helper()
	var got terraform.Plan
	b := encode(t, tfjson.NewPlan(p, tfjson.PlanOptions{Version: "0.1.0", Schemas: uitest.Schemas, Prior: prior}))
	if err := got.UnmarshalJSON(b); err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	if err := got.Validate(); err != nil {
		t.Fatal(err)
	}
	return &got
}

func TestPlansParse(t *testing.T) {
	for name, p := range uitest.Plans() {
		t.Run(name, func(t *testing.T) {
			got := planDoc(t, p, uitest.State())
			if err := got.PriorState.Validate(); err != nil {
				t.Error(err)
			}
			for _, rc := range got.ResourceChanges {
				if rc.Address == "" || rc.Mode != terraform.ManagedResourceMode || rc.Type == "" || rc.Name == "" || len(rc.Change.Actions) == 0 {
					t.Errorf("incomplete change: %+v", rc)
				}
			}
		})
	}
}

func find(t *testing.T, p *terraform.Plan, address string) *terraform.ResourceChange {
	t.Helper()
	i := slices.IndexFunc(p.ResourceChanges, func(rc *terraform.ResourceChange) bool { return rc.Address == address })
	if i < 0 {
		t.Fatalf("no change of %s", address)
	}
	return p.ResourceChanges[i]
}

func TestActions(t *testing.T) {
	plans := uitest.Plans()
	replace := planDoc(t, plans["replace"], nil)
	jobs := find(t, replace, "queue.jobs")
	if !jobs.Change.Actions.DestroyBeforeCreate() || len(jobs.Change.ReplacePaths) != 1 ||
		jobs.ActionReason != terraform.ActionReasonReplaceBecauseCannotUpdate {
		t.Errorf("replace: %+v", jobs.Change)
	}
	if a := find(t, replace, "queue.mail").Change.Actions; !a.DestroyBeforeCreate() {
		t.Errorf("migrate: %v", a)
	}
	if a := find(t, replace, "queue.old").Change.Actions; !a.Delete() {
		t.Errorf("delete: %v", a)
	}
	adopt := planDoc(t, plans["adopt"], nil)
	if c := find(t, adopt, "queue.q00").Change; !c.Actions.NoOp() || c.Importing == nil || c.Importing.ID != "q00@/" {
		t.Errorf("adopt: %+v", c)
	}
	if c := find(t, adopt, "queue.left").Change; !c.Actions.Forget() {
		t.Errorf("forget: %+v", c)
	}
	create := planDoc(t, plans["create"], nil)
	shovel := find(t, create, "shovel.move").Change
	if !shovel.Actions.Create() || shovel.Before != nil {
		t.Errorf("create: %+v", shovel)
	}
	if u, _ := shovel.AfterUnknown.(map[string]any); u["id"] != true {
		t.Errorf("unknown: %v", shovel.AfterUnknown)
	}
	source, _ := shovel.AfterSensitive.(map[string]any)["source"].(map[string]any)
	if source["url"] != true {
		t.Errorf("sensitive: %v", shovel.AfterSensitive)
	}
	args := find(t, create, "queue.billing").Change.After.(map[string]any)["arguments"].(map[string]any)
	if args["x-max-length"] != float64(1000) {
		t.Errorf("dynamic values are still wrapped: %v", args)
	}
	rest := planDoc(t, plans["rest"], nil)
	if rc := find(t, rest, "policy.p"); rc.PreviousAddress != "policy.older" {
		t.Errorf("moved: %+v", rc)
	}
	if len(rest.ResourceDrift) != 2 || // what is away for a reason is none
		len(rest.OutputChanges) != 5 {
		t.Errorf("drift %d, outputs %d", len(rest.ResourceDrift), len(rest.OutputChanges))
	}
	modules := planDoc(t, plans["modules"], nil)
	if rc := find(t, modules, `module.eu["a"].queue.q`); rc.ModuleAddress != `module.eu["a"]` {
		t.Errorf("module: %+v", rc)
	}
}

func TestStateParses(t *testing.T) {
	var got terraform.State
	if err := got.UnmarshalJSON(encode(t, tfjson.NewState(uitest.State(), tfjson.StateOptions{Version: "0.1.0", Schemas: uitest.Schemas}))); err != nil {
		t.Fatal(err)
	}
	root := got.Values.RootModule
	if len(root.Resources) != 5 || len(root.ChildModules) != 1 {
		t.Fatalf("root: %+v", root)
	}
	child := root.ChildModules[0]
	if child.Address != `module.eu["a.module.b"]` || child.Resources[0].Index != "k" ||
		len(child.ChildModules) != 1 || child.ChildModules[0].Resources[0].Index != float64(3) {
		t.Errorf("child modules: %+v", child)
	}
	if out := got.Values.Outputs["names"]; out == nil || !out.Type.Equals(cty.List(cty.String)) {
		t.Errorf("output: %+v", out)
	}
	if out := got.Values.Outputs["token"]; out == nil || !out.Sensitive || out.Value != nil {
		t.Errorf("sensitive output: %+v", out)
	}
	if err := got.UnmarshalJSON(encode(t, tfjson.NewState(nil, tfjson.StateOptions{}))); err != nil {
		t.Error(err)
	}
}

func TestSchemasParse(t *testing.T) {
	var got terraform.ProviderSchemas
	if err := got.UnmarshalJSON(encode(t, tfjson.NewSchemas([]*providers.Type{uitest.Type()}))); err != nil {
		t.Fatal(err)
	}
	ps := got.Schemas["registry.msgflo.org/msgflo/rabbitmq"]
	queue := ps.ResourceSchemas["queue"].Block
	if !queue.Attributes["name"].Required || queue.Attributes["arguments"].AttributeType != cty.DynamicPseudoType {
		t.Errorf("queue: %+v", queue)
	}
	if dl := queue.NestedBlocks["dead_letter"]; dl == nil || dl.NestingMode != terraform.SchemaNestingModeSingle || dl.Block.Attributes["exchange"] == nil {
		t.Errorf("nested block: %+v", dl)
	}
	if pw := ps.ResourceSchemas["user"].Block.Attributes["password"]; !pw.Sensitive || !pw.WriteOnly {
		t.Errorf("password: %+v", pw)
	}
	if !ps.ConfigSchema.Block.Attributes["url"].Sensitive {
		t.Error("the broker's url is not sensitive")
	}
}

const source = `queue "jobs" {
  type = "quorm"
}
queue "é" { name = var.x }
`

func TestValidationParses(t *testing.T) {
	file, diags := hclsyntax.ParseConfig([]byte(source), "main.flo.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	body := file.Body.(*hclsyntax.Body)
	expr := body.Blocks[1].Body.Attributes["name"].Expr
	rng := body.Blocks[0].Body.Attributes["type"].Expr.Range()
	nameRange := expr.Range()
	ds := hcl.Diagnostics{
		{Severity: hcl.DiagError, Summary: "Unknown queue type", Detail: `Did you mean "quorum"?`, Subject: &rng},
		{Severity: hcl.DiagWarning, Summary: "No place"},
		{Severity: hcl.DiagError, Summary: "With a value", Subject: &nameRange, Expression: expr, EvalContext: &hcl.EvalContext{
			Variables: map[string]cty.Value{"var": cty.ObjectVal(map[string]cty.Value{"x": cty.StringVal("v\x1b")})}}},
		{Severity: hcl.DiagError, Summary: "Nowhere", Subject: &hcl.Range{Filename: "main.flo.hcl", Start: hcl.Pos{Line: 99, Column: 1, Byte: 9999}, End: hcl.Pos{Line: 99, Column: 1, Byte: 9999}}},
	}
	var got terraform.ValidateOutput
	if err := json.Unmarshal(encode(t, tfjson.NewValidation(ds, map[string]*hcl.File{"main.flo.hcl": file})), &got); err != nil {
		t.Fatal(err)
	}
	if got.Valid || got.ErrorCount != 3 || got.WarningCount != 1 {
		t.Errorf("%+v", got)
	}
	sn := got.Diagnostics[0].Snippet
	if sn == nil || sn.Code != `  type = "quorm"` || sn.Code[sn.HighlightStartOffset:sn.HighlightEndOffset] != `"quorm"` ||
		sn.StartLine != 2 || sn.Context == nil || *sn.Context != `queue "jobs"` {
		t.Errorf("snippet: %+v", sn)
	}
	if v := got.Diagnostics[2].Snippet.Values; len(v) != 1 || v[0].Traversal != "var.x" || v[0].Statement != `is "v\u001b"` {
		t.Errorf("values: %+v", v)
	}
	if r := got.Diagnostics[0].Range; r.Start.Line != 2 || r.Start.Column != 10 || r.Start.Byte != rng.Start.Byte {
		t.Errorf("range: %+v", r)
	}
}

func TestVersionAndOutputsParse(t *testing.T) {
	var v terraform.VersionOutput
	if err := json.Unmarshal(encode(t, tfjson.NewVersion("0.1.0", "abc", []string{"rabbitmq"})), &v); err != nil {
		t.Fatal(err)
	}
	if v.Version != "0.1.0" || v.ProviderSelections["registry.msgflo.org/msgflo/rabbitmq"] != "0.1.0" {
		t.Errorf("%+v", v)
	}
	var outs map[string]terraform.StateOutput
	if err := json.Unmarshal(encode(t, tfjson.Outputs(uitest.State().Outputs)), &outs); err != nil {
		t.Fatal(err)
	}
	if outs["url"].Value != "amqp://h" || !outs["token"].Sensitive || outs["token"].Value != nil {
		t.Errorf("%+v", outs)
	}
}
