package ui

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	terraform "github.com/hashicorp/terraform-json"

	"github.com/msgflo/msgflo/cmd/msgflo/internal/ui/uitest"
	"github.com/msgflo/msgflo/config/addr"
	"github.com/msgflo/msgflo/config/diag"
	"github.com/msgflo/msgflo/planner/plan"
	"github.com/msgflo/msgflo/providers"
	"github.com/msgflo/msgflo/providers/providertest/leaktest"
	"github.com/msgflo/msgflo/state"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// A hand clock.
type hand struct{ now time.Time }

func (h *hand) read() time.Time               { return h.now }
func (h *hand) add(d time.Duration) time.Time { h.now = h.now.Add(d); return h.now }

func steps(n int) *plan.Plan {
	p := &plan.Plan{}
	for i := range n {
		p.Steps = append(p.Steps, uitest.Step(plan.Create, fmt.Sprintf("queue.q[%d]", i), "", "{}"))
	}
	return p
}

func TestApplyIsToldStepByStep(t *testing.T) {
	var out, errs bytes.Buffer
	h := &hand{now: clock()}
	v := NewHuman(Terminal{Out: &out, Err: &errs}, Options{Now: h.read})
	p := &plan.Plan{Steps: []plan.Step{
		uitest.Step(plan.Create, "queue.a", "", "{}"), uitest.Step(plan.Delete, "queue.b", "{}", ""),
		uitest.Step(plan.Adopt, "queue.c", "{}", "{}"), uitest.Step(plan.Update, "queue.d", "{}", "{}"),
		uitest.Step(plan.Record, "queue.e", "{}", "{}"), uitest.Step(plan.Migrate, "queue.f", "{}", "{}"),
	}}
	v.Begin(p)
	at := func(k plan.EventKind, i int, d time.Duration) {
		v.Event(plan.Event{Kind: k, Step: &p.Steps[i], Elapsed: d})
	}
	at(plan.Started, 0, 0)
	at(plan.Completed, 0, 120*time.Millisecond)
	at(plan.Started, 1, 0)
	at(plan.Failed, 1, 70*time.Second)
	at(plan.Started, 2, 0)
	at(plan.Completed, 2, 0)
	at(plan.Skipped, 3, 0)
	at(plan.Started, 4, 0)
	at(plan.Completed, 4, 0)
	at(plan.Started, 5, 0)
	v.Event(plan.Event{Kind: plan.Progress, Step: &p.Steps[5], Done: 1200, Total: 18204})
	v.Tick(h.add(9 * time.Second))
	v.Tick(h.add(time.Second))
	v.Tick(h.add(time.Second))
	v.Summary(Ending{Failed: true})
	want := `queue.a: creating…
queue.a: created (0.1s)
queue.b: destroying…
queue.b: destroying failed (1m10s)
queue.c: adopting…
queue.c: adopted (0.0s)
queue.d: not updated
queue.f: migrating…
queue.f: still migrating… (10.0s) 1 200 of 18 204 messages

Apply incomplete: 1 added, 0 changed, 0 destroyed, 1 adopted, 1 failed, 1 not run. What was done is recorded; run the same command again to go on.
`
	if out.String() != want || errs.Len() > 0 {
		t.Errorf("got:\n%s\n%s", out.String(), errs.String())
	}
}

func TestSummary(t *testing.T) {
	for _, c := range []struct {
		end  Ending
		want string
	}{
		{Ending{}, "Apply complete: 1 added, 0 changed, 0 destroyed."},
		{Ending{Destroy: true}, "Destroy complete: 0 destroyed."},
		{Ending{Interrupted: true}, "Apply interrupted: 1 added, 0 changed, 0 destroyed. What was done is recorded; run the same command again to go on."},
	} {
		var out bytes.Buffer
		v := NewHuman(Terminal{Out: &out, Err: &out}, Options{Now: clock})
		p := steps(1)
		v.Begin(p)
		if !c.end.Destroy {
			v.Event(plan.Event{Kind: plan.Completed, Step: &p.Steps[0]})
		}
		out.Reset()
		v.Summary(c.end)
		if got := strings.TrimSpace(out.String()); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
		var line bytes.Buffer
		j := NewJSON(Terminal{Out: &line}, Options{Now: clock})
		if !c.end.Destroy {
			j.Event(plan.Event{Kind: plan.Completed, Step: &p.Steps[0]})
		}
		line.Reset()
		j.Summary(c.end)
		var m struct {
			Message string `json:"@message"`
		}
		if err := json.Unmarshal(line.Bytes(), &m); err != nil || m.Message != c.want {
			t.Errorf("as JSON %q, want %q (%v)", m.Message, c.want, err)
		}
	}
}

// What an import block names is imported, not adopted, and what a refresh-only
// plan forgets is not "left in place".
func TestImportAndForgetWords(t *testing.T) {
	p := uitest.Plans()["adopt"]
	i := slices.IndexFunc(p.Steps, func(s plan.Step) bool { return s.Action == plan.Adopt })
	p.Steps[i].Imported = true
	var lines, human bytes.Buffer
	j, v := NewJSON(Terminal{Out: &lines}, options()), NewHuman(Terminal{Out: &human, Err: &human}, options())
	j.Plan(p)
	v.Event(plan.Event{Kind: plan.Completed, Step: &p.Steps[i]})
	at := p.Steps[i].Addr.String()
	if !strings.Contains(lines.String(), at+": Plan to import") || !strings.Contains(lines.String(), `"action":"import","importing":{"id":"`) {
		t.Errorf("%s", lines.String())
	}
	if !strings.Contains(human.String(), at+": imported") {
		t.Errorf("%s", human.String())
	}
	human.Reset()
	p.Mode = "refresh-only"
	v.Plan(p)
	if got := human.String(); strings.Contains(got, "left in place") || !strings.Contains(got, "Forgotten, for nothing is in its place:") {
		t.Errorf("%s", got)
	}
}

// Outputs in the lines of a plan say what becomes of them; no outputs are an
// empty object, for who reads the key.
func TestJSONOutputs(t *testing.T) {
	value := json.RawMessage(`{"value":"a","type":"string"}`)
	for _, c := range []struct {
		out  plan.Output
		want string
	}{
		{plan.Output{Before: value, After: value}, "noop"},
		{plan.Output{After: value, Changed: true, New: true}, "create"},
		{plan.Output{Before: value, Changed: true, Gone: true}, "delete"},
		{plan.Output{Before: value, Changed: true, Unknown: true}, "update"},
		{plan.Output{Sensitive: true, Changed: true, New: true}, "create"},
		{plan.Output{Sensitive: true, Changed: true, Gone: true}, "delete"},
		{plan.Output{Sensitive: true, Changed: true}, "update"},
	} {
		var out bytes.Buffer
		v := NewJSON(Terminal{Out: &out}, options())
		v.Plan(&plan.Plan{Outputs: map[string]plan.Output{"x": c.out}})
		if want := `"action":"` + c.want + `"`; !strings.Contains(out.String(), want) {
			t.Errorf("no %s in %s", want, out.String())
		}
	}
	var out bytes.Buffer
	NewJSON(Terminal{Out: &out}, options()).Outputs(map[string]state.Output{})
	if !strings.Contains(out.String(), `"outputs":{}`) {
		t.Errorf("%s", out.String())
	}
}

// A large apply tells how far it is, not every step; verbose tells all.
func TestManyStepsAreCounted(t *testing.T) {
	const n = 15000
	run := func(term Terminal, verbose bool) string {
		var out bytes.Buffer
		term.Out, term.Err = &out, &out
		h := &hand{now: clock()}
		v := NewHuman(term, Options{Now: h.read, Verbose: verbose})
		p := steps(n)
		v.Begin(p)
		for i := range p.Steps {
			s := &p.Steps[i]
			v.Event(plan.Event{Kind: plan.Started, Step: s})
			h.add(time.Millisecond)
			kind := plan.Completed
			if i == 77 {
				kind = plan.Failed
			}
			v.Event(plan.Event{Kind: kind, Step: s, Elapsed: time.Millisecond})
		}
		v.Summary(Ending{})
		return out.String()
	}
	plain := run(Terminal{}, false)
	if want := `queue.q[77]: creating failed (0.0s)
5 000 of 15 000 steps, 1 failed (5.0s)
10 000 of 15 000 steps, 1 failed (10.0s)
15 000 of 15 000 steps, 1 failed (15.0s)

Apply incomplete: 14 999 added, 0 changed, 0 destroyed, 1 failed. What was done is recorded; run the same command again to go on.
`; plain != want {
		t.Errorf("got:\n%s", plain)
	}
	tty := run(Terminal{Rewrite: true}, false)
	if lines := strings.Count(tty, "\n"); lines != 3 {
		t.Errorf("%d lines on a terminal", lines)
	}
	if writes := strings.Count(tty, "\r"); writes < 100 || writes > 200 {
		t.Errorf("the counter was written %d times in 15 seconds", writes)
	}
	if lines := strings.Count(run(Terminal{}, true), "\n"); lines < 2*n {
		t.Errorf("verbose wrote %d lines", lines)
	}
}

// The machine's lines of a whole run, each parsed as a log message of Terraform.
func TestJSONLines(t *testing.T) {
	var out bytes.Buffer
	h := &hand{now: clock()}
	v := NewJSON(Terminal{Out: &out}, Options{Now: h.read, Schemas: uitest.Schemas})
	p := uitest.Plans()["create"]
	v.Version("0.1.0")
	v.Plan(p)
	v.Begin(p)
	v.Event(plan.Event{Kind: plan.Started, Step: &p.Steps[0]})
	v.Tick(h.add(11 * time.Second))
	v.Event(plan.Event{Kind: plan.Completed, Step: &p.Steps[0], Elapsed: 11 * time.Second})
	v.Event(plan.Event{Kind: plan.Failed, Step: &p.Steps[1], Elapsed: time.Second})
	v.Event(plan.Event{Kind: plan.Skipped, Step: &p.Steps[2]})
	v.Diagnostics(hcl.Diagnostics{diag.Error(hcl.Range{}, "Broken", "It is."), diag.Warning(hcl.Range{}, "Odd", "")}, nil)
	v.Summary(Ending{})
	v.Outputs(map[string]state.Output{"x": {Value: json.RawMessage(`1`), Type: json.RawMessage(`"number"`)}})
	var types []string
	for line := range strings.SplitSeq(strings.TrimSpace(out.String()), "\n") {
		msg, err := terraform.UnmarshalLogMessage([]byte(line))
		if err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if msg.Message() == "" || msg.Timestamp().IsZero() || msg.Level() == "" {
			t.Errorf("incomplete: %s", line)
		}
		var m struct {
			Type   string `json:"type"`
			Module string `json:"@module"`
		}
		if err := json.Unmarshal([]byte(line), &m); err != nil || m.Module != "msgflo.ui" {
			t.Errorf("%v: %s", err, line)
		}
		types = append(types, m.Type)
	}
	want := "version " + strings.Repeat("planned_change ", 6) + "change_summary apply_start apply_progress apply_complete apply_errored log " + strings.Repeat("diagnostic ", 2) + "change_summary outputs"
	if got := strings.Join(types, " "); got != want {
		t.Errorf("got %s", got)
	}
	if !strings.Contains(out.String(), `"hook":{"resource":{"addr":"binding.billing","module":"","resource":"binding.billing","implied_provider":"msgflo","resource_type":"binding","resource_name":"billing","resource_key":null},"action":"create","elapsed_seconds":11}`) {
		t.Errorf("no hook as Terraform writes it:\n%s", out.String())
	}
}

// painted are the only escape sequences that a view itself may write.
var painted = regexp.MustCompile("\x1b\\[[0-9;]*m")

func harmless(s string) bool {
	s = painted.ReplaceAllString(s, "")
	return diag.EscapeText(s) == s
}

// Names that hold escape sequences, bidirectional overrides and line breaks
// reach no terminal as such, in no form, with and without colour.
func TestNothingATerminalObeys(t *testing.T) {
	p := uitest.Plans()["hostile"]
	for _, f := range views(t, p) {
		if diag.EscapeText(string(f.Data)) != string(f.Data) {
			t.Errorf("%s writes control characters: %q", f.Name, f.Data)
		}
	}
	var out bytes.Buffer
	v := NewHuman(Terminal{Out: &out, Err: &out, Color: true}, options())
	v.Plan(p)
	v.Begin(p)
	for i := range p.Steps {
		v.Event(plan.Event{Kind: plan.Failed, Step: &p.Steps[i]})
	}
	v.Diagnostics(hostileDiagnostics())
	s := out.String()
	if !painted.MatchString(s) {
		t.Error("no colour at all")
	}
	if strings.Contains(s, "\x1b[31mred") || !harmless(s) {
		t.Errorf("control characters are written:\n%q", s)
	}
	if n := strings.Count(s, "\nPlan: "); n > 1 {
		t.Errorf("a name made a last line of its own")
	}
}

func hostileDiagnostics() (hcl.Diagnostics, map[string]*hcl.File) {
	src := []byte("queue \"\u202egnp\" {\n  type = \"\x1b[2Jx\u009b\" # é \xff\n}\n")
	f, _ := hclsyntax.ParseConfig(src, "\x1b[1m.flo.hcl", hcl.InitialPos)
	rng := hcl.Range{Filename: "\x1b[1m.flo.hcl", Start: hcl.Pos{Line: 2, Column: 10, Byte: bytes.Index(src, []byte("\"\x1b"))}}
	rng.End = hcl.Pos{Line: 2, Column: 15, Byte: rng.Start.Byte + 6}
	return hcl.Diagnostics{diag.Error(rng, "Bad \x1b[31m", "It says \x07 and\n\u202e more.")}, map[string]*hcl.File{rng.Filename: f}
}

func TestSnippetKeepsItsColumns(t *testing.T) {
	var out bytes.Buffer
	ds, files := hostileDiagnostics()
	if err := writeDiagnostics(&out, ds, files, 0, false, false); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`   2:   type = ".[2Jx.." # é .`, `on \x1b[1m.flo.hcl line 2`, `Error: Bad \x1b[31m`, `It says \a and` + "\n" + `\u202e more.`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in:\n%s", want, out.String())
		}
	}
	if !harmless(out.String()) {
		t.Errorf("%q", out.String())
	}
}

func TestCompactWarnings(t *testing.T) {
	var out bytes.Buffer
	rng := hcl.Range{Filename: "a.flo.hcl", Start: hcl.Pos{Line: 3}, End: hcl.Pos{Line: 3}}
	v := NewHuman(Terminal{Out: &out, Err: &out}, Options{CompactWarnings: true})
	v.Diagnostics(hcl.Diagnostics{diag.Warning(rng, "Insecure", "long"), diag.Error(hcl.Range{}, "Broken", "why"), diag.Warning(hcl.Range{}, "Old", "long")}, nil)
	if want := "Warnings:\n\n- Insecure (a.flo.hcl line 3)\n- Old\n\nError: Broken\n\nwhy\n\n"; out.String() != want {
		t.Errorf("got %q", out.String())
	}
}

func TestColour(t *testing.T) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	if term := Open(null, null, false, func(string) string { return "" }); term.Color || term.Rewrite {
		t.Error("a file is painted")
	}
	var plain, painted bytes.Buffer
	NewHuman(Terminal{Out: &painted, Err: &painted, Color: true}, options()).Plan(uitest.Plans()["replace"])
	NewHuman(Terminal{Out: &plain, Err: &plain}, options()).Plan(uitest.Plans()["replace"])
	if strings.Contains(plain.String(), "\x1b") || !strings.Contains(painted.String(), "\x1b[31m") {
		t.Error("colour is not as asked")
	}
}

func TestOutputs(t *testing.T) {
	outs := map[string]state.Output{
		"text": {Value: json.RawMessage(`"a\nb\n"`)}, "n": {Value: json.RawMessage(`3`)}, "s": {Value: json.RawMessage(`"x${y}\u001b"`)},
		"secret": {Sensitive: true, Value: json.RawMessage(`"leak"`)}, "l": {Value: json.RawMessage(`[1]`)},
	}
	if got, want := OutputsText(outs), "l      = [1]\nn      = 3\ns      = \"x$${y}\\u001b\"\nsecret = (sensitive value)\ntext   = <<-EOT\n  a\n  b\nEOT\n"; got != want {
		t.Errorf("got:\n%s", got)
	}
	for name, want := range map[string]string{"n": "3", "s": "x${y}\x1b", "text": "a\nb\n"} {
		if got, err := OutputRaw(name, outs[name]); err != nil || got != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for _, name := range []string{"l", "secret"} {
		if got, err := OutputRaw(name, outs[name]); err == nil || strings.Contains(err.Error()+got, "leak") {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("no space") }

func TestAnErrorOfWritingIsKept(t *testing.T) {
	for _, v := range []View{NewHuman(Terminal{Out: broken{}, Err: broken{}}, options()), NewJSON(Terminal{Out: broken{}}, options())} {
		v.Plan(uitest.Plans()["create"])
		if v.Err() == nil {
			t.Errorf("%T keeps no error", v)
		}
	}
}

func TestTicking(t *testing.T) {
	var out bytes.Buffer
	v := NewHuman(Terminal{Out: &out, Err: &out}, Options{})
	Ticking(v)() // goleak sees whether it ends
}

func BenchmarkPlan(b *testing.B) {
	p := &plan.Plan{}
	for i := range 5000 {
		k := fmt.Sprintf(`["r%d"]`, i)
		p.Steps = append(p.Steps,
			uitest.Step(plan.Create, "queue.q"+k, "", fmt.Sprintf(`{"name":"q%d","vhost":"/","type":"classic","durable":true,"dead_letter":{"exchange":"x","routing_key":"k"},"arguments":{"value":{"x-max-length":10},"type":["object",{"x-max-length":"number"}]}}`, i)),
			uitest.Step(plan.Create, "exchange.x"+k, "", fmt.Sprintf(`{"name":"x%d","vhost":"/","type":"fanout","durable":true}`, i)),
			uitest.Step(plan.Create, "binding.b"+k, "", fmt.Sprintf(`{"vhost":"/","source":"x%d","destination":"q%d","destination_type":"queue","routing_key":""}`, i, i)))
	}
	t := uitest.Type()
	o := options()
	o.Schemas = func(_ addr.Provider, typ string) *providers.Schema { return t.Resources[typ] }
	for _, concise := range []bool{false, true} {
		b.Run(fmt.Sprintf("concise=%v", concise), func(b *testing.B) {
			for b.Loop() {
				o.Concise = concise
				NewHuman(Terminal{Out: &bytes.Buffer{}}, o).Plan(p)
			}
		})
	}
}
